package view

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// Result is how an attempt ended, in one line.
func Result(r deploy.Record) string { return oneLine(result(r)) }

func result(r deploy.Record) string {
	what := "promotion of " + r.Release.String()
	switch r.Kind {
	case deploy.KindRollback:
		what = "rollback to " + r.Release.String()
	case deploy.KindRestart, deploy.KindScale:
		what = string(r.Kind) + " of " + subject(r)
	case deploy.KindSecret:
		what = "change of secret " + subject(r)
	}
	took := ""
	if !r.Ended.IsZero() {
		took = " (" + brief(r.Ended.Sub(r.Started)) + ")"
	}
	if r.SupersededBy != nil {
		return fmt.Sprintf("%s: %s: superseded by %s, which is newer; nothing was changed", r.Environment, what, r.SupersededBy)
	}
	switch r.Outcome {
	case deploy.Deployed:
		return fmt.Sprintf("%s: %s is deployed to every service%s", r.Environment, r.Release, took)
	case deploy.Done:
		return fmt.Sprintf("%s: %s is done%s", r.Environment, what, took)
	case "":
		return fmt.Sprintf("%s: %s by %s, without an end", r.Environment, what, r.Actor)
	default:
		return fmt.Sprintf("%s: %s: %s%s", r.Environment, what, r.Outcome, took)
	}
}

// subject is what an attempt is about: the release, or the services that it
// restarts or scales, or a secret.
func subject(r deploy.Record) string {
	switch r.Kind {
	case deploy.KindSecret:
		return cmp.Or(r.Secret, "whose name is not recorded")
	case deploy.KindRestart, deploy.KindScale:
	default:
		return r.Release.String()
	}
	var services []string
	for _, name := range sorted(r.Services) {
		if tasks := r.Services[name].Tasks; tasks != nil {
			name += fmt.Sprintf(" to %d tasks", *tasks)
		}
		services = append(services, name)
	}
	return cmp.Or(strings.Join(services, ", "), "services")
}

