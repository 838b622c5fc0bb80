package session

import (
	"bytes"
	"io"
	"regexp"
	"strconv"
)

// transcript passes on what the plugin prints, without the plugin's own lines and the
// exit code that the command tells.
type transcript struct {
	out     io.Writer
	own     [][]byte
	status  *regexp.Regexp // nil: the command tells none
	pending []byte
	last    byte // of what was printed
	code    int
	told    bool
	failed  error
}

func newTranscript(out io.Writer, id string, c Command) *transcript {
	t := &transcript{out: out, own: [][]byte{
		[]byte("\nStarting session with SessionId: " + id + "\n"),
		[]byte("\n\nExiting session with sessionId: " + id + ".\n\n"),
	}}
	if c.mark != "" {
		t.status = regexp.MustCompile("\x1e" + c.mark + ":([0-9]{1,3})\x1e")
	}
	return t
}

func (t *transcript) Write(p []byte) (int, error) {
	t.pending = append(t.pending, p...)
	for _, own := range t.own {
		t.pending = bytes.Replace(t.pending, own, nil, 1)
	}
	if t.status != nil {
		if m := t.status.FindSubmatchIndex(t.pending); m != nil {
			t.code, _ = strconv.Atoi(string(t.pending[m[2]:m[3]])) // up to three digits
			t.told = true
			t.pending = append(t.pending[:m[0]:m[0]], t.pending[m[1]:]...)
		}
	}
	return len(p), t.print(len(t.pending) - t.begun())
}

// print writes so many bytes of what is pending.
func (t *transcript) print(n int) error {
	if n > 0 {
		t.last = t.pending[n-1]
	}
	_, err := t.out.Write(t.pending[:n])
	t.pending = t.pending[n:]
	if err != nil {
		t.failed = err
	}
	return err
}

func (t *transcript) flush() error { return t.print(len(t.pending)) }

// begun is how many of the last bytes may begin something that is not passed on.
func (t *transcript) begun() int {
	longest := 0
	if bytes.HasSuffix(t.pending, []byte("\r\n")) || t.last == '\r' && string(t.pending) == "\n" {
		return 0 // the end of a terminal's line, and the plugin's begin without \r
	}
	for _, own := range t.own {
		for n := min(len(own)-1, len(t.pending)); n > longest; n-- {
			if bytes.HasPrefix(own, t.pending[len(t.pending)-n:]) {
				longest = n
			}
		}
	}
	const status = 40 // two separators, the mark and three digits
	if t.status != nil {
		if i := bytes.LastIndexByte(t.pending, '\x1e'); i >= 0 {
			if rest := len(t.pending) - i; rest < status {
				longest = max(longest, rest)
			}
		}
	}
	return longest
}
