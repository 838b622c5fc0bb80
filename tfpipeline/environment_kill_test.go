package main

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/localaws"
)

// TestSoakKilledEnvironment kills the bootstrap of a whole environment again
// and again; the next run finds what exists, and in the end everything is there
// once.
func TestSoakKilledEnvironment(t *testing.T) {
	e2e(t)
	if os.Getenv("SOAK") == "" {
		t.Skip("takes a quarter of an hour: run make soak")
	}
	t.Parallel()
	endpoint, err := localaws.StartCloud(t.Context(), localaws.CloudOptions{Consistency: lateReads(t, 2*time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := endpoint.Close(); err != nil {
			t.Error(err)
		}
	})
	cache := t.TempDir()
	t.Cleanup(func() { killBelow(cache) })
	cli := docsProgram(t, append(withoutAWS(endpoint.Environ()...), "XDG_CACHE_HOME="+cache))
	cli.must(t, console.ExitOK, "bootstrap", "-env", "shared", "-yes")
	for range 4 {
		after := time.Duration(rand.Int64N(int64(2 * time.Minute)))
		cmd := exec.CommandContext(t.Context(), cli.path, "bootstrap", "-env", "staging", "-yes")
		cmd.Dir, cmd.Env, cmd.WaitDelay = cli.dir, cli.env, time.Second
		var stderr strings.Builder
		cmd.Stderr = &stderr
		timer := time.AfterFunc(after, func() {
			if cmd.Process != nil {
				_ = cmd.Process.Kill()
			}
		})
		err := cmd.Run()
		timer.Stop()
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		t.Logf("killed after %s (%v), having said: %s", after.Round(time.Second), err, lines[len(lines)-1])
	}
	cli.must(t, console.ExitOK, "bootstrap", "-env", "staging", "-yes")
	if out := cli.must(t, console.ExitOK, "plan", "-env", "staging", "-detailed-exitcode"); !strings.Contains(out, "staging: no changes") {
		t.Errorf("the plan of staging:\n%s", out)
	}
	networks(t, localConfig(endpoint.URL()))
}
