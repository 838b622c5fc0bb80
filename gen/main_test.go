package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/gen/internal/reference"
)

// gen runs the program on a repository and wants an exit code.
func gen(t *testing.T, want int, p config.Platform, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	if code := run(args, p, &out, &errs); code != want {
		t.Fatalf("gen %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), code, want, &out, &errs)
	}
	return out.String(), errs.String()
}

// written is a repository with a rendered platform in it.
func written(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	gen(t, done, configtest.Docs(), "-C", dir)
	return dir
}

// snapshot reads every file of a repository with its mode and time.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		files[filepath.ToSlash(rel)] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func put(t *testing.T, dir, name, content string) {
	t.Helper()
	p := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func wantLine(t *testing.T, text, line string) {
	t.Helper()
	for l := range strings.Lines(text) {
		if strings.TrimSuffix(l, "\n") == line {
			return
		}
	}
	t.Errorf("no line %q in:\n%s", line, text)
}

// The tree in the repository is what the platform in the repository renders.
// It is the best golden there is.
func TestCommittedTreeIsCurrent(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	if code := run([]string{"-check", "-C", ".."}, config.Default(), &out, &errs); code != done {
		t.Errorf("exit code %d\n%s%s", code, &out, &errs)
	}
	files, err := rendered(config.Default())
	if err != nil {
		t.Fatal(err)
	}
	if err := reference.CheckFormat(files); err != nil {
		t.Error(err)
	}
}

func TestWriteTwice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out, _ := gen(t, done, configtest.Docs(), "-C", dir)
	wantLine(t, out, "wrote   envs/production/backend.tf")
	wantLine(t, out, "wrote   modules/network/main.tf")
	first := snapshot(t, dir)
	if len(first) != strings.Count(out, "wrote ") {
		t.Errorf("%d files on disk, %d named as written", len(first), strings.Count(out, "wrote "))
	}
	out, _ = gen(t, done, configtest.Docs(), "-C", dir)
	if !strings.HasPrefix(out, "examples/, modules/ and envs/ were up to date (") || strings.Count(out, "\n") != 1 {
		t.Errorf("second run says:\n%s", out)
	}
	if diff := cmp.Diff(first, snapshot(t, dir)); diff != "" {
		t.Errorf("second run changed the disk:\n%s", diff)
	}
}

func TestTwoRunsAreEqual(t *testing.T) {
	t.Parallel()
	want := snapshot(t, written(t))
	for range 5 {
		if diff := cmp.Diff(want, snapshot(t, written(t))); diff != "" {
			t.Fatalf("two runs differ:\n%s", diff)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	dir := written(t)
	out, _ := gen(t, done, configtest.Docs(), "-check", "-C", dir)
	if !strings.HasPrefix(out, "examples/, modules/ and envs/ are up to date (") {
		t.Errorf("check of a current tree says:\n%s", out)
	}

	main := filepath.Join(dir, "modules/network/main.tf")
	content, err := os.ReadFile(main)
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir, "modules/network/main.tf", string(content)+"# edited\n")
	put(t, dir, "modules/gone/main.tf", string(content))
	put(t, dir, "modules/network/outputs.tf", "# by hand\n")
	if err := os.Remove(filepath.Join(dir, "envs/staging/backend.tf")); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, dir)
	out, _ = gen(t, failed, configtest.Docs(), "-check", "-C", dir)
	want := `missing   envs/staging/backend.tf
orphaned  modules/gone/main.tf
outdated  modules/network/main.tf
foreign   modules/network/outputs.tf
A foreign file stands where a generated one belongs: move it away, or delete it if it may be replaced.
examples/, modules/ and envs/ are not what gen/config renders. Run make gen and commit what it writes.
`
	if diff := cmp.Diff(want, out); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, snapshot(t, dir)); diff != "" {
		t.Errorf("-check changed the disk:\n%s", diff)
	}
}

