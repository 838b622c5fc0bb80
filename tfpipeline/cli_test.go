package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/pflag"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// run is the program in this process.
func run(ctx context.Context, platform config.Platform, args, env []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{
		platform: platform, lookupNS: net.DefaultResolver.LookupNS, cache: cacheDir(),
		console: &console.Console{In: stdin, Out: stdout, Err: stderr, Env: env},
	}
	return a.run(ctx, args)
}

// cli runs the program in an empty folder, without AWS.
func cli(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), configtest.Docs(), args, []string{"CI=true"}, strings.NewReader(""), &out, &errs)
	return out.String(), errs.String(), code
}

func TestCommandLine(t *testing.T) {
	t.Chdir(t.TempDir())
	for line, want := range map[string]string{
		"promot":                        "tfpipeline: no command \"promot\"; did you mean promote?\nnext: tfpipeline help promote\n",
		"xyz -env staging":              "tfpipeline: no command \"xyz\"\nnext: tfpipeline help\n",
		"help xyz":                      "tfpipeline: no command \"xyz\"\nnext: tfpipeline help\n",
		"plan -nope":                    "tfpipeline: plan: flag provided but not defined: -nope\nnext: tfpipeline help plan\n",
		"plan -evn staging":             "tfpipeline: plan: flag provided but not defined: -evn; did you mean -env?\nnext: tfpipeline help plan\n",
		"promote --releas v1":           "tfpipeline: promote: flag provided but not defined: -releas; did you mean -release?\nnext: tfpipeline help promote\n",
		"plan -env":                     "tfpipeline: plan: flag needs an argument: -env\nnext: tfpipeline help plan\n",
		"history -env staging -limit x": "tfpipeline: history: invalid value \"x\" for flag -limit: parse error\nnext: tfpipeline help history\n",
		"status staging":                "tfpipeline: status takes no argument \"staging\"\nnext: tfpipeline status -env staging\n",
		"validate all":                  "tfpipeline: validate takes no argument \"all\"\nnext: tfpipeline help validate\n",
		"destroy -env staging x":        "tfpipeline: destroy takes no argument \"x\"\nnext: tfpipeline help destroy\n",
		"destroy":                       "tfpipeline: which environment? Name one of staging\nnext: tfpipeline destroy -env staging\n",
		"unlock -env nowhere":           "tfpipeline: no environment \"nowhere\"; there are shared, staging, production\nnext: tfpipeline unlock -env staging\n",
		"rollback --env shared":         "tfpipeline: shared runs no services; the environments are staging, production\nnext: tfpipeline rollback -env staging\n",
		"plan -env staging":             "",
	} {
		stdout, stderr, code := cli(t, strings.Fields(line)...)
		if want == "" {
			if !strings.Contains(stderr, "no envs/shared and modules/ in ") || !strings.HasSuffix(stderr, "\nnext: cd to the checkout, or name it with -C\n") {
				t.Errorf("%s: %s", line, stderr)
			}
			continue
		}
		if code != console.ExitFailed || stderr != want || stdout != "" {
			t.Errorf("%s: exit %d, %q, %q; want %q", line, code, stdout, stderr, want)
		}
	}
	// On call there may be no checkout: what needs none asks for none.
	for _, line := range []string{"status", "history -env staging", "logs -env staging", "rollback -env staging", "run -env staging -task migrate", "unlock -env shared"} {
		if _, stderr, _ := cli(t, strings.Fields(line)...); !strings.HasPrefix(stderr, "tfpipeline: no AWS credentials") {
			t.Errorf("%s: %s", line, stderr)
		}
	}
	for line, want := range map[string]string{
		"":                                      "\nCommands:\n  init ",
		"help":                                  "\nCommands:\n  init ",
		"-h":                                    "\nCommands:\n  init ",
		"help destroy":                          "usage: tfpipeline destroy -env ENV",
		"destroy -h":                            "usage: tfpipeline destroy -env ENV",
		"destroy --help":                        "usage: tfpipeline destroy -env ENV",
		"--version":                             "tfpipeline ",
		"-version":                              "tfpipeline ",
		"__complete prom":                       "promote\tbring a release",
		"__complete plan -env st":               "staging\n",
		"__complete rollback --env s":           "staging\nproduction\n:4",
		"__complete logs -env staging -task mi": "migrate\n",
		"completion bash":                       "__tfpipeline_",
		"completion zsh":                        "#compdef tfpipeline",
		"completion fish":                       "fish completion for tfpipeline",
	} {
		stdout, stderr, code := cli(t, strings.Fields(line)...)
		if code != console.ExitOK || !strings.Contains(stdout, want) {
			t.Errorf("%s: exit %d, %.300q, %q; want %q", line, code, stdout, stderr, want)
		}
	}
}

