package deploy

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite testdata")

// scenario is an attempt that the matrix disturbs at every call it makes.
type scenario struct {
	name    string
	kind    Kind
	request Request
	// world is made anew for every disturbance.
	world func(*testing.T) *world
	// steps are those that must have been disturbed.
	steps []step
	// undisturbed is how it ends by itself.
	undisturbed Outcome
	// before and after are what services run: after a failure, and if it goes
	// well.
	before, after string
}

func scenarios() []scenario {
	fresh := func(tag string) func(*testing.T) *world {
		return func(t *testing.T) *world {
			w := deployed(t, "v1.0", "v1.1")
			w.advanceProof(tag)
			w.planned = Plan{Fingerprint: "fp-1", Summary: "1 to add"}
			return w
		}
	}
	failing := func(make func(*testing.T) *world, tag string) func(*testing.T) *world {
		return func(t *testing.T) *world {
			w := make(t)
			w.behave = func(service, digest string) behaviour {
				return behaviour{after: 30 * time.Second, fails: service == "mcp" && digest == digestOf("mcp", commitOf(tag))}
			}
			return w
		}
	}
	empty := func(*testing.T) *world {
		w := newWorld()
		w.advanceProof("v1.2")
		w.planned = Plan{Fingerprint: "fp-1", Summary: "1 to add"}
		return w
	}
	back := func(t *testing.T) *world { return deployed(t, "v1.0", "v1.1", "v1.2") }
	jobs := func(t *testing.T) *world {
		w := deployedIn(t, worldOf(scheduled()), "v1.0", "v1.1")
		w.advanceProof("v1.2")
		return w
	}
	firstJobs := func(*testing.T) *world {
		w := worldOf(scheduled())
		w.advanceProof("v1.2")
		return w
	}
	backJobs := func(t *testing.T) *world { return deployedIn(t, worldOf(scheduled()), "v1.0", "v1.1", "v1.2") }
	promoted, rollback := (&attempt{}).steps()
	promotion := append(promoted, step{name: StepRollBack})
	return []scenario{
		{"promote", KindPromote, Request{Tag: "v1.2"}, fresh("v1.2"), promoted, Deployed, "v1.1", "v1.2"},
		{"promote a release that fails", KindPromote, Request{Tag: "v1.2"}, failing(fresh("v1.2"), "v1.2"), without(promotion, StepVerify, StepRecord, StepNotify, StepUnlock), RolledBack, "v1.1", "v1.2"},
		{"first deployment", KindPromote, Request{Tag: "v1.2"}, empty, promoted, Deployed, "placeholder", "v1.2"},
		{"first deployment that fails", KindPromote, Request{Tag: "v1.2"}, failing(empty, "v1.2"), without(promotion, StepVerify, StepRecord, StepNotify, StepUnlock), RolledBack, "placeholder", "v1.2"},
		{"rollback", KindRollback, Request{WithMigrations: true}, back, rollback, Deployed, "v1.2", "v1.1"},
		{"promote schedules", KindPromote, Request{Tag: "v1.2"}, jobs, without(promoted, StepApply), Deployed, "v1.1", "v1.2"},
		{"promote schedules with a release that fails", KindPromote, Request{Tag: "v1.2"}, failing(jobs, "v1.2"), without(promotion, StepApply, StepVerify, StepRecord, StepNotify, StepUnlock), RolledBack, "v1.1", "v1.2"},
		{"first deployment of schedules that fails", KindPromote, Request{Tag: "v1.2"}, failing(firstJobs, "v1.2"), without(promotion, StepApply, StepVerify, StepRecord, StepNotify, StepUnlock), RolledBack, "placeholder", "v1.2"},
		{"rollback of schedules that fails", KindRollback, Request{WithMigrations: true}, failing(backJobs, "v1.1"), without(append(rollback, step{name: StepRollBack}), StepVerify, StepRecord, StepNotify, StepUnlock), RolledBack, "v1.2", "v1.1"},
		{"rollback that fails", KindRollback, Request{WithMigrations: true}, failing(back, "v1.1"), without(append(rollback, step{name: StepRollBack}), StepVerify, StepRecord, StepNotify, StepUnlock), RolledBack, "v1.2", "v1.1"},
	}
}

