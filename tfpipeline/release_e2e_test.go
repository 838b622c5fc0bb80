package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/localaws"
)

// workshop is a repository whose commits are releases, and the images built
// from them.
type workshop struct {
	t        *testing.T
	cli      program
	endpoint string
	cfg      aws.Config
	// repository is the checkout, programs the folder of built ones.
	repository, programs string
	// load is the crowd that asks meanwhile, if any.
	load *crowd
}

// newWorkshop copies what a release consists of into a repository of its own,
// and builds the sample application and migrate.
func newWorkshop(t *testing.T, cli program, endpoint string, cfg aws.Config) *workshop {
	t.Helper()
	w := &workshop{t: t, cli: cli, endpoint: endpoint, cfg: cfg, repository: t.TempDir(), programs: t.TempDir()}
	for _, dir := range []string{"envs", "modules"} {
		if err := os.CopyFS(filepath.Join(w.repository, dir), os.DirFS(filepath.Join("..", dir))); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob("../migrations/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatal("no migrations", err)
	}
	for _, f := range files {
		content, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(w.repository, "migrations", filepath.Base(f)), string(content))
	}
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", w.programs+"/", "./internal/localaws/sample", "../migrations/migrate").CombinedOutput()
	if err != nil {
		t.Fatalf("build the images: %v\n%s", err, out)
	}
	w.git("init", "--quiet")
	w.git("add", "--all")
	w.git("commit", "--quiet", "-m", "The platform")
	return w
}

