package ecs_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
	model "github.com/specboard/platform/tfpipeline/internal/localaws/ecs"
	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs/ecstest"
)

var (
	firstSeed = flag.Uint64("seed", 1, "first seed of the late reads")
	seeds     = flag.Uint64("seeds", 1, "how many seeds of the late reads to try")
)

// underLateReads runs a test with late reads: under one seed, or with -seeds
// under many. To run one again: -seed N -run NAME. With -seed 0 every read is up
// to date.
func underLateReads(t *testing.T, o options, test func(w *world)) {
	t.Helper()
	for seed := *firstSeed; seed < *firstSeed+*seeds; seed++ {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			if seed > 0 {
				o.model = late(seed)
			}
			inWorld(t, o, test)
		})
	}
}

func late(seed uint64) model.Options {
	return model.Options{Consistency: model.Consistency{Lag: 15 * time.Second, Seed: seed}}
}

// A release whose tasks do not stay up is no release, however soon or late they
// stop: every service goes back, the reason is said, and nothing is proven.
func TestCrashLoops(t *testing.T) {
	dies := func(after time.Duration) ecstest.Behaviour {
		return ecstest.Behaviour{Exit: &ecstest.Exit{After: after, Code: 2}}
	}
	const exits = "exit code 2"
	for name, c := range map[string]struct {
		tasks []ecstest.Behaviour
		says  string
	}{
		"after a second":            {[]ecstest.Behaviour{dies(time.Second)}, exits},
		"after three seconds":       {[]ecstest.Behaviour{dies(3 * time.Second)}, exits},
		"after twenty seconds":      {[]ecstest.Behaviour{dies(20 * time.Second)}, exits},
		"once it is healthy":        {[]ecstest.Behaviour{dies(40 * time.Second)}, exits},
		"once it is deployed":       {[]ecstest.Behaviour{dies(80 * time.Second)}, exits},
		"one of two, at once":       {[]ecstest.Behaviour{dies(time.Second), {}}, exits},
		"one of two, once deployed": {[]ecstest.Behaviour{dies(80 * time.Second), {}}, exits},
		"out of memory":             {[]ecstest.Behaviour{{Exit: ecstest.OutOfMemory(50 * time.Second)}}, "exit code 137"},
		"its health check fails":    {[]ecstest.Behaviour{{Sick: 20 * time.Second}}, "health checks"},
	} {
		if testing.Short() && name != "one of two, at once" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			underLateReads(t, options{}, func(w *world) {
				p, images := w.pipeline(nil)
				good := ok(p.Promote(w.ctx, w.release(p, images, "v1")))(w.t)
				request := w.release(p, images, "v2")
				w.script.On(images.tags["doc-platform/mcp:"+request.Commit], c.tasks...)
				r, err := p.Promote(w.ctx, request)
				e, _ := errors.AsType[*deploy.Error](err)
				if e == nil || e.ExitCode() != 3 {
					w.t.Fatalf("%s: %v", r.Outcome, err)
				}
				for _, part := range []string{"service mcp stopped by itself", c.says, "applied 1 migration"} {
					if !strings.Contains(err.Error(), part) {
						w.t.Errorf("the error does not say %q:\n%v", part, err)
					}
				}
				w.settled()
				w.runs(good.Release.Digests, 1)
				past := ok(w.env.FormerDeployments(w.ctx, w.services))(w.t)
				if proof, err := deploy.Prove("staging", r.Release.Digests, past, 10*time.Minute, time.Now()); err == nil {
					w.t.Errorf("proven: %+v", proof)
				}
			})
		})
	}
}

// A crash counts against an image, whichever task definition its tasks came from: the
// same image was deployed again, with another secret or size say.
func TestCrashLoopUnderALaterDefinition(t *testing.T) {
	inWorld(t, options{services: 2}, func(w *world) {
		w.watch(w.promote("two"))
		pause(w.ctx, time.Hour)
		w.script.On(digest("s01", "two"), ecstest.Behaviour{Exit: &ecstest.Exit{After: 5 * time.Minute, Code: 2}})
		before := w.current()
		again := w.watch(w.promote("two"))
		if d := again["s01"]; d.State != deploy.DeploymentSuccessful || d.ARN == before["s01"] {
			t.Fatalf("deployed again: %+v", d)
		}
		digests := map[string]string{"s01": digest("s01", "two"), "s02": digest("s02", "two")}
		prove := func() error {
			_, err := deploy.Prove("staging", digests, ok(w.env.FormerDeployments(w.ctx, w.services))(t), 10*time.Minute, time.Now())
			return err
		}
		if err := prove(); err != nil {
			t.Error(err)
		}
		pause(w.ctx, 8*time.Minute)
		if err := prove(); err == nil || !strings.Contains(err.Error(), "a task of s01 stopped by itself") {
			t.Errorf("while tasks crash: %v", err)
		}
		// The image that ran before has nothing to do with it.
		for _, d := range ok(w.env.FormerDeployments(w.ctx, w.services))(t)["s01"] {
			if crashed := d.Digest == digest("s01", "two"); crashed == d.Crashed.IsZero() {
				t.Errorf("%s crashed at %v", d.Digest, d.Crashed)
			}
		}
	})
}

