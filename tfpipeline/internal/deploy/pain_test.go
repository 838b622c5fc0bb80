package deploy

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The tests here and in pain_task_test.go are named for what users of other
// tools for ECS have asked for the most.

// inWorld runs a test in a world where v1.0 and v1.1 were deployed and v1.2 is
// proven.
func inWorld(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := deployed(t, "v1.0", "v1.1")
		w.advanceProof("v1.2")
		f(t, w)
	})
}

// wantError is the *Error of an outcome, whose text holds every part.
func wantError(t *testing.T, err error, outcome Outcome, step StepName, parts ...string) *Error {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Outcome != outcome || e.Step != step {
		t.Fatalf("error %v, want outcome %s of step %s", err, outcome, step)
	}
	for _, p := range parts {
		if !strings.Contains(e.Error(), p) {
			t.Errorf("the error does not say %q:\n%v", p, e)
		}
	}
	return e
}

func wantRuns(t *testing.T, w *world, release string) {
	t.Helper()
	if got := w.releases(); !slices.Equal(got, []string{release}) {
		t.Errorf("services run %v, want %s", got, release)
	}
}

func TestNoFalseSuccessAfterACircuitBreakerRollback(t *testing.T) {
	for _, b := range []behaviour{{after: 30 * time.Second, fails: true}, {after: 30 * time.Second, fails: true, noRollback: true}} {
		inWorld(t, func(t *testing.T, w *world) {
			w.behave = func(service, digest string) behaviour {
				if service == "api" && digest == digestOf("api", commitOf("v1.2")) {
					return b
				}
				return behaviour{after: 20 * time.Second}
			}
			_, err := w.start().promote(t.Context(), Request{Tag: "v1.2"})
			wantError(t, err, RolledBack, StepWatch, "service api", "tasks failed to start", "3 of 3 failures")
			wantRuns(t, w, "v1.1")
		})
	}
}

func TestNoGreenDeployOfOldCode(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serves["frontend"] = digestOf("frontend", commitOf("v1.0"))
		_, err := w.start().promote(t.Context(), Request{Tag: "v1.2"})
		wantError(t, err, RolledBack, StepVerify, "2 of 2 tasks of service frontend run "+digestOf("frontend", commitOf("v1.0")))
		wantRuns(t, w, "v1.1")
	})
}

// ECS lets a task whose own health check fails run until another one has taken its
// place, and nobody's requests need to notice: a service without routes has no targets.
func TestNoGreenDeployOfASickTask(t *testing.T) {
	for _, service := range []string{"frontend", "mcp"} {
		inWorld(t, func(t *testing.T, w *world) {
			for i, s := range w.platform.Services {
				if s.Name == "mcp" {
					s.Routes, s.HealthPath, s.HealthCommand = nil, "", []string{"CMD", "/bin/check"}
					w.platform.Services[i] = s
				}
			}
			w.sick[service] = true
			_, err := w.start().promote(t.Context(), Request{Tag: "v1.2"})
			wantError(t, err, RolledBack, StepVerify, "1 of 2 tasks of service "+service+" fails its health check")
			wantRuns(t, w, "v1.1")
		})
	}
}

// A load balancer that answers only some addresses answers no runner of GitHub's.
func TestAnAddressListKeepsNoReleaseBack(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for i := range w.platform.Environments {
			w.platform.Environments[i].AllowedCIDRs = []string{"192.0.2.0/24"}
		}
		if _, err := w.start().promote(t.Context(), Request{Tag: "v1.2"}); err != nil {
			t.Fatal(err)
		}
		wantRuns(t, w, "v1.2")
	})
}

func TestTheTemplateIsWhatTerraformAppliedLast(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.planned = Plan{Fingerprint: "fp-7"}
		w.onApply = func() { w.templates["api"] = w.define("api", "placeholder") }
		p := w.start()
		if _, err := p.promote(t.Context(), Request{Tag: "v1.2", Reviewed: "fp-7"}); err != nil {
			t.Fatal(err)
		}
		if want := "register: Register api from " + short(w.templates["api"]); !slices.Contains(p.calls, want) {
			t.Errorf("no call %q in %q", want, p.calls)
		}
		_, err := w.start().promote(t.Context(), Request{Tag: "v1.2", Reviewed: "fp-7"})
		wantError(t, err, Untouched, StepPlan, "reviewed was fp-7, now it is fp-none")
	})
}

