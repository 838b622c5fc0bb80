package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// suite runs the tests, and removes what buildTerraform has built.
type suite struct{ *testing.M }

func (s suite) Run() int {
	defer func() {
		if builtTerraform != "" {
			_ = os.RemoveAll(filepath.Dir(builtTerraform)) // it stays among temporary files
		}
	}()
	return s.M.Run()
}

// builtTerraform is the program of testdata/terraform once buildTerraform has built it.
var builtTerraform string

var buildTerraform = sync.OnceValue(func() error {
	dir, err := os.MkdirTemp("", "terraform")
	if err != nil {
		return err
	}
	builtTerraform = filepath.Join(dir, "terraform")
	if out, err := exec.Command("go", "build", "-o", builtTerraform, "./testdata/terraform").CombinedOutput(); err != nil {
		return fmt.Errorf("build the fake terraform: %w\n%s", err, out)
	}
	return nil
})

// linkTerraform puts the fake terraform into a folder.
func linkTerraform(dir string) error {
	if err := buildTerraform(); err != nil {
		return err
	}
	return os.Symlink(builtTerraform, filepath.Join(dir, "terraform"))
}

// ended waits for the end of the processes whose ids a file holds, for ten
// seconds at most.
func ended(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: ended file")
	}
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for _, id := range strings.Fields(ts.ReadFile(args[0])) {
		for {
			out, err := exec.Command("ps", "-o", "stat=", "-p", id).Output()
			if err != nil || strings.HasPrefix(string(out), "Z") {
				break
			}
			select {
			case <-deadline:
				ts.Fatalf("process %s outlives its run", id)
			case <-tick.C:
			}
		}
	}
}

// waitFor waits for a file to appear, for two minutes at most.
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: waitfor file")
	}
	deadline := time.After(2 * time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
		select {
		case <-deadline:
			ts.Fatalf("%s did not appear", args[0])
		case <-tick.C:
		}
	}
}
