package ecs

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/specboard/platform/gen/config"
)

// An optional sidecar that failed early is not what ended its task.
func TestAnOptionalSidecarEndsNoTask(t *testing.T) {
	p := config.Platform{Name: "shop", Services: []config.Service{{Name: "api", Sidecars: []config.Sidecar{{Name: "warmup", Optional: true}, {Name: "otel"}}}}}
	e := &Environment{platform: p, name: "staging"}
	container := func(name string, code int32) types.Container {
		return types.Container{Name: &name, ExitCode: &code}
	}
	s := e.stoppedOf(types.Task{
		TaskArn: new("arn:task/a"), TaskDefinitionArn: new("arn:task-definition/" + p.Family("staging", "api") + ":3"),
		StopCode: types.TaskStopCodeEssentialContainerExited, Containers: []types.Container{container("warmup", 1), container("api", 143), container("otel", 2)},
	})
	var optional []string
	for _, c := range s.Containers {
		if c.Optional {
			optional = append(optional, c.Name)
		}
	}
	if len(optional) != 1 || optional[0] != "warmup" || s.Ended() != "otel" {
		t.Errorf("optional %q, ended by %q: %+v", optional, s.Ended(), s)
	}
}
