package view

import (
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// Dashboard is what every environment runs, how it came to that, and what waits.
type Dashboard struct {
	Platform string
	// Repository is its address on GitHub.
	Repository string
	Time       time.Time
	Panels     []Panel
	// Shared is the drift of what the environments share; nil if nobody has looked.
	Shared *DriftSummary
	// WithoutLogs leaves out what tasks wrote: a page that is published may be read
	// by more people than the logs.
	WithoutLogs bool
}

// Panel is one environment on it.
type Panel struct {
	Status
	// Unread: it could not be read, and why is among the problems.
	Unread bool
	// History holds the latest attempts, the newest first.
	History History
	// Behind is what this environment lacks of the one in which releases are proved;
	// nil if there is no such environment.
	Behind *Behind
	// Drift is what was found last; nil if nobody has looked.
	Drift *DriftSummary
}

// Behind is what lies between two environments.
type Behind struct {
	From string
	// Count is how many commits; Commits are the newest of them, More the rest.
	Count   int
	Commits []Commit
	// Migrations are the files that these commits add.
	Migrations []string
	// Unknown is why nobody can tell.
	Unknown string
}

// Commit is one of git's.
type Commit struct{ Hash, Subject string }

// More is how many commits are left out.
func (b Behind) More() int { return b.Count - len(b.Commits) }

// DriftSummary is what differs in one root.
type DriftSummary struct {
	Time time.Time
	// Real is what something else than this program has changed; Accepted and Pending
	// are counts.
	Real              []string
	Pending, Accepted int
}

// Summary is it in one line.
func (d DriftSummary) Summary() string {
	if len(d.Real)+d.Pending+d.Accepted == 0 {
		return "none"
	}
	return fmt.Sprintf("%d drifted, %d pending, %d accepted", len(d.Real), d.Pending, d.Accepted)
}

// ReadDrift reads what JSON wrote, by root; nothing from an empty file.
func ReadDrift(r io.Reader, at time.Time) (map[string]DriftSummary, error) {
	var report driftJSON
	if err := json.NewDecoder(r).Decode(&report); errors.Is(err, io.EOF) {
		return nil, nil // nothing could be compared
	} else if err != nil {
		return nil, fmt.Errorf("read the drift: %w", err)
	}
	summaries := map[string]DriftSummary{}
	for _, d := range report.Roots {
		s := DriftSummary{Time: at, Pending: len(d.Pending), Accepted: len(d.Accepted)}
		for _, x := range d.Real {
			s.Real = append(s.Real, x.Action+" "+x.Address)
		}
		summaries[d.Root] = s
	}
	return summaries, nil
}

// State is how something is, by a word, a mark and a class of the page's.
type State struct{ Class, Mark, Text string }

// State is how the environment is.
func (p Panel) State() State {
	switch n := len(p.Problems) + len(p.Ringing()); {
	case p.Lock != nil && p.Lock.AtWork():
		return State{"busy", "◐", strings.TrimSpace(string(p.Lock.Kind)+" "+cmp.Or(p.Lock.Release.Tag, p.Lock.Release.Commit)) + " is under way"}
	case p.Unread:
		return State{"bad", "▲", "not known"}
	case n == 1:
		return State{"bad", "▲", "1 problem"}
	case n > 1:
		return State{"bad", "▲", fmt.Sprintf("%d problems", n)}
	case p.Frozen != nil:
		return State{"cold", "■", "frozen"}
	case p.Release == nil:
		return State{"soft", "○", "no release yet"}
	}
	return State{"good", "●", "as released"}
}

// Row is a service's row, as a terminal shows it.
func (p Panel) Row(s ServiceStatus) []string { return p.row(s) }

// Attempt is one of the history, at work or ended.
type Attempt struct {
	deploy.Record
	State State
}

// Attempts are the latest, the newest first.
func (p Panel) Attempts() []Attempt {
	var list []Attempt
	for _, j := range slices.Backward(p.History.Unfinished) {
		state := State{"bad", "▲", "no end: " + string(j.Step)}
		if p.Lock != nil && p.Lock.RecordID == j.Record.ID && p.Lock.AtWork() {
			state = State{"busy", "◐", "at " + string(j.Step)}
		}
		list = append(list, Attempt{j.Record, state})
	}
	for _, r := range p.History.Records {
		state := State{"bad", "▲", string(r.Outcome) + " at " + string(r.Step)}
		switch {
		case r.SupersededBy != nil:
			state = State{"soft", "○", "superseded by " + r.SupersededBy.String()}
		case r.Outcome == deploy.Deployed || r.Outcome == deploy.Done:
			state = State{"good", "●", string(r.Outcome)}
		}
		list = append(list, Attempt{r, state})
	}
	return list
}

// Failed reports whether there is something to explain.
func (a Attempt) Failed() bool {
	return a.Outcome != deploy.Deployed && a.Outcome != deploy.Done && a.Outcome != "" && a.SupersededBy == nil
}

// publicLease describes a lease without its holder's ARN: whoever may read a
// repository may read the page that a workflow makes.
func publicLease(l *deploy.Lease) string {
	public := *l
	public.Caller = ""
	return Lease(public)
}

// Bar is a step in a drawing that is 1000 wide.
type Bar struct {
	Class    string
	X, Width int
}

// Bars draws how long the steps lasted.
func (a Attempt) Bars() []Bar {
	whole := max(a.Ended.Sub(a.Started), 1)
	place := func(t time.Time) int { return int(min(max(t.Sub(a.Started), 0), whole) * 1000 / whole) }
	var bars []Bar
	for _, s := range a.Steps {
		if x, end := place(s.Started), place(s.Ended); end > x {
			bars = append(bars, Bar{strings.ReplaceAll(string(s.Step), " ", "-"), x, end - x})
		}
	}
	return bars
}

// Durations says what Bars draws.
func (a Attempt) Durations() string {
	var parts []string
	for _, s := range a.Steps {
		if d := s.Ended.Sub(s.Started); d >= time.Second {
			parts = append(parts, fmt.Sprintf("%s %s", s.Step, brief(d)))
		}
	}
	return strings.Join(parts, ", ")
}

// Facts are what the dossier tells of the attempt, each with its name.
func (a Attempt) Facts() [][2]string {
	var facts [][2]string
	add := func(name, text string) {
		if text != "" {
			facts = append(facts, [2]string{name, text})
		}
	}
	add("next", Next(a.Environment, a.Record.Next))
	add("continues", a.Resumes)
	if a.Migration != nil {
		add("migrate", taskEnd(&a.Migration.TaskRecord))
	}
	if a.Seed != nil {
		add("seed", taskEnd(a.Seed))
	}
	if a.Plan != nil {
		add("plan", strings.TrimSpace(a.Plan.Fingerprint+" "+a.Plan.Summary))
	}
	for _, o := range a.Overrides {
		add("overridden", o.Check+": "+o.Reason)
	}
	return facts
}

// Rows are what the attempt did to each service.
func (a Attempt) Rows() [][]string {
	var rows [][]string
	for _, name := range sorted(a.Services) {
		s := a.Services[name]
		row := serviceRow(name, *s)
		rows = append(rows, []string{name, string(s.Outcome), row[1], row[2], row[3], fmt.Sprint(s.Crashed), s.Reason})
	}
	return rows
}

//go:embed page
var page embed.FS

// HTML writes one page that needs nothing but itself. every is after how many
// seconds it renews itself from where it was loaded; 0 is never.
func (d Dashboard) HTML(w io.Writer, every int) error {
	read := func(name string) string {
		text, _ := page.ReadFile("page/" + name) // embedded: it is there
		return string(text)
	}
	style, script := read("page.css"), ""
	policy := "default-src 'none'; img-src data:; style-src " + hash(style) + "; base-uri 'none'; form-action 'none'"
	if every > 0 {
		script = read("renew.js")
		policy += "; script-src " + hash(script) + "; connect-src 'self'"
	}
	t, err := template.New("page").Funcs(template.FuncMap{
		"line": oneLine, "subject": subject, "lines": eachLine, "stamp": stamp, "brief": brief, "lease": publicLease,
		"findings": func(a Attempt) []Finding { return findings(a.Evidence, d.WithoutLogs) },
		"digest":   func(d string) string { return strings.TrimPrefix(shortDigest(d), "sha256:") },
	}).Parse(read("page.html"))
	if err != nil {
		return err
	}
	return t.Execute(w, struct {
		Dashboard
		Policy string
		Style  template.CSS
		Script template.JS
		Every  int
	}{d, policy, template.CSS(style), template.JS(script), every}) //nolint:gosec // both are this program's own
}

// eachLine is text whose lines stay, and are each shown as they are.
func eachLine(text string) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = oneLine(l)
	}
	return strings.Join(lines, "\n")
}

// hash names a text that a policy allows.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
