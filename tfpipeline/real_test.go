package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/account/accounttest"
)

// fixture is a repository whose staging root needs no provider, so that the
// real Terraform applies it in an instant or as slowly as a test likes.
type fixture struct {
	t     *testing.T
	dir   string
	env   []string
	cloud *accounttest.Cloud
}

// newFixture writes the repository and makes its bucket, which holds the state
// and its lock as AWS would.
func newFixture(t *testing.T, resources string) *fixture {
	t.Helper()
	e2e(t)
	dir := t.TempDir()
	t.Cleanup(func() { killBelow(dir) })
	f := &fixture{t: t, dir: dir, cloud: accounttest.New(configtest.Docs())}
	f.cloud.Bucket = map[string]string{}
	server := httptest.NewServer(f.cloud)
	t.Cleanup(server.Close)
	for _, r := range configtest.Docs().Roots() {
		writeFile(t, filepath.Join(dir, "envs", r, "main.tf"), "")
	}
	writeFile(t, filepath.Join(dir, "modules", "README.md"), "")
	f.write(resources)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(dir, "bin", "tfpipeline")); err != nil {
		t.Fatal(err)
	}
	f.env = withoutAWS("HOME="+filepath.Join(dir, "home"), "XDG_CACHE_HOME="+filepath.Join(dir, "cache"),
		"AWS_ENDPOINT_URL="+server.URL, "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test")
	return f
}

// write replaces the staging root.
func (f *fixture) write(resources string) {
	f.t.Helper()
	f.writeRoot("staging", resources)
}

// writeRoot replaces any root.
func (f *fixture) writeRoot(root, resources string) {
	f.t.Helper()
	p := configtest.Docs()
	writeFile(f.t, filepath.Join(f.dir, "envs", root, "main.tf"), fmt.Sprintf(`
terraform {
  backend "s3" {
    bucket       = %q
    key          = %q
    region       = %q
    use_lockfile = true
  }
}
%s`, p.StateBucket(), p.StateKey(root), p.Region, resources))
}

// object is what the bucket holds under a key.
func (f *fixture) object(key string) (string, bool) {
	f.cloud.Lock()
	defer f.cloud.Unlock()
	content, ok := f.cloud.Objects.Content[key]
	return string(content), ok
}

// endLocks does what the end of their span does to the locks of a killed run:
// nobody has renewed them.
func (f *fixture) endLocks(root string) {
	f.cloud.Lock()
	defer f.cloud.Unlock()
	delete(f.cloud.Objects.Written, configtest.Docs().LockKey(root))
	delete(f.cloud.Objects.Written, configtest.Docs().StateLockKey(root))
}

// refuse makes the bucket refuse writes of keys with this ending.
func (f *fixture) refuse(ending string) {
	f.cloud.Lock()
	defer f.cloud.Unlock()
	f.cloud.Objects.Refuse = ending
}

// command is tfpipeline, ready to start.
func (f *fixture) command(args ...string) (cmd *exec.Cmd, stdout, stderr *bytes.Buffer) {
	cmd = exec.CommandContext(f.t.Context(), filepath.Join(f.dir, "bin", "tfpipeline"), args...)
	cmd.Dir, cmd.Env = f.dir, f.env
	// A killed Terraform leaves its providers behind, with our pipes open.
	cmd.WaitDelay = time.Second
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	return cmd, stdout, stderr
}

// run runs tfpipeline to its end, which must have this exit code.
func (f *fixture) run(code int, args ...string) (stdout, stderr string) {
	f.t.Helper()
	cmd, out, err := f.command(args...)
	f.mustExit(code, cmd.Run(), err)
	return out.String(), err.String()
}

// killBelow ends the providers that killed Terraforms left in a folder.
func killBelow(dir string) {
	for _, pid := range processesBelow(dir) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// processesBelow lists the processes that run in a folder or below.
func processesBelow(dir string) (ids []int) {
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range processes {
		cwd, err := os.Readlink(filepath.Join(p, "cwd"))
		if err != nil || !strings.HasPrefix(cwd, dir) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(p)); err == nil {
			ids = append(ids, pid)
		}
	}
	return ids
}

