package localaws

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// startTimeout bounds the wait for moto's first answer; uv and pipx may have
// to download it first.
const startTimeout = 3 * time.Minute

// lifeline runs the program that follows in its own place, beside a watcher
// that kills the whole process group once descriptor 3 is closed. This
// process holds the other end, and never writes: the kernel closes it whatever
// way this process ends, also by SIGKILL.
const lifeline = `(read -r _ <&3; kill -KILL 0) & exec "$@" 3<&-`

// child is a running moto_server.
type child struct {
	url  *url.URL
	hold *os.File // this end of the lifeline
	cmd  *exec.Cmd
	log  *logTail
	done chan struct{} // closed when the process has ended
	err  error         // why; set before done is closed
}

// startChild starts moto_server and waits until it answers. env is what the
// process gets; log receives what it prints, may be nil.
func startChild(ctx context.Context, command launcher, env environment, log io.Writer) (*child, error) {
	// The port is free now and may be taken a moment later by somebody else.
	for attempt := 1; ; attempt++ {
		c, err := startOnce(ctx, command, env, log)
		if err == nil {
			return c, nil
		}
		if attempt == 3 || !strings.Contains(err.Error(), "already in use") {
			return nil, err
		}
	}
}

func startOnce(ctx context.Context, command launcher, env environment, log io.Writer) (*child, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	watched, hold, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer watched.Close()
	output, printed, err := os.Pipe()
	if err != nil {
		hold.Close()
		return nil, err
	}
	defer printed.Close()

	args := slices.Concat([]string{"-c", lifeline, "moto"}, command, []string{"-H", host, "-p", port})
	c := &child{
		url:  &url.URL{Scheme: "http", Host: address},
		hold: hold,
		cmd:  exec.Command("/bin/sh", args...),
		log:  &logTail{copy: log},
		done: make(chan struct{}),
	}
	c.cmd.Env = env
	c.cmd.Stdout, c.cmd.Stderr = printed, printed
	c.cmd.ExtraFiles = []*os.File{watched}
	// A group of its own: Ctrl-C on the terminal is for us, and a kill
	// reaches everything that a launcher such as uv has started.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.cmd.Start(); err != nil {
		hold.Close()
		output.Close()
		return nil, fmt.Errorf("start moto: %w", err)
	}
	printed.Close()
	var reading sync.WaitGroup
	reading.Go(func() { c.log.read(output) })
	go func() {
		err := c.cmd.Wait()
		c.kill() // the watcher, and what else is left of the group
		reading.Wait()
		c.err = fmt.Errorf("moto_server ended (%w)%s", exitReason(err), c.log)
		close(c.done)
	}()
	if err := c.answers(ctx); err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

// answers waits for the first answer.
func (c *child) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url.String()+"/moto-api/", nil)
		if err != nil {
			return err
		}
		r.Close = true
		if res, err := http.DefaultClient.Do(r); err == nil {
			res.Body.Close()
			return nil
		}
		select {
		case <-c.done:
			return fmt.Errorf("start moto: %w", c.err)
		case <-ctx.Done():
			return fmt.Errorf("start moto: no answer from %s: %w%s", c.url, context.Cause(ctx), c.log)
		case <-poll.C:
		}
	}
}

// stop ends the process group and waits until it is gone.
func (c *child) stop() {
	c.kill()
	<-c.done
	c.hold.Close()
}

// kill does not ask: moto keeps its state in memory only.
func (c *child) kill() { _ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL) } // gone already: fine

func exitReason(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// freeAddress is a loopback address that nobody listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// logTail keeps the last lines that moto printed, and which operations it said
// it lacks.
type logTail struct {
	copy io.Writer

	mu      sync.Mutex
	lines   []string
	missing map[string]bool
}

var (
	accessLine  = regexp.MustCompile(`^127\.0\.0\.1 - - \[`)
	missingLine = regexp.MustCompile(`NotImplementedError: (?:The (\w+) action has not been|\w+\.(\w+)(?:\(\))? is not yet) implemented`)
)

func (t *logTail) read(r io.ReadCloser) {
	defer r.Close()
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			t.add(strings.TrimRight(line, "\n"))
		}
		if err != nil {
			return
		}
	}
}

func (t *logTail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.copy != nil {
		fmt.Fprintln(t.copy, line)
	}
	if accessLine.MatchString(line) {
		return
	}
	if m := missingLine.FindStringSubmatch(line); m != nil {
		if t.missing == nil {
			t.missing = map[string]bool{}
		}
		t.missing[strings.ReplaceAll(m[1]+m[2], "_", "")] = true
	}
	const keep = 30
	if t.lines = append(t.lines, line); len(t.lines) > keep {
		t.lines = t.lines[1:]
	}
}

// lacks reports whether moto has said that it has no such operation.
func (t *logTail) lacks(operation string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.missing[strings.ToLower(operation)]
}

// String is the tail, ready to stand behind an error.
func (t *logTail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) == 0 {
		return ""
	}
	return "; its last " + strconv.Itoa(len(t.lines)) + " lines:\n  " + strings.Join(t.lines, "\n  ")
}
