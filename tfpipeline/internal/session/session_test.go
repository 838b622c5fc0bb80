package session

import (
	"bytes"
	"strings"
	"testing"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
)

// The exit code is told where the plugin's output is cut into single bytes, too; what
// only looks like it, or like the plugin's own lines, is passed on.
func TestTranscript(t *testing.T) {
	t.Parallel()
	c := newCommand([]string{"sh", "-c", "exit 7"})
	text := "\nStarting session with SessionId: s-1\nout \x1e no\r\n\x1e" + c.mark + ":7\x1e\n\nExiting session with sessionId: s-2\n\n\nExiting session with sessionId: s-1.\n\n"
	for _, size := range []int{1, 7, len(text)} {
		var out bytes.Buffer
		tr := newTranscript(&out, "s-1", c)
		for rest := text; rest != ""; {
			n := min(size, len(rest))
			if _, err := tr.Write([]byte(rest[:n])); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := tr.flush(); err != nil {
			t.Fatal(err)
		}
		if got, want := out.String(), "out \x1e no\r\n\n\nExiting session with sessionId: s-2\n"; got != want || !tr.told || tr.code != 7 {
			t.Errorf("by %d bytes: %q, want %q; code %d, told %v", size, got, want, tr.code, tr.told)
		}
	}
}

// A line is passed on with its end, which begins the plugin's own lines too.
func TestTranscriptOfLines(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"line\r\n", "line\r|\n", "line|\r|\n"} {
		var out bytes.Buffer
		tr := newTranscript(&out, "s-1", newCommand([]string{"tail", "-f", "x"}))
		for piece := range strings.SplitSeq(text, "|") {
			if _, err := tr.Write([]byte(piece)); err != nil {
				t.Fatal(err)
			}
		}
		if got := out.String(); got != "line\r\n" {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// COPY is known behind the comments of a dump, and not in a comment.
func TestCopies(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]bool{
		"copy t from stdin": true, "select 1; copy t (a) to stdout": true, "copy t from '/etc/x'": false, "select 'copy', 1 from stdin": false,
		"--\n-- Data for Name: a; Type: TABLE DATA\n--\n\nCOPY public.a (id) FROM stdin;\n1\n\\.\n": true,
		"/* note; */ copy t from stdin": true, "select '--'; copy t from stdin": true, "select 1 -- copy t from stdin": false,
		`copy "a;b" from stdin`: true, `copy t from '/a;b'; select 1`: false,
	} {
		if got := isCopy(sql); got != want {
			t.Errorf("%q: %v", sql, got)
		}
	}
}

// Words reach the task as they were typed, and only a script tells its exit code.
func TestCommandLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		words []string
		line  string
		tells bool
	}{
		{nil, `'/bin/sh'`, false},
		{[]string{"echo", "it's", "$HOME", ""}, `'echo' 'it'\''s' '$HOME' ''`, false},
		{[]string{"sh", "x.sh", "-c"}, `'sh' 'x.sh' '-c'`, false},
		{[]string{"sh", "-c", "exit 1", "name"}, "", true},
	} {
		command := newCommand(c.words)
		if got := command.line(); c.line != "" && got != c.line || (command.mark != "") != c.tells {
			t.Errorf("%q: %s, tells %q", c.words, got, command.mark)
		}
		if c.tells && (strings.Contains(command.String(), command.mark) || !strings.Contains(command.line(), "\nexit 1' 'name'")) {
			t.Errorf("%s as %s", command, command.line())
		}
	}
}

// A protected environment that lets people in asks them why.
func TestProtected(t *testing.T) {
	t.Parallel()
	p := configtest.Docs()
	for i := range p.Environments {
		p.Environments[i].Exec = true
	}
	exec := func(why string) error {
		return (&ExecOptions{Env: "production", service: "api", why: why}).Check(p, nil)
	}
	db := func(p config.Platform, why string) error {
		return (&DatabaseOptions{Env: "production", why: why, write: true}).Check(p)
	}
	for _, err := range []error{exec(""), db(p, "")} {
		if err == nil || !strings.Contains(err.Error(), "production is protected: say why") {
			t.Errorf("%v", err)
		}
	}
	for _, err := range []error{exec("jobs hang"), db(p, "jobs hang")} {
		if err != nil {
			t.Error(err)
		}
	}
	p.PostgresVersion = ""
	if err := db(p, "jobs hang"); err == nil || !strings.Contains(err.Error(), "no database") {
		t.Errorf("%v", err)
	}
}
