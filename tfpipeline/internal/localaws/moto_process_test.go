package localaws

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
)

// asMoto is an environment in which the test binary is found as moto_server.
func asMoto(t *testing.T) []string {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return append(os.Environ(), MotoVariable+"="+self, "LOCALAWS_TEST_ROLE=moto", "AWS_ACCESS_KEY_ID=of-the-user", "MOTO_PORT=1")
}

// gone waits until something has ended.
func gone(t *testing.T, what string, ended func() bool) {
	t.Helper()
	deadline := time.NewTimer(5 * time.Second)
	defer deadline.Stop()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for !ended() {
		select {
		case <-poll.C:
		case <-deadline.C:
			t.Fatalf("%s still runs", what)
		}
	}
}

// groupGone waits until nothing of a process group runs: no process, or only
// dead ones that nobody has asked after.
func groupGone(t *testing.T, group int) {
	t.Helper()
	gone(t, "process group "+strconv.Itoa(group), func() bool { return !groupRuns(t, group) })
}

func groupRuns(t *testing.T, group int) bool {
	return !errors.Is(syscall.Kill(-group, 0), syscall.ESRCH) && slices.ContainsFunc(processes(t), func(p listed) bool {
		return p.group == group && p.state != "Z"
	})
}

type listed struct {
	id, group int
	state     string // as ps has it: R, S, Z …
}

func processes(t *testing.T) []listed {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ps", "-A", "-o", "pid=,pgid=,stat=").Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []listed
	for line := range strings.Lines(string(out)) {
		var p listed
		if _, err := fmt.Sscan(line, &p.id, &p.group, &p.state); err != nil {
			t.Fatalf("read %q: %v", line, err)
		}
		p.state = p.state[:1]
		all = append(all, p)
	}
	return all
}

func TestCloseStopsMoto(t *testing.T) {
	var log lockedBuffer
	e, err := Start(t.Context(), Options{Environ: asMoto(t), Account: "210987654321", Log: &log})
	if err != nil {
		t.Fatal(err)
	}
	if got := log.String(); !strings.Contains(got, "pretending to be moto 210987654321 "+accessKey) {
		t.Errorf("moto runs as %q: wants the account, and never the user's credentials", got)
	}
	var wait sync.WaitGroup
	for range 3 {
		wait.Go(func() { e.Close() })
	}
	wait.Wait()
	groupGone(t, e.moto.cmd.Process.Pid)
	if e.Err() != nil {
		t.Error(e.Err())
	}
}

func TestCancelStopsMoto(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	e, err := Start(ctx, Options{Environ: asMoto(t)})
	if err != nil {
		t.Fatal(err)
	}
	why := errors.New("interrupted")
	cancel(why)
	<-e.Done()
	groupGone(t, e.moto.cmd.Process.Pid)
	if !errors.Is(e.Err(), why) {
		t.Errorf("error %v", e.Err())
	}
	e.Close()
}

// TestKilledParent: what holds the endpoint dies without a chance to clean up.
func TestKilledParent(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	holder := exec.CommandContext(t.Context(), self)
	holder.Env = append(os.Environ(), "LOCALAWS_TEST_ROLE=holder", MotoVariable+"="+self)
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	group, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatalf("the holder said %q", line)
	}
	if !groupRuns(t, group) {
		t.Fatal("moto does not run")
	}
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = holder.Wait() // killed
	groupGone(t, group)
}

func TestDeadMotoIsReportedImmediately(t *testing.T) {
	e, err := Start(t.Context(), Options{Environ: asMoto(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	res, err := http.Get(e.moto.url.String() + "/die")
	if err == nil {
		res.Body.Close()
	}
	<-e.Done()
	if err := e.Err(); err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "out of cheese") {
		t.Errorf("error %v: wants the reason and the log's tail", err)
	}
	_, err = ecr.NewFromConfig(awsConfig(e)).DescribeRegistry(t.Context(), nil)
	wantCode(t, err, "LocalEndpointStopped")
	if err == nil || !strings.Contains(err.Error(), "out of cheese") {
		t.Errorf("error %v", err)
	}
}

// TestMotoSaysWhatItLacks plays what moto 5.2.1 printed when it was asked for
// an operation that it lacks. The reason comes last.
func TestMotoSaysWhatItLacks(t *testing.T) {
	recorded, err := os.ReadFile("testdata/moto-5.2.1-lacks.log")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		log := &motoLog{}
		answer := make(chan bool)
		go func() { answer <- log.lacks(t.Context(), "DescribeRepositoryCreationTemplates") }()
		for line := range strings.Lines(string(recorded)) {
			synctest.Wait() // it waits for each line
			log.add(strings.TrimSuffix(line, "\n"))
		}
		if !<-answer {
			t.Error("the log was not read")
		}
		// Another mistake is none that is known, once it is explained.
		go func() { answer <- log.lacks(t.Context(), "PaintTheHouse") }()
		synctest.Wait()
		log.add(tracebackLine)
		log.add("  File \"house.py\", line 1, in paint")
		log.add("ValueError: out of paint")
		if <-answer {
			t.Error("a mistake was taken for a missing operation")
		}
		// Without a traceback the wait is bounded.
		if begin := time.Now(); log.lacks(t.Context(), "PaintTheBikeshed") || time.Since(begin) != logLimit {
			t.Errorf("gave up after %s", time.Since(begin))
		}
	})
}

func TestMotoThatDoesNotStart(t *testing.T) {
	program := filepath.Join(t.TempDir(), "moto_server")
	script(t, program, "echo no module named flask; exit 7")
	_, err := Start(t.Context(), Options{Environ: []string{MotoVariable + "=" + program}})
	if err == nil || !strings.Contains(err.Error(), "exit status 7") || !strings.Contains(err.Error(), "no module named flask") {
		t.Errorf("error %v", err)
	}
	// A launcher may start others; they go too.
	pid := filepath.Join(t.TempDir(), "pid")
	script(t, program, fmt.Sprintf("sleep 60 & echo $! > %s; wait", pid))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		poll := time.NewTicker(5 * time.Millisecond)
		defer poll.Stop()
		for range poll.C {
			if b, err := os.ReadFile(pid); err == nil && len(b) > 1 {
				cancel()
				return
			}
		}
	}()
	_, err = Start(ctx, Options{Environ: []string{"PATH=" + os.Getenv("PATH"), MotoVariable + "=" + program}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	content, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		t.Fatal(err)
	}
	gone(t, "process "+strconv.Itoa(n), func() bool {
		return errors.Is(syscall.Kill(n, 0), syscall.ESRCH) || !slices.ContainsFunc(processes(t), func(p listed) bool {
			return p.id == n && p.state != "Z"
		})
	})
}

// script writes a program for /bin/sh.
func script(t *testing.T, path, body string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

// lockedBuffer is a buffer for two goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