// Record writes everything that a record tells, for people.
func Record(w io.Writer, r deploy.Record) error {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		if s := fmt.Sprintf(format, args...); s != "" {
			putLine(&b, "%-10s %s", name, s)
		}
	}
	fmt.Fprintln(&b, Result(r))
	line("record", "%s", r.ID)
	line("resumes", "%s", r.Resumes)
	line("by", "%s", strings.TrimSpace(r.Actor+" "+r.RunURL))
	line("caller", "%s", r.Caller)
	line("begun", "%s", stamp(r.Started))
	line("ended", "%s", stamp(r.Ended))
	line("commit", "%s", r.Release.Commit)
	if !r.Previous.IsZero() {
		line("before", "%s (%s)", r.Previous, r.Previous.Commit)
	}
	if r.Rejected != nil {
		line("rejected", "%s", r.Rejected)
	}
	if r.Proof != nil {
		line("proof", "ran in %s for %s, %s asked for", r.Proof.Environment, brief(r.Proof.Baked), brief(r.Proof.MinimumBake))
	}
	for _, o := range r.Overrides {
		line("override", "%s: %s", o.Check, o.Reason)
	}
	if r.Plan != nil {
		applied := "not applied"
		if r.Applied {
			applied = "applied"
		}
		if r.Plan.Empty {
			applied = "nothing to apply"
		}
		line("plan", "%s (%s)", r.Plan.Fingerprint, applied)
	}
	if r.Migration != nil {
		line("migrate", "%s", taskEnd(&r.Migration.TaskRecord))
	}
	if r.Seed != nil {
		line("seed", "%s", taskEnd(r.Seed))
	}
	if r.Outcome != deploy.Deployed && r.Outcome != deploy.Done && r.SupersededBy == nil {
		line("step", "%s", r.Step)
		line("error", "%s", r.Error)
	}
	for _, l := range r.Left {
		line("left", "%s", l)
	}
	line("next", "%s", Next(r.Environment, r.Next))
	if len(r.Services) > 0 {
		b.WriteByte('\n')
		rows := [][]string{{"SERVICE", "REVISION", "DEPLOYMENT", "BREAKER", "ELAPSED", "DIGEST"}}
		for _, name := range sorted(r.Services) {
			rows = append(rows, serviceRow(name, *r.Services[name]))
		}
		b.WriteString(strings.Join(columns(rows), "\n") + "\n")
		rows = [][]string{{"SEEN", "AT", "REVISION", "DEPLOYMENT", "STATE", "TASKS", "IMAGES"}}
		for _, name := range sorted(r.Services) {
			if s := r.Services[name].Seen; s != nil {
				rows = append(rows, seenRow(name, *s))
			}
		}
		if len(rows) > 1 {
			b.WriteString("\n" + strings.Join(columns(rows), "\n") + "\n")
		}
	}
	for i, name := range sorted(r.Schedules) {
		if i == 0 {
			b.WriteByte('\n')
		}
		s := r.Schedules[name]
		after := deploy.Schedule{TaskDefinition: s.After, Enabled: !s.Off}
		putLine(&b, "schedule %s: %s → %s", name, scheduleStarts(s.Before), scheduleStarts(after))
	}
	for _, f := range findings(r.Evidence, false) {
		b.WriteByte('\n')
		putLine(&b, "%s", f.Title)
		for _, l := range f.Lines {
			putLine(&b, "  %s", l)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// scheduleStarts is what a schedule starts, or that it is off.
func scheduleStarts(s deploy.Schedule) string {
	if !s.Enabled {
		return "off"
	}
	return revision(s.TaskDefinition)
}

func taskEnd(t *deploy.TaskRecord) string {
	switch {
	case t.ExitCode != nil:
		return fmt.Sprintf("exit code %d, %s", *t.ExitCode, t.ARN)
	case t.ARN == "":
		return "not started"
	default:
		return strings.TrimSuffix("no exit code, "+t.ARN+", "+t.Reason, ", ")
	}
}

func serviceRow(name string, s deploy.ServiceRecord) []string {
	change := revision(s.After)
	if s.Before != "" && s.Before != s.After {
		change = revision(s.Before) + " → " + change
	}
	state, took := string(s.State), "-"
	switch {
	case s.Tasks != nil:
		state = fmt.Sprintf("%d tasks (before: %d)", *s.Tasks, s.DesiredBefore)
	case !s.Updated && s.Deployment == "":
		state = "not updated"
	}
	if !s.Started.IsZero() && !s.Ended.IsZero() {
		took = brief(s.Ended.Sub(s.Started).Truncate(time.Second))
	}
	return []string{name, change, state, fmt.Sprintf("%d/%d", s.Failures, s.Threshold), took, shortDigest(s.Digest)}
}

// seenRow is what an outcome was concluded from: what ECS showed of a service, and how
// many of its tasks ran which image.
func seenRow(name string, s deploy.Seen) []string {
	tasks := map[string]int{}
	for _, d := range s.Digests {
		tasks[cmp.Or(shortDigest(d), "unknown")]++
	}
	var images []string
	for _, d := range sorted(tasks) {
		images = append(images, fmt.Sprintf("%d of %s", tasks[d], d))
	}
	deployment := s.Deployment[strings.LastIndexByte(s.Deployment, '/')+1:]
	return []string{
		name, stamp(s.At), revision(s.TaskDefinition), cmp.Or(deployment, "-"), cmp.Or(string(s.State), "-"),
		fmt.Sprintf("%d/%d", s.Running, s.Desired), cmp.Or(strings.Join(images, ", "), "-"),
	}
}

// shortDigest is as much of a digest as tells images apart.
func shortDigest(d string) string {
	const enough = len("sha256:") + 12
	return d[:min(len(d), enough)]
}
