package console

import (
	"encoding/json"
	"fmt"
	"io"
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
		case turns(r):
			fmt.Fprintf(&text, `\u%04x`, r)
		default:
			text.WriteRune(r)
		}
	}
	return text.String()
}

// turns reports whether a character ends a line or turns text around.
func turns(r rune) bool {
	return r == '\u2028' || r == '\u2029' || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

// NewEncoder writes values as JSON, each on a line, that is as harmless as Printable
// and means the same.
func NewEncoder(w io.Writer) *json.Encoder {
	out := json.NewEncoder(escaped{w})
	out.SetEscapeHTML(false)
	return out
}

// escaped escapes characters that only a string of JSON can hold. It is given whole values.
type escaped struct{ w io.Writer }

func (e escaped) Write(p []byte) (int, error) {
	var text strings.Builder
	for i, r := range string(p) {
		if r >= '\x7f' && unicode.IsControl(r) || turns(r) || strings.HasPrefix(string(p[i:min(i+3, len(p))]), "##[") {
			fmt.Fprintf(&text, `\u%04x`, r)
		} else {
			text.WriteRune(r)
		}
	}
	if _, err := io.WriteString(e.w, text.String()); err != nil {
		return 0, err
	}
	return len(p), nil
}

// printableLines is a text of several lines, each of them Printable.
func printableLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = Printable(line)
	}
	return strings.Join(lines, "\n")
}