// withoutJSON are the commands that print nothing for a program to read, and why.
var withoutJSON = map[string]string{
	"init": "writes files", "apply": "changes; plan has it", "bootstrap": "changes", "destroy": "changes", "restore": "changes; history has it",
	"annotate": "writes to GitHub", "unlock": "asks a person; status has the locks", "dashboard": "serves a page; status has it",
	"validate": "the exit code says it", "run": "prints what the task writes", "exec": "prints what the command writes",
}

// Every command explains itself: what it does, with an example that its own
// flags take, its exit codes, and what each flag means. Completion offers its flags,
// and a command that reads something prints it for programs too.
func TestHelp(t *testing.T) {
	for _, c := range commands() {
		for _, want := range []string{"xit code", "\nExample"} {
			if !strings.Contains(c.long(), want) {
				t.Errorf("help of %s says nothing of its %ss", c.name, strings.TrimSpace(want))
			}
		}
		offered, _, _ := cli(t, "__complete", c.name, "-")
		stdout, _, code := cli(t, "help", c.name)
		if code != console.ExitOK || !strings.HasPrefix(stdout, "usage: tfpipeline "+c.name+" ") || c.long() == "" || !strings.Contains(stdout, c.long()+"\nFlags:\n  -C folder\n") {
			t.Errorf("%s: exit %d: %s", c.name, code, stdout)
		}
		set := flag.NewFlagSet("", flag.ContinueOnError)
		c.flags(set)
		set.VisitAll(func(f *flag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s -%s: what does it mean?", c.name, f.Name)
			}
			if !strings.Contains(offered, "-"+f.Name+"\t") {
				t.Errorf("completion of %s does not offer -%s:\n%s", c.name, f.Name, offered)
			}
		})
		if hasJSON := set.Lookup("json") != nil; hasJSON == (withoutJSON[c.name] != "") {
			t.Errorf("%s has -json: %t; it needs none: %q", c.name, hasJSON, withoutJSON[c.name])
		}
		if hasEnv := set.Lookup("env") != nil; hasEnv != (c.env != nil) {
			t.Errorf("%s: -env is declared: %v, checked: %v", c.name, hasEnv, c.env != nil)
		}
	}
}

// In a workflow GitHub is asked, since the clone may lack tags.
func TestCheckoutAsksGitHubInAWorkflow(t *testing.T) {
	commit := strings.Repeat("c0ffee00", 5)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/repos/specboard/doc-platform/git/ref/tags/v1.0.0" || !strings.Contains(r.Header.Get("Authorization"), "the token") {
			t.Errorf("%s, as %s", r.URL, r.Header.Get("Authorization"))
		}
		fmt.Fprintf(w, `{"object":{"type":"commit","sha":%q}}`, commit)
	}))
	t.Cleanup(api.Close)
	a := &app{console: &console.Console{Env: []string{"GITHUB_REPOSITORY=specboard/doc-platform", "GITHUB_TOKEN=the token", "GITHUB_API_URL=" + api.URL}}}
	if a.checkout().ReleaseCommit != nil {
		t.Error("GitHub is asked outside of a workflow")
	}
	a.console.Env = append(a.console.Env, "GITHUB_ACTIONS=true")
	if got, err := a.checkout().Peel(t.Context(), "v1.0.0"); err != nil || got != commit {
		t.Errorf("%s, %v", got, err)
	}
}

