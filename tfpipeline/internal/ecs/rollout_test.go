package ecs_test

import (
	"testing"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

func TestDeploymentIsFollowedToItsEnd(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		for _, d := range w.watch(w.promote("two")) {
			if d.State != deploy.DeploymentSuccessful || d.Running != 2 || d.Finished.IsZero() {
				t.Errorf("%s: %+v", d.Service, d)
			}
		}
	})
}
