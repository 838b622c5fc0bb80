package view

import (
	"fmt"
	"io"
	"strings"

	"github.com/specboard/platform/tfpipeline/internal/plan"
)

// Plans writes the plans of several roots: all verdicts first, in a table,
// then one plan after the other.
func (t Text) Plans(w io.Writer, sections []Section) error {
	rows := [][]string{{"root", "verdict", "fingerprint"}}
	for i := range sections {
		s := &sections[i]
		rows = append(rows, []string{s.Root, s.words(), s.Fingerprint()})
	}
	var b strings.Builder
	b.WriteString(strings.Join(columns(rows), "\n") + "\n")
	for _, s := range sections {
		fmt.Fprintf(&b, "\n== %s\n", s.Root)
		if s.Plan != nil {
			if err := t.Plan(&b, s.Plan); err != nil {
				return err
			}
		}
		for _, v := range s.Refused {
			putLine(&b, "%s: the guard would refuse this: %s %s", s.Root, v.Address, v.What)
		}
		if s.Error != "" {
			putLine(&b, "%s: failed: %s", s.Root, strings.Join(firstLines(strings.TrimPrefix(s.Error, s.Root+": "), 1), ""))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Fingerprint is that of a plan that could be applied; others have "".
func (s *Section) Fingerprint() string {
	if s.print == "" && !s.failed() {
		s.print = s.Plan.Fingerprint()
	}
	return s.print
}

// words is the verdict without its sign.
func (s Section) words() string {
	_, words, _ := strings.Cut(s.verdict(), " ")
	return words
}

type plansJSON struct {
	// Target is what was planned against: aws, a local endpoint, or offline.
	Target string        `json:"target"`
	Roots  []sectionJSON `json:"roots"`
}

type sectionJSON struct {
	planJSON
	// Error is why the plan failed; the rest is what was known by then.
	Error   string          `json:"error,omitempty"`
	Refused []violationJSON `json:"refused"`
}

type violationJSON struct {
	Address string `json:"address"`
	What    string `json:"what"`
}

// PlansJSON writes one object with the plans of several roots.
func PlansJSON(w io.Writer, target string, sections []Section) error {
	out := plansJSON{Target: target, Roots: []sectionJSON{}}
	for _, s := range sections {
		p := s.Plan
		if p == nil {
			p = &plan.Plan{Root: s.Root, Errored: true}
		}
		j := sectionJSON{planJSON: newPlanJSON(target, p), Error: s.Error, Refused: []violationJSON{}}
		for _, v := range s.Refused {
			j.Refused = append(j.Refused, violationJSON{v.Address, v.What})
		}
		out.Roots = append(out.Roots, j)
	}
	return WriteJSON(w, out)
}
