package view

import (
	"fmt"
	"io"
	"strings"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// DossierJSON writes what explains a failure, for programs.
func DossierJSON(w io.Writer, e deploy.Evidence, r deploy.Record) error {
	r.Evidence = nil // a part of the evidence beside it
	return WriteJSON(w, struct {
		Record   deploy.Record   `json:"record"`
		Evidence deploy.Evidence `json:"evidence"`
	}{r, e})
}

// Dossier is what explains a failure, for people, in Markdown. What came from
// elsewhere stands in code only.
func Dossier(e deploy.Evidence, r deploy.Record) string {
	d := &dossier{}
	d.line("# %s\n", code(Result(r)))
	d.summary(r)
	d.table("Services", []string{"service", "outcome", "before", "release", "deployment", "state", "circuit breaker", "reason"}, sorted(r.Services), func(name string) []string {
		s := r.Services[name]
		return []string{name, string(s.Outcome), short(s.Before), short(s.After), short(s.Deployment), string(s.State), fmt.Sprintf("%d of %d", s.Failures, s.Threshold), s.Reason}
	})
	var breakers []string
	byARN := map[string]deploy.Breaker{}
	for _, b := range e.Deployments {
		breakers = append(breakers, b.ARN)
		byARN[b.ARN] = b
	}
	d.table("Circuit breakers", []string{"service", "deployment", "state", "failures", "reason"}, breakers, func(arn string) []string {
		b := byARN[arn]
		return []string{b.Service, short(arn), string(b.State), fmt.Sprintf("%d of %d", b.Failures, b.Threshold), b.Reason}
	})
	d.table("Targets of the load balancer", []string{"service", "healthy", "initial", "unhealthy", "draining", "reasons"}, sorted(e.Targets), func(name string) []string {
		t := e.Targets[name]
		return []string{name, fmt.Sprint(t.Healthy), fmt.Sprint(t.Initial), fmt.Sprint(t.Unhealthy), fmt.Sprint(t.Draining), strings.Join(t.Reasons, "; ")}
	})
	d.stopped(e.Stopped)
	if len(e.Events) > 0 {
		d.line("## Events\n")
	}
	for _, service := range sorted(e.Events) {
		d.line("### %s\n", code(service))
		d.block(eventLines(e.Events[service])...)
	}
	d.list("What could not be had", e.Gaps)
	return d.String()
}

// dossier is Markdown while it is written.
type dossier struct{ strings.Builder }

func (d *dossier) line(format string, args ...any) { fmt.Fprintf(d, format+"\n", args...) }

func (d *dossier) block(lines ...string) { d.line("%s", fence("", lines)) }

func (d *dossier) list(title string, items []string) {
	if len(items) == 0 {
		return
	}
	d.line("## %s\n", title)
	for _, i := range items {
		d.line("- %s", code(i))
	}
	d.line("")
}

// table writes a section with a row for each key; nothing if there is none.
func (d *dossier) table(title string, head, keys []string, row func(key string) []string) {
	if len(keys) == 0 {
		return
	}
	if title != "" {
		d.line("## %s\n", title)
	}
	d.line("| %s |\n|%s", strings.Join(head, " | "), strings.Repeat(" --- |", len(head)))
	for _, k := range keys {
		cells := row(k)
		for i, c := range cells {
			if c != "" {
				cells[i] = cellCode(c)
			}
		}
		d.line("| %s |", strings.Join(cells, " | "))
	}
	d.line("")
}

func (d *dossier) summary(r deploy.Record) {
	if r.Error != "" {
		d.line("It failed in step **%s**:\n", r.Step)
		d.block(strings.Split(r.Error, "\n")...)
	}
	if next := Next(r.Environment, r.Next); next != "" {
		d.line("**Next:**\n")
		d.block(next)
	}
	d.list("How things were left", r.Left)
	previous := r.Previous.String()
	if r.First {
		previous = "none: this is the first deployment"
	}
	rows := map[string]string{
		"record": r.ID, "by": strings.Join(strings.Fields(r.Actor+" "+r.Caller+" "+r.RunURL), " "), "from": stamp(r.Started) + " to " + stamp(r.Ended),
		"release": r.Release.String() + " (commit " + r.Release.Commit + ")", "before": previous, "continues": r.Resumes,
	}
	keys := []string{"record", "by", "from", "release", "before", "continues", "migrate", "seed", "plan"}
	if r.Migration != nil {
		rows["migrate"] = taskEnd(&r.Migration.TaskRecord)
	}
	if r.Seed != nil {
		rows["seed"] = taskEnd(r.Seed)
	}
	if r.Plan != nil {
		rows["plan"] = r.Plan.Fingerprint + " " + r.Plan.Summary + ", not applied"
		if r.Applied {
			rows["plan"] = r.Plan.Fingerprint + " " + r.Plan.Summary + ", applied at least in part"
		}
	}
	var known []string
	for _, k := range keys {
		if rows[k] != "" {
			known = append(known, k)
		}
	}
	d.table("The attempt", []string{"", ""}, known, func(k string) []string { return []string{k, rows[k]} })
	var overrides []string
	for _, o := range r.Overrides {
		overrides = append(overrides, o.Check+": "+o.Reason)
	}
	d.list("Overridden checks", overrides)
}

func (d *dossier) stopped(tasks []deploy.StoppedTask) {
	if len(tasks) > 0 {
		d.line("## Stopped tasks\n")
	}
	for _, t := range tasks {
		d.line("### %s\n", code(t.Name+", "+short(t.ARN)))
		d.line("%s\n", code(strings.TrimSpace(fmt.Sprintf("%s, of %s: %s %s", stamp(t.Stopped), short(t.TaskDefinition), t.StopCode, t.Reason))))
		var names []string
		containers := map[string]deploy.StoppedContainer{}
		for _, c := range t.Containers {
			names = append(names, c.Name)
			containers[c.Name] = c
		}
		d.table("", []string{"container", "exit code", "reason", "image"}, names, func(name string) []string {
			c, exit := containers[name], "none"
			if c.ExitCode != nil {
				exit = fmt.Sprint(*c.ExitCode)
			}
			return []string{name, exit, c.Reason, c.Digest}
		})
		if lines := logLines(t.Log); len(lines) > 0 {
			d.block(lines...)
		}
	}
}

// Finding is a part of the evidence that a record keeps, with lines from elsewhere.
type Finding struct {
	Title string
	Lines []string
}

// findings are what a record keeps of the evidence, with the tasks' log lines or
// without.
func findings(e *deploy.Evidence, withoutLogs bool) []Finding {
	if e == nil {
		return nil
	}
	var list []Finding
	for _, t := range e.Stopped {
		title := fmt.Sprintf("task %s of %s, of which ECS showed no end", short(t.ARN), t.Name)
		if !t.Stopped.IsZero() {
			title = fmt.Sprintf("task %s of %s stopped at %s: %s", short(t.ARN), t.Name, stamp(t.Stopped), strings.TrimSpace(t.StopCode+" "+t.Reason))
		}
		for _, c := range t.Containers {
			if c.ExitCode != nil {
				title += fmt.Sprintf("; container %s: exit code %d", c.Name, *c.ExitCode)
			}
		}
		lines := logLines(t.Log)
		if n := len(lines); n > 0 && withoutLogs {
			title, lines = fmt.Sprintf("%s; %d log lines, which this page leaves out", title, n), nil
		}
		list = append(list, Finding{title, lines})
	}
	for _, b := range e.Deployments {
		if b.Failures > 0 || b.Reason != "" {
			list = append(list, Finding{Title: fmt.Sprintf("circuit breaker of %s: %d of %d failures, %s %s", b.Service, b.Failures, b.Threshold, b.State, b.Reason)})
		}
	}
	for _, name := range sorted(e.Targets) {
		if t := e.Targets[name]; t.Unhealthy+t.Initial > 0 {
			title := fmt.Sprintf("targets of %s: %d healthy, %d unhealthy", name, t.Healthy, t.Unhealthy)
			if t.Initial > 0 {
				title += fmt.Sprintf(", %d initial", t.Initial)
			}
			list = append(list, Finding{title, t.Reasons})
		}
	}
	for _, name := range sorted(e.Events) {
		if lines := eventLines(e.Events[name]); len(lines) > 0 {
			list = append(list, Finding{"events of " + name, lines})
		}
	}
	if len(e.Gaps) > 0 {
		list = append(list, Finding{"what could not be had", e.Gaps})
	}
	return list
}

func eventLines(events []deploy.ServiceEvent) (lines []string) {
	for _, e := range events {
		lines = append(lines, e.Time.UTC().Format("15:04:05")+" "+arns.ReplaceAllStringFunc(e.Message, named))
	}
	return lines
}

func logLines(log []deploy.LogLine) (lines []string) {
	for _, l := range log {
		for part := range strings.SplitSeq(strings.TrimRight(l.Message, "\n"), "\n") {
			lines = append(lines, l.Time.UTC().Format("15:04:05.000")+" "+part)
		}
	}
	return lines
}

// short is the last part of an ARN.
func short(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }
