package task

import (
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"syscall"
)

// Exec returns a command that runs in a container of a running task, with its
// environment and working directory, as the leader of a session that a terminal can
// be given to. It ends with the launcher. command is split as a shell does it.
func (l *Launcher) Exec(arn, name, command string) (*exec.Cmd, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.tasks[arn]
	if t == nil {
		return nil, errors.New("the task has ended")
	}
	i := slices.IndexFunc(t.containers, func(c *container) bool { return c.name == name })
	if i < 0 {
		return nil, fmt.Errorf("the task has no container %s", name)
	}
	c := t.containers[i]
	cmd := c.process(l.watched, []string{"/bin/sh", "-c", "exec " + command})
	cmd.Env = append(slices.Clone(c.environ), "TERM=xterm")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	return cmd, nil
}

// Kill ends a command of Exec with everything that it has started.
func Kill(cmd *exec.Cmd) { killGroup(cmd) }
