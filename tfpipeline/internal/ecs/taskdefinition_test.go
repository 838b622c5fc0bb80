package ecs_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/ecs"
	model "github.com/specboard/platform/tfpipeline/internal/localaws/ecs"
	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs/ecstest"
)

func (w *world) definition(arn string) *sdk.DescribeTaskDefinitionOutput {
	w.t.Helper()
	return ok(w.raw.DescribeTaskDefinition(w.ctx, &sdk.DescribeTaskDefinitionInput{
		TaskDefinition: &arn, Include: []types.TaskDefinitionField{types.TaskDefinitionFieldTags},
	}))(w.t)
}

// A revision is its template but for the image of the one container, and tags.
func TestRevisionIsItsTemplateWithAnImage(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		w.template("api", func(in *sdk.RegisterTaskDefinitionInput) {
			in.Cpu, in.Memory = new("512"), new("1024")
			in.RuntimePlatform = &types.RuntimePlatform{CpuArchitecture: types.CPUArchitectureX8664, OperatingSystemFamily: types.OSFamilyLinux}
			in.EphemeralStorage = &types.EphemeralStorage{SizeInGiB: 30}
			in.Volumes = []types.Volume{{Name: new("scratch")}}
			in.TaskRoleArn = new("arn:aws:iam::123456789012:role/task")
			c := &in.ContainerDefinitions[0]
			c.StopTimeout = new(int32(30))
			c.Secrets = []types.Secret{{Name: new("DB_PASSWORD"), ValueFrom: new("arn:aws:secretsmanager:us-west-2:123456789012:secret:x:password::")}}
			c.LogConfiguration = &types.LogConfiguration{LogDriver: types.LogDriverAwslogs, Options: map[string]string{
				"awslogs-group": "/doc-platform/staging/api", "awslogs-region": "us-west-2", "awslogs-stream-prefix": "api",
			}}
			in.ContainerDefinitions = append(in.ContainerDefinitions, types.ContainerDefinition{Name: new("sidecar"), Image: new("sidecar:1"), Essential: new(false)})
		})
		template := w.definition(w.templates["api"])
		arn := ok(w.env.Register(w.ctx, deploy.Revision{
			Name: "api", Template: w.templates["api"], Image: w.image("api", "two"),
			Tags: map[string]string{"release": "two", "commit": "abc", "template": "4"},
		}))(t)
		got := w.definition(arn)
		want := *template.TaskDefinition
		want.ContainerDefinitions[0].Image = new(w.image("api", "two"))
		ignore := cmp.Options{
			cmpopts.IgnoreFields(types.TaskDefinition{}, "TaskDefinitionArn", "Revision", "RegisteredAt"), cmpopts.IgnoreUnexported(types.TaskDefinition{}),
			cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".noSmithyDocumentSerde" }, cmp.Ignore()),
		}
		if diff := cmp.Diff(&want, got.TaskDefinition, ignore); diff != "" {
			t.Errorf("revision (- template with image, + got):\n%s", diff)
		}
		tags := map[string]string{}
		for _, tag := range got.Tags {
			tags[*tag.Key] = *tag.Value
		}
		if diff := cmp.Diff(map[string]string{"Environment": "staging", "release": "two", "commit": "abc", "template": "4"}, tags); diff != "" {
			t.Errorf("tags (- want, + got):\n%s", diff)
		}

		described := ok(w.env.DescribeTaskDefinitions(w.ctx, []string{arn, w.templates["mcp"], arn + "00"}))(t)
		wantDescribed := map[string]deploy.TaskDefinition{
			arn:                {ARN: arn, Active: true, Image: w.image("api", "two")},
			w.templates["mcp"]: {ARN: w.templates["mcp"], Active: true, Image: w.platform.RepositoryURL("mcp") + ":template"},
		}
		if diff := cmp.Diff(wantDescribed, described); diff != "" {
			t.Errorf("described (- want, + got):\n%s", diff)
		}
	})
}

// A copy loses no field that the SDK knows of a container, on the wire either: users,
// mounts, capabilities, and what comes after them.
func TestRevisionKeepsEveryFieldOfAContainer(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		var full types.ContainerDefinition
		ecs.Fill(t, reflect.ValueOf(&full).Elem(), 0)
		full.Name, full.DependsOn, full.Image = new("api"), nil, new(w.image("api", "one"))
		full.LogConfiguration.LogDriver = types.LogDriverSyslog
		full.Secrets[0].Name = new("SECRET")
		w.template("api", func(in *sdk.RegisterTaskDefinitionInput) {
			in.RequiresCompatibilities, in.ExecutionRoleArn = nil, new("arn:aws:iam::123456789012:role/execution") // Fargate lacks some of them
			in.Volumes = []types.Volume{{Name: full.MountPoints[0].SourceVolume}}
			in.ContainerDefinitions = []types.ContainerDefinition{full}
		})
		arn := ok(w.env.Register(w.ctx, deploy.Revision{Name: "api", Template: w.templates["api"], Image: w.image("api", "two")}))(t)
		full.Image = new(w.image("api", "two"))
		ignore := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".noSmithyDocumentSerde" }, cmp.Ignore())
		if diff := cmp.Diff([]types.ContainerDefinition{full}, w.definition(arn).TaskDefinition.ContainerDefinitions, ignore); diff != "" {
			t.Errorf("container of the revision (- template's, + got):\n%s", diff)
		}
	})
}

func TestRegisterFailures(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		if _, err := w.env.Register(w.ctx, deploy.Revision{Name: "api", Template: w.templates["mcp"], Image: "x"}); err == nil ||
			!strings.Contains(err.Error(), "template doc-platform-staging-mcp:1 has no container of that name") {
			t.Errorf("another's template: %v", err)
		}
		if _, err := w.env.Register(w.ctx, deploy.Revision{Name: "api", Template: w.templates["api"] + "0", Image: "x"}); err == nil ||
			!strings.Contains(err.Error(), "read template doc-platform-staging-api:10: ECS DescribeTaskDefinition: ClientException: Unable to describe task definition.") {
			t.Errorf("no template: %v", err)
		}
		// Registering is slow work for AWS: it allows about one a second, and
		// none at the same time as another of the family.
		w.runtime.Inject(
			ecstest.Throttle(4, "RegisterTaskDefinition"),
			model.Fault{Operations: []string{"RegisterTaskDefinition"}, Skip: 1, Count: 3, Code: "ClientException",
				Message: "Too many concurrent attempts to create a new revision of the specified family."},
		)
		begin := time.Now()
		for range 2 {
			ok(w.env.Register(w.ctx, deploy.Revision{Name: "api", Template: w.templates["api"], Image: w.image("api", "two")}))(t)
		}
		if n := len(w.calls("RegisterTaskDefinition")); n != 9 {
			t.Errorf("%d calls in %s: %v", n, time.Since(begin), w.calls("RegisterTaskDefinition"))
		}
	})
}
