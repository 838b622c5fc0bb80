package ecs_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs/ecstest"
)

// A task that Fargate Spot takes away is no crash of its release, whenever that
// happens: the release is deployed, goes on once another task runs, and is proven.
func TestSpotInterruption(t *testing.T) {
	for name, after := range map[string]time.Duration{
		"before it is healthy":                         5 * time.Second,
		"once it is healthy":                           40 * time.Second,
		"while it is verified":                         100 * time.Second,
		"once it is deployed":                          4 * time.Minute,
		"late in the time that it has to stay healthy": 18 * time.Minute,
	} {
		if testing.Short() && name != "while it is verified" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			underLateReads(t, options{}, func(w *world) {
				p, images := w.pipeline(nil)
				if after > 10*time.Minute {
					p.Platform.Environments = slices.Clone(p.Platform.Environments)
					p.Platform.Environments[0].HealthWindow = 20 * time.Minute
				}
				ok(p.Promote(w.ctx, w.release(p, images, "v1")))(w.t)
				request := w.release(p, images, "v2")
				w.script.On(images.tags["doc-platform/mcp:"+request.Commit], ecstest.Behaviour{Interrupted: after}, ecstest.Behaviour{})
				r, err := p.Promote(w.ctx, request)
				if err != nil {
					w.t.Fatalf("%s: %v", r.Outcome, err)
				}
				if after < 10*time.Minute {
					pause(w.ctx, 5*time.Minute)
				}
				stopped := ok(w.env.StoppedTasks(w.ctx, []string{"mcp"}, time.Time{}))(w.t)
				interrupted := 0
				for _, s := range stopped {
					if s.StopCode == "SpotInterruption" {
						interrupted++
						if s.Crashed() || !strings.Contains(s.Reason, "Spot") {
							w.t.Errorf("the interrupted task: %+v", s)
						}
					}
				}
				if interrupted != 1 {
					w.t.Errorf("%d tasks were interrupted", interrupted)
				}
				w.settled()
				w.runs(r.Release.Digests, 1)
				former := ok(w.env.FormerDeployments(w.ctx, w.services))(w.t)
				if proof, err := deploy.Prove("staging", r.Release.Digests, former, 10*time.Minute, time.Now()); err != nil {
					w.t.Errorf("not proven: %v, %+v", err, proof)
				}
			})
		})
	}
}
