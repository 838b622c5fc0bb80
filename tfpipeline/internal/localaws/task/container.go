package task

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// lifeline replaces itself by the program that follows, next to a watcher that
// kills the whole process group when descriptor 3 is closed. The launcher
// holds the other end and never writes: the kernel closes it when the
// launcher's process ends, even by SIGKILL.
const lifeline = `(read -r _ <&3; kill -KILL 0) & exec "$@" 3<&-`

// container is one process with its child processes.
type container struct {
	name    string
	command []string
	environ []string
	folder  string
	log     io.WriteCloser // nil if the definition names none
	output  func(line string)
	check   *check // nil if the definition has none

	cmd     *exec.Cmd
	reading sync.WaitGroup
	ended   chan struct{} // closed when it has ended
}

// start starts all containers of a task, or none.
func (l *Launcher) start(t *task, containers []*container) error {
	for i, c := range containers {
		err := t.stop.Err() // stopped before it began
		if err == nil {
			err = c.start(l.watched)
		}
		if err != nil {
			for _, started := range containers[:i] {
				started.kill()
				_ = started.cmd.Wait() // it was killed
				started.reading.Wait()
			}
			return err
		}
	}
	return nil
}

func (c *container) start(watched *os.File) error {
	output, printed, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("CannotStartContainerError: %w", err)
	}
	defer printed.Close()
	c.cmd = c.process(watched, c.command)
	c.cmd.Stdout, c.cmd.Stderr = printed, printed
	if err := c.cmd.Start(); err != nil {
		output.Close()
		return fmt.Errorf("CannotStartContainerError: %w", err)
	}
	c.reading.Go(func() { c.read(output) })
	return nil
}

// process returns a command of the container, which ends with the launcher.
func (c *container) process(watched *os.File, command []string) *exec.Cmd {
	cmd := exec.Command("/bin/sh", append([]string{"-c", lifeline, c.name}, command...)...)
	cmd.Env, cmd.Dir = c.environ, c.folder
	cmd.ExtraFiles = []*os.File{watched}
	// The command gets its own process group: Ctrl-C on the terminal is not
	// for tasks, and a kill must reach everything that the command has
	// started.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// read passes on what the container prints, line by line.
func (c *container) read(r io.ReadCloser) {
	defer r.Close()
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		if line = strings.TrimRight(line, "\r\n"); line != "" || err == nil {
			c.output(line)
			if c.log != nil {
				_, _ = io.WriteString(c.log, line) // the log itself reports what it lost
			}
		}
		if err != nil {
			return
		}
	}
}

// wait returns the exit code when the container has ended and its log has been
// sent. When stop ends, the container gets SIGTERM; it is killed after the
// timeout, or when now ends.
func (c *container) wait(stop, now context.Context, timeout time.Duration) int32 {
	gone := make(chan struct{})
	go func() {
		_ = c.cmd.Wait() // the process state says how it ended
		close(gone)
	}()
	select {
	case <-gone:
	case <-stop.Done():
		_ = c.cmd.Process.Signal(syscall.SIGTERM) // gone already: fine
		timer := time.NewTimer(timeout)
		select {
		case <-gone:
		case <-timer.C:
			c.kill()
		case <-now.Done():
			c.kill()
		}
		timer.Stop()
		<-gone
	}
	close(c.ended)
	c.kill() // the watcher, and anything else in the group
	c.reading.Wait()
	c.discard()
	return exitCode(c.cmd.ProcessState)
}

// discard closes the log.
func (c *container) discard() {
	if c.log != nil {
		c.log.Close()
		c.log = nil
	}
}

// kill ends the process group with its watcher.
func (c *container) kill() { killGroup(c.cmd) }

func killGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // gone already: fine

// exitCode is the exit code as Docker counts it: 128 plus the number of a
// signal.
func exitCode(s *os.ProcessState) int32 {
	if status, ok := s.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int32(status.Signal())
	}
	return int32(s.ExitCode())
}
