package ecs_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs/ecstest"
)

// A release keeps the sidecars of its template. One that is essential and ends
// fails the release as its service would, and is named with the last that it wrote
// itself; one that is optional may end.
func TestSidecarsOfARelease(t *testing.T) {
	for name, essential := range map[string]bool{"essential": true, "optional": false} {
		t.Run(name, func(t *testing.T) {
			underLateReads(t, options{}, func(w *world) {
				p, images := w.pipeline(nil)
				good := ok(p.Promote(w.ctx, w.release(p, images, "v1")))(w.t)
				w.template("mcp", func(in *sdk.RegisterTaskDefinitionInput) {
					in.ContainerDefinitions = append(in.ContainerDefinitions, types.ContainerDefinition{
						Name: new("otel"), Image: new("public.ecr.aws/otel/collector:1"), Essential: &essential,
					})
				})
				var streams []string
				w.wire.on("GetLogEvents", func(in members) (int, any) {
					streams = append(streams, in["logStreamName"].(string))
					return http.StatusOK, members{"events": []any{members{"timestamp": 1000, "message": "no such pipeline"}}}
				})
				request := w.release(p, images, "v2")
				w.script.On(images.tags["doc-platform/mcp:"+request.Commit], ecstest.Behaviour{Exit: &ecstest.Exit{Container: "otel", After: 20 * time.Second, Code: 1}})
				r, err := p.Promote(w.ctx, request)
				if !essential {
					if err != nil {
						w.t.Fatal(err)
					}
					w.settled()
					w.runs(r.Release.Digests, 1)
					d := w.definition(r.Services["mcp"].After).TaskDefinition.ContainerDefinitions
					if len(d) != 2 || *d[1].Image != "public.ecr.aws/otel/collector:1" || !strings.Contains(*d[0].Image, r.Release.Digests["mcp"]) {
						w.t.Errorf("containers of the release: %+v", d)
					}
					return
				}
				if e, _ := errors.AsType[*deploy.Error](err); e == nil || e.ExitCode() != 3 {
					w.t.Fatalf("%s: %v", r.Outcome, err)
				}
				if want := "Essential container in task exited: sidecar otel (container otel, exit code 1)"; !strings.Contains(err.Error(), want) {
					w.t.Errorf("the error does not say %q:\n%v", want, err)
				}
				if len(streams) == 0 || !strings.HasPrefix(streams[len(streams)-1], "mcp/otel/") {
					w.t.Errorf("streams that were read: %q", streams)
				}
				w.settled()
				w.runs(good.Release.Digests, 1)
			})
		})
	}
}