// A new environment's lock file comes with its first rendering, so that one commit
// adds it; what Terraform wrote is never replaced.
func TestANewRootIsLocked(t *testing.T) {
	dir, p := written(t), configtest.Docs()
	const shared, staging, production = "envs/shared/.terraform.lock.hcl", "envs/staging/.terraform.lock.hcl", "envs/production/.terraform.lock.hcl"
	put(t, dir, shared, "provider")
	put(t, dir, production, "provider, and what Terraform added")
	stdout, _ := gen(t, failed, p, "-check", "-C", dir)
	if !strings.Contains(stdout, "missing   "+staging) || strings.Contains(stdout, production) {
		t.Errorf("-check says\n%s", stdout)
	}
	stdout, _ = gen(t, done, p, "-C", dir)
	if !strings.Contains(stdout, "wrote   "+staging) {
		t.Errorf("gen says\n%s", stdout)
	}
	files := snapshot(t, dir)
	if files[staging] != "provider" || files[production] != "provider, and what Terraform added" {
		t.Errorf("staging %q, production %q", files[staging], files[production])
	}
	gen(t, done, p, "-check", "-C", dir)
}

func TestForeignFileIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir, "modules/network/main.tf", "# by hand\n")
	out, errs := gen(t, failed, configtest.Docs(), "-C", dir)
	want := "gen: refuse to replace what gen did not write: modules/network/main.tf; move it away, or delete it if it may be replaced\nNothing was written.\n"
	if out != "" || errs != want {
		t.Errorf("output %q, error %q, want %q", out, errs, want)
	}
	if left := snapshot(t, dir); len(left) != 1 {
		t.Errorf("%d files on disk, want the foreign one only", len(left))
	}
}

// A service and an environment less: what they alone needed goes away.
func TestOrphansAreRemoved(t *testing.T) {
	t.Parallel()
	p := configtest.Docs()
	e := p.Environments[0]
	e.Name, e.Subdomain, e.Network.CIDR = "preview", "preview", "10.30.0.0/16"
	p.Environments = append(p.Environments, e)
	dir := t.TempDir()
	gen(t, done, p, "-C", dir)
	const lock = "# Terraform's\n"
	put(t, dir, "envs/preview/.terraform.lock.hcl", lock)
	put(t, dir, "envs/staging/.terraform.lock.hcl", lock)
	put(t, dir, "envs/staging/.terraform/modules/modules.json", "{}")

	out, _ := gen(t, done, configtest.Docs(), "-C", dir)
	wantLine(t, out, "removed envs/preview/network.tf")
	want := snapshot(t, written(t))
	want["envs/preview/.terraform.lock.hcl"] = lock
	want["envs/staging/.terraform.lock.hcl"] = lock
	want["envs/staging/.terraform/modules/modules.json"] = "{}"
	if diff := cmp.Diff(want, snapshot(t, dir)); diff != "" {
		t.Errorf("disk (-want +got):\n%s", diff)
	}
}

func TestInvalidPlatformWritesNothing(t *testing.T) {
	t.Parallel()
	p := configtest.Docs()
	p.Services[0].Port = 70000
	p.Environments[1].Database.MultiAZ = false
	for _, args := range [][]string{{}, {"-check"}} {
		dir := t.TempDir()
		out, errs := gen(t, failed, p, append(args, "-C", dir)...)
		want := `gen: the platform in gen/config is not valid:
  services["api"].port: 70000 is not a port, 1 to 65535; for example 3000
  environments["production"].database.multiAZ: false breaks a promise of protected environments: a standby of the database in a second zone; for example true
Nothing was written.
`
		if diff := cmp.Diff(want, errs); diff != "" || out != "" {
			t.Errorf("error (-want +got):\n%s\noutput %q", diff, out)
		}
		if left := snapshot(t, dir); len(left) != 0 {
			t.Errorf("files on disk: %v", left)
		}
	}
}

