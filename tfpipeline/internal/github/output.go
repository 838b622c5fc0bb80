package github

import (
	"fmt"
	"strings"
)

// Output is one output of a workflow's step.
type Output struct{ Name, Value string }

// AppendOutputs appends outputs to the file that GitHub reads them from. A value
// of several lines is refused: it could be read as another output.
func AppendOutputs(path string, outputs []Output) error {
	var b strings.Builder
	for _, o := range outputs {
		if strings.ContainsAny(o.Value, "\r\n") {
			return fmt.Errorf("write the step's outputs: %s has several lines", o.Name)
		}
		fmt.Fprintf(&b, "%s=%s\n", o.Name, o.Value)
	}
	return wrap(appendTo(path, b.String()), "write the step's outputs")
}
