package deploy

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestAFailedMigrationTouchesNoService(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.taskEnds = func(string, int) taskEnd {
			return taskEnd{after: time.Second, code: new(1), reason: "Essential container in task exited", log: []string{"applying 0009", "ERROR: relation exists"}}
		}
		p := w.start()
		r, err := p.promote(t.Context(), Request{Tag: "v1.2"})
		e := wantError(t, err, Untouched, StepMigrate, "task migrate ended with exit code 1: Essential container in task exited", "no service has changed its release")
		wantRuns(t, w, "v1.1")
		if r.Migration == nil || *r.Migration.ExitCode != 1 || e.ExitCode() != 1 {
			t.Errorf("migration %+v, exit %d", r.Migration, e.ExitCode())
		}
		// The last line comes after the end of the task.
		if got := p.logged(); !slices.Equal(got, []string{"applying 0009", "ERROR: relation exists"}) {
			t.Errorf("logged %q", got)
		}
		if !slices.ContainsFunc(p.calls, func(c string) bool { return strings.HasSuffix(c, "Collect  task migrate") }) {
			t.Errorf("no evidence of the task: %q", p.calls)
		}
		// The same again starts another task.
		w.taskEnds = nil
		if _, err := w.start().promote(t.Context(), Request{Tag: "v1.2"}); err != nil {
			t.Error(err)
		}
	})
}

// logged are the lines that one-off tasks wrote, as the observer was told.
func (p *process) logged() []string {
	var lines []string
	for _, e := range p.events {
		if e.Kind == EventLog {
			lines = append(lines, e.Message)
		}
	}
	return lines
}

func TestATaskWithoutAnExitCodeHasFailed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.taskEnds = func(string, int) taskEnd {
			return taskEnd{after: 5 * time.Second, reason: "CannotPullContainerError: not found"}
		}
		_, err := w.start().promote(t.Context(), Request{Tag: "v1.2"})
		wantError(t, err, Untouched, StepMigrate, "never began, or has no exit code", "CannotPullContainerError")
	})
}

func TestNoRoomForATaskIsRetried(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		first := w.runs(taskMigrate)
		w.taskEnds = func(_ string, n int) taskEnd {
			if n < first+3 {
				return taskEnd{after: 3 * time.Second, capacity: true, reason: "Capacity is unavailable at this time"}
			}
			return taskEnd{after: 5 * time.Second, code: new(0)}
		}
		r, err := w.start().promote(t.Context(), Request{Tag: "v1.2"})
		if err != nil || !r.Migration.Succeeded() || w.runs(taskMigrate) != first+4 {
			t.Errorf("%d tasks, %v", w.runs(taskMigrate)-first, err)
		}
	})
}

func TestAMigrationThatTakesTooLongIsStopped(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.taskEnds = func(string, int) taskEnd { return taskEnd{after: 5 * time.Hour, code: new(0)} }
		r, err := w.start().promote(t.Context(), Request{Tag: "v1.2", Timeout: 10 * time.Minute})
		wantError(t, err, Untouched, StepMigrate, "not done within 10m0s", "task migrate ended with exit code 143")
		if r.Migration.ExitCode == nil || *r.Migration.ExitCode != 143 {
			t.Errorf("migration %+v", r.Migration)
		}
		wantRuns(t, w, "v1.1")
	})
}

// Past the life of a task and of its token nobody can tell how it ended; migrate
// can be run again, since its own table makes it idempotent.
func TestAResumptionAfterDaysMigratesAnew(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		before := w.runs(taskMigrate)
		p := w.start()
		p.inject[point{StepMigrate, "DescribeTask", 1}] = killed
		p.promote(t.Context(), Request{Tag: "v1.2"})
		<-time.After(48 * time.Hour)
		if _, err := w.start().promote(t.Context(), Request{Tag: "v1.2"}); err != nil {
			t.Fatal(err)
		}
		if got := w.runs(taskMigrate) - before; got != 2 {
			t.Errorf("%d tasks, want 2", got)
		}
	})
}

func TestTheFirstDeployment(t *testing.T) {
	synctestWorld(t, func(t *testing.T, w *world) {
		w.advanceProof("v1.2")
		p := w.start()
		r, err := p.promote(t.Context(), Request{Tag: "v1.2"})
		if err != nil || !r.First || !r.Seed.Succeeded() || !r.Previous.IsZero() {
			t.Fatalf("%+v, %v", r, err)
		}
		for name, s := range w.services {
			if s.desired != 2 || w.minimums[name] != 2 {
				t.Errorf("service %s: %d tasks, at least %d", name, s.desired, w.minimums[name])
			}
		}
		order := func(call string) int {
			return slices.IndexFunc(p.calls, func(c string) bool { return strings.HasPrefix(c, call) })
		}
		if m, s, u := order("migrate: RunTask migrate"), order("migrate: RunTask seed"), order("update: UpdateService"); m < 0 || s < m || u < s {
			t.Errorf("migrate %d, seed %d, update %d", m, s, u)
		}
		// The next one seeds nothing, and leaves what autoscaling has found.
		w.services["api"].desired = 5
		w.release("v1.3")
		r, err = w.start().promote(t.Context(), Request{Tag: "v1.3"})
		if err != nil || r.First || r.Seed != nil || w.services["api"].desired != 5 {
			t.Errorf("the next: %+v, %v", r, err)
		}
	})
}

func TestAServiceThatTheApplyCreates(t *testing.T) {
	for _, fails := range []bool{false, true} {
		inWorld(t, func(t *testing.T, w *world) {
			delete(w.services, "mcp")
			delete(w.minimums, "mcp")
			w.planned = Plan{Fingerprint: "fp-1"}
			w.onApply = func() {
				w.services["mcp"] = &fakeService{name: "mcp", definition: w.arn("mcp", 1), completed: w.arn("mcp", 1)}
				w.minimums["mcp"] = 0
			}
			w.behave = func(service, digest string) behaviour {
				return behaviour{after: 20 * time.Second, fails: fails && service == "mcp"}
			}
			_, err := w.start().promote(t.Context(), Request{Tag: "v1.2"})
			if !fails {
				if err != nil {
					t.Fatal(err)
				}
				wantRuns(t, w, "v1.2")
				return
			}
			wantError(t, err, RolledBack, StepWatch, "service mcp")
			if s := w.services["mcp"]; s.desired != 0 || w.minimums["mcp"] != 0 || s.definition != w.arn("mcp", 1) {
				t.Errorf("the new service is left with %d tasks of %s", s.desired, short(s.definition))
			}
		})
	}
}
