package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/specboard/platform/migrations"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/plan"
)

// Preview is what a promotion or rollback would do, for whoever approves it.
type Preview struct {
	// Record is that of the dry run.
	Record deploy.Record
	// Refusal is why it cannot be done; nil if every check has passed.
	Refusal error
	// Next is what to do about the refusal; "" is unknown.
	Next string
	// Subjects are those of the commits between the release that runs and this
	// one, the newest first.
	Subjects []string
	// Pending are the migrations that would run.
	Pending deploy.Schema
	// Plan is what would be applied; nil if none is, or if it is unknown.
	Plan *plan.Plan
	// Lease is the lock; nil if it is free.
	Lease *deploy.Lease
	// Gaps are what could not be found out.
	Gaps []string
}

// mostSubjects is how many commits a preview names.
const mostSubjects = 50

// Markdown is the preview within a budget of bytes.
func (p Preview) Markdown(budget int) string {
	for level := full; ; level++ {
		out := p.markdown(level)
		if len(out) <= budget || level == countsOnly {
			return out
		}
	}
}

func (p Preview) markdown(level detail) string {
	d, r := &dossier{}, p.Record
	rollback := r.Kind == deploy.KindRollback
	if rollback {
		d.line("## Rollback of %s to %s\n", code(r.Environment), code(r.Release.String()))
	} else {
		d.line("## Promotion of %s to %s\n", code(r.Release.String()), code(r.Environment))
	}
	switch {
	case p.Refusal != nil:
		d.line("⛔ **It would be refused:**\n")
		d.block(strings.Split(p.Refusal.Error(), "\n")...)
		if p.Next != "" {
			d.line("**Next:**\n")
			d.block(p.Next)
		}
	case r.SupersededBy != nil:
		d.line("**Nothing would be changed**: superseded by %s, which runs and is newer.\n", code(r.SupersededBy.String()))
		return d.String()
	default:
		d.line("✅ Every check has passed.\n")
	}
	rows := [][2]string{{"release", r.Release.Tag}, {"commit", r.Release.Commit}, {"runs now", p.runs()}, {"proof", p.proof()}, {"plan", p.plan()}, {"lock", p.lock()}}
	for _, o := range r.Overrides {
		rows = append(rows, [2]string{"overridden", o.Check + ": " + o.Reason})
	}
	var known []string
	values := map[string]string{}
	for _, row := range rows {
		if row[1] != "" {
			known = append(known, row[0])
			values[row[0]] = strings.TrimPrefix(values[row[0]]+"; "+row[1], "; ")
		}
	}
	d.table("", []string{"", ""}, slices.Compact(known), func(k string) []string { return []string{k, values[k]} })
	p.commits(d, rollback)
	d.table("Images", []string{"service", "digest"}, sorted(r.Release.Digests), func(s string) []string { return []string{s, r.Release.Digests[s]} })
	p.migrations(d, rollback)
	if p.Plan != nil && !rollback && !p.Plan.Empty() {
		d.line("## Plan\n")
		d.WriteString(Section{Root: p.Plan.Root, Plan: p.Plan}.body(level, 1000, SummaryBudget))
	}
	d.list("What could not be had", p.Gaps)
	return d.String()
}

func (p Preview) runs() string {
	r := p.Record
	switch {
	case r.Previous.IsZero():
		return "nothing yet: this is the first deployment"
	case r.Previous.Tag != "":
		return r.Previous.Tag + " (" + r.Previous.Commit + ")"
	default:
		return r.Previous.Commit
	}
}

func (p Preview) proof() string {
	if x := p.Record.Proof; x != nil {
		return fmt.Sprintf("ran on %s since %s, for %s (%s asked for)", x.Environment, stamp(x.Since), brief(x.Baked), brief(x.MinimumBake))
	}
	return ""
}

func (p Preview) plan() string {
	if x := p.Record.Plan; x != nil && p.Record.Kind != deploy.KindRollback {
		return x.Fingerprint + ": " + cmp.Or(x.Summary, "no changes")
	}
	return ""
}

func (p Preview) lock() string {
	if p.Lease == nil {
		return "free"
	}
	return oneLine(strings.ReplaceAll(Lease(*p.Lease), "\n  ", ", "))
}

func (p Preview) commits(d *dossier, rollback bool) {
	if len(p.Subjects) == 0 {
		return
	}
	if rollback {
		d.line("## %s taken back\n", counted(len(p.Subjects), "commit"))
	} else {
		d.line("## %s since %s\n", counted(len(p.Subjects), "commit"), code(p.Record.Previous.String()))
	}
	for _, s := range p.Subjects[:min(len(p.Subjects), mostSubjects)] {
		d.line("- %s", code(s))
	}
	if more := len(p.Subjects) - mostSubjects; more > 0 {
		d.line("- and %d more", more)
	}
	d.line("")
}

func (p Preview) migrations(d *dossier, rollback bool) {
	if len(p.Pending) == 0 {
		return
	}
	if rollback {
		d.line("## Migrations that stay\n\nA rollback takes back no migration. These ran with what is taken back:\n")
	} else {
		d.line("## Pending migrations\n")
	}
	for _, m := range p.Pending {
		if m.Phase == migrations.Contract {
			d.line("- ⚠️ **contract** %s: takes away what no release since %s uses; no way back behind that one", code(m.ID()), code(m.UnusedSince))
		} else {
			d.line("- %s", code(m.ID()))
		}
	}
	d.line("")
}
