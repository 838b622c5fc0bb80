package view_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/plan"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// hostile acts on a terminal, on GitHub's runner or on how a line reads.
const hostile = "\x1b]0;title\a\x1b[2J\rforged\b\u009b31m\u202e\u2028##[add-mask]a\n::stop-commands::b"

// fill sets every text that v holds, and makes what v points to.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		if v.Type() == reflect.TypeFor[string]() { // other types have constants
			v.SetString(hostile)
		}
	case reflect.Pointer:
		if v.Type() != reflect.TypeFor[*deploy.Lease]() || v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		fill(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() {
				fill(f)
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key)
		fill(value)
		v.SetMapIndex(key, value)
	}
}

// filled is a value whose every text is hostile.
func filled[T any]() (v T) {
	fill(reflect.ValueOf(&v).Elem())
	return v
}

var acts = regexp.MustCompile(`[\p{Cc}\x{2028}\x{2029}\x{202a}-\x{202e}\x{2066}-\x{2069}]`)

// harmless fails if a text acts on whoever shows it.
func harmless(t *testing.T, what, text string) {
	t.Helper()
	if !strings.Contains(text, "forged") {
		t.Errorf("%s shows nothing of what came from outside: %q", what, text)
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if found := acts.FindString(line); found != "" {
			t.Errorf("%s: %q in line %q", what, found, line)
		}
		if strings.Contains(line, "##[") || strings.HasPrefix(strings.TrimSpace(line), "::") {
			t.Errorf("%s: GitHub's runner takes line %q for a command", what, line)
		}
	}
}

// Nothing of what tasks, AWS and people say acts on a terminal, a log or a page.
func TestHostileText(t *testing.T) {
	record := filled[deploy.Record]()
	write := func(f func(io.Writer) error) string {
		var b strings.Builder
		if err := f(&b); err != nil {
			t.Error(err)
		}
		return b.String()
	}
	lease, preview := filled[deploy.Lease](), view.Preview{Record: record, Refusal: errors.New(hostile), Next: hostile, Subjects: []string{hostile}, Gaps: []string{hostile}}
	preview.Lease = &lease
	status := filled[view.Status]()
	status.Environment, status.URL, status.Alarms[0].Ringing = "staging", "https://example.com", true
	for what, text := range map[string]string{
		"history": write(view.History{Environment: "staging", Records: []deploy.Record{record}, Unfinished: []deploy.Journal{filled[deploy.Journal]()}, Skipped: []deploy.Skipped{filled[deploy.Skipped]()}}.Text),
		"record":  write(func(w io.Writer) error { return view.Record(w, record) }),
		"result":  view.Result(record),
		"lock":    view.Lease(lease),
		"status":  write(status.Text),
		"table":   write(view.Statuses{status}.Markdown),
		"preview": preview.Markdown(view.SummaryBudget),
		"dossier": view.Dossier(filled[deploy.Evidence](), record),
		"in error": write(func(w io.Writer) error {
			return view.Text{}.Plans(w, []view.Section{{Root: "staging", Error: hostile, Refused: []plan.Violation{{Address: hostile, What: hostile}}}})
		}),
	} {
		harmless(t, what, text)
	}
	for _, outcome := range []deploy.Outcome{"", deploy.Deployed, deploy.Done, deploy.RolledBack} {
		for _, kind := range []deploy.Kind{deploy.KindPromote, deploy.KindRollback, deploy.KindRestart, deploy.KindScale, deploy.KindSecret} {
			r := record
			r.Outcome, r.Kind, r.SupersededBy = outcome, kind, nil
			what := fmt.Sprintf("%s %q", kind, outcome)
			harmless(t, "result of "+what, view.Result(r))
			harmless(t, "record of "+what, write(func(w io.Writer) error { return view.Record(w, r) }))
			_, _, page := view.Deployed("docs", r)
			harmless(t, "page of "+what, page)
			for _, moment := range []view.Moment{view.AwaitingApproval, view.Started, view.Ended} {
				harmless(t, "message of "+what, view.Message{Platform: "docs", Moment: moment, Record: r, Subjects: []string{hostile}}.Text())
			}
		}
	}
}

// Nor does JSON, which means the same all the same.
func TestHostileJSON(t *testing.T) {
	record, event, status := filled[deploy.Record](), filled[deploy.Event](), filled[view.Status]()
	for what, c := range map[string]struct {
		write func(io.Writer) error
		holds func(text string) bool
	}{
		"record": {func(w io.Writer) error { return view.RecordJSON(w, record) }, func(text string) bool {
			var r deploy.Record
			return json.Unmarshal([]byte(text), &r) == nil && r.Actor == hostile && r.Error == hostile
		}},
		"events": {func(w io.Writer) error { view.NewPromotionJSON(w).Observe(event); return nil }, func(text string) bool {
			var e deploy.Event
			return json.Unmarshal([]byte(text), &e) == nil && e.Message == hostile
		}},
		"status": {view.Statuses{status}.JSON, func(text string) bool {
			var list struct{ Environments []view.Status }
			return json.Unmarshal([]byte(text), &list) == nil && list.Environments[0].By == hostile
		}},
	} {
		var b strings.Builder
		if err := c.write(&b); err != nil {
			t.Error(err)
		}
		harmless(t, what, b.String())
		if !c.holds(b.String()) {
			t.Errorf("%s means something else: %s", what, b.String())
		}
	}
}

// No kind of event acts on a terminal or a log.
func TestHostileEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, kind := range []deploy.EventKind{
			deploy.EventStep, deploy.EventDone, deploy.EventFailed, deploy.EventNote, deploy.EventWarning,
			deploy.EventWait, deploy.EventDeployment, deploy.EventService, deploy.EventLog, deploy.EventEnd,
		} {
			e := filled[deploy.Event]()
			e.Kind, e.Step, e.Time, e.Elapsed, e.Record = kind, deploy.StepWatch, time.Now(), time.Second, nil
			p := filled[view.Promotion]()
			var lines, table strings.Builder
			view.NewPromotionLines(&lines, p).Observe(e)
			drawn := view.NewPromotionTable(&table, p, false, func() (int, int) { return 500, 24 })
			drawn.Observe(e)
			drawn.Close()
			own := regexp.MustCompile(`\x1b\[\d+A\r\x1b\[J`)
			harmless(t, "lines of "+string(kind), lines.String())
			harmless(t, "table of "+string(kind), own.ReplaceAllString(table.String(), ""))
		}
	})
}
