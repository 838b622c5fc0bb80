package report

import (
	"flag"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// summarized are the verbs whose output also goes to the summary of a
// workflow's step.
var summarized = []string{"promote", "rollback", "apply", "drift", "unlock", "settle"}

// Step runs a verb with the flags of set, and returns its error. In a workflow
// it appends the output of such a verb to the step's summary, even if the verb
// fails half-way. It leaves out JSON and Markdown: whoever asks for them
// decides where they go.
func Step(c *console.Console, set *flag.FlagSet, verb func() error) error {
	path := c.Getenv(stepSummary)
	if !c.Actions() || path == "" || !slices.Contains(summarized, set.Name()) || isSet(set, "json") || isSet(set, "markdown") {
		return verb()
	}
	a := &answer{w: c.Out}
	c.Out = a
	defer func() { c.Out = a.w }()
	err := verb()
	if text := a.text.String(); text != "" {
		if summaryErr := summarize(path, func(room int) string {
			return view.Answer("tfpipeline "+set.Name(), text, min(room, view.SummaryBudget))
		}); summaryErr != nil {
			c.Progress("warning: %v", summaryErr)
		}
	}
	return err
}

func isSet(set *flag.FlagSet, name string) bool {
	f := set.Lookup(name)
	return f != nil && f.Value.String() == "true"
}

// answer passes on what is written, and keeps a copy.
type answer struct {
	w    io.Writer
	mu   sync.Mutex
	text strings.Builder
}

func (a *answer) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.text.Write(p)
	return a.w.Write(p)
}
