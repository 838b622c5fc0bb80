package report

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/github"
)

// What a verb that changes something answers stands in the summary of a
// workflow's step: what it printed, also before it failed, and nothing twice.
func TestStepsSummary(t *testing.T) {
	refused := errors.New("refused")
	for _, test := range []struct {
		name, verb, flag string
		env              string
		err              error
		want             string
	}{
		{name: "unlock", verb: "unlock", env: "true", want: "`tfpipeline unlock`:\n\n```\nstaging: the lock is removed\n```\n\n"},
		{name: "half-way", verb: "apply", env: "true", err: refused, want: "`tfpipeline apply`:\n\n```\nstaging: the lock is removed\n```\n\n"},
		{name: "no workflow", verb: "unlock"},
		{name: "for a machine", verb: "settle", flag: "-json", env: "true"},
		{name: "writes its own", verb: "promote", flag: "-markdown", env: "true"},
		{name: "changes nothing", verb: "status", env: "true"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			path := filepath.Join(t.TempDir(), "summary.md")
			c := &console.Console{Out: &out, Err: &errs, Env: []string{"GITHUB_ACTIONS=" + test.env, "GITHUB_STEP_SUMMARY=" + path}}
			set := flag.NewFlagSet(test.verb, flag.ContinueOnError)
			set.Bool("json", false, "")
			set.Bool("markdown", false, "")
			if err := set.Parse(strings.Fields(test.flag)); err != nil {
				t.Fatal(err)
			}
			err := Step(c, set, func() error {
				fmt.Fprintln(c.Out, "staging: the lock is removed")
				return test.err
			})
			got, _ := os.ReadFile(path)
			if !errors.Is(err, test.err) || string(got) != test.want {
				t.Errorf("%v, summary %q, want %q", err, got, test.want)
			}
			if out.String() != "staging: the lock is removed\n" || errs.Len() > 0 {
				t.Errorf("printed %q, and %q", out.String(), errs.String())
			}
			if c.Out != &out {
				t.Error("the console did not get its stream back")
			}
		})
	}
}

// A summary that is nearly full gets the end of an answer, which says how things
// are now.
func TestStepsSummaryIsNearlyFull(t *testing.T) {
	var errs bytes.Buffer
	path := filepath.Join(t.TempDir(), "summary.md")
	if err := os.WriteFile(path, make([]byte, github.SummaryLimit-200), 0o644); err != nil {
		t.Fatal(err)
	}
	c := &console.Console{Out: &bytes.Buffer{}, Err: &errs, Env: []string{"GITHUB_ACTIONS=true", "GITHUB_STEP_SUMMARY=" + path}}
	err := Step(c, flag.NewFlagSet("apply", flag.ContinueOnError), func() error {
		for i := range 100 {
			fmt.Fprintf(c.Out, "line %d\n", i)
		}
		return nil
	})
	got, _ := os.ReadFile(path)
	if text := string(got[github.SummaryLimit-200:]); err != nil || len(got) > github.SummaryLimit || !strings.Contains(text, "```\n…\n") || !strings.HasSuffix(text, "line 99\n```\n\n") || errs.Len() > 0 {
		t.Errorf("%v, %q\n%s", err, text, errs.String())
	}
}