// awaitEnd waits until nothing runs in the fixture any more.
func (f *fixture) awaitEnd() {
	f.t.Helper()
	deadline := time.After(2 * time.Minute)
	for len(processesBelow(f.dir)) > 0 {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-deadline:
			f.t.Fatalf("processes outlive their run: %v", processesBelow(f.dir))
		}
	}
}

func (f *fixture) mustExit(code int, err error, stderr *bytes.Buffer) {
	f.t.Helper()
	got := 0
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		got = e.ExitCode()
	} else if err != nil {
		f.t.Fatal(err)
	}
	if got != code {
		f.t.Fatalf("exit code %d, want %d:\n%s", got, code, stderr)
	}
}

// slow is a resource that is created when a file appears, or after a while.
func (f *fixture) slow(name string) string {
	return fmt.Sprintf(`
resource "terraform_data" %[1]q {
  provisioner "local-exec" {
    command = "touch %[2]s/%[1]s.begun; for i in $(seq 300); do test -e %[2]s/%[1]s.go && break; sleep 0.1; done; touch %[2]s/%[1]s.made"
  }
}
`, name, f.dir)
}

func (f *fixture) touch(name string) { writeFile(f.t, filepath.Join(f.dir, name), "") }

// await waits for a file.
func (f *fixture) await(name string) {
	f.t.Helper()
	deadline := time.After(2 * time.Minute)
	for {
		if _, err := os.Stat(filepath.Join(f.dir, name)); err == nil {
			return
		}
		select {
		case <-deadline:
			f.t.Fatalf("%s did not appear", name)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// leftovers are files that runs left in the cache.
func (f *fixture) leftovers() (files []string) {
	f.t.Helper()
	_ = filepath.WalkDir(filepath.Join(f.dir, "cache"), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return nil
	})
	return files
}

func contains(t *testing.T, where, text string, fragments ...string) {
	t.Helper()
	for _, f := range fragments {
		if !strings.Contains(text, f) {
			t.Errorf("%s lacks %q:\n%s", where, f, text)
		}
	}
}

func TestRealApply(t *testing.T) {
	f := newFixture(t, `
resource "terraform_data" "a" { input = "canary" }
output "shown" { value = "here" }
output "hidden" {
  value     = "canary"
  sensitive = true
}
`)
	stdout, stderr := f.run(0, "apply", "-env", "staging", "-yes")
	contains(t, "stdout", stdout, "staging: 1 to create", "  hidden (sensitive)", "  shown = here", "staging: applied")
	contains(t, "stderr", stderr, "staging: [1/1] create terraform_data.a (0s)")
	if strings.Contains(stdout+stderr, "canary") {
		t.Errorf("a value was shown:\n%s%s", stdout, stderr)
	}
	stdout, _ = f.run(0, "apply", "-env", "staging", "-yes")
	contains(t, "stdout", stdout, "staging: no changes")
	f.run(0, "plan", "-env", "staging", "-detailed-exitcode")
	if left := f.leftovers(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	stdout, _ = f.run(0, "plan", "-env", "staging")
	contains(t, "stdout", stdout, "staging: no changes")
	// An output alone is a change too, though Terraform counts no resource.
	f.write(`
resource "terraform_data" "a" { input = "canary" }
output "shown" { value = "there" }
`)
	f.run(2, "plan", "-env", "staging", "-detailed-exitcode")
}

func TestRealErroredPlanSaysWhatWasBlocked(t *testing.T) {
	f := newFixture(t, `resource "terraform_data" "a" { triggers_replace = "1" }`)
	f.run(0, "apply", "-env", "staging", "-yes")
	f.write(`
resource "terraform_data" "a" {
  triggers_replace = "2"
  lifecycle { prevent_destroy = true }
}`)
	stdout, stderr := f.run(1, "plan", "-env", "staging")
	contains(t, "stdout", stdout, "replace terraform_data.a", "the plan failed")
	contains(t, "stderr", stderr, "Instance cannot be destroyed")
	_, stderr = f.run(1, "apply", "-env", "staging", "-yes")
	contains(t, "stderr", stderr, "replace terraform_data.a", "Instance cannot be destroyed")
}

func TestRealHeldLock(t *testing.T) {
	f := newFixture(t, "")
	f.write(f.slow("a"))
	first, _, firstErr := f.command("apply", "-env", "staging", "-yes")
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	f.await("a.begun")

	// One that waits too little is refused, with the holder's name: an apply by
	// the environment's lease, a plan by the state lock.
	_, stderr := f.run(1, "apply", "-env", "staging", "-yes", "-lock-timeout", "1s")
	contains(t, "stderr", stderr, "waiting for the lock", "has held it since", "for apply", "next: wait for it, and see tfpipeline status -env staging")
	_, stderr = f.run(1, "plan", "-env", "staging", "-lock-timeout", "1s")
	contains(t, "stderr", stderr, "of tfpipeline, holds the state lock since", "the state is locked by", "next: wait for it: its lock ends by itself")

	// One that waits long enough gets its turn, and finds nothing to do.
	second, out, secondErr := f.command("apply", "-env", "staging", "-yes", "-lock-timeout", "60s")
	if err := second.Start(); err != nil {
		t.Fatal(err)
	}
	f.touch("a.go")
	f.mustExit(0, first.Wait(), firstErr)
	f.mustExit(0, second.Wait(), secondErr)
	contains(t, "stdout", out.String(), "staging: no changes")
}

func TestRealInterrupt(t *testing.T) {
	f := newFixture(t, "")
	f.write(f.slow("a") + `resource "terraform_data" "later" { depends_on = [terraform_data.a] }`)
	cmd, _, stderr := f.command("apply", "-env", "staging", "-yes")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	f.await("a.begun")
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	f.touch("a.go")
	f.mustExit(130, cmd.Wait(), stderr)
	contains(t, "stderr", stderr.String(), "interrupted", "next: tfpipeline apply -env staging, which continues from here")
	// The lock is free and the rest is done.
	stdout, _ := f.run(0, "apply", "-env", "staging", "-yes", "-lock-timeout", "0s")
	contains(t, "stdout", stdout, "staging: applied")
	f.run(0, "plan", "-env", "staging", "-detailed-exitcode")
}

// A driver that is killed takes Terraform with it, and the locks stay. The next
// run, on a machine that knows of nothing, takes them over.
func TestRealKill(t *testing.T) {
	f := newFixture(t, "")
	// Whether an interrupted provisioner failed is Terraform's to say; what comes
	// after it is not made in any case.
	f.write(`resource "terraform_data" "first" {}` + f.slow("a") + `resource "terraform_data" "later" { depends_on = [terraform_data.a] }`)
	cmd, _, stderr := f.command("apply", "-env", "staging", "-yes")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	f.await("a.begun")
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if _, held := f.object("terraform/staging.tfstate.tflock"); !held {
		t.Fatalf("the killed run left nothing, so it was not killed at work:\n%s", stderr)
	}
	// Its Terraform is interrupted, gives up what it was making, and goes.
	f.awaitEnd()
	f.touch("a.go")
	f.env = append(f.env, "XDG_CACHE_HOME="+filepath.Join(f.dir, "another"))

	// While nobody can know that it has died, it is waited for; a person's
	// Terraform too does not get by.
	_, told := f.run(1, "apply", "-env", "staging", "-yes", "-lock-timeout", "1s")
	contains(t, "stderr", told, "waiting for the lock")
	byHand := exec.CommandContext(t.Context(), "sh", "-c", "terraform init -input=false && terraform apply -auto-approve -lock-timeout=0s")
	byHand.Dir, byHand.Env = filepath.Join(f.dir, "envs", "staging"), f.env
	out, err := byHand.CombinedOutput()
	if err == nil {
		t.Error("terraform by hand took no notice of the lock")
	}
	contains(t, "terraform by hand", string(out), "Error acquiring the state lock", "OperationTypeApply", "Info:      tfpipeline 20")

	f.endLocks("staging")
	stdout, told := f.run(0, "apply", "-env", "staging", "-yes")
	contains(t, "stderr", told, "looking for what a run that was killed made", "took the state lock over from")
	contains(t, "stdout", stdout, "staging: applied")
	f.run(0, "plan", "-env", "staging", "-detailed-exitcode")
	for _, key := range []string{"terraform/staging.tfstate.tflock", "terraform/staging.tfstate.unfinished", "locks/staging.json"} {
		if content, left := f.object(key); left {
			t.Errorf("%s is left: %s", key, content)
		}
	}
}

// A state that cannot be written is kept in the bucket, and the next run saves it.
func TestRealUnsavedState(t *testing.T) {
	f := newFixture(t, "")
	f.write(f.slow("a"))
	cmd, _, stderr := f.command("apply", "-env", "staging", "-yes")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	f.await("a.begun")
	f.refuse(".tfstate")
	f.touch("a.go")
	f.mustExit(1, cmd.Wait(), stderr)
	contains(t, "stderr", stderr.String(), "the state could not be saved, and is kept at s3://", "next: tfpipeline apply -env staging, which saves it first")
	if content, _ := f.object("terraform/staging.tfstate.unsaved"); !strings.Contains(content, `"terraform_data"`) {
		t.Errorf("the kept state: %s", content)
	}
	if _, held := f.object("terraform/staging.tfstate.tflock"); held {
		t.Error("the lock is still held")
	}
	f.refuse("")
	f.env = append(f.env, "XDG_CACHE_HOME="+filepath.Join(f.dir, "another"))
	stdout, told := f.run(0, "apply", "-env", "staging", "-yes")
	contains(t, "stderr", told, "staging: saved the state that an earlier apply could not save")
	contains(t, "stdout", stdout, "staging: no changes")
	if _, kept := f.object("terraform/staging.tfstate.unsaved"); kept {
		t.Error("the kept state is still there")
	}
}

// Mostly the bucket is back soon: then the state is saved, and nobody has to
// do anything.
func TestRealStateIsSavedAnew(t *testing.T) {
	f := newFixture(t, "")
	f.write(f.slow("a") + `
resource "terraform_data" "fails" {
  depends_on = [terraform_data.a]
  provisioner "local-exec" { command = "exit 1" }
}`)
	cmd, _, stderr := f.command("apply", "-env", "staging", "-yes")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	f.await("a.begun")
	f.refuse(".tfstate")
	f.touch("a.go")
	for deadline := time.Now().Add(2 * time.Minute); ; <-time.After(20 * time.Millisecond) {
		if found, _ := filepath.Glob(filepath.Join(f.dir, "cache", "tfpipeline", "work", "*", "envs", "*", "errored.tfstate")); len(found) > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("Terraform left no state:\n%s", stderr)
		}
	}
	f.refuse("")
	f.mustExit(1, cmd.Wait(), stderr)
	if strings.Contains(stderr.String(), "could not be saved") {
		t.Errorf("stderr: %s", stderr)
	}
	if state, _ := f.object("terraform/staging.tfstate"); !strings.Contains(state, `"name": "a"`) {
		t.Errorf("the bucket's state: %s", state)
	}
	if left := f.leftovers(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestRealBucketThatDoesNotExist(t *testing.T) {
	f := newFixture(t, "")
	f.cloud.Bucket = nil
	_, stderr := f.run(1, "apply", "-env", "staging", "-yes")
	contains(t, "stderr", stderr, "the state bucket doc-platform-state-123456789012 does not exist yet", "next: tfpipeline bootstrap -env staging")
}
