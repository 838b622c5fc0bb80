package console

import (
	"fmt"
	"strings"
	"unicode"
)

// Printable returns a line that others wrote, such as a task's, without what acts on a
// terminal: control characters but the tab become \xNN, and what ends a line or turns
// text around \uNNNN. So does the first character of each command of GitHub's runner,
// which finds :: at the beginning of a line, and ##[ anywhere.
func Printable(line string) string {
	var text strings.Builder
	start := len(line) - len(strings.TrimLeftFunc(line, unicode.IsSpace))
	for i, r := range line {
		rest := line[i:]
		switch {
		case i == start && strings.HasPrefix(rest, "::"), strings.HasPrefix(rest, "##["), unicode.IsControl(r) && r != '\t':
			fmt.Fprintf(&text, `\x%02x`, r)
		case r == '\u2028' || r == '\u2029' || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069':
			fmt.Fprintf(&text, `\u%04x`, r)
		default:
			text.WriteRune(r)
		}
	}
	return text.String()
}

// printableLines is a text of several lines, each of them Printable.
func printableLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = Printable(line)
	}
	return strings.Join(lines, "\n")
}
