package view

import "strings"

// Answer is what a command printed as Markdown of at most room bytes, "" if there
// is no room. Of a text that is too long the end is shown, which says what was
// done.
func Answer(command, text string, room int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for first := 0; first < len(lines); first += (len(lines) - first + 1) / 2 {
		shown := lines[first:]
		if first > 0 {
			shown = append([]string{"…"}, shown...)
		}
		if markdown := code(command) + ":\n\n" + fence("", shown) + "\n"; len(markdown) <= room {
			return markdown
		}
	}
	return ""
}
