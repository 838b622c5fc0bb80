package view

import (
	"fmt"
	"strings"

	"github.com/specboard/platform/tfpipeline/internal/console"
)

// Text from a plan is whatever somebody named a resource. Markdown gets it only as
// code, between more backticks than it contains: there it cannot end a fence, mention
// a person or close a tag.

// code is text as a code span.
func code(s string) string {
	s = oneLine(s)
	ticks := strings.Repeat("`", longestRun(s, '`')+1)
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") || s == "" {
		s = " " + s + " "
	}
	return ticks + s + ticks
}

// cellCode is a code span inside a table, where even code ends at a bar.
func cellCode(s string) string { return strings.ReplaceAll(code(s), "|", `\|`) }

// fence is lines as a fenced block of a language.
func fence(language string, lines []string) string {
	var b strings.Builder
	longest := 2
	for _, l := range lines {
		longest = max(longest, longestRun(l, '`'))
	}
	ticks := strings.Repeat("`", longest+1)
	b.WriteString(ticks + language + "\n")
	for _, l := range lines {
		b.WriteString(oneLine(l) + "\n")
	}
	b.WriteString(ticks + "\n")
	return b.String()
}

// oneLine keeps text on its line, and removes what a terminal or page would act on.
func oneLine(s string) string {
	return console.Printable(onOne.Replace(strings.ToValidUTF8(s, "�")))
}

var onOne = strings.NewReplacer("\r\n", "⏎", "\n", "⏎", "\r", "⏎", "\u2028", "⏎", "\u2029", "⏎", "\t", " ")

// putLine writes a line.
func putLine(b *strings.Builder, format string, args ...any) {
	b.WriteString(oneLine(fmt.Sprintf(format, args...)) + "\n")
}

func longestRun(s string, c byte) int {
	longest, run := 0, 0
	for i := range len(s) {
		if s[i] == c {
			run++
			longest = max(longest, run)
		} else {
			run = 0
		}
	}
	return longest
}
