package console_test

import (
	"errors"
	"strings"
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
		" ::stop-commands::x":     ` \x3a:stop-commands::x`,
		"##[group]x":              `\x23#[group]x`,
		"10:00 ok ##[add-mask]e":  `10:00 ok \x23#[add-mask]e`, // the runner looks for it anywhere
		"\u00a0\u3000::error::x":  "\u00a0\u3000" + `\x3a:error::x`,
		"a\u202eb\u2028c\u2066d":  `a\u202eb\u2028c\u2066d`,
		"\xff\xfe":                "\ufffd\ufffd",
	} {
		if got := console.Printable(line); got != want {
			t.Errorf("%q: %s, want %s", line, got, want)
		}
	}
}

// What AWS says in an error acts on nobody's terminal, and stays in the lines that the
// program makes.
func TestHostileErrors(t *testing.T) {
	t.Parallel()
	var out, log strings.Builder
	c := &console.Console{Out: &out, Err: &log, Env: []string{"GITHUB_ACTIONS=true"}}
	hostile := errors.New("AccessDenied: \x1b[2J\a\n::stop-commands::x\n##[add-mask]a")
	c.Fail(console.WithNext(hostile, "tfpipeline status -env \x1b[2J"))
	c.Progress("warning: %v", hostile)
	c.Answer("frozen: %v", hostile)
	for text, want := range map[string]string{
		out.String(): `frozen: AccessDenied: \x1b[2J\x07
\x3a:stop-commands::x
\x23#[add-mask]a
`,
		log.String(): `tfpipeline: AccessDenied: \x1b[2J\x07
\x3a:stop-commands::x
\x23#[add-mask]a
next: tfpipeline status -env \x1b[2J
::error::AccessDenied: \x1b[2J\x07%0A\x3a:stop-commands::x%0A\x23#[add-mask]a%0Anext: tfpipeline status -env \x1b[2J
warning: AccessDenied: \x1b[2J\x07
\x3a:stop-commands::x
\x23#[add-mask]a
`,
	} {
		if text != want {
			t.Errorf("got %q, want %q", text, want)
		}
	}
}
