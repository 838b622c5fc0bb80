package ecs_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs/ecstest"
)

func TestFormerDeployments(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		w.script.On(digest("mcp", "three"), ecstest.Behaviour{Unhealthy: true})
		w.watch(w.promote("two"))
		ends := w.watch(w.promote("three"))
		past := ok(w.env.FormerDeployments(w.ctx, w.services))(t)
		for _, s := range w.services {
			var lines []string
			for i, d := range past[s] {
				release := "none"
				for _, r := range []string{"one", "two", "three"} {
					if d.Digest == digest(s, r) {
						release = r
					}
				}
				lines = append(lines, release+" "+string(d.State))
				if d.ARN == "" || d.Revision == "" || d.Created.IsZero() || i > 0 && d.Created.Before(past[s][i-1].Created) || d.Finished.Before(d.Created) {
					t.Errorf("%s: %+v", s, d)
				}
			}
			last := "three successful"
			if s == "mcp" {
				last = "three rolled back"
			}
			// The template at zero tasks never ran: it has no digest.
			if diff := cmp.Diff([]string{"none stopped", "one successful", "two successful", last}, lines); diff != "" {
				t.Errorf("%s (- want, + got):\n%s", s, diff)
			}
			if d := past[s][3]; d.ARN != ends[s].ARN || !d.Finished.Equal(ends[s].Finished) {
				t.Errorf("%s: last is %+v", s, d)
			}
		}
	})
}

// How long a release has run is the same on a machine whose clock is minutes wrong.
func TestProofGoesByOneClock(t *testing.T) {
	for _, ahead := range []time.Duration{-10 * time.Minute, 10 * time.Minute} {
		inWorld(t, options{}, func(w *world) {
			w.ahead = ahead
			w.watch(w.promote("two"))
			digests := map[string]string{}
			for _, s := range w.services {
				digests[s] = digest(s, "two")
			}
			prove := func() (deploy.Proof, error) {
				past := ok(w.env.FormerDeployments(w.ctx, w.services))(t)
				if last := past["mcp"][2]; last.Crashed != (time.Time{}) || past["mcp"][0].Created.IsZero() {
					t.Errorf("%+v", last)
				}
				return deploy.Prove("staging", digests, past, 5*time.Minute, time.Now().Add(ahead))
			}
			if p, err := prove(); err == nil || p.Baked > time.Minute {
				t.Errorf("%v ahead, at once: %v, %v", ahead, p.Baked, err)
			}
			pause(w.ctx, 5*time.Minute+2*time.Second)
			if p, err := prove(); err != nil || p.Baked > 6*time.Minute {
				t.Errorf("%v ahead, after five minutes: %v, %v", ahead, p.Baked, err)
			}
		})
	}
}

// AWS reports a digest only once it has resolved the tag. Until then, the digest in the
// image's reference counts.
func TestADeploymentThatHasJustBegun(t *testing.T) {
	inWorld(t, options{services: 1}, func(w *world) {
		arn := w.promote("two")["s01"]
		find := func() deploy.FormerDeployment {
			past := ok(w.env.FormerDeployments(w.ctx, w.services))(t)["s01"]
			return past[slices.IndexFunc(past, func(d deploy.FormerDeployment) bool { return d.ARN == arn })]
		}
		if d := find(); d.Digest != digest("s01", "two") || d.State != deploy.DeploymentPending {
			t.Errorf("at once: %+v", d)
		}
		pause(w.ctx, 30*time.Second)
		if d := find(); d.Digest != digest("s01", "two") || d.State != deploy.DeploymentInProgress {
			t.Errorf("later: %+v", d)
		}
	})
}

func TestFormerDeploymentsAreReadInPages(t *testing.T) {
	inWorld(t, options{services: 1, tasks: 1}, func(w *world) {
		definitions := []string{w.register("s01", "even"), w.register("s01", "odd")}
		for i := range 250 {
			ok(w.env.UpdateService(w.ctx, deploy.Update{Service: "s01", TaskDefinition: definitions[i%2]}))(t)
			pause(w.ctx, time.Minute)
		}
		w.called.Forget()
		past := ok(w.env.FormerDeployments(w.ctx, w.services))(t)["s01"]
		if len(past) != 252 || past[250].Digest != digest("s01", "even") || past[251].Digest != digest("s01", "odd") {
			t.Errorf("%d deployments, last %+v", len(past), past[len(past)-1])
		}
		if n := len(w.calls("ListServiceDeployments")); n != 3 {
			t.Errorf("%d lists", n)
		}
		first := len(w.calls("DescribeServiceRevisions"))
		ok(w.env.FormerDeployments(w.ctx, w.services))(t)
		if again := len(w.calls("DescribeServiceRevisions")) - first; first > 13 || again > 1 {
			t.Errorf("revisions in %d calls, and again in %d", first, again)
		}
	})
}
