package main

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/console"
)

// narrator says what happens and why, and meanwhile what is being worked on: in
// the last line of a terminal, and elsewhere in a line now and then.
type narrator struct {
	out   io.Writer
	live  bool
	width func() (width, height int)
	// folder is the demo's; the recording has another name for it.
	folder string

	mu      sync.Mutex
	begun   time.Time
	at      []*activity // at work, in the order of their starts
	said    []said      // what has been printed for good
	stopped chan struct{}
	done    chan struct{}
}

// refresh is how often the last line of a terminal is written, interval how often
// a line is elsewhere.
const (
	refresh  = 500 * time.Millisecond
	interval = 20 * time.Second
)

func newNarrator(c *console.Console, folder string) *narrator {
	n := &narrator{
		out: c.Out, live: console.Terminal(c.Out), width: c.Size, folder: folder, begun: time.Now(),
		stopped: make(chan struct{}), done: make(chan struct{}),
	}
	go n.tick()
	return n
}

func (n *narrator) tick() {
	defer close(n.done)
	every := interval
	if n.live {
		every = refresh
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-n.stopped:
			return
		case now := <-ticker.C:
			n.mu.Lock()
			n.show(now)
			n.mu.Unlock()
		}
	}
}

// close ends the telling.
func (n *narrator) close() {
	close(n.stopped)
	<-n.done
	n.say("")
}

// show writes what is at work.
func (n *narrator) show(now time.Time) {
	text := progress(now, n.begun, n.at)
	switch {
	case text == "":
	case n.live:
		columns, _ := n.width()
		fmt.Fprintf(n.out, "\r\x1b[K%s", cut(text, columns-1))
	default:
		n.record(now, text)
		fmt.Fprintln(n.out, cut(text, 200))
	}
}

// say writes a paragraph.
func (n *narrator) say(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear := ""
	if n.live {
		clear = "\r\x1b[K"
	}
	text := fmt.Sprintf(format, args...)
	if text != "" {
		n.record(time.Now(), text)
		text += "\n"
	}
	fmt.Fprint(n.out, clear+text)
}

// record keeps a text for the recording, which tells nothing of the machine.
func (n *narrator) record(at time.Time, text string) {
	n.said = append(n.said, wrapped(at.Sub(n.begun), strings.ReplaceAll(text, n.folder, "~/demo"))...)
}

// activity is something at work, and a writer for what it says: its last line
// is the state that it is in.
type activity struct {
	n       *narrator
	name    string
	begun   time.Time
	last    string
	partial []byte
}

// begin says that something is at work until end is called.
func (n *narrator) begin(name string) *activity {
	a := &activity{n: n, name: name, begun: time.Now()}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.at = append(n.at, a)
	return a
}

func (a *activity) end() {
	a.n.mu.Lock()
	defer a.n.mu.Unlock()
	a.n.at = slices.DeleteFunc(a.n.at, func(o *activity) bool { return o == a })
}

// Write keeps the last whole line.
func (a *activity) Write(p []byte) (int, error) {
	a.n.mu.Lock()
	defer a.n.mu.Unlock()
	a.partial = append(a.partial, p...)
	if i := bytes.LastIndexByte(a.partial, '\n'); i >= 0 {
		lines := strings.Split(string(a.partial[:i]), "\n")
		a.partial = append([]byte(nil), a.partial[i+1:]...)
		if l := strings.TrimSpace(lines[len(lines)-1]); l != "" {
			a.last = l
		}
	}
	return len(p), nil
}

// progress is a line on everything at work; "" if nothing is.
func progress(now, begun time.Time, at []*activity) string {
	var parts []string
	for _, a := range at {
		part := fmt.Sprintf("%s %s", a.name, seconds(now.Sub(a.begun)))
		if a.last != "" {
			part += ": " + strings.TrimPrefix(a.last, a.name+": ")
		}
		parts = append(parts, part)
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("  … %s  %s", seconds(now.Sub(begun)), strings.Join(parts, " | "))
}

// seconds writes a time for people, such as "85 s".
func seconds(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}

// cut shortens a line to a number of characters.
func cut(text string, width int) string {
	if r := []rune(text); len(r) > width && width > 1 {
		return string(r[:width-1]) + "…"
	}
	return text
}