// Each interrupt is answered at once, the first ends the context, and none ends
// the program.
func TestInterrupts(t *testing.T) {
	said, stderr := io.Pipe()
	c := &console.Console{Err: stderr}
	ctx, stop := c.Interruptible(t.Context())
	outer := c.Begin(console.InFlight{Work: []string{"a promotion"}, Next: "tfpipeline promote", Environment: "staging"})
	inner := c.Begin(console.InFlight{Work: []string{"a plan"}, Next: "tfpipeline apply", Environment: "staging"})
	lines := bufio.NewScanner(said)
	for i, want := range []string{
		"interrupted: ending what has begun; nothing new begins\n  a promotion\n  a plan\nnext: tfpipeline promote; should this process be killed before it has ended, first on this machine: tfpipeline settle -env staging",
		"interrupted again: still ending what has begun\n  migrated\nnext: tfpipeline status; should this process be killed before it has ended, first on this machine: tfpipeline settle -env staging",
		"interrupted again: still ending what has begun\nnext: the same command, on any machine",
	} {
		select {
		case <-c.Insisted():
			if i < 2 {
				t.Error("an interrupt alone insists")
			}
		default:
		}
		if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(want) {
			if !lines.Scan() || lines.Text() != strings.TrimSuffix(line, "\n") {
				t.Errorf("%q, want %q", lines.Text(), line)
			}
		}
		if i == 0 {
			inner.End()
			outer.Tell(console.InFlight{Work: []string{"migrated"}, Next: "tfpipeline status", Environment: "staging"})
		} else {
			outer.End()
		}
	}
	<-c.Insisted()
	if <-ctx.Done(); !errors.Is(context.Cause(ctx), console.ErrInterrupted) {
		t.Errorf("ended by %v", context.Cause(ctx))
	}
	stop()
}

func TestConfig(t *testing.T) {
	stdout, stderr, code := cli(t, "config", "-json")
	var got view.Description
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != console.ExitOK {
		t.Fatalf("exit %d, %v, %s", code, err, stderr)
	}
	p := configtest.Docs()
	if want := "arn:aws:iam::" + p.Account + ":role/" + p.Name + "/" + p.Role("deploy-staging"); got.Roles["deploy-staging"] != want || len(got.Roles) != 2+len(p.Environments) {
		t.Errorf("roles %v", got.Roles)
	}
	if len(got.Services) != len(p.Services) || got.Services[0].Repository != p.RepositoryURL(p.Services[0].Name) || len(got.Environments) != len(p.Environments) {
		t.Errorf("%s", stdout)
	}
	if _, stderr, code := cli(t, "config"); code != console.ExitFailed || !strings.Contains(stderr, "next: tfpipeline config -json") {
		t.Errorf("exit %d, %s", code, stderr)
	}
}

// Every number and time of a command is refused below zero, and at zero where that would
// mean nothing.
func TestNumbers(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, folder := range []string{"envs/shared", "modules"} { // as in a checkout
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	zero := map[string]bool{ // whether it means something
		"lock-timeout": true, "lock-wait": true, "limit": true, // not at all; not at all; all of them
		"timeout": false, "since": false, "every": false, "tasks": false, "speed": false,
	}
	with := map[string][]string{
		"run": {"-task", "migrate"}, "scale": {"-service", "api", "-tasks", "1"}, "promote": {"-release", "v1.0.0"},
	}
	a := &app{platform: configtest.Docs(), console: &console.Console{}}
	tried := 0
	for _, c := range a.program().Command().Commands() {
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			kind := f.Value.Type()
			if kind != "int" && kind != "duration" {
				if strings.ContainsAny(f.DefValue, "0123456789") && kind != "string" {
					t.Errorf("%s -%s: a number of type %s is not checked", c.Name(), f.Name, kind)
				}
				return
			}
			tried++
			sensible, known := zero[f.Name]
			if !known {
				t.Errorf("%s -%s: does zero mean something?", c.Name(), f.Name)
			}
			for _, value := range []string{"-1", "0"} {
				if kind == "duration" {
					value += "s"
				}
				line := slices.Concat([]string{c.Name()}, with[c.Name()], []string{"-" + f.Name, value})
				if c.Flags().Lookup("env") != nil {
					line = append(line, "-env", "staging")
				}
				_, stderr, code := cli(t, line...)
				says := strings.Contains(stderr, "tfpipeline: -"+f.Name+" ") || strings.Contains(stderr, "tfpipeline: local: -"+f.Name+" ") || c.Name() == "scale" && strings.Contains(stderr, "0 tasks")
				if want := value[0] == '-' || !sensible; says != want || code != console.ExitFailed {
					t.Errorf("%s: exit %d, %s", strings.Join(line, " "), code, stderr)
				}
			}
		})
	}
	if tried < 15 {
		t.Errorf("only %d flags were tried", tried)
	}
}

// writeFile writes a file for a test, its folder included.
func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
