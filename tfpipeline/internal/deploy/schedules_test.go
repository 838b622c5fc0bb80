package deploy

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestSchedulesAreRecorded: a promotion and a rollback move the schedules, and the
// record says from what to what.
func TestSchedulesAreRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := deployedIn(t, worldOf(scheduled()), "v1.0", "v1.1")
		first, second := w.stored()[0].Schedules["report"], w.stored()[1].Schedules["report"]
		if first.Before.Enabled || second.Before != (Schedule{first.After, true}) || second.Outcome != Deployed || second.Digest != digestOf("api", commitOf("v1.1")) || *second.Seen != second.after() {
			t.Errorf("records: %+v, then %+v", first, second)
		}
		r, err := w.start().rollback(t.Context(), Request{})
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Schedules["report"]; got.After != first.After || got.Before != second.after() || w.schedules["report"].TaskDefinition != first.After {
			t.Errorf("rolled back: %+v, want %s", got, first.After)
		}
	})
}

// TestRollbackSwitchesSchedulesOff: a schedule of which the release had none starts
// nothing of the release that is rolled back from, until the next promotion.
func TestRollbackSwitchesSchedulesOff(t *testing.T) {
	for _, fail := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := deployedIn(t, worldOf(scheduled()), "v1.0", "v1.1")
			delete(w.records[0].Schedules, "report")
			before := w.schedules["report"].Schedule
			w.behave = func(service, digest string) behaviour {
				return behaviour{after: 30 * time.Second, fails: fail && digest == digestOf("mcp", commitOf("v1.0"))}
			}
			r, err := w.start().rollback(t.Context(), Request{})
			own := r.Schedules["report"]
			if fail {
				wantError(t, err, RolledBack, StepWatch, "the schedule of report is back on "+short(before.TaskDefinition))
				if w.schedules["report"].Schedule != before {
					t.Errorf("the schedule is %s, want %s", w.schedules["report"].Schedule, before)
				}
				return
			}
			if off := (Schedule{before.TaskDefinition, false}); err != nil || w.schedules["report"].Schedule != off || !own.Off || own.Before != before || *own.Seen != off || own.Outcome != Deployed {
				t.Fatalf("%v: the schedule is %s, recorded %+v", err, w.schedules["report"].Schedule, own)
			}
			w.advanceProof("v1.2")
			p := w.start()
			p.checkedOut = commitOf("v1.2")
			if r, err := p.promote(t.Context(), Request{Tag: "v1.2"}); err != nil || !w.schedules["report"].Enabled || r.Schedules["report"].Off {
				t.Fatalf("a promotion after it: %v, %s", err, w.schedules["report"].Schedule)
			}
			if r, err := w.start().rollback(t.Context(), Request{Tag: "v1.0"}); err != nil || !r.Schedules["report"].Off || w.schedules["report"].Enabled {
				t.Errorf("to a release that was rolled back to before: %v, %+v", err, r.Schedules["report"])
			}
		})
	}
}

// TestScheduleOfSomebodyElse: a schedule that is set to something else while the
// services go back is left alone, and said.
func TestScheduleOfSomebodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := deployedIn(t, worldOf(scheduled()), "v1.0", "v1.1")
		w.advanceProof("v1.2")
		w.behave = func(service, digest string) behaviour {
			return behaviour{after: 30 * time.Second, fails: service == "mcp" && digest == digestOf("mcp", commitOf("v1.2"))}
		}
		w.watch = func(p *process, call string) {
			if call == "SetSchedule" && p.step == StepUpdate && p.seen[point{step: StepUpdate, call: call}] == 2 {
				w.schedules["report"].Schedule = Schedule{TaskDefinition: w.arn("report", 1)}
			}
		}
		p := w.start()
		p.checkedOut = commitOf("v1.2")
		_, err := p.promote(t.Context(), Request{Tag: "v1.2"})
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Outcome != Broken || !strings.Contains(err.Error(), "schedule report") || e.Record.Schedules["report"].Outcome != Superseded || e.Record.Schedules["sitemap"].Outcome != RolledBack {
			t.Errorf("%v: %+v", err, e)
		}
		if w.schedules["report"].TaskDefinition != w.arn("report", 1) {
			t.Error("somebody else's schedule was changed")
		}
	})
}

// TestScheduleThatIsMoved: a promotion whose schedule somebody sets to something
// else does not end well.
func TestScheduleThatIsMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := deployedIn(t, worldOf(scheduled()), "v1.0", "v1.1")
		w.advanceProof("v1.2")
		w.watch = func(_ *process, call string) {
			if call == "Get" {
				w.schedules["report"].Enabled = false
			}
		}
		p := w.start()
		p.checkedOut = commitOf("v1.2")
		_, err := p.promote(t.Context(), Request{Tag: "v1.2"})
		if e, ok := errors.AsType[*Error](err); !ok || e.Step != StepVerify || !strings.Contains(err.Error(), "the schedule of report is set to off") {
			t.Errorf("%v", err)
		}
	})
}

// TestSchedulerHoldsUpNoService: whatever Scheduler answers, or does not, services
// are rolled back in the time that they take.
func TestSchedulerHoldsUpNoService(t *testing.T) {
	for _, test := range []struct {
		name    string
		call    string
		fault   fault
		outcome Outcome
		within  time.Duration
		says    string
	}{
		{"hangs", "DescribeSchedules", timesOut, Broken, 21 * time.Minute, "not done within"},
		{"refuses", "DescribeSchedules", fails, Broken, 3 * time.Minute, "schedule report: look at the schedules"},
		{"is throttled", "DescribeSchedules", throttled, RolledBack, 3 * time.Minute, "the schedule of report is back on"},
		{"hangs on a change", "SetSchedule", timesOut, Broken, 21 * time.Minute, "services and schedules are not back yet"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := deployedIn(t, worldOf(scheduled()), "v1.0", "v1.1")
			w.advanceProof("v1.2")
			w.behave = func(service, digest string) behaviour {
				return behaviour{after: 30 * time.Second, fails: service == "mcp" && digest == digestOf("mcp", commitOf("v1.2"))}
			}
			p := w.start()
			p.checkedOut = commitOf("v1.2")
			p.inject[point{StepRollBack, test.call, 1}] = test.fault
			began, set := time.Now(), time.Time{}
			w.watch = func(p *process, call string) {
				if call == "UpdateService" && p.step == StepRollBack {
					set = time.Now()
				}
			}
			_, err := p.promote(t.Context(), Request{Tag: "v1.2"})
			wantError(t, err, test.outcome, StepWatch, test.says)
			for name, s := range w.services {
				if got := w.digestIn(s.definition); got != digestOf(name, commitOf("v1.1")) {
					t.Errorf("%s: service %s runs %s", test.name, name, got)
				}
			}
			if set.IsZero() || set.Sub(began) > 3*time.Minute || time.Since(began) > test.within {
				t.Errorf("%s: services were set after %v, all took %v", test.name, set.Sub(began), time.Since(began))
			}
		})
	}
}
