package console_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/term"

	"github.com/specboard/platform/tfpipeline/internal/console"
)

const key = "-----BEGIN PRIVATE KEY-----\n\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----"

// A value of several lines arrives whole, from wherever it comes.
func TestSecretFromFilesAndPipes(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, []byte(key+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{file, "", "-"} {
		var shown strings.Builder
		c := &console.Console{In: strings.NewReader(key + "\n"), Err: &shown}
		if got, err := c.Secret(t.Context(), "key", from); got != key || err != nil || shown.Len() > 0 {
			t.Errorf("from %q: %q, %v, shown %q", from, got, err, shown.String())
		}
	}
}

// On a terminal, nothing of it is shown, no line is cut, and Ctrl-D ends it. Whatever
// ends it, the terminal is as it was.
func TestSecretOnATerminal(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", 5000)
	interrupted, interrupt := context.WithCancelCause(t.Context())
	interrupt(console.ErrInterrupted)
	for what, c := range map[string]struct {
		ctx   context.Context
		typed string
		want  string
		fails string
	}{
		"pasted":            {t.Context(), strings.ReplaceAll(key, "\n", "\r") + "\r\x04", key, ""},
		"with Windows ends": {t.Context(), strings.ReplaceAll(key, "\n", "\r\n") + "\x04", key, ""},
		"one long line":     {t.Context(), long + "\x04", long, ""},
		"corrected":         {t.Context(), "first\rwrong\x15seconß\x7fd\x04", "first\nsecond", ""},
		"an arrow":          {t.Context(), "a\x1b[Db\x04", "", "no character"},
		"Ctrl-C":            {t.Context(), "a\x03", "", "interrupted"},
		"a signal":          {interrupted, "", "", "interrupted"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			keyboard, terminal, err := pty.Open()
			if err != nil {
				t.Fatal(err)
			}
			defer terminal.Close()
			before, err := term.GetState(int(terminal.Fd()))
			if err != nil {
				t.Fatal(err)
			}
			shown, prompt := io.Pipe()
			go func() {
				_, _ = bufio.NewReader(shown).ReadString(':')
				_, _ = io.WriteString(keyboard, c.typed)
				_, _ = io.Copy(io.Discard, shown)
			}()
			got, err := (&console.Console{In: terminal, Err: prompt}).Secret(c.ctx, "key", "")
			if got != c.want || (err == nil) != (c.fails == "") || err != nil && !strings.Contains(err.Error(), c.fails) {
				t.Errorf("got %d bytes: %.60q, %v", len(got), got, err)
			}
			if c.fails == "interrupted" && !errors.Is(err, console.ErrInterrupted) {
				t.Errorf("no interrupt: %v", err)
			}
			after, err := term.GetState(int(terminal.Fd()))
			if err != nil || *after != *before {
				t.Errorf("the terminal is not as it was: %v", err)
			}
			if _, err := io.WriteString(terminal, "end"); err != nil { // after all that was echoed
				t.Fatal(err)
			}
			if echoed, err := bufio.NewReader(keyboard).ReadString('d'); echoed != "end" {
				t.Errorf("shown: %q, %v", echoed, err)
			}
		})
	}
}
