package view

import (
	"fmt"
	"strings"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// Moment is when people are told of an attempt.
type Moment string

// The moments. For the last one, the record says how the attempt ended.
const (
	AwaitingApproval Moment = "awaiting approval"
	Started          Moment = "started"
	Ended            Moment = "ended"
)

// Message is what people are told of an attempt at a moment.
type Message struct {
	Platform string
	Moment   Moment
	Record   deploy.Record
	// Subjects are those of the commits since the release that ran, the newest
	// first.
	Subjects []string
}

// mostTold is how many commits a message names.
const mostTold = 10

// Text is the message.
func (m Message) Text() string {
	r := m.Record
	head, rest, _ := strings.Cut(Announcement(m.Platform, r), "\n")
	var lines []string
	if m.Moment != Ended {
		what := "promotion of " + r.Release.String()
		if r.Kind == deploy.KindRollback {
			what = "rollback to " + r.Release.String()
		}
		head, rest = fmt.Sprintf("%s %s: %s: %s", m.Platform, r.Environment, what, m.Moment), ""
		if !r.Previous.IsZero() {
			head += ", after " + r.Previous.String()
		}
		head += ", by " + r.Actor
	} else if r.Outcome != deploy.Deployed && r.SupersededBy == nil {
		lines = append(lines, fmt.Sprintf("exit code %d: %s", r.Outcome.ExitCode(), meanings[r.Outcome]))
	}
	for _, o := range r.Overrides {
		lines = append(lines, "overridden: "+o.Check+": "+o.Reason)
	}
	if n := len(m.Subjects); n > 0 {
		lines = append(lines, counted(n, "commit")+":")
		for _, s := range m.Subjects[:min(n, mostTold)] {
			lines = append(lines, "• "+s)
		}
		if n > mostTold {
			lines = append(lines, fmt.Sprintf("and %d more", n-mostTold))
		}
	}
	switch {
	case m.Moment == AwaitingApproval && r.RunURL != "":
		lines = append(lines, "next: review and approve it at "+r.RunURL)
	case m.Moment == Started && r.RunURL != "":
		lines = append(lines, r.RunURL)
	}
	lines = append([]string{head}, lines...)
	for i, line := range lines {
		lines[i] = oneLine(line)
	}
	if rest != "" {
		lines = append(lines, rest)
	}
	return strings.Join(lines, "\n")
}

// meanings are those of the exit codes, for people.
var meanings = map[deploy.Outcome]string{
	deploy.Untouched:   "failed or refused, and no service has changed its release",
	deploy.RolledBack:  "failed, and every service runs again what it ran before",
	deploy.Broken:      "broken: services are mixed or nobody knows what they run; page someone",
	deploy.Superseded:  "another deployment took over",
	deploy.Interrupted: "interrupted: what is in flight goes on",
}

// counted is a number of things, such as "1 commit" or "2 commits".
func counted(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

// Announcement is what people are told of an attempt.
func Announcement(platform string, r deploy.Record) string {
	var b strings.Builder
	after := ""
	if r.Outcome == deploy.Deployed && !r.Previous.IsZero() {
		after = ", after " + r.Previous.String()
	}
	putLine(&b, "%s %s%s, by %s", platform, Result(r), after, r.Actor)
	if r.Outcome != deploy.Deployed && r.SupersededBy == nil {
		putLine(&b, "%s: %s", r.Step, r.Error)
		for _, l := range r.Left {
			putLine(&b, "• %s", l)
		}
		if next := Next(r.Environment, r.Next); next != "" {
			putLine(&b, "next: %s", next)
		}
	}
	if r.RunURL != "" {
		putLine(&b, "%s", r.RunURL)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// Deployed is what a release's own page says of its deployment, and the markers
// that it stands between.
func Deployed(platform string, r deploy.Record) (begin, end, text string) {
	of := fmt.Sprintf("tfpipeline:deployed v1, platform: %s, environment: %s", plainWord(platform), plainWord(r.Environment))
	d := &dossier{}
	after := ""
	if !r.Previous.IsZero() {
		after = ", after " + code(r.Previous.String())
	}
	run := ""
	if r.RunURL != "" {
		run = ", [run](" + linkTarget(r.RunURL) + ")"
	}
	d.line("**Deployed to %s** on %s by %s%s%s\n", code(r.Environment), stamp(r.Ended), code(r.Actor), after, run)
	d.table("", []string{"service", "digest"}, sorted(r.Release.Digests), func(s string) []string { return []string{s, r.Release.Digests[s]} })
	return "<!-- " + of + " -->", "<!-- /" + of + " -->", d.String()
}

// linkTarget is an address as the target of a Markdown link.
func linkTarget(url string) string {
	return strings.NewReplacer("(", "%28", ")", "%29", " ", "%20").Replace(oneLine(url))
}
