package state_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/state"
)

const journalKey = "history/staging/" + id + ".journal.json"

func journal(step deploy.StepName) deploy.Journal {
	r := record(id)
	r.Outcome, r.Ended = "", time.Time{}
	return deploy.Journal{Step: step, Phase: deploy.PhaseMigrating, Time: time.Now().UTC(), Record: r}
}

func TestJournalIsReplacedByItsWriter(t *testing.T) {
	inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
		h := state.New(b.config(), configtest.Docs()).History("staging")
		if _, err := h.Journal(ctx, id); !errors.Is(err, deploy.ErrNoJournal) {
			t.Errorf("none yet: %v", err)
		}
		for _, step := range []deploy.StepName{deploy.StepPlan, deploy.StepMigrate, deploy.StepUpdate} {
			time.Sleep(time.Second)
			j := journal(step)
			if err := h.WriteJournal(ctx, j); err != nil {
				t.Fatal(err)
			}
			other := state.New(b.config(), configtest.Docs()).History("staging")
			if d := cmp.Diff(j, ok(other.Journal(ctx, id))(t)); d != "" {
				t.Errorf("journal (-want +got):\n%s", d)
			}
		}
		// Whoever has read it may go on with it; the first writer then not.
		heir := state.New(b.config(), configtest.Docs()).History("staging")
		ok(heir.Journal(ctx, id))(t)
		time.Sleep(time.Second)
		if err := heir.WriteJournal(ctx, journal(deploy.StepWatch)); err != nil {
			t.Fatal(err)
		}
		late := journal(deploy.StepVerify)
		late.Time = late.Time.Add(-time.Minute)
		if err := h.WriteJournal(ctx, late); err == nil || deploy.IsTransient(err) {
			t.Errorf("a journal written behind its writer's back: %v", err)
		}
	})
}

func TestJournalWhoseAnswerWasLost(t *testing.T) {
	for name, f := range map[string]fault{
		"dropped":        {request: "PUT " + journalKey, done: true},
		"no answer":      {request: "PUT " + journalKey, done: true, hang: true},
		"dropped before": {request: "PUT " + journalKey},
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
				h := state.New(b.config(), configtest.Docs()).History("staging")
				for _, step := range []deploy.StepName{deploy.StepPlan, deploy.StepMigrate} {
					time.Sleep(time.Second)
					b.faults = append(b.faults, f)
					if err := h.WriteJournal(ctx, journal(step)); err != nil {
						t.Fatal(err)
					}
				}
				if j := ok(h.Journal(ctx, id))(t); j.Step != deploy.StepMigrate {
					t.Errorf("the journal is at %s", j.Step)
				}
			})
		})
	}
}

// The write that was given up has happened after all: the next one knows it
// for its own.
func TestJournalAfterAWriteThatWasGivenUp(t *testing.T) {
	inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
		h := state.New(b.config(), configtest.Docs()).History("staging")
		b.faults = []fault{{request: "PUT " + journalKey, done: true, hang: true}}
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if err := h.WriteJournal(short, journal(deploy.StepPlan)); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if err := h.WriteJournal(ctx, journal(deploy.StepMigrate)); err != nil {
			t.Fatal(err)
		}
		if j := ok(h.Journal(ctx, id))(t); j.Step != deploy.StepMigrate {
			t.Errorf("the journal is at %s", j.Step)
		}
	})
}

func TestForeignJournalIsLeftAlone(t *testing.T) {
	for name, content := range map[string]string{
		"no JSON":     "oh",
		"another id":  `{"step":"plan","record":{"version":1,"id":"20261101T000000Z-aaaaaa","environment":"staging"}}`,
		"another env": `{"step":"plan","record":{"version":1,"id":"` + id + `","environment":"production"}}`,
		"no version":  `{"step":"plan","record":{"id":"` + id + `","environment":"staging"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
				b.objects[journalKey] = content
				h := state.New(b.config(), configtest.Docs()).History("staging")
				if _, err := h.Journal(ctx, id); !isForeign(err) || errors.Is(err, deploy.ErrNoJournal) {
					t.Errorf("read: %v", err)
				}
				if err := h.WriteJournal(ctx, journal(deploy.StepPlan)); !isForeign(err) {
					t.Errorf("write: %v", err)
				}
				if b.objects[journalKey] != content {
					t.Error("it was changed")
				}
			})
		})
	}
}

func isForeign(err error) bool {
	_, ok := errors.AsType[*state.ForeignError](err)
	return ok
}

// Another attempt with the same id is another attempt.
func TestJournalOfANamesakeIsLeftAlone(t *testing.T) {
	inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
		theirs := journal(deploy.StepWatch)
		theirs.Record.Actor = "bob"
		if err := state.New(b.config(), configtest.Docs()).History("staging").WriteJournal(ctx, theirs); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		err := state.New(b.config(), configtest.Docs()).History("staging").WriteJournal(ctx, journal(deploy.StepPlan))
		if err == nil || deploy.IsTransient(err) || !strings.Contains(err.Error(), "something else") {
			t.Errorf("%v", err)
		}
	})
}

func TestUnfinished(t *testing.T) {
	inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
		h := state.New(b.config(), configtest.Docs()).History("staging")
		ended, killed := journal(deploy.StepUnlock), journal(deploy.StepWatch)
		killed.Record.ID = "20261123T090000Z-zzzzzz"
		for _, j := range []deploy.Journal{ended, killed} {
			if err := h.WriteJournal(ctx, j); err != nil {
				t.Fatal(err)
			}
		}
		if err := h.Record(ctx, record(id)); err != nil {
			t.Fatal(err)
		}
		b.objects["history/staging/20261123T100000Z-zzzzzz.journal.json"] = "oh"
		if d := cmp.Diff([]deploy.Journal{killed}, ok(h.Attempts(ctx, 0))(t).Unfinished); d != "" {
			t.Errorf("unfinished (-want +got):\n%s", d)
		}
	})
}