func TestWriteErrorSaysHowThingsAreLeft(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir, "modules", "a file where a folder belongs")
	_, errs := gen(t, failed, configtest.Docs(), "-C", dir)
	if !strings.Contains(errs, "compare modules:") || !strings.HasSuffix(errs, "not a directory\nNothing was written.\n") {
		t.Errorf("error is %q, want one about the folder modules", errs)
	}
	if left := snapshot(t, dir); len(left) != 1 {
		t.Errorf("%d files on disk, want one", len(left))
	}
}

// A write that fails in the middle is finished by the next run.
func TestHalfWrittenTreeIsFinished(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	link := filepath.Join(dir, "modules", "network")
	if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", link); err != nil {
		t.Fatal(err)
	}
	out, errs := gen(t, failed, configtest.Docs(), "-C", dir)
	wantLine(t, out, "wrote   envs/staging/network.tf")
	if strings.Contains(out, "modules/network") || !strings.HasPrefix(errs, "gen: write modules/network/") {
		t.Errorf("output:\n%serror %q", out, errs)
	}
	wantLine(t, errs, "The files above are as they should be, the others as they were; run make gen again to go on.")
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	out, _ = gen(t, done, configtest.Docs(), "-C", dir)
	if strings.Contains(out, "envs/") {
		t.Errorf("the second run writes again what the first wrote:\n%s", out)
	}
	if diff := cmp.Diff(snapshot(t, written(t)), snapshot(t, dir)); diff != "" {
		t.Errorf("disk (-want +got):\n%s", diff)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	out, errs := gen(t, done, configtest.Docs(), "-h")
	for _, want := range []string{"usage: go run ./gen [-check] [-C DIR]", "-check\n", "make gen", "Exit codes: 0 as asked"} {
		if !strings.Contains(out, want) {
			t.Errorf("help lacks %q:\n%s", want, out)
		}
	}
	if errs != "" {
		t.Errorf("help says on stderr: %s", errs)
	}
	_, errs = gen(t, badCall, configtest.Docs(), "-chek")
	if want := "gen: flag provided but not defined: -chek\nRun go run ./gen -h to see how it is used.\n"; errs != want {
		t.Errorf("error is %q, want %q", errs, want)
	}
	_, errs = gen(t, badCall, configtest.Docs(), "staging")
	if want := "gen: unknown argument \"staging\"\nRun go run ./gen -h to see how it is used.\n"; errs != want {
		t.Errorf("error is %q, want %q", errs, want)
	}
	_, errs = gen(t, failed, configtest.Docs(), "-C", filepath.Join(t.TempDir(), "nowhere"))
	if !strings.Contains(errs, "nowhere") {
		t.Errorf("error is %q, want one that names the folder", errs)
	}
}

// Without -C the repository is found from any folder in it.
func TestRepositoryIsFound(t *testing.T) {
	dir := written(t)
	put(t, dir, "go.mod", "module example\n")
	t.Chdir(filepath.Join(dir, "modules", "network"))
	gen(t, done, configtest.Docs(), "-check")

	t.Chdir(string(filepath.Separator)) // above it nobody has put a go.mod
	_, errs := gen(t, failed, configtest.Docs(), "-check")
	if !strings.Contains(errs, "no go.mod in") || !strings.Contains(errs, "-C") {
		t.Errorf("error is %q, want one that points to -C", errs)
	}
}

// A platform that exceeds AWS's default quotas is rendered, with warnings.
func TestQuotasWarn(t *testing.T) {
	t.Parallel()
	p := configtest.Docs()
	p.Environments[1].Size.CPU, p.Environments[1].Size.Memory = 1024, 2048
	stdout, stderr := gen(t, done, p, "-C", t.TempDir())
	if !strings.HasPrefix(stderr, "gen: warning: environments: 19 vCPUs on Fargate") || strings.Count(stderr, "\n") != 1 || strings.Contains(stdout, "warning") {
		t.Errorf("stdout:\n%s\nstderr:\n%s", stdout, stderr)
	}
}