// faults are how a call is disturbed. What lasts disturbs the second call of a
// kind together with the first.
func (p point) faults() []fault {
	if p.nth > 1 {
		return []fault{cancelled, cancelledLate, killed, killedLate}
	}
	all := []fault{fails, throttled, throttledLate, timesOut, cancelled, cancelledLate, killed, killedLate}
	if p.call == "Get" || p.call == "Notify" {
		return all // neither is a call to AWS
	}
	return append(all, denied, expired)
}

func without(steps []step, names ...StepName) []step {
	return slices.DeleteFunc(slices.Clone(steps), func(s step) bool { return slices.Contains(names, s.name) })
}

// run starts an attempt of the scenario in a world.
func (s scenario) run(t *testing.T, p *process) (Record, error) {
	p.checkedOut = commitOf(s.request.Tag)
	if s.kind == KindRollback {
		return p.rollback(t.Context(), s.request)
	}
	return p.promote(t.Context(), s.request)
}

// TestEveryStepDisturbed disturbs every call of every step, in every way. The
// calls are found by running each scenario undisturbed, so that a new step, or
// a new call in one, is in the matrix from the first day.
func TestEveryStepDisturbed(t *testing.T) {
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			points, begin := s.points(t)
			for _, step := range s.steps {
				if !slices.ContainsFunc(points, func(p point) bool { return p.step == step.name }) {
					t.Errorf("step %s makes no call that could be disturbed", step.name)
				}
			}
			var golden strings.Builder
			for _, at := range sampled(points) {
				for _, f := range at.faults() {
					name := fmt.Sprintf("%s/%s-%d/%s", at.step, at.call, at.nth, f)
					t.Run(name, func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) { s.disturb(t, begin.restore(), at, f, &golden) })
					})
				}
			}
			if !testing.Short() {
				compareGolden(t, strings.ReplaceAll(s.name, " ", "-")+".txt", golden.String())
			}
		})
	}
}

// sampled is every twentieth point with -short, as the race detector runs the
// matrix, which then takes many times as long; otherwise it is every point.
func sampled(points []point) []point {
	if !testing.Short() {
		return points
	}
	var some []point
	for i := 0; i < len(points); i += 20 {
		some = append(some, points[i])
	}
	return some
}

// points are the calls of the scenario: the first and the second of a kind in
// each step. It also returns the world that it begins in.
func (s scenario) points(t *testing.T) (points []point, begin snapshot) {
	synctest.Test(t, func(t *testing.T) {
		w := s.world(t)
		begin = w.snapshot()
		p := w.start()
		_, err := s.run(t, p)
		if e, ok := errors.AsType[*Error](err); err != nil && (!ok || e.Outcome != s.undisturbed) || err == nil && s.undisturbed != Deployed {
			t.Fatalf("undisturbed: %v, want %s", err, s.undisturbed)
		}
		for _, at := range p.points {
			if at.nth <= 2 && at.call != "Collect" {
				points = append(points, at)
			}
		}
	})
	return points, begin
}

func (s scenario) disturb(t *testing.T, w *world, at point, f fault, golden *strings.Builder) {
	p := w.start()
	p.inject[at] = f
	records := len(w.records)
	r, err := s.run(t, p)
	if p.hits == 0 {
		t.Fatal("the call was not made")
	}
	if f == killed || f == killedLate {
		s.continued(t, w.clone(), at, f)
		s.ended(t, w)
		return
	}
	e, _ := errors.AsType[*Error](err)
	if err != nil && e == nil {
		t.Fatalf("error %v is no *Error", err)
	}
	s.checkOutcome(t, at, f, r.Outcome)
	if f == denied || f == expired {
		s.checkAccess(t, f, r, e)
	}
	if f == expired {
		// Nothing could be stored, and what ECS has begun it goes on with.
		s.continued(t, w.clone(), at, f)
		return
	}
	s.checkWorld(t, w, p, r, e)
	s.checkRecord(t, w, at, f, records, r, e)
	s.checkLock(t, w, p, r)
	if at.nth == 1 && (f == fails || f == timesOut || f == cancelled) {
		fmt.Fprintf(golden, "%s: %s: %s → %s", at.step, at.call, f, r.Outcome)
		if e != nil {
			fmt.Fprintf(golden, ", exit %d, in step %s\n  next: %s", e.ExitCode(), e.Step, advised(e.Next))
		}
		fmt.Fprintf(golden, "\n%s", callsFrom(p.calls, at))
	}
	if r.Outcome == Interrupted {
		s.continued(t, w.clone(), at, f)
		s.ended(t, w)
	}
}

