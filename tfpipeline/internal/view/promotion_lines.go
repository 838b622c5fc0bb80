package view

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// PromotionLines tells a promotion line by line, for logs.
type PromotionLines struct {
	w     io.Writer
	begun time.Time
	last  map[string]string
}

// NewPromotionLines begins with the title and the steps.
func NewPromotionLines(w io.Writer, p Promotion) *PromotionLines {
	fmt.Fprintln(w, oneLine(p.title()))
	if steps := p.stepsLine(); steps != "" {
		fmt.Fprintln(w, "steps: "+steps)
	}
	return &PromotionLines{w: w, begun: time.Now(), last: map[string]string{}}
}

// Observe writes an event as a line; of a deployment, only what has changed.
func (l *PromotionLines) Observe(e deploy.Event) {
	s := sentence(e)
	if s == "" {
		return
	}
	if e.Kind == deploy.EventDeployment {
		if l.last[e.Service] == s {
			return
		}
		l.last[e.Service] = s
	}
	fmt.Fprintf(l.w, "[%7s] %s\n", elapsed(e.Time, l.begun), s)
}

// elapsed is the time since the beginning, for the margin.
func elapsed(at, begun time.Time) string {
	return max(at.Sub(begun), 0).Round(time.Second).String()
}

// PromotionJSON writes each event as one JSON object on a line.
type PromotionJSON struct{ enc *json.Encoder }

// NewPromotionJSON returns a stream to w.
func NewPromotionJSON(w io.Writer) *PromotionJSON {
	return &PromotionJSON{console.NewEncoder(w)}
}

// Observe writes an event.
func (j *PromotionJSON) Observe(e deploy.Event) {
	// There is nobody to tell of a reader that has gone; the record stays.
	_ = j.enc.Encode(e)
}
