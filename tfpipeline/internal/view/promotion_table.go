package view

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// PromotionTable is a promotion on a terminal: a table of services at the
// bottom that stays up to date, and what happened above it. It is a writer, so
// that what others say meanwhile stands above it too.
type PromotionTable struct {
	w         io.Writer
	promotion Promotion
	// size returns the terminal's columns and lines.
	size   func() (width, height int)
	colour bool

	mu          sync.Mutex
	begun       time.Time
	step        deploy.StepName
	stepped     time.Time
	passed      map[deploy.StepName]bool
	deployments map[string]deploy.Deployment
	ended       bool
	drawn       int    // lines of the table on the screen
	partial     []byte // of a line that others write

	stop chan struct{}
	done chan struct{}
}

// NewPromotionTable draws the table, and again every second until Close.
func NewPromotionTable(w io.Writer, p Promotion, colour bool, size func() (width, height int)) *PromotionTable {
	t := &PromotionTable{
		w: w, promotion: p, size: size, colour: colour,
		begun: time.Now(), deployments: map[string]deploy.Deployment{}, passed: map[deploy.StepName]bool{},
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	t.above("")
	go t.tick()
	return t
}

func (t *PromotionTable) tick() {
	defer close(t.done)
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			t.above("")
		case <-t.stop:
			return
		}
	}
}

// Close leaves the table as it is. Nothing is written after it.
func (t *PromotionTable) Close() {
	close(t.stop)
	<-t.done
	t.above("")
}

// Observe takes an event into the table, or puts it above.
func (t *PromotionTable) Observe(e deploy.Event) {
	t.mu.Lock()
	if e.Step != "" && e.Step != t.step {
		t.step, t.stepped = e.Step, e.Time
	}
	if e.Record != nil {
		t.promotion.Kind = e.Record.Kind // a promotion of an older release rolls back
	}
	switch e.Kind {
	case deploy.EventDone:
		t.passed[e.Step] = true
	case deploy.EventDeployment:
		if e.Deployment != nil {
			t.deployments[e.Service] = *e.Deployment
			if !slices.Contains(t.promotion.Services, e.Service) { // a rollback includes services that the platform no longer has
				t.promotion.Services = append(slices.Clip(t.promotion.Services), e.Service)
			}
		}
	case deploy.EventEnd:
		t.ended = true
		if e.Record != nil {
			t.promotion.To = subject(*e.Record)
		}
	}
	t.mu.Unlock()
	s := ""
	// The table shows the step and the deployments.
	if e.Kind != deploy.EventDeployment && e.Kind != deploy.EventStep {
		s = sentence(e)
	}
	if s != "" {
		s = fmt.Sprintf("[%7s] %s\n", elapsed(e.Time, t.begun), s)
	}
	t.above(s)
}

// Write puts whole lines above the table.
func (t *PromotionTable) Write(p []byte) (int, error) {
	t.mu.Lock()
	t.partial = append(t.partial, p...)
	whole := ""
	if i := bytes.LastIndexByte(t.partial, '\n'); i >= 0 {
		whole = string(t.partial[:i+1])
		t.partial = append([]byte(nil), t.partial[i+1:]...)
	}
	t.mu.Unlock()
	if whole != "" {
		t.above(whole)
	}
	return len(p), nil
}

// above takes the table away, writes text where it was and draws it anew, in
// one write, so that nothing flickers.
func (t *PromotionTable) above(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b strings.Builder
	if t.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\r\x1b[J", t.drawn)
	}
	b.WriteString(text)
	width, height := t.size()
	lines := t.lines(time.Now(), width, height)
	for _, l := range lines {
		b.WriteString(t.paint(fit(l, width)) + "\n")
	}
	t.drawn = len(lines)
	_, _ = io.WriteString(t.w, b.String())
}

// lines are the table. If it does not fit on the screen, it leaves out services whose
// deployment is done, and counts them.
func (t *PromotionTable) lines(now time.Time, width, height int) []string {
	title := oneLine(t.promotion.title())
	if t.step != "" && !t.ended {
		title += fmt.Sprintf("  %s %s", t.step, brief(now.Sub(t.stepped).Truncate(time.Second)))
	}
	steps := t.steps(width)
	rows := [][]string{{"SERVICE", "PHASE", "TASKS", "REVISION", "BREAKER", "ELAPSED"}}
	left := 0
	var settled [][]string
	room := max(height-4-len(steps), 3)
	for _, name := range t.promotion.Services {
		d, known := t.deployments[name]
		row := t.row(name, d, known, now)
		if len(t.promotion.Services) > room && known && d.State == deploy.DeploymentSuccessful {
			settled = append(settled, row)
			continue
		}
		rows = append(rows, row)
	}
	if over := len(rows) - 1 - room; over > 0 {
		left += over
		rows = rows[:room+1]
	}
	for _, row := range settled {
		if len(rows)-1 < room {
			rows = append(rows, row)
		} else {
			left++
		}
	}
	lines := slices.Concat([]string{title}, steps, columns(rows))
	if left > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", left))
	}
	return lines
}

// steps are those of the attempt until it ends, in as many lines as they need: "✓"
// is done, "▸" at work.
func (t *PromotionTable) steps(width int) []string {
	if t.ended {
		return nil
	}
	var lines []string
	for _, s := range deploy.Steps(t.promotion.Kind) {
		word := string(s)
		switch {
		case t.passed[s]:
			word = "✓" + word
		case s == t.step:
			word = "▸" + word
		}
		last := len(lines) - 1
		if last < 0 || utf8.RuneCountInString(lines[last]+" "+word) > width {
			lines = append(lines, word)
		} else {
			lines[last] += " " + word
		}
	}
	return lines
}

func (t *PromotionTable) row(name string, d deploy.Deployment, known bool, now time.Time) []string {
	before := revision(t.promotion.Before[name])
	if !known {
		if before == "" {
			before = "-"
		}
		return []string{name, "waiting", "-", before, "-", "-"}
	}
	change := revision(d.TaskDefinition)
	switch {
	case before != "" && d.State == deploy.DeploymentRolledBack:
		change = before // the service runs it again
	case before != "" && before != change:
		change = before + " → " + change
	}
	end := d.Finished
	if end.IsZero() {
		end = now
	}
	took := "-"
	if !d.Created.IsZero() {
		took = brief(max(end.Sub(d.Created), 0).Truncate(time.Second))
	}
	tasks := fmt.Sprintf("%d/%d", d.Running, d.Desired)
	if over(d) {
		tasks = "-"
	}
	return []string{name, string(d.State), tasks, change, fmt.Sprintf("%d/%d", d.Failures, d.Threshold), took}
}

// paint colours what a state means.
func (t *PromotionTable) paint(line string) string {
	if !t.colour {
		return line
	}
	for _, c := range []struct{ state, code string }{
		{"rollback failed", "31"}, {"rolling back", "31"}, {"rolled back", "31"}, {"stopped", "31"},
		{"successful", "32"}, {"in progress", "33"}, {"pending", "33"},
	} {
		if i := strings.Index(line, "  "+c.state+"  "); i >= 0 {
			i += 2
			return line[:i] + "\x1b[" + c.code + "m" + c.state + "\x1b[0m" + line[i+len(c.state):]
		}
	}
	return line
}