func (w *workshop) git(args ...string) string {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), "git", append([]string{"-C", w.repository, "-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// migrateFails is a migrate that gets nowhere.
const migrateFails = "#!/bin/sh\necho 'no migration today' >&2\nexit 1\n"

// release makes a commit, its tag and its images. misbehave are arguments of
// the sample application by service; a service named migrate gives the program
// of that name.
func (w *workshop) release(tag string, misbehave map[string]string) {
	w.t.Helper()
	w.git("commit", "--quiet", "--allow-empty", "-m", tag)
	w.git("tag", "--annotate", tag, "-m", tag)
	commit := w.git("rev-parse", "HEAD")
	bin := filepath.Join(w.t.TempDir(), "bin")
	writeFile(w.t, filepath.Join(bin, "seed"), "#!/bin/sh\nexec sample seed\n")
	programs := []string{"sample"}
	if script := misbehave["migrate"]; script != "" {
		writeFile(w.t, filepath.Join(bin, "migrate"), script)
		w.executable(filepath.Join(bin, "migrate"))
	} else {
		programs = append(programs, "migrate")
	}
	w.executable(filepath.Join(bin, "seed"))
	for _, p := range programs {
		if err := os.Link(filepath.Join(w.programs, p), filepath.Join(bin, p)); err != nil {
			w.t.Fatal(err)
		}
	}
	p := config.Default()
	for _, s := range p.Services {
		command := slices.Concat([]string{"sample", "-service", s.Name, "-release", tag}, strings.Fields(misbehave[s.Name]))
		if _, err := localaws.Push(w.t.Context(), w.cfg, p.RepositoryName(s.Name), commit, localaws.Image{Folder: filepath.Dir(bin), Command: command}); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *workshop) executable(path string) {
	w.t.Helper()
	if err := os.Chmod(path, 0o755); err != nil {
		w.t.Fatal(err)
	}
}

// provide stores the secrets that a person provides.
func (w *workshop) provide(env string) {
	w.t.Helper()
	p := config.Default()
	for _, s := range p.Secrets {
		if s.Kind != config.Provided {
			continue
		}
		name := p.SecretName(env, s.Name)
		if _, err := secretsmanager.NewFromConfig(w.cfg).PutSecretValue(w.t.Context(), &secretsmanager.PutSecretValueInput{SecretId: &name, SecretString: aws.String("provided-0123456789")}); err != nil {
			w.t.Fatal(err)
		}
	}
}

// deploys promotes or rolls back, and checks the exit code and what everybody
// is answered afterwards. It logs a row of the README's table.
func (w *workshop) deploys(code int, serves, env string, args ...string) (stderr string) {
	w.t.Helper()
	began := time.Now()
	asked, failed := w.load.count()
	args = append([]string{args[0], "-C", w.repository, "-env", env}, args[1:]...)
	stdout, stderr, got := w.cli.run(w.t.Context(), args...)
	after, failedAfter := w.load.count()
	w.t.Logf("figure: | `%s %s` | %d | %.0f s | %d | %d |", args[0], strings.Join(args[3:], " "), got, time.Since(began).Seconds(), after-asked, failedAfter-failed)
	if got != code {
		w.t.Fatalf("tfpipeline %s: exit %d, want %d\n%s\n%s", strings.Join(args, " "), got, code, stdout, stderr)
	}
	if serves != "" {
		w.serves(env, serves)
	}
	return stderr
}

// serves checks that every public service answers as a release.
func (w *workshop) serves(env, release string) {
	w.t.Helper()
	users := w.users(env, 0)
	for _, path := range publicPaths {
		for range 4 { // more than there are tasks
			if got, err := users.ask(w.t.Context(), path); err != nil || got.Release != release {
				w.t.Fatalf("%s answers as %q, want %s: %v", path, got.Release, release, err)
			}
		}
	}
}

// publicPaths lead to one service each.
var publicPaths = []string{"/api/documents", "/mcp", "/"}

// answer is what the sample application says.
type answer struct{ Service, Release string }

// crowd is a constant load on an environment's address.
type crowd struct {
	client *http.Client
	domain string
	stop   context.CancelFunc
	done   sync.WaitGroup

	mu       sync.Mutex
	requests int
	failed   []string
}

// users are people who ask without a pause until end is called.
func (w *workshop) users(env string, people int) *crowd {
	w.t.Helper()
	p := config.Default()
	e, ok := p.Environment(env)
	if !ok {
		w.t.Fatalf("no environment %s", env)
	}
	ctx, stop := context.WithCancel(w.t.Context())
	w.t.Cleanup(stop)
	c := &crowd{
		client: &http.Client{Transport: localaws.Reach(w.endpoint, nil), Timeout: 20 * time.Second},
		domain: p.Host(e), stop: stop,
	}
	for i := range people {
		c.done.Go(func() {
			// A constant load that leaves the machine to the tasks.
			pace := time.NewTicker(7 * time.Millisecond)
			defer pace.Stop()
			for n := i; ctx.Err() == nil; n++ {
				<-pace.C
				_, err := c.ask(context.WithoutCancel(ctx), publicPaths[n%len(publicPaths)])
				c.note(err)
			}
		})
	}
	return c
}

func (c *crowd) note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests++
	if err != nil {
		c.failed = append(c.failed, fmt.Sprintf("%s %v", time.Now().Format("15:04:05.000"), err))
	}
}

// count tells how much was asked so far, and how much of it failed.
func (c *crowd) count() (requests, failed int) {
	if c == nil {
		return 0, 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.requests, len(c.failed)
}

func (c *crowd) ask(ctx context.Context, path string) (a answer, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+c.domain+path, nil)
	if err != nil {
		return a, err
	}
	res, err := c.client.Do(r)
	if err != nil {
		return a, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", path, res.Status, body)
	}
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal(body, &a)
}

// end stops the load; not one request may have failed.
func (c *crowd) end(t *testing.T) (requests int) {
	t.Helper()
	c.stop()
	c.done.Wait()
	for i, f := range c.failed {
		if i == 10 {
			break
		}
		t.Errorf("failed: %s", f)
	}
	t.Logf("figure: | all of it, and between | | | %d | %d |", c.requests, len(c.failed))
	return c.requests
}

// releases takes an environment through the life of a service: good releases,
// three bad ones, a rollback, and promotions that are killed; all of it under
// load, and nobody notices.
func releases(t *testing.T, w *workshop, env string) {
	t.Helper()
	good, kills, load := 2, 1, 20_000
	if os.Getenv("SOAK") != "" {
		good, kills, load = 9, 10, 100_000
	}
	const people = 6
	w.provide(env)
	w.release("v0.2.0", nil)
	w.deploys(exitOK, "v0.2.0", env, "promote", "-release", "v0.2.0")
	users := w.users(env, people)
	w.load = users
	last, previous := "v0.2.0", ""
	for i := range good {
		tag := fmt.Sprintf("v1.%d.0", i)
		w.release(tag, nil)
		w.deploys(exitOK, tag, env, "promote", "-release", tag)
		last, previous = tag, last
	}

	// A bad release leaves everybody where they were, by whatever way it is bad.
	w.release("v2.0.0", map[string]string{"api": "-crash-after 1ns"})
	w.deploys(exitRolledBack, last, env, "promote", "-release", "v2.0.0")
	w.release("v2.1.0", map[string]string{"mcp": "-unhealthy"})
	w.deploys(exitRolledBack, last, env, "promote", "-release", "v2.1.0")
	w.release("v2.2.0", map[string]string{"migrate": migrateFails})
	if stderr := w.deploys(exitFailed, last, env, "promote", "-release", "v2.2.0"); !strings.Contains(stderr, "no migration today") {
		t.Errorf("the migration's own words are missing:\n%s", stderr)
	}

	w.deploys(exitOK, previous, env, "rollback")
	if stderr := w.deploys(exitFailed, previous, env, "promote", "-release", last); !strings.Contains(stderr, "-force") {
		t.Errorf("a release that was rolled back from is promoted again, or nobody says how:\n%s", stderr)
	}

	if os.Getenv("SOAK") != "" {
		w.git("checkout", "--quiet", last)
		w.deploys(exitOK, last, env, "promote", "-release", last, "-force")
		w.git("checkout", "--quiet", "-")
		w.deploys(exitOK, previous, env, "rollback", "-to", previous)
	}

	for i := range kills {
		tag := fmt.Sprintf("v3.%d.0", i)
		w.release(tag, nil)
		w.killed(env, tag)
		w.deploys(exitOK, tag, env, "promote", "-release", tag)
		w.migratedOnce(env, tag)
	}
	w.load = nil
	if requests := users.end(t); requests < load {
		t.Errorf("%d requests are no load", requests)
	}
}

// toProduction brings the release that staging runs to production, which asks
// for a proof.
func toProduction(t *testing.T, w *workshop) {
	t.Helper()
	w.provide("production")
	tag := w.git("describe", "--tags", "--abbrev=0")
	// Staging has run it for seconds.
	if stderr := w.deploys(exitFailed, "", "production", "promote", "-release", tag); !strings.Contains(stderr, "10m") {
		t.Errorf("a release without a proof is promoted, or nobody says how long it must bake:\n%s", stderr)
	}
	w.deploys(exitOK, tag, "production", "promote", "-release", tag, "-override-proof", "the proof is tested on virtual time")
	if out := w.cli.must(t, exitOK, "history", "-C", w.repository, "-env", "production"); !strings.Contains(out, tag) {
		t.Errorf("the history lacks %s:\n%s", tag, out)
	}
}

// killed starts a promotion and kills it at any moment of the half minute that
// one takes; if it was quicker, the next attempt is one at a release that runs.
func (w *workshop) killed(env, tag string) {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), w.cli.path, "promote", "-C", w.repository, "-env", env, "-release", tag)
	cmd.Env, cmd.WaitDelay = w.cli.env, time.Second
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	after := time.Duration(rand.Int64N(int64(25 * time.Second)))
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	err := cmd.Wait()
	lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
	w.t.Logf("promote %s: killed after %.1f s (%v), having said: %s", tag, after.Seconds(), err, lines[len(lines)-1])
}

// migratedOnce checks the history: of all attempts at a release, one task ran
// its migrations.
func (w *workshop) migratedOnce(env, tag string) {
	w.t.Helper()
	out := w.cli.must(w.t, exitOK, "history", "-C", w.repository, "-env", env, "-limit", "0", "-json")
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
