package deploy

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Every phase, in the run that came to it and in one that has only taken it over,
// with every cause. P is the phase, "own" that this run came so far itself.
func TestConclude(t *testing.T) {
	causes := []struct {
		name  string
		cause cause
	}{
		{"fails", cause{}},
		{"interrupted", cause{interrupted: true}},
		{"lock lost", cause{lost: true}},
		{"never locked", cause{unlocked: true}},
		{"not allowed to look", cause{blind: true}},
	}
	const (
		untouched = "untouched"
		stopped   = "interrupted"
		deployed  = "deployed"
		collect   = "untouched, collect"
		back      = "roll back"
		leave     = "leave"
	)
	rows := map[Phase]struct{ own, taken []string }{
		//                  fails    interrupted lost       unlocked   blind
		PhaseChecking:    {[]string{collect, stopped, untouched, untouched, collect}, nil},
		PhaseReplacing:   {nil, []string{leave, leave, leave, leave, leave}},
		PhaseMigrating:   {[]string{collect, stopped, stopped, untouched, collect}, []string{leave, leave, leave, leave, leave}},
		PhaseApplying:    {[]string{collect, stopped, stopped, untouched, collect}, []string{leave, leave, leave, leave, leave}},
		PhaseApplied:     {[]string{collect, stopped, stopped, untouched, collect}, []string{leave, leave, leave, leave, leave}},
		PhaseRegistering: {[]string{collect, stopped, stopped, untouched, collect}, []string{leave, leave, leave, leave, leave}},
		PhaseUpdating:    {[]string{back, stopped, stopped, untouched, stopped}, []string{leave, leave, leave, leave, leave}},
		PhaseWatching:    {[]string{back, stopped, stopped, untouched, stopped}, nil},
		PhaseVerifying:   {[]string{back, stopped, stopped, untouched, stopped}, nil},
		PhaseRollingBack: {[]string{back, stopped, stopped, untouched, stopped}, []string{back, stopped, stopped, untouched, stopped}},
		PhaseDeployed:    {[]string{deployed, deployed, deployed, deployed, deployed}, nil},
	}
	follows := map[follow]string{followCollect: "collect", followRollBack: "roll back", followLeave: "leave"}
	for i := range phaseNames {
		p := Phase(i)
		row, ok := rows[p]
		if !ok {
			t.Errorf("phase %s has no row", p)
		}
		if (row.taken == nil) != (p == PhaseChecking || p != p.inherited()) {
			t.Errorf("phase %s is inherited as %s: does a run begin with it?", p, p.inherited())
		}
		for own, wants := range [][]string{row.taken, row.own} {
			for j, want := range wants {
				outcome, follow := conclude(p, p*Phase(own), causes[j].cause)
				if got := strings.Trim(fmt.Sprintf("%s, %s", outcome, follows[follow]), ", "); got != want {
					t.Errorf("%s (its own: %v), %s: %s, want %s", p, own == 1, causes[j].name, got, want)
				}
			}
		}
	}
}

// Journals of format 1 were recorded when their writers were killed or interrupted
// in each phase.
func TestJournalsOfFormat1(t *testing.T) {
	text, err := os.ReadFile("testdata/journals-v1.json")
	if err != nil {
		t.Fatal(err)
	}
	var journals map[string]Journal
	if err := json.Unmarshal(text, &journals); err != nil {
		t.Fatal(err)
	}
	const why = "not done within 5m0s: 2 targets of service api are not healthy: Target.ResponseCodeMismatch"
	for name, want := range map[string]Journal{
		"checking":     {Phase: PhaseChecking, Step: StepPlan},
		"replacing":    {Phase: PhaseReplacing, Step: StepLock},
		"migrating":    {Phase: PhaseMigrating, Step: StepMigrate},
		"applying":     {Phase: PhaseApplying, Step: StepApply},
		"applied":      {Phase: PhaseApplied, Step: StepRegister},
		"updating":     {Phase: PhaseUpdating, Step: StepUpdate},
		"watching":     {Phase: PhaseUpdating, Step: StepWatch},
		"rolling back": {Phase: PhaseRollingBack, Step: StepVerify, FailedStep: StepVerify, Failure: why},
	} {
		got, ok := journals[name]
		if !ok || got.Record.Version != 1 || got.Record.Release.Tag == "" && name != "replacing" {
			t.Fatalf("%s: version %d of %s", name, got.Record.Version, got.Record.Release)
		}
		if again := throughJSON(got); !cmp.Equal(again, got) {
			t.Errorf("%s does not come back: %s", name, cmp.Diff(got, again))
		}
		if s := got.Record.Services["api"]; name == "rolling back" && s.RollBack == "" {
			t.Errorf("%s: the deployment that rolls api back is lost: %+v", name, s)
		}
		want.Time, want.Record = got.Time, got.Record
		if !cmp.Equal(want, got) {
			t.Errorf("%s: %s", name, cmp.Diff(want, got))
		}
		delete(journals, name)
	}
	if len(journals) > 0 {
		t.Errorf("not looked at: %v", keys(journals))
	}
	var j Journal
	if err := json.Unmarshal([]byte(`{"phase": "flying"}`), &j); err == nil || !strings.Contains(err.Error(), `"flying" is none of`) {
		t.Errorf("a phase of a later program: %v", err)
	}
}
