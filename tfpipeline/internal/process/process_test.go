package process_test

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/process"
)

// TestMain makes the test binary a program that runs another one, and which a
// test kills.
func TestMain(m *testing.M) {
	switch {
	case os.Getenv("PROCESS_TEST_LAST") != "":
		last()
		return
	case os.Getenv("PROCESS_TEST_PARENT") == "":
		os.Exit(m.Run())
	}
	orphaned, _ := time.ParseDuration(os.Getenv("PROCESS_TEST_PARENT"))
	_ = process.Run(context.Background(), process.Options{
		Stdout: os.Stdout, Orphaned: orphaned, Note: os.Getenv("PROCESS_TEST_NOTE"),
	}, "/bin/sh", "-c", os.Getenv("PROCESS_TEST_SCRIPT"))
}

// last ends a while after it was interrupted, and leaves a file.
func last() {
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	_ = os.WriteFile("pid", []byte(strconv.Itoa(os.Getpid())), 0o600)
	<-interrupted
	<-time.After(300 * time.Millisecond)
	_ = os.WriteFile("last", nil, 0o600)
}

// A program ends with the one that ran it, and so does what it started: at once,
// or after it was interrupted and has ended in good order.
func TestNothingOutlivesAKill(t *testing.T) {
	for name, test := range map[string]struct{ orphaned, script, want string }{
		"at once":      {"0s", `sleep 600 & echo $!; wait`, ""},
		"in order":     {"30s", `trap 'echo stopped >"$PROCESS_TEST_NOTE.said"; exit' INT; sleep 600 & echo $!; wait`, "stopped\n"},
		"out of order": {"1s", `trap 'echo heard >"$PROCESS_TEST_NOTE.said"' INT; sleep 600 & echo $!; while :; do wait; done`, "heard\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			note := filepath.Join(t.TempDir(), "note")
			parent := exec.CommandContext(t.Context(), self)
			parent.Env = append(os.Environ(), "PROCESS_TEST_PARENT="+test.orphaned, "PROCESS_TEST_SCRIPT="+test.script, "PROCESS_TEST_NOTE="+note)
			out, err := parent.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := parent.Start(); err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(out).ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			grandchild, err := strconv.Atoi(strings.TrimSpace(line))
			if err != nil {
				t.Fatal(err)
			}
			if group, err := process.Running(note); group == 0 || err != nil {
				t.Errorf("Running = %d, %v, want the group", group, err)
			}
			if err := parent.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = parent.Wait()
			gone(t, grandchild)
			runsNot(t, note)
			said, _ := os.ReadFile(note + ".said")
			if string(said) != test.want {
				t.Errorf("the program said %q, want %q", said, test.want)
			}
		})
	}
}

// An interrupt is passed on once. What takes too long is killed, with all that
// it started.
func TestContextEnds(t *testing.T) {
	for name, test := range map[string]struct {
		options process.Options
		script  string
		want    string
	}{
		"killed at once":       {process.Options{}, `sleep 600 & echo $! >pid; wait`, "signal: killed"},
		"ends in good order":   {process.Options{Grace: time.Minute}, `trap 'exit 7' INT; sleep 600 & echo $! >pid; wait`, "exit status 7"},
		"everything at a go":   {process.Options{Grace: time.Minute, Group: true}, `trap 'exit 7' INT; sh -c 'trap "exit 3" INT; echo $$ >pid; while :; do sleep 0.05; done'`, "exit status 7"},
		"and waits for it too": {process.Options{Grace: time.Minute, Group: true}, `trap 'exit 7' INT; PROCESS_TEST_LAST=yes "$SELF" & wait`, "exit status 7"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			o := test.options
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			o.Dir, o.Env = t.TempDir(), append(os.Environ(), "SELF="+self)
			ended := make(chan error, 1)
			go func() { ended <- process.Run(ctx, o, "/bin/sh", "-c", test.script) }()
			pid := 0
			await(t, "the program", func() bool {
				content, _ := os.ReadFile(filepath.Join(o.Dir, "pid"))
				pid, _ = strconv.Atoi(strings.TrimSpace(string(content)))
				return pid != 0
			})
			cancel()
			err = <-ended
			if err == nil || err.Error() != test.want {
				t.Errorf("Run = %v, want %s", err, test.want)
			}
			gone(t, pid)
			if _, err := os.Stat(filepath.Join(o.Dir, "last")); strings.Contains(test.script, "LAST") && err != nil {
				t.Error("what the program had started was not waited for")
			}
		})
	}
}

func TestRun(t *testing.T) {
	var out strings.Builder
	note := filepath.Join(t.TempDir(), "note")
	err := process.Run(t.Context(), process.Options{Stdout: &out, Env: []string{"A=b"}, Note: note}, "/bin/sh", "-c", `echo "$A" "$@"; exit 3`, "sh", "an argument")
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 3 || out.String() != "b an argument\n" {
		t.Errorf("Run = %v, %q", err, out.String())
	}
	runsNot(t, note)
	if err := process.Run(t.Context(), process.Options{}, "no-such-program"); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("Run = %v", err)
	}
}

func runsNot(t *testing.T, note string) {
	t.Helper()
	await(t, "the note", func() bool {
		group, err := process.Running(note)
		return group == 0 && err == nil
	})
}

// gone waits until a process has ended. A dead one that nobody asks after counts.
func gone(t *testing.T, pid int) {
	t.Helper()
	await(t, "the end of "+strconv.Itoa(pid), func() bool {
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			return true
		}
		out, _ := exec.CommandContext(t.Context(), "ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
		return strings.HasPrefix(strings.TrimSpace(string(out)), "Z")
	})
}

func await(t *testing.T, what string, ready func() bool) {
	t.Helper()
	// Longer than any grace: where nobody reaps the dead, a watcher waits it out.
	deadline := time.NewTimer(2 * time.Minute)
	defer deadline.Stop()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for !ready() {
		select {
		case <-poll.C:
		case <-deadline.C:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
