package terraform

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/process"
)

// TestMain makes the test binary the Terraform that the tests run, which
// records how it was called and does what FAKE_TERRAFORM says, and its relay.
func TestMain(m *testing.M) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	if code, ok := process.RunRelay(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr, os.Getppid); ok {
		os.Exit(code)
	}
	stop()
	if os.Getenv("FAKE_TERRAFORM") == "" {
		os.Exit(m.Run())
	}
	os.Exit(fakeTerraform(os.Args[1:]))
}

const canary = "canary-secret-in-the-plan"

func fakeTerraform(args []string) int {
	behaviours := strings.Fields(os.Getenv("FAKE_TERRAFORM"))
	does := func(b string) bool {
		for _, x := range behaviours {
			if x == b {
				return true
			}
		}
		return false
	}
	if log, err := os.OpenFile(os.Getenv("FAKE_LOG"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
		fmt.Fprintln(log, strings.Join(args, " "))
		_ = log.Close()
	}
	switch args[0] {
	case "version":
		fmt.Println(`{"terraform_version":"1.11.4"}`)
	case "init":
		fmt.Println("initialised")
		if does("reselect") {
			_ = os.WriteFile(lockFile, []byte("provider \"registry.terraform.io/hashicorp/aws\" {\n  version = \"6.0.0\"\n}\n"), 0o600)
		}
		if does("add-hash") {
			f, _ := os.OpenFile(lockFile, os.O_APPEND|os.O_WRONLY, 0o600)
			fmt.Fprintln(f, "# another platform's checksum")
			_ = f.Close()
		}
	case "plan", "apply":
		fmt.Println(args[0] + " is running")
		for _, a := range args {
			if out, ok := strings.CutPrefix(a, "-out="); ok && !does("no-plan") {
				_ = os.WriteFile(out, []byte("plan"), 0o644)
			}
		}
		if does("wait") {
			return waitForInterrupt()
		}
		if does("fail") {
			fmt.Fprint(os.Stderr, "╷\n│ Warning: deprecated\n╵\n╷\n│ Error: something is wrong\n│ \n│ with this\n╵\n")
			return 1
		}
		if does("unsaved") {
			_ = os.WriteFile("errored.tfstate", []byte(`{"serial":7}`), 0o600)
			fmt.Fprintln(os.Stderr, "Error: Failed to persist state to backend")
			return 1
		}
	case "show", "output":
		fmt.Printf(`{"value":%q}`, canary)
	}
	return 0
}

// waitForInterrupt stops in good order half a second after one interrupt, and
// notes how many came.
func waitForInterrupt() int {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt)
	_ = os.WriteFile(os.Getenv("FAKE_LOG")+".waiting", nil, 0o600)
	<-signals
	count := 1
	deadline := time.After(500 * time.Millisecond)
	for {
		select {
		case <-signals:
			count++
		case <-deadline:
			_ = os.WriteFile(os.Getenv("FAKE_LOG")+".released", fmt.Appendf(nil, "%d", count), 0o600)
			return 1
		}
	}
}

// fake opens a driver on a small repository with the fake Terraform.
func fake(t *testing.T, behaviour string) (d *Driver, log string) {
	t.Helper()
	repository := t.TempDir()
	root := filepath.Join(repository, "envs", "staging")
	for path, content := range map[string]string{
		filepath.Join(root, "main.tf"):                         "# root\n",
		filepath.Join(root, "notes.txt"):                       "not Terraform's\n",
		filepath.Join(root, lockFile):                          "provider \"registry.terraform.io/hashicorp/aws\" {\n  version = \"5.100.0\"\n}\n",
		filepath.Join(repository, "modules", "m", "main.tf"):   "# module\n",
		filepath.Join(root, ".terraform", "terraform.tfstate"): "{}",
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	w, err := NewWorkspace(repository, "staging", filepath.Join(t.TempDir(), "work"), "# override\n")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	log = filepath.Join(t.TempDir(), "calls")
	d, err = New(Options{
		Program: program, Workspace: w,
		Environ:     map[string]string{"FAKE_TERRAFORM": "on " + behaviour, "FAKE_LOG": log, "HOME": t.TempDir(), "PATH": os.Getenv("PATH"), "GORACE": os.Getenv("GORACE")},
		PlanEnviron: map[string]string{"PLAN_ONLY": "1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return d, log
}

func calls(t *testing.T, log string) []string {
	t.Helper()
	content, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(content)), "\n")
}