func TestRollbackTargetIsNeverGone(t *testing.T) {
	t.Run("deregistered", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			for _, arn := range []string{w.arn("api", 2), w.arn("mcp", 2)} {
				w.definitions[arn].inactive = true
			}
			r, err := w.start().rollback(t.Context(), Request{})
			if err != nil {
				t.Fatal(err)
			}
			wantRuns(t, w, "v1.0")
			if r.Services["api"].After == w.arn("api", 2) || r.Services["frontend"].After != w.arn("frontend", 2) {
				t.Errorf("task definitions %s and %s", r.Services["api"].After, r.Services["frontend"].After)
			}
		})
	})
	t.Run("deleted", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			delete(w.definitions, w.arn("api", 2))
			if _, err := w.start().rollback(t.Context(), Request{}); err != nil {
				t.Fatal(err)
			}
			wantRuns(t, w, "v1.0")
		})
	})
	t.Run("deregistered while it is put back", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.unhealthy["api"] = true
			w.definitions[w.arn("mcp", 3)].inactive = true
			_, err := w.start().promote(t.Context(), Request{Tag: "v1.2"})
			wantError(t, err, RolledBack, StepVerify, "targets of service api are not healthy", "Target.ResponseCodeMismatch")
			wantRuns(t, w, "v1.1")
		})
	})
	t.Run("given up by ECS", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.behave = func(service, digest string) behaviour {
				return behaviour{after: 20 * time.Second, fails: service == "api" && digest == digestOf("api", commitOf("v1.2")), rollbackFails: true}
			}
			_, err := w.start().promote(t.Context(), Request{Tag: "v1.2"})
			e := wantError(t, err, Broken, StepWatch, "1 of 3 services could not be rolled back")
			if !strings.Contains(advised(e.Next), "rollback v1.1") {
				t.Errorf("next %v", e.Next)
			}
			if _, err := w.start().rollback(t.Context(), Request{Tag: "v1.1"}); err != nil {
				t.Fatal(err)
			}
			wantRuns(t, w, "v1.1")
			if s := w.services["api"]; s.definition == w.arn("api", 3) || s.latest.State != DeploymentSuccessful {
				t.Errorf("api runs %s, deployment %s", short(s.definition), s.latest.State)
			}
		})
	})
	t.Run("images kept", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			if !slices.Equal(w.kept, []string{"release-v1.0", "release-v1.1"}) {
				t.Errorf("kept %v", w.kept)
			}
			w.images["mcp"] = w.images["mcp"][1:]
			_, err := w.start().rollback(t.Context(), Request{})
			wantError(t, err, Untouched, StepPreflight, "the registry no longer holds the image of v1.0 for mcp")
		})
	})
}

func TestRollbackGoesToANamedGoodRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := deployed(t, "v1.0", "v1.1", "v1.2")
		for _, want := range []string{"v1.1", "v1.0"} {
			r, err := w.start().rollback(t.Context(), Request{})
			if err != nil || r.Release.Tag != want {
				t.Fatalf("rolled back to %s, want %s: %v", r.Release, want, err)
			}
			wantRuns(t, w, want)
		}
		_, err := w.start().rollback(t.Context(), Request{})
		wantError(t, err, Untouched, StepResolve, "nothing good ran here before v1.0")
		// A mistyped tag is no attempt: nothing is recorded, nobody is notified.
		records, journals, notified := len(w.records), len(w.journals), len(w.notified)
		_, err = w.start().rollback(t.Context(), Request{Tag: "v7"})
		wantError(t, err, Untouched, StepResolve, "v7 never ran here; rollback goes to one of: v1.2, v1.1, v1.0")
		if len(w.records) != records || len(w.journals) != journals || len(w.notified) != notified || w.lease != nil {
			t.Errorf("%d records, %d journals, %d messages, lease %v", len(w.records)-records, len(w.journals)-journals, len(w.notified)-notified, w.lease)
		}
		w.advanceProof("v1.2")
		_, err = w.start().promote(t.Context(), Request{Tag: "v1.2"})
		e := wantError(t, err, Untouched, StepPreflight, "v1.2 was rolled back from", "by ada")
		if !strings.Contains(advised(e.Next), "override: promote v1.2 forced") {
			t.Errorf("next %v", e.Next)
		}
		if _, err := w.start().promote(t.Context(), Request{Tag: "v1.2", Force: true}); err != nil {
			t.Errorf("forced: %v", err)
		}
		// v1.1 was rejected, so that plain rollback passes it over.
		if r, err := w.start().rollback(t.Context(), Request{}); err != nil || r.Release.Tag != "v1.0" {
			t.Errorf("rolled back to %s, want v1.0: %v", r.Release, err)
		}
	})
}

