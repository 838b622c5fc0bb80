package console

import (
	"fmt"
	"strings"
	"unicode"
)

// Printable returns a line that others wrote, such as a task's, without what acts on a
// terminal: control characters but the tab become \xNN. So do the colons at the
// beginning of a command of GitHub's runner.
func Printable(line string) string {
	var text strings.Builder
	if rest := strings.TrimLeft(line, " \t"); strings.HasPrefix(rest, "::") || strings.HasPrefix(rest, "##[") {
		fmt.Fprintf(&text, `\x%02x`, rest[0])
		line = rest[1:]
	}
	for _, r := range line {
		if unicode.IsControl(r) && r != '\t' {
			fmt.Fprintf(&text, `\x%02x`, r)
			continue
		}
		text.WriteRune(r)
	}
	return text.String()
}
