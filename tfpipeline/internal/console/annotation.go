package console

import (
	"fmt"
	"strings"
)

// Annotation is how GitHub shows a line of a workflow's log at the top of the
// run.
type Annotation string

// The annotations.
const (
	Notice  Annotation = "notice"
	Warning Annotation = "warning"
	Problem Annotation = "error"
)

// Actions reports whether a workflow of GitHub Actions runs the program.
func (c *Console) Actions() bool { return c.Getenv("GITHUB_ACTIONS") == "true" }

// Annotate shows a message at the top of a workflow's run; elsewhere it does
// nothing. GitHub reads the line from either stream.
func (c *Console) Annotate(kind Annotation, message string) {
	if c.Actions() {
		fmt.Fprintf(c.Err, "::%s::%s\n", kind, escapeCommand.Replace(printableLines(strings.TrimSpace(message))))
	}
}

// Group opens a part of a workflow's log that GitHub folds away, and returns
// the function that closes it; outside a workflow it does nothing. Groups do
// not nest.
func (c *Console) Group(title string) (end func()) {
	if !c.Actions() {
		return func() {}
	}
	fmt.Fprintf(c.Err, "::group::%s\n", escapeCommand.Replace(Printable(title)))
	return func() { fmt.Fprintln(c.Err, "::endgroup::") }
}

// escapeCommand escapes a message so that it stays on its line and cannot
// start another workflow command.
var escapeCommand = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
