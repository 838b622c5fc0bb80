package localaws

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// All knowledge of moto's messages is here; they are those of moto 5.2.1
// (testdata/moto-5.2.1-lacks.log). moto answers 500 to an operation that it
// lacks, as it does after any error of its own. Only its log gives the reason:
// a traceback, printed after the answer.
var (
	accessLine  = regexp.MustCompile(`^127\.0\.0\.1 - - \[`)
	missingLine = regexp.MustCompile(`NotImplementedError: (?:The (\w+) action has not been|\w+\.(\w+)(?:\(\))? is not yet) implemented`)
)

const (
	tracebackLine = "Traceback (most recent call last):"
	addressInUse  = "already in use"
)

// logLimit bounds the wait for the traceback that belongs to an answer.
const logLimit = 10 * time.Second

// motoLog keeps the last lines that moto printed, and the operations that it
// said it lacks.
type motoLog struct {
	copy io.Writer

	mu        sync.Mutex
	lines     []string
	missing   map[string]bool
	inside    bool // within a traceback
	failures  int  // number of answers of 500
	explained int  // number of tracebacks that have ended
	waiting   []chan struct{}
}

func (l *motoLog) read(r io.ReadCloser) {
	defer r.Close()
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			l.add(strings.TrimRight(line, "\n"))
		}
		if err != nil {
			return
		}
	}
}

func (l *motoLog) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.copy != nil {
		fmt.Fprintln(l.copy, line)
	}
	if accessLine.MatchString(line) {
		return
	}
	if m := missingLine.FindStringSubmatch(line); m != nil {
		if l.missing == nil {
			l.missing = map[string]bool{}
		}
		l.missing[strings.ReplaceAll(m[1]+m[2], "_", "")] = true
	}
	switch {
	case line == tracebackLine:
		l.inside = true
	case l.inside && !strings.HasPrefix(line, " "):
		l.inside = false
		l.explained++
		for _, w := range l.waiting {
			close(w)
		}
		l.waiting = nil
	}
	const keep = 30
	if l.lines = append(l.lines, line); len(l.lines) > keep {
		l.lines = l.lines[1:]
	}
}

// lacks reports whether an answer of 500 means that moto has no such
// operation. It waits until the log has a traceback for each such answer.
func (l *motoLog) lacks(ctx context.Context, operation string) bool {
	ctx, cancel := context.WithTimeout(ctx, logLimit)
	defer cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failures++
	for !l.missing[strings.ToLower(operation)] && l.explained < l.failures && ctx.Err() == nil {
		changed := make(chan struct{})
		l.waiting = append(l.waiting, changed)
		l.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		l.mu.Lock()
	}
	return l.missing[strings.ToLower(operation)]
}

// String returns the last lines, to be appended to an error.
func (l *motoLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) == 0 {
		return ""
	}
	return "; its last " + strconv.Itoa(len(l.lines)) + " lines:\n  " + strings.Join(l.lines, "\n  ")
}
