package main

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/account/accounttest"
)

// TestMain makes the test binary tfpipeline, of a platform of the tests, for
// what calls it by that name.
func TestMain(m *testing.M) {
	if code, ok := relay(); ok {
		os.Exit(code)
	}
	if code, ok := standIn(filepath.Base(os.Args[0]), os.Args[1:]); ok {
		os.Exit(code)
	}
	if filepath.Base(os.Args[0]) != "tfpipeline" {
		forgetRunner()
	}
	testscript.Main(suite{m}, map[string]func(){"tfpipeline": func() { os.Exit(start(scriptPlatform(), scriptLimits())) }})
}

// forgetRunner unsets what a GitHub runner tells of its own job: a test sets what it is
// about, and nothing may reach the real GitHub.
func forgetRunner() {
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		for _, prefix := range []string{"GITHUB_", "RUNNER_", "ACTIONS_", "GH_"} {
			if strings.HasPrefix(name, prefix) {
				_ = os.Unsetenv(name) // it fails for a name with "=" alone
			}
		}
	}
}

// endWithoutDelay is what GORACE is for the programs that tests start: with the race
// detector each would linger for a second after its end.
const endWithoutDelay = "atexit_sleep_ms=0"

// TestScripts holds the promises of the commands: what they print, how they
// exit, what they run. Terraform is a fake that the files in $FAKE control.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "waitfor": waitFor, "ended": ended, "secret": cloudSecret, "object": cloudObject, "bucket": cloudBucket, "account": cloudAccount, "unconfirmed": cloudUnconfirmed,
			"changed": cloudChanged, "leftovers": cloudLeftovers, "issues": cloudIssues,
		},
		Setup: func(env *testscript.Env) error {
			cloud := accounttest.New(configtest.Docs())
			server := httptest.NewServer(cloud)
			env.Defer(server.Close)
			env.Values["cloud"] = cloud
			env.Setenv("CLOUD", server.URL)
			env.Setenv("FAKE", filepath.Join(env.WorkDir, "fake"))
			env.Setenv("GORACE", endWithoutDelay)
			return prepareScript(env)
		},
	})
}

// prepareScript gives a script a home and a small repository.
func prepareScript(env *testscript.Env) error {
	env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
	env.Setenv("XDG_CACHE_HOME", "")
	dirs := []string{"home", "fake", "modules", "bin"}
	for _, r := range configtest.Docs().Roots() {
		dirs = append(dirs, filepath.Join("envs", r))
	}
	for _, d := range dirs {
		if err := os.MkdirAll(filepath.Join(env.WorkDir, d), 0o755); err != nil {
			return fmt.Errorf("prepare a script: %w", err)
		}
	}
	bin := filepath.Join(env.WorkDir, "bin")
	env.Setenv("PATH", bin+string(filepath.ListSeparator)+env.Getenv("PATH"))
	return linkTerraform(bin)
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

// cloudBucket makes the state bucket, as bootstrap would: bucket.
func cloudBucket(ts *testscript.TestScript, _ bool, _ []string) {
	cloud := ts.Value("cloud").(*accounttest.Cloud)
	cloud.Lock()
	defer cloud.Unlock()
	cloud.Bucket = map[string]string{}
}

// cloudObject puts a file into the fake cloud's bucket: object KEY FILE [now].
// It is an old object unless it is written now. With a negation it fails if there
// is such a key: ! object KEY.
func cloudObject(ts *testscript.TestScript, neg bool, args []string) {
	cloud := ts.Value("cloud").(*accounttest.Cloud)
	cloud.Lock()
	defer cloud.Unlock()
	if neg {
		if content, ok := cloud.Objects.Content[args[0]]; ok {
			ts.Fatalf("%s is there: %s", args[0], content)
		}
		return
	}
	if len(args) < 2 {
		ts.Fatalf("usage: object KEY FILE [now]")
	}
	if cloud.Bucket == nil {
		cloud.Bucket = map[string]string{}
	}
	if cloud.Objects.Content == nil {
		cloud.Objects.Content = map[string][]byte{}
	}
	cloud.Objects.Content[args[0]] = []byte(ts.ReadFile(args[1]))
	delete(cloud.Objects.Written, args[0])
	if len(args) == 3 {
		if cloud.Objects.Written == nil {
			cloud.Objects.Written = map[string]time.Time{}
		}
		cloud.Objects.Written[args[0]] = time.Now()
	}
}

// cloudSecret puts a secret into the fake cloud: secret NAME empty|stored.
func cloudSecret(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: secret NAME empty|stored")
	}
	cloud := ts.Value("cloud").(*accounttest.Cloud)
	cloud.Lock()
	defer cloud.Unlock()
	cloud.Secrets[args[0]] = args[1] == "stored"
}

// cloudAccount changes whose credentials are used: account NUMBER.
func cloudAccount(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: account NUMBER")
	}
	cloud := ts.Value("cloud").(*accounttest.Cloud)
	cloud.Lock()
	defer cloud.Unlock()
	cloud.Account = args[0]
}

// cloudUnconfirmed changes who has not confirmed yet: unconfirmed [ADDRESS].
func cloudUnconfirmed(ts *testscript.TestScript, _ bool, args []string) {
	cloud := ts.Value("cloud").(*accounttest.Cloud)
	cloud.Lock()
	defer cloud.Unlock()
	cloud.Unconfirmed = strings.Join(args, "")
}

// cloudChanged compares what has been changed in the fake cloud since the last
// time: changed [CHANGE...].
func cloudChanged(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("changed knows no negation")
	}
	if d := cmp.Diff(args, ts.Value("cloud").(*accounttest.Cloud).TakeChanges(), cmpopts.EquateEmpty()); d != "" {
		ts.Fatalf("changes (-want +got):\n%s", d)
	}
}

// cloudLeftovers fills the fake cloud with what Terraform does not remove.
func cloudLeftovers(ts *testscript.TestScript, _ bool, _ []string) {
	cloud := ts.Value("cloud").(*accounttest.Cloud)
	cloud.Lock()
	defer cloud.Unlock()
	const arn = "arn:aws:ecs:us-west-2:1:task-definition/doc-platform-"
	cloud.TaskDefinitions = []string{arn + "staging-api:3", arn + "staging-migrate:1", arn + "production-api:9", arn + "staging-api-old:1"}
	cloud.Tasks = []string{"task-1"}
	cloud.DeletedSecrets = []string{"staging/doc-platform/session-secret", "staging/doc-platform-two/x", "production/doc-platform/y"}
}

// cloudIssues compares the issues on GitHub: issues CHANGES [STATE TITLE]...,
// where CHANGES is how many requests have changed something since the last time; or
// disables them: issues disabled.
func cloudIssues(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: issues CHANGES [STATE TITLE]...")
	}
	cloud := ts.Value("cloud").(*accounttest.Cloud)
	cloud.Lock()
	defer cloud.Unlock()
	if args[0] == "disabled" {
		cloud.Issues.Disabled = true
		return
	}
	got := []string{fmt.Sprint(cloud.Issues.Changes)}
	for _, x := range cloud.Issues.List {
		got = append(got, fmt.Sprint(x["state"]), fmt.Sprint(x["title"]))
	}
	cloud.Issues.Changes = 0
	if strings.Join(got, "|") != strings.Join(args, "|") {
		ts.Fatalf("issues: %q, want %q; comments %q", got, args, cloud.Issues.Comments)
	}
}
