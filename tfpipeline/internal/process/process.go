// Package process runs programs that end when this one ends, even if it is
// killed.
package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// lifeline runs a program and a watcher next to it. This process holds the
// other end of descriptor 3, which the kernel closes whenever this process
// ends, even by SIGKILL. The watcher then interrupts whatever the second
// argument names, unless a line has told it that this was already done. It
// waits for as many seconds as the first argument says and kills the process
// group, which includes the program's own child processes. A line that says
// that the program has ended makes the watcher exit.
//
// Linux's parent-death signal would need no watcher, but it follows the thread that
// started the program, and Go ends threads while this process runs; it comes once,
// with no grace and no second signal; it reaches only the program, not the group; and
// macOS has none. So if the watcher alone is killed, the program outlives this process.
const lifeline = `grace=$1 whom=$2
shift 2
[ "$whom" = group ] && whom=0 || whom=$$
(
  if read -r said <&3; then
    [ "$said" = ended ] && exit
    read -r said <&3 && exit
  elif [ "$grace" -gt 0 ]; then kill -INT "$whom"
  fi
  while [ "$grace" -gt 0 ] && kill -0 $$; do
    sleep 1
    grace=$((grace - 1))
  done
  kill -KILL 0
) >/dev/null 2>&1 4<&- &
exec "$@" 3<&-`

// Options are how a program runs and how it ends.
type Options struct {
	Dir            string
	Env            []string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Grace is how long an interrupted program may take to end before it and
	// everything that it started are killed; 0 kills immediately. Orphaned is
	// the same for a program whose parent, this process, has died; it is
	// rounded to seconds.
	Grace, Orphaned time.Duration
	// Group interrupts everything that the program started, not just the
	// program, and waits for all of it to end.
	Group bool
	// Note is a file that names the process group for as long as it is alive;
	// "" writes none. See Running.
	Note string
}

// Run runs a program to its end, in its own process group, so that Ctrl-C in a
// terminal does not reach it. When ctx ends, Run interrupts the program a
// single time. When the program has ended, nothing that it started is left.
// The error is that of os/exec.
func Run(ctx context.Context, o Options, command ...string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	watched, held, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start %s: %w", command[0], err)
	}
	defer held.Close()
	defer watched.Close()
	whom := "program"
	if o.Group {
		whom = "group"
	}
	path, err := exec.LookPath(command[0])
	if err != nil {
		return err
	}
	args := []string{"-c", lifeline, command[0], strconv.Itoa(int(o.Orphaned.Seconds())), whom, path}
	cmd := exec.CommandContext(ctx, "/bin/sh", slices.Concat(args, command[1:])...)
	cmd.Dir, cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = o.Dir, o.Env, o.Stdin, o.Stdout, o.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.ExtraFiles = []*os.File{watched}
	if o.Note != "" {
		note, err := os.OpenFile(o.Note, os.O_CREATE|os.O_RDWR, 0o600)
		if err == nil {
			err = lock(ctx, note)
		}
		if err != nil {
			return fmt.Errorf("note that %s runs: %w", command[0], err)
		}
		defer note.Close()
		// The program and what it starts keep the file open, and so locked.
		cmd.ExtraFiles = append(cmd.ExtraFiles, note)
	}
	kill := func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // gone already: fine
	cmd.Cancel = func() error {
		if o.Grace == 0 {
			kill()
			return nil
		}
		_, _ = held.WriteString("interrupted\n") // an error means that the watcher, and so the program, has ended
		return signal(cmd.Process.Pid, o.Group)
	}
	cmd.WaitDelay = o.Grace + time.Second
	if err := cmd.Start(); err != nil {
		return err
	}
	if o.Note != "" {
		if _, err := cmd.ExtraFiles[1].WriteString(strconv.Itoa(cmd.Process.Pid)); err != nil {
			kill()
			return errors.Join(fmt.Errorf("note that %s runs: %w", command[0], err), cmd.Wait())
		}
	}
	err = cmd.Wait()
	if o.Group && ctx.Err() != nil {
		_, _ = held.WriteString("ended\n") // an error means that the watcher has ended, which is what it should do
		until(nil, o.Grace, func() bool { return errors.Is(syscall.Kill(-cmd.Process.Pid, 0), syscall.ESRCH) })
	}
	kill()
	return err
}

// lock locks a note. A process group that was killed a moment ago may hold it
// a moment longer.
func lock(ctx context.Context, note *os.File) (err error) {
	until(ctx.Done(), noteTime, func() bool {
		err = syscall.Flock(int(note.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		return err == nil
	})
	if err != nil {
		return cmp.Or(ctx.Err(), err)
	}
	return note.Truncate(0)
}

// noteTime bounds how long it takes to lock a note and to write the group's id
// into it.
const noteTime = 5 * time.Second

// until checks a condition every few milliseconds. It gives up when the time
// is up, or when stop is closed; stop may be nil.
func until(stop <-chan struct{}, most time.Duration, so func() bool) {
	end := time.NewTimer(most)
	defer end.Stop()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for !so() {
		select {
		case <-look.C:
		case <-end.C:
			return
		case <-stop:
			return
		}
	}
}

func signal(pid int, group bool) error {
	if group {
		pid = -pid
	}
	return syscall.Kill(pid, syscall.SIGINT)
}

// Running returns the process group that a note of Run names, and 0 if nothing
// of it runs any more.
func Running(note string) (group int, err error) {
	var named []byte
	lives := false
	// A note is locked before its program starts, and names it right after.
	until(nil, noteTime, func() bool {
		named, lives, err = ReadMark(note)
		return err != nil || !lives || len(named) > 0
	})
	switch {
	case errors.Is(err, os.ErrNotExist):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("look what runs: %w", err)
	case !lives:
		return 0, nil
	}
	if group, err = strconv.Atoi(string(named)); err != nil {
		return 0, fmt.Errorf("look what runs: %s names no process group: %w", note, err)
	}
	return group, nil
}

// Await returns when the process group in a note of Run has ended, or when the
// time is up.
func Await(note string, most time.Duration) {
	until(nil, most, func() bool {
		group, err := Running(note)
		return err != nil || group == 0
	})
}

// Kill ends a process group that Running has found.
func Kill(group int) error {
	if err := syscall.Kill(-group, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("end process group %d: %w", group, err)
	}
	return nil
}