// settled waits until every read is up to date and nothing moves any more.
func (w *world) settled() { pause(w.ctx, 10*time.Minute) }

// runs wants every service to run these digests, on at least as many tasks.
func (w *world) runs(digests map[string]string, tasks int) {
	w.t.Helper()
	for _, s := range w.services {
		got := w.digests()[s]
		if len(got) < tasks || slices.ContainsFunc(got, func(d string) bool { return d != digests[s] }) {
			w.t.Errorf("%s runs %v, want %s", s, got, digests[s])
		}
	}
}

// Whatever a person does to a service by hand while a release is on its way, the
// outcome is what the services show once all has settled.
func TestChangesByHand(t *testing.T) {
	cluster := aws.String("doc-platform-staging")
	byHand := map[string]func(w *world, service string) error{
		"deleted": func(w *world, service string) error {
			_, err := w.raw.DeleteService(w.ctx, &sdk.DeleteServiceInput{Cluster: cluster, Service: &service, Force: aws.Bool(true)})
			return err
		},
		"scaled to none": func(w *world, service string) error {
			_, err := w.raw.UpdateService(w.ctx, &sdk.UpdateServiceInput{Cluster: cluster, Service: &service, DesiredCount: aws.Int32(0)})
			return err
		},
		"set to another revision": func(w *world, service string) error {
			_, err := w.raw.UpdateService(w.ctx, &sdk.UpdateServiceInput{Cluster: cluster, Service: &service, TaskDefinition: aws.String(w.templates[service])})
			return err
		},
	}
	steps := []deploy.StepName{deploy.StepPreflight, deploy.StepMigrate, deploy.StepRegister, deploy.StepUpdate, deploy.StepWatch, deploy.StepVerify, deploy.StepRollBack}
	for what, do := range byHand {
		for i, step := range steps {
			if testing.Short() && (step != deploy.StepWatch || what != "deleted") {
				continue
			}
			// A soak tries every delay in every step.
			delays := []time.Duration{0, 5 * time.Second, 35 * time.Second}
			if os.Getenv("SOAK") == "" {
				delays = delays[i%3:][:1]
			}
			for _, after := range delays {
				t.Run(fmt.Sprintf("%s/%s+%s", what, step, after), func(t *testing.T) {
					underLateReads(t, options{services: 2, tasks: 1}, func(w *world) {
						var done time.Time
						act := func() {
							if err := do(w, "s02"); err != nil {
								w.t.Errorf("%s: %v", what, err)
							}
							done = time.Now()
						}
						begun := false
						p, images := w.pipeline(nil)
						good := ok(p.Promote(w.ctx, w.release(p, images, "v1")))(w.t)
						p.Observe = func(e deploy.Event) {
							if e.Kind != deploy.EventStep || e.Step != step || begun {
								return
							}
							begun = true
							if after == 0 {
								act()
							} else {
								time.AfterFunc(after, act)
							}
						}
						request := w.release(p, images, "v2")
						if step == deploy.StepRollBack {
							w.script.On(images.tags["doc-platform/s01:"+request.Commit], ecstest.Behaviour{Exit: &ecstest.Exit{After: time.Second, Code: 1}})
						}
						r, err := p.Promote(w.ctx, request)
						if done.IsZero() {
							pause(w.ctx, after) // it came after the end
							return
						}
						told := time.Since(done) > 20*time.Second
						w.settled()
						w.wantTruth(r, err, good, told)
					})
				})
			}
		}
	}
}

// wantTruth holds an outcome against what the services show. told: what was done
// by hand could be seen before the end.
func (w *world) wantTruth(r deploy.Record, err error, good deploy.Record, told bool) {
	w.t.Helper()
	e, _ := errors.AsType[*deploy.Error](err)
	if err != nil && e == nil {
		w.t.Fatalf("error %v is no *Error", err)
	}
	now := ok(w.env.DescribeServices(w.ctx, w.services))(w.t)
	var off []string
	for _, s := range w.services {
		want := good.Services[s].After
		if r.Outcome == deploy.Deployed {
			want = r.Services[s].After
		}
		if shown := now[s]; shown.Gone || shown.TaskDefinition != want || shown.Running < 1 {
			off = append(off, fmt.Sprintf("%s: %s, %d of %d tasks, gone %v", s, shown.TaskDefinition, shown.Running, shown.Desired, shown.Gone))
		}
	}
	switch r.Outcome {
	case deploy.Deployed, deploy.RolledBack:
		if told && len(off) > 0 {
			w.t.Errorf("%s (%v), and %q", r.Outcome, err, off)
		}
	case deploy.Untouched: // what a person did before the first update is theirs
		for _, s := range r.Services {
			if s.Updated && told && len(off) > 0 {
				w.t.Errorf("untouched (%v), and %q", err, off)
			}
		}
	case deploy.Broken:
		if e.ExitCode() != 4 || !strings.Contains(err.Error(), "s02") {
			w.t.Errorf("broken, and s02 is not named: %v", err)
		}
	case deploy.Superseded:
		if now["s02"].TaskDefinition == good.Services["s02"].After || len(off) == 0 {
			w.t.Errorf("superseded (%v), and %q", err, off)
		}
	default:
		w.t.Errorf("%s: %v", r.Outcome, err)
	}
}
