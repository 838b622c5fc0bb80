package main

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/specboard/platform/gen/config"
)

// TestMain makes the test binary the programs that the scripts run:
// tfpipeline, and the terraform that it finds on PATH.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"tfpipeline": main,
		"terraform":  func() { os.Exit(fakeTerraform(os.Args[1:])) },
	})
}

// TestScripts holds the promises of the commands: what they print, how they
// exit, what they run. Terraform is a fake that the files in $FAKE control.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "waitfor": waitFor},
		Setup: func(env *testscript.Env) error {
			cloud := httptest.NewServer(newFakeCloud(config.Default()))
			env.Defer(cloud.Close)
			env.Setenv("CLOUD", cloud.URL)
			env.Setenv("FAKE", filepath.Join(env.WorkDir, "fake"))
			return prepareScript(env)
		},
	})
}

// prepareScript gives a script a home and a small repository.
func prepareScript(env *testscript.Env) error {
	env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
	env.Setenv("XDG_CACHE_HOME", "")
	dirs := []string{"home", "fake", "modules"}
	for _, r := range config.Default().Roots() {
		dirs = append(dirs, filepath.Join("envs", r))
	}
	for _, d := range dirs {
		if err := os.MkdirAll(filepath.Join(env.WorkDir, d), 0o755); err != nil {
			return fmt.Errorf("prepare a script: %w", err)
		}
	}
	return nil
}

// exits runs a program that must end with an exit code: exits 1 program args.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE program [args...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		got = e.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}
