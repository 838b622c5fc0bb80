package main

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/console"
)

// killed starts a promotion and kills it a moment after it has said so many
// lines. It is false if the promotion was quicker.
func (w *workshop) killed(env, tag string, lines int) bool {
	w.t.Helper()
	cmd := w.deployer(env).command(w.t, "promote", "-C", w.repository, "-env", env, "-release", tag)
	cmd.WaitDelay = time.Second
	stderr := &reached{lines: lines, then: func() {
		time.AfterFunc(rand.N(time.Second), func() { _ = cmd.Process.Kill() }) // ended already: fine
	}}
	cmd.Stderr = stderr
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	err := cmd.Wait()
	if err == nil {
		w.t.Logf("promote %s: done before it could be killed", tag)
		return false
	}
	all := strings.Split(strings.TrimSpace(stderr.said.String()), "\n")
	w.t.Logf("promote %s: killed after line %d (%v), having said: %s", tag, len(all), err, all[len(all)-1])
	return true
}

// reached keeps what is written to it, and calls then once it is so many lines.
type reached struct {
	said  bytes.Buffer // not embedded: copying would go around Write
	lines int
	then  func()
}

func (r *reached) Write(p []byte) (int, error) {
	n, err := r.said.Write(p)
	if r.then != nil && bytes.Count(r.said.Bytes(), []byte("\n")) >= r.lines {
		r.then()
		r.then = nil
	}
	return n, err
}

// migratedASingleTime checks the history: of all attempts at a release, one task ran
// its migrations.
func (w *workshop) migratedASingleTime(env, tag string) {
	w.t.Helper()
	out := w.deployer(env).must(w.t, console.ExitOK, "history", "-C", w.repository, "-env", env, "-limit", "0", "-json")
	var history struct {
		Records []struct {
			Release   struct{ Tag string }
			Migration *struct{ Task string }
		}
	}
	if err := json.Unmarshal([]byte(out), &history); err != nil {
		w.t.Fatalf("%v\n%s", err, out)
	}
	tasks := map[string]bool{}
	for _, r := range history.Records {
		if r.Release.Tag == tag && r.Migration != nil && r.Migration.Task != "" {
			tasks[r.Migration.Task] = true
		}
	}
	if len(tasks) != 1 {
		w.t.Errorf("%s: %d migration tasks, want 1", tag, len(tasks))
	}
}
