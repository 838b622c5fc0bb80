package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/localaws"
)

// ownPlatform is a workshop of another platform than Docs, on a local endpoint of its
// own. The platform may change, as an edit of gen/config/default.go changes it.
type ownPlatform struct {
	*workshop
	cloud *localaws.Cloud
	// description is the file that holds the platform, which programs read it from.
	description, gen string

	mu sync.Mutex
	// denied are the calls that a role may not make.
	denied []string
	// output is what containers printed, by name.
	output map[string][]string
	// ended is whether denials are no longer kept.
	ended bool
}

// newOwnPlatform renders the platform into a repository, and starts its endpoint.
func newOwnPlatform(t *testing.T, p config.Platform) *ownPlatform {
	t.Helper()
	m := &ownPlatform{output: map[string][]string{}}
	cloud, err := localaws.StartCloud(t.Context(), localaws.CloudOptions{
		Options: localaws.Options{Region: p.Region, Account: p.Account, Trace: m.trace},
		Speed:   speed(), Second: 100 * time.Millisecond, Output: m.prints,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cloud.Close(); err != nil {
			t.Error(err)
		}
		for _, d := range m.denied {
			t.Errorf("denied to %s", d)
		}
	})
	cfg := localConfig(cloud.URL())
	cfg.Region = p.Region
	m.cloud = cloud
	m.workshop = &workshop{t: t, paths: []string{"/"}, endpoint: cloud.URL(), cfg: cfg, repository: t.TempDir(), programs: t.TempDir()}
	m.description = filepath.Join(m.programs, "platform.json")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	m.administrator = program{path: filepath.Join(m.programs, "tfpipeline"), env: append(withoutAWS(cloud.Environ()...), "SCRIPT_PLATFORM="+m.description)}
	if err := os.Symlink(self, m.administrator.path); err != nil {
		t.Fatal(err)
	}
	m.build()
	lock, err := os.ReadFile("../envs/shared/.terraform.lock.hcl")
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(m.repository, "envs", config.SharedRoot, ".terraform.lock.hcl"), string(lock))
	m.prepare()
	m.becomes(p, "The platform")
	return m
}

// build builds a gen that renders what the description holds.
func (m *ownPlatform) build() {
	m.t.Helper()
	dir := m.t.TempDir()
	source, err := os.ReadFile("../gen/main.go")
	if err != nil {
		m.t.Fatal(err)
	}
	writeFile(m.t, filepath.Join(dir, "main.go"), strings.Replace(string(source), "config.Default()", "described()", 1))
	writeFile(m.t, filepath.Join(dir, "described.go"), `package main

import (
	"encoding/json"
	"os"

	"github.com/specboard/platform/gen/config"
)

func described() (p config.Platform) {
	content, err := os.ReadFile(os.Getenv("PLATFORM"))
	if err == nil {
		err = json.Unmarshal(content, &p)
	}
	if err != nil {
		panic(err)
	}
	return p
}
`)
	replaced := map[string]string{}
	for _, name := range []string{"main.go", "described.go"} {
		path, err := filepath.Abs("../gen/" + name)
		if err != nil {
			m.t.Fatal(err)
		}
		replaced[path] = filepath.Join(dir, name)
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": replaced})
	if err != nil {
		m.t.Fatal(err)
	}
	writeFile(m.t, filepath.Join(dir, "overlay.json"), string(overlay))
	m.gen = filepath.Join(m.programs, "gen")
	if out, err := exec.CommandContext(m.t.Context(), "go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", m.gen, "../gen").CombinedOutput(); err != nil {
		m.t.Fatalf("build gen: %v\n%s", err, out)
	}
}

// becomes changes the platform, renders it and commits what changed.
func (m *ownPlatform) becomes(p config.Platform, message string) {
	m.t.Helper()
	m.platform, m.administrator.platform = p, p
	content, err := json.Marshal(p)
	if err != nil {
		m.t.Fatal(err)
	}
	writeFile(m.t, m.description, string(content))
	cmd := exec.CommandContext(m.t.Context(), m.gen, "-C", m.repository)
	cmd.Env = append(withoutAWS(), "PLATFORM="+m.description)
	if out, err := cmd.CombinedOutput(); err != nil {
		m.t.Fatalf("gen: %v\n%s", err, out)
	}
	m.git("add", "--all")
	m.git("commit", "--quiet", "-m", message)
}

func (m *ownPlatform) trace(c localaws.Call) {
	if c.Denied == "" {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended {
		return
	}
	m.denied = append(m.denied, c.Role+": "+c.Service+"."+c.Operation+" "+questions(c.Asked)+": "+c.Denied)
}

// expectDenials ends the recording of denials: a destroy takes the permissions of
// workers away while they still receive.
func (m *ownPlatform) expectDenials() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ended = true
}

func (m *ownPlatform) prints(_, container, line string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.output[container] = append(m.output[container], line)
}

// printed is what containers of that name printed.
func (m *ownPlatform) printed(container string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.output[container])
}

// unchanged checks that a plan finds nothing to do.
func (m *ownPlatform) unchanged(env string) {
	m.t.Helper()
	if out := m.administrator.as(m.endpoint, "plan").must(m.t, console.ExitOK, "plan", "-C", m.repository, "-env", env, "-no-lock", "-detailed-exitcode"); !strings.Contains(out, env+": no changes") {
		m.t.Errorf("the plan:\n%s", out)
	}
}
