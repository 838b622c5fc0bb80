package deploy

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/redact"
)

// Dossier is what explains a failure, as one document for people and one for
// programs. Both hold the same, without secrets.
type Dossier struct {
	Markdown string
	JSON     []byte
}

// NewDossier makes the documents of an attempt's evidence and record.
func NewDossier(e Evidence, r Record, hide redact.Redactor) (Dossier, error) {
	e, r = hideEvidence(hide, e), hideRecord(hide, r)
	text, err := json.MarshalIndent(struct {
		Record   Record   `json:"record"`
		Evidence Evidence `json:"evidence"`
	}{r, e}, "", "  ")
	if err != nil {
		return Dossier{}, fmt.Errorf("write the dossier: %w", err)
	}
	return Dossier{Markdown: writeDossier(e, r), JSON: append(text, '\n')}, nil
}

func writeDossier(e Evidence, r Record) string {
	d := &document{}
	title := fmt.Sprintf("%s of %s to %s: %s", r.Kind, r.Release, r.Environment, r.Outcome)
	d.line("# %s\n", plain(title))
	d.summary(r)
	d.services(r)
	d.breakers(e.Deployments)
	d.targets(e.Targets)
	d.stopped(e.Stopped)
	d.events(e.Events)
	if len(e.Gaps) > 0 {
		d.line("## What could not be had\n")
		d.list(e.Gaps)
	}
	return d.String()
}

// document is markdown while it is written.
type document struct{ strings.Builder }

func (d *document) line(format string, args ...any) { fmt.Fprintf(d, format+"\n", args...) }

func (d *document) list(items []string) {
	for _, i := range items {
		d.line("- %s", plain(i))
	}
	d.line("")
}

// row writes a table's row.
func (d *document) row(cells ...string) {
	for i, c := range cells {
		cells[i] = strings.ReplaceAll(plain(c), "|", `\|`)
	}
	d.line("| %s |", strings.Join(cells, " | "))
}

func (d *document) head(cells ...string) {
	d.row(cells...)
	d.line("|%s", strings.Repeat(" --- |", len(cells)))
}

// code writes a block that its content cannot end.
func (d *document) code(text string) {
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	d.line("%s\n%s\n%s\n", fence, strings.TrimRight(text, "\n"), fence)
}

// plain keeps text on one line, and from becoming markup.
func plain(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	return strings.NewReplacer("<", "&lt;", ">", "&gt;", "`", "'", "*", `\*`, "[", `\[`).Replace(s)
}

func (d *document) summary(r Record) {
	if r.Error != "" {
		d.line("It failed in step **%s**:\n", r.Step)
		d.code(r.Error)
	}
	if r.Next != "" {
		d.line("**Next:**\n")
		d.code(r.Next)
	}
	if len(r.Left) > 0 {
		d.line("## How things were left\n")
		d.list(r.Left)
	}
	d.line("## The attempt\n")
	d.head("", "")
	d.row("record", r.ID)
	d.row("by", strings.TrimSpace(r.Actor+" "+r.RunURL))
	d.row("from", moment(r.Started)+" to "+moment(r.Ended))
	d.row("release", r.Release.String()+" (commit "+r.Release.Commit+")")
	previous := r.Previous.String()
	if r.First {
		previous = "none: this is the first deployment"
	}
	d.row("before", previous)
	if r.Resumes != "" {
		d.row("continues", r.Resumes)
	}
	if m := r.Migration.task(); m != nil {
		d.row("migrate", tellEnd(m))
	}
	if r.Seed != nil {
		d.row("seed", tellEnd(r.Seed))
	}
	if r.Plan != nil {
		applied := ", not applied"
		if r.Applied {
			applied = ", applied at least in part"
		}
		d.row("plan", r.Plan.Fingerprint+" "+r.Plan.Summary+applied)
	}
	for _, o := range r.Overrides {
		d.row("overridden", o.Check+": "+o.Reason)
	}
	d.line("")
}

func tellEnd(t *TaskRecord) string {
	code := "no exit code"
	if t.ExitCode != nil {
		code = fmt.Sprintf("exit code %d", *t.ExitCode)
	}
	return strings.TrimSpace(strings.Join([]string{code, t.Reason, t.ARN}, " "))
}

func moment(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

func (d *document) services(r Record) {
	if len(r.Services) == 0 {
		return
	}
	d.line("## Services\n")
	d.head("service", "outcome", "before", "release", "deployment", "state", "circuit breaker", "reason")
	for _, name := range slices.Sorted(maps.Keys(r.Services)) {
		s := r.Services[name]
		d.row(name, string(s.Outcome), short(s.Before), short(s.After), short(s.Deployment), string(s.State),
			fmt.Sprintf("%d of %d", s.Failures, s.Threshold), s.Reason)
	}
	d.line("")
}

func (d *document) breakers(list []Breaker) {
	if len(list) == 0 {
		return
	}
	d.line("## Circuit breakers\n")
	d.head("service", "deployment", "state", "failures", "reason")
	for _, b := range list {
		d.row(b.Service, short(b.ARN), string(b.State), fmt.Sprintf("%d of %d", b.Failures, b.Threshold), b.Reason)
	}
	d.line("")
}

func (d *document) targets(all map[string]Targets) {
	if len(all) == 0 {
		return
	}
	d.line("## Targets of the load balancer\n")
	d.head("service", "healthy", "unhealthy", "draining", "reasons")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t := all[name]
		d.row(name, fmt.Sprint(t.Healthy), fmt.Sprint(t.Unhealthy), fmt.Sprint(t.Draining), strings.Join(t.Reasons, "; "))
	}
	d.line("")
}

func (d *document) stopped(tasks []StoppedTask) {
	if len(tasks) == 0 {
		return
	}
	d.line("## Stopped tasks\n")
	for _, t := range tasks {
		d.line("### %s, %s\n", plain(t.Name), plain(short(t.ARN)))
		d.line("%s, of %s: %s %s\n", moment(t.Stopped), plain(short(t.TaskDefinition)), plain(t.StopCode), plain(t.Reason))
		if len(t.Containers) > 0 {
			d.head("container", "exit code", "reason", "image")
			for _, c := range t.Containers {
				code := "none"
				if c.ExitCode != nil {
					code = fmt.Sprint(*c.ExitCode)
				}
				d.row(c.Name, code, c.Reason, c.Digest)
			}
			d.line("")
		}
		if len(t.Log) == 0 {
			continue
		}
		var lines strings.Builder
		for _, l := range t.Log {
			fmt.Fprintf(&lines, "%s %s\n", l.Time.UTC().Format("15:04:05.000"), l.Message)
		}
		d.code(lines.String())
	}
}

func (d *document) events(all map[string][]ServiceEvent) {
	if len(all) == 0 {
		return
	}
	d.line("## Events\n")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		var lines strings.Builder
		for _, e := range all[name] {
			fmt.Fprintf(&lines, "%s %s\n", e.Time.UTC().Format("15:04:05"), e.Message)
		}
		d.line("### %s\n", plain(name))
		d.code(lines.String())
	}
}