func TestPromotingAnOlderReleaseIsARollback(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := w.start()
		r, err := p.promote(t.Context(), Request{Tag: "v1.0"})
		if err != nil || r.Kind != KindRollback || r.Rejected == nil || r.Rejected.Tag != "v1.1" {
			t.Fatalf("%+v, %v", r, err)
		}
		wantRuns(t, w, "v1.0")
		if slices.ContainsFunc(p.calls, func(c string) bool { return strings.Contains(c, "Plan") || strings.Contains(c, "RunTask") }) {
			t.Errorf("calls %q", p.calls)
		}
	})
}

func TestAllServicesOrNone(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		// The others are done long before mcp fails.
		w.behave = func(service, digest string) behaviour {
			if service == "mcp" && digest == digestOf("mcp", commitOf("v1.2")) {
				return behaviour{after: 10 * time.Minute, fails: true}
			}
			return behaviour{after: 20 * time.Second}
		}
		p := w.start()
		r, err := p.promote(t.Context(), Request{Tag: "v1.2"})
		wantError(t, err, RolledBack, StepWatch, "service mcp", "service api is back on")
		wantRuns(t, w, "v1.1")
		for name, s := range r.Services {
			if s.Outcome != RolledBack || (s.RollBack == "") != (name == "mcp") {
				t.Errorf("service %s: %+v", name, s)
			}
		}
	})
}

func TestThrottlingIsSurvivedForTheWholeTime(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := w.start()
		until := time.Time{}
		p.Services = throttle{p, func() bool {
			if p.step == StepWatch && until.IsZero() {
				until = time.Now().Add(20 * time.Minute)
			}
			return time.Now().Before(until)
		}}
		if _, err := p.promote(t.Context(), Request{Tag: "v1.2"}); err != nil {
			t.Fatal(err)
		}
		wantRuns(t, w, "v1.2")
	})
}

// throttle refuses to describe services for a time.
type throttle struct {
	*process
	refuses func() bool
}

func (t throttle) DescribeServices(ctx context.Context, services []string) (map[string]Service, error) {
	if t.refuses() {
		return nil, Transient(errors.New("ThrottlingException: Rate exceeded"))
	}
	return t.process.DescribeServices(ctx, services)
}

func TestACircuitBreakerThatNeverTrips(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.behave = func(service, digest string) behaviour {
			return behaviour{after: 20 * time.Second, stuck: service == "api" && digest == digestOf("api", commitOf("v1.2"))}
		}
		began := time.Now()
		_, err := w.start().promote(t.Context(), Request{Tag: "v1.2", Timeout: 10 * time.Minute})
		wantError(t, err, RolledBack, StepWatch, "1 of 3 services are not there yet (api in progress", "not done within 10m0s")
		wantRuns(t, w, "v1.1")
		if took := time.Since(began); took > 11*time.Minute+w.platform.Window(w.environment()) {
			t.Errorf("it took %v", took)
		}
	})
}

func TestTheExactArtifactOfStaging(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.former["api"][0].Digest = "sha256:other"
		w.former["mcp"][0].State = DeploymentRolledBack
		_, err := w.start().promote(t.Context(), Request{Tag: "v1.2"})
		wantError(t, err, Untouched, StepPreflight, "no proof for api from staging: "+digestOf("api", commitOf("v1.2"))+" never ran there",
			"no proof for mcp from staging: deployment staging-mcp-v1.2 of", "ended rolled back")
		r, err := w.start().promote(t.Context(), Request{Tag: "v1.2", OverrideProof: "staging is down, INC-7"})
		if err != nil || !slices.Contains(r.Overrides, Override{"proof", "staging is down, INC-7"}) {
			t.Errorf("overridden: %v, %+v", err, r.Overrides)
		}
		// Migration, services and the record are of one resolution of the tag.
		for _, task := range w.tasks {
			if d := w.digestIn(task.run.TaskDefinition); d == digestOf("api", commitOf("v1.2")) && task.run.Environment["RELEASE"] != "v1.2" {
				t.Errorf("task %+v", task.run)
			}
		}
		for name, s := range r.Services {
			if s.Digest != digestOf(name, commitOf("v1.2")) || s.Digest != r.Release.Digests[name] || w.digestIn(s.After) != s.Digest {
				t.Errorf("service %s: %+v", name, s)
			}
		}
	})
}
