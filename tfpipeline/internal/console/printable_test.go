package console_test

import (
	"testing"

	"github.com/specboard/platform/tfpipeline/internal/console"
)

func TestPrintable(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"größer: 3\t4 :: 5":       "größer: 3\t4 :: 5",
		"\x1b]52;c;aGk=\a\x1b[2J": `\x1b]52;c;aGk=\x07\x1b[2J`,
		"10:00 api/1 ok\rforged":  `10:00 api/1 ok\x0dforged`,
		"\u009b31m":               `\x9b31m`,
		" ::stop-commands::x":     `\x3a:stop-commands::x`,
		"##[group]x":              `\x23#[group]x`,
	} {
		if got := console.Printable(line); got != want {
			t.Errorf("%q: %s, want %s", line, got, want)
		}
	}
}
