package view

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/specboard/platform/tfpipeline/internal/plan"
)

// DriftReport is how roots differ from what Terraform left.
type DriftReport struct {
	roots []rootDrift
}

type rootDrift struct {
	name string
	plan.Drift
}

// Add adds a root.
func (r *DriftReport) Add(name string, d plan.Drift) {
	r.roots = append(r.roots, rootDrift{name, d})
}

// Clean reports whether no root needs a person.
func (r *DriftReport) Clean() bool {
	return !slices.ContainsFunc(r.roots, func(d rootDrift) bool { return !d.Clean() })
}

// verdict is a root in one line.
func (d rootDrift) verdict() string {
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{{len(d.Real), "drifted"}, {len(d.Pending), "pending"}, {len(d.Accepted), "accepted"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	if len(parts) == 0 {
		return "no drift"
	}
	return strings.Join(parts, ", ")
}

// lines are the parts of a root that hold anything.
func (d rootDrift) lines() (realOnes, pending, accepted []string) {
	for _, x := range d.Real {
		realOnes = append(realOnes, fmt.Sprintf("%s %s", driftWord(x.Action), x.Address))
		for _, a := range x.Attributes {
			realOnes = append(realOnes, "    "+attributeLine(a, full))
		}
	}
	pending = changeLines(d.Pending, full, SummaryBudget)
	for _, x := range d.Accepted {
		accepted = append(accepted, fmt.Sprintf("%s (by %s)", x.Address, strings.Join(x.Owners, ", ")))
		for _, a := range x.Attributes {
			accepted = append(accepted, "    "+attributeLine(a, full))
		}
	}
	return realOnes, pending, accepted
}

// driftWord is what happened to a resource behind Terraform's back.
func driftWord(a plan.Action) string {
	if a == plan.Delete {
		return "deleted"
	}
	return "changed"
}

// Issue is what an issue tells of one root's drift.
type Issue struct {
	Marker, Title, Body string
	// Subject stands for the set of addresses, and is part of the body.
	Subject                   string
	Changed, Reopened, Closed string
	Clean                     bool
}

// IssueBudget is the most bytes of an issue's text.
const IssueBudget = 60_000

// Issue is the issue of one root: what somebody changed. Configuration that waits to be
// applied opens none, since every merge makes some, and in a root that was never
// applied all of it waits.
func (r *DriftReport) Issue(platform, root, runURL string) Issue {
	i := slices.IndexFunc(r.roots, func(d rootDrift) bool { return d.name == root })
	d := r.roots[i]
	var addresses []string
	for _, x := range d.Real {
		addresses = append(addresses, x.Address)
	}
	slices.Sort(addresses)
	list := func(title string) string {
		var b strings.Builder
		b.WriteString(title + "\n\n")
		for k, a := range addresses {
			if b.Len() > IssueBudget/2 {
				fmt.Fprintf(&b, "- and %d more\n", len(addresses)-k)
				break
			}
			fmt.Fprintf(&b, "- %s\n", code(a))
		}
		return b.String()
	}
	sum := sha256.Sum256([]byte(strings.Join(addresses, "\n")))
	issue := Issue{
		Marker:  fmt.Sprintf("<!-- tfpipeline:drift v1, platform: %s, root: %s -->", plainWord(platform), plainWord(root)),
		Title:   fmt.Sprintf("Drift: %s of %s", root, platform),
		Subject: fmt.Sprintf("<!-- addresses: %x -->", sum[:10]),
		Changed: list("What differs is now:"), Reopened: list("It differs still, or again:"),
		Closed: fmt.Sprintf("%s is as Terraform left it. Seen by %s", code(root), cmp.Or(runURL, "hand")),
		Clean:  len(d.Real) == 0,
	}
	head := issue.Marker + "\n" + issue.Subject + "\n"
	one := DriftReport{roots: []rootDrift{d}}
	var b strings.Builder
	b.WriteString(head)
	_ = one.Markdown(&b) // a builder takes everything
	if b.Len() > IssueBudget {
		b.Reset()
		b.WriteString(head + "## Drift\n\n" + list("Too much differs to be shown; these are the addresses:"))
	}
	fmt.Fprintf(&b, "\nnext: %s\n", code(fmt.Sprintf("tfpipeline plan -env %s", root)))
	issue.Body = b.String()
	return issue
}

// Text writes the report for a terminal.
func (r *DriftReport) Text(w io.Writer) error {
	var b strings.Builder
	for _, d := range r.roots {
		putLine(&b, "%s: %s", d.name, d.verdict())
		realOnes, pending, accepted := d.lines()
		block(&b, "drift that nobody may have made:", realOnes)
		block(&b, "configuration that was never applied:", pending)
		block(&b, "accepted drift:", accepted)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func block(b *strings.Builder, title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	b.WriteString("  " + title + "\n")
	for _, l := range lines {
		putLine(b, "    %s", l)
	}
}

// Markdown writes the report for a job summary or an issue.
func (r *DriftReport) Markdown(w io.Writer) error {
	var b strings.Builder
	b.WriteString("## Drift\n\n| root | verdict |\n|---|---|\n")
	for _, d := range r.roots {
		fmt.Fprintf(&b, "| %s | %s |\n", cellCode(d.name), d.verdict())
	}
	b.WriteString("\n")
	for _, d := range r.roots {
		realOnes, pending, accepted := d.lines()
		if len(realOnes) > 0 {
			fmt.Fprintf(&b, "### %s: drift that nobody may have made\n\n%s\n", code(d.name), fence("", realOnes))
		}
		if len(pending) > 0 {
			fmt.Fprintf(&b, "### %s: configuration that was never applied\n\n%s\n", code(d.name), fence("diff", pending))
		}
		if len(accepted) > 0 {
			b.WriteString(fold(fmt.Sprintf("%s: %d accepted", d.name, len(d.Accepted)), fence("", accepted)))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

type driftJSON struct {
	Clean bool            `json:"clean"`
	Roots []rootDriftJSON `json:"roots"`
}

type rootDriftJSON struct {
	Root     string        `json:"root"`
	Real     []driftedJSON `json:"real"`
	Pending  []changeJSON  `json:"pending"`
	Accepted []driftedJSON `json:"accepted"`
}

type driftedJSON struct {
	Address    string   `json:"address"`
	Action     string   `json:"action"`
	Attributes []string `json:"attributes"`
	Owners     []string `json:"owners,omitempty"`
}

// JSON writes one object. It has no values: names and actions.
func (r *DriftReport) JSON(w io.Writer) error {
	out := driftJSON{Clean: r.Clean(), Roots: []rootDriftJSON{}}
	for _, d := range r.roots {
		out.Roots = append(out.Roots, rootDriftJSON{d.name, driftedOnes(d.Real), changesJSON(d.Pending), driftedOnes(d.Accepted)})
	}
	return WriteJSON(w, out)
}

func driftedOnes(list []plan.DriftedResource) []driftedJSON {
	out := []driftedJSON{}
	for _, x := range list {
		j := driftedJSON{Address: x.Address, Action: driftWord(x.Action), Attributes: []string{}, Owners: x.Owners}
		for _, a := range x.Attributes {
			j.Attributes = append(j.Attributes, a.Path)
		}
		out = append(out, j)
	}
	return out
}
