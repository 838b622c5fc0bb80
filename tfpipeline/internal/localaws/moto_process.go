package localaws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// startTimeout limits the wait for moto's first answer; uv and pipx may have
// to download it first.
const startTimeout = 3 * time.Minute

// lifeline replaces itself by the program that follows, next to a watcher that
// kills the whole process group when descriptor 3 is closed. This process
// holds the other end and never writes: the kernel closes it when this process
// ends, even by SIGKILL.
const lifeline = `(read -r _ <&3; kill -KILL 0) & exec "$@" 3<&-`

// motoProcess is a running moto_server.
type motoProcess struct {
	url  *url.URL
	held *os.File // this end of the lifeline
	cmd  *exec.Cmd
	log  *motoLog
	done chan struct{} // closed when the process has ended
	err  error         // why; set before done is closed
}

// startMoto starts moto_server and waits until it answers. env is its
// environment; log receives its output and may be nil.
func startMoto(ctx context.Context, command launcher, env environment, log io.Writer) (*motoProcess, error) {
	// The port is free now, but another process may take it a moment later.
	for attempt := 1; ; attempt++ {
		c, err := startMotoProcess(ctx, command, env, log)
		if err == nil {
			return c, nil
		}
		if attempt == 3 || !strings.Contains(err.Error(), addressInUse) {
			return nil, err
		}
	}
}

func startMotoProcess(ctx context.Context, command launcher, env environment, log io.Writer) (*motoProcess, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	watched, held, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer watched.Close()
	output, printed, err := os.Pipe()
	if err != nil {
		held.Close()
		return nil, err
	}
	defer printed.Close()

	args := slices.Concat([]string{"-c", lifeline, "moto"}, command, []string{"-H", host, "-p", port})
	c := &motoProcess{
		url:  &url.URL{Scheme: "http", Host: address},
		held: held,
		cmd:  exec.Command("/bin/sh", args...),
		log:  &motoLog{copy: log},
		done: make(chan struct{}),
	}
	c.cmd.Env = env
	c.cmd.Stdout, c.cmd.Stderr = printed, printed
	c.cmd.ExtraFiles = []*os.File{watched}
	// moto gets its own process group: Ctrl-C on the terminal is for this
	// program, and a kill must reach everything that a launcher such as uv has
	// started.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.cmd.Start(); err != nil {
		held.Close()
		output.Close()
		return nil, fmt.Errorf("start moto: %w", err)
	}
	printed.Close()
	var reading sync.WaitGroup
	reading.Go(func() { c.log.read(output) })
	go func() {
		err := c.cmd.Wait()
		c.kill() // the watcher, and anything else in the group
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

// answers waits until moto answers.
func (c *motoProcess) answers(ctx context.Context) error {
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
func (c *motoProcess) stop() {
	c.kill()
	<-c.done
	c.held.Close()
}

// kill needs no graceful stop: moto keeps its state in memory only.
func (c *motoProcess) kill() { _ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL) } // gone already: fine

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