// advised is what comes next, in the domain's own words.
func advised(next Next) string {
	var list []string
	for _, m := range next {
		s := fmt.Sprintf("%s: %s", m.Advice, m.Verb)
		if !m.Release.IsZero() {
			s += " " + m.Release.String()
		}
		if m.Force {
			s += " forced"
		}
		list = append(list, s)
	}
	return strings.Join(list, "; ")
}

// callsFrom are the calls from a disturbed one on, repetitions as one line.
func callsFrom(calls []string, at point) string {
	var lines []string
	first := slices.IndexFunc(calls, func(c string) bool {
		return strings.HasPrefix(c, string(at.step)+": "+at.call+" ") || c == string(at.step)+": "+at.call
	})
	if first < 0 {
		return ""
	}
	var last []string
	for _, c := range calls[first:] {
		if slices.Contains(last, c) {
			continue
		}
		if last = append(last, c); len(last) > 3 {
			last = last[1:]
		}
		lines = append(lines, "    "+c+"\n")
		for round := 4; round <= 6; round++ { // calls of one look at everything
			if n := len(lines) - round; n >= round && slices.Equal(lines[n-round:n], lines[n:]) {
				lines = lines[:n]
			}
		}
	}
	return strings.Join(lines, "")
}

// continued asks for the same once more after a kill or an interrupt: it ends
// as if nothing had happened.
func (s scenario) continued(t *testing.T, w *world, at point, f fault) {
	if at.step == StepUnlock && f == killedLate || at.step == StepNotify {
		return // it was complete: the next is another attempt
	}
	r, err := s.run(t, w.start())
	if s.undisturbed == Deployed {
		if err != nil {
			t.Fatalf("the same command again: %v", err)
		}
		s.wantReleases(t, w, s.after)
	} else {
		if r.Outcome != s.undisturbed {
			t.Fatalf("the same command again: %s (%v), want %s", r.Outcome, err, s.undisturbed)
		}
		s.wantReleases(t, w, s.before)
	}
	s.wantOneMigration(t, w)
	s.wantFree(t, w)
	seen := map[string]bool{}
	for _, r := range w.stored() {
		if seen[r.ID] {
			t.Errorf("%s has two records", r.ID)
		}
		seen[r.ID] = true
	}
}

// ended goes back instead, by the command that the message names.
func (s scenario) ended(t *testing.T, w *world) {
	if s.kind == KindRollback || s.before == "placeholder" {
		return // there is nothing else to go back to
	}
	if _, err := w.start().rollback(t.Context(), Request{Tag: s.before}); err != nil {
		t.Fatalf("rollback -to %s: %v", s.before, err)
	}
	s.wantReleases(t, w, s.before)
	s.wantFree(t, w)
}

// wantOneMigration: whatever happened, nothing ran twice. A rollback's own runs
// are those with -allow-ahead.
func (s scenario) wantOneMigration(t *testing.T, w *world) {
	t.Helper()
	commit := commitOf(s.after)
	n := 0
	for _, task := range w.tasks {
		if task.Name == taskMigrate && w.digestIn(task.run.TaskDefinition) == digestOf("api", commit) && (task.run.Command != nil) == (s.kind == KindRollback) {
			n++
		}
	}
	// An attempt that had ended is not continued: the next has its own.
	attempts := 0
	for _, r := range w.stored() {
		if r.Kind == s.kind && r.Release.Commit == commit && r.Migration != nil && r.Resumes == "" {
			attempts++
		}
	}
	if n > max(attempts, 1) {
		t.Errorf("%d migrations of %d attempts ran", n, attempts)
	}
}

func (s scenario) wantReleases(t *testing.T, w *world, want string) {
	t.Helper()
	if got := w.releases(); !cmp.Equal(got, []string{want}) {
		t.Errorf("services run %v, want %s", got, want)
	}
}

func (s scenario) wantFree(t *testing.T, w *world) {
	t.Helper()
	if w.lease != nil {
		t.Errorf("the lock is held: %+v", *w.lease)
	}
	if w.stateLock.attempt != "" {
		t.Errorf("the state lock of %s is left", w.stateLock.attempt)
	}
}

func compareGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "matrix", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got; go test -update rewrites it):\n%s", path, d)
	}
}
