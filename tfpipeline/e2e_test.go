package main

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/endpoint"
	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs"
	"github.com/specboard/platform/tfpipeline/internal/root"
	"github.com/specboard/platform/tfpipeline/internal/scaffold"
	"github.com/specboard/platform/tfpipeline/internal/terraform"
)

// machinePath is PATH before TestMain put a fake tfpipeline in front of it.
var machinePath = os.Getenv("PATH")

// e2e marks tests that need the real Terraform and provider. They run when
// E2E is set; then a missing program is a failure and not a reason to skip.
func e2e(t testing.TB) {
	t.Helper()
	if os.Getenv("E2E") == "" {
		t.Skip("needs Terraform and the AWS provider: run make e2e")
	}
}

// lateReads makes reads of ECS lag behind writes, as they do on AWS, for at most
// lag. The seed is told on failure; CONSISTENCY_SEED sets it.
func lateReads(t testing.TB, lag time.Duration) ecs.Consistency {
	t.Helper()
	seed := rand.Uint64()
	if set := os.Getenv("CONSISTENCY_SEED"); set != "" {
		var err error
		if seed, err = strconv.ParseUint(set, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("reads of ECS were up to %s late: CONSISTENCY_SEED=%d has the same seed", lag, seed)
		}
	})
	return ecs.Consistency{Lag: lag, Seed: seed}
}

// withoutAWS is the environment of a laptop that knows nothing of AWS.
func withoutAWS(more ...string) []string {
	env := append([]string{"HOME=" + os.Getenv("HOME"), "PATH=" + machinePath}, more...)
	for _, name := range []string{"TF_CLI_CONFIG_FILE", terraform.MirrorVariable, "HTTPS_PROXY", "SSL_CERT_FILE", "XDG_CACHE_HOME", "GOPATH", "GOCACHE", "GOFLAGS", "GOPROXY", "GOGC", "GOMEMLIMIT"} {
		if v := os.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// TestOfflinePlans plans every root as make plan does on a new machine.
func TestOfflinePlans(t *testing.T) {
	t.Parallel()
	e2e(t)
	platform := config.Default()
	for _, name := range platform.Roots() {
		t.Run(name, func(t *testing.T) {
			a := &app{platform: platform, cache: cacheDir(), console: &console.Console{Out: &bytes.Buffer{}, Err: &bytes.Buffer{}, Env: withoutAWS()}}
			if err := a.findRepository(); err != nil {
				t.Fatal(err)
			}
			r, err := root.Open(t.Context(), a.rootOptions(root.Cloud{Target: root.Offline}), name)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := r.Close(); err != nil {
					t.Error(err)
				}
			}()
			p, err := r.Plan(t.Context(), root.Choices{Operation: root.Plan})
			if err != nil {
				t.Fatal(err)
			}
			if document, err := json.Marshal(p); err != nil || bytes.Contains(document, []byte(endpoint.OfflinePassword)) {
				t.Errorf("the plan holds a generated secret (%v)", err)
			}
			if counts := p.Counts(); counts["create"] < 10 || len(counts) != 1 {
				t.Errorf("counts %v, want 10 or more to create and nothing else", counts)
			}
			if name == config.SharedRoot {
				return
			}
			for _, s := range platform.Services {
				n := 0
				for _, c := range p.Changes {
					if strings.HasPrefix(c.Address, "module."+s.Name+".") {
						n++
					}
				}
				if n < 5 {
					t.Errorf("%d resources of service %s, want 5 or more", n, s.Name)
				}
			}
		})
	}
}

// TestPlanCommand looks at what a person and a program see.
func TestPlanCommand(t *testing.T) {
	t.Parallel()
	e2e(t)
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), config.Default(), []string{"plan", "-env", "shared", "-detailed-exitcode"}, withoutAWS(), nil, &stdout, &stderr)
	first, _, _ := strings.Cut(stdout.String(), "\n")
	if code != console.ExitChanges || !strings.Contains(first, "offline") || !strings.HasSuffix(stdout.String(), "to create\n") {
		t.Errorf("exit %d, stdout:\n%s\nstderr:\n%s", code, &stdout, &stderr)
	}

	stdout.Reset()
	code = run(t.Context(), config.Default(), []string{"plan", "-env", "shared", "-json", "-offline"}, withoutAWS("CI=true"), nil, &stdout, &stderr)
	var got struct {
		Root, Target string
		Counts       map[string]int
		Changes      []struct {
			Address string
			Actions []string
		}
	}
	if err := json.Unmarshal(stdout.Bytes(), &got); err != nil || code != console.ExitOK {
		t.Fatalf("exit %d, %v:\n%s", code, err, &stdout)
	}
	if got.Root != "shared" || got.Target != "offline" || got.Counts["create"] != len(got.Changes) || got.Changes[0].Actions[0] != "create" {
		t.Errorf("%+v", got)
	}
}

// TestExtendedPlatform adds a service and an environment as a person would, by
// one literal each in a platform that init has written, and then renders and plans, for which Terraform validates the
// roots with the modules that they use.
func TestExtendedPlatform(t *testing.T) {
	t.Parallel()
	e2e(t)
	repository, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	defaults := filepath.Join(repository, "gen", "config", "default.go")
	source, err := scaffold.Source(configtest.Docs())
	if err != nil {
		t.Fatal(err)
	}
	extended := insertBefore(t, string(source), "\n\t\t},\n\t\tTasks: []Task{", `
			{Name: "storage", Port: 3003, HealthCommand: []string{"CMD-SHELL", "wget -q -O- localhost:3003/health"}, Database: true, Calls: []string{"api"}},
			{Name: "mail", Image: Image{Service: "api"}, Command: []string{"work"}, HealthCommand: []string{"CMD", "/bin/check"}, Database: true},`)
	extended = insertBefore(t, extended, "\n\t\t},\n\t}\n}", `
			{
				Name: "preview", Subdomain: "preview",
				Network:  Network{CIDR: "10.30.0.0/16", NATGateways: 1},
				Database: Database{InstanceClass: "db.t4g.micro", StorageGiB: 20, MaxStorageGiB: 50, BackupRetentionDays: 1},
				Cache:    Cache{NodeType: "cache.t4g.micro", Nodes: 1},
				Size:     Size{CPU: 256, Memory: 512, MinTasks: 1, MaxTasks: 1},
				Alarms:   Alarms{CPUPercent: 80, MemoryPercent: 80, HTTP5xx: 10, Period: 5 * time.Minute},
				LogRetentionDays: 7,
			},`)
	dir := t.TempDir()
	replacement := filepath.Join(dir, "default.go")
	overlay := filepath.Join(dir, "overlay.json")
	document, err := json.Marshal(map[string]map[string]string{"Replace": {defaults: replacement}})
	if err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string][]byte{replacement: []byte(extended), overlay: document} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tree := filepath.Join(dir, "tree")
	if err := os.Mkdir(tree, 0o755); err != nil {
		t.Fatal(err)
	}
	in := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir, cmd.Env = repository, withoutAWS()
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s%s", name, args, err, out, stderr.Bytes())
		}
		return string(out)
	}
	in("go", "build", "-overlay", overlay, "-o", dir+"/", "./gen")
	in(filepath.Join(dir, "gen"), "-C", tree)
	// The committed lock of the shared root; the others take it over.
	lock, err := os.ReadFile(filepath.Join(repository, "envs", "shared", ".terraform.lock.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(tree, "envs", "shared", ".terraform.lock.hcl"), lock, 0o600); err != nil {
		t.Fatal(err)
	}
	p := configtest.Docs()
	p.Environments = append(p.Environments, config.Environment{Name: "preview", Subdomain: "preview"})
	for _, root := range []string{"production", "preview"} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), p, []string{"plan", "-offline", "-env", root, "-C", tree}, withoutAWS(), nil, &stdout, &stderr)
		if out := stdout.String(); code != console.ExitOK || !strings.Contains(out, "module.storage ") || !strings.Contains(out, "module.mail ") {
			t.Errorf("exit %d; the plan of %s lacks storage, a service, or mail, a worker:\n%s%s", code, root, out, &stderr)
		}
	}
}

func insertBefore(t *testing.T, text, before, insertion string) string {
	t.Helper()
	i := strings.LastIndex(text, before)
	if i < 0 {
		t.Fatalf("default.go has no %q any more", before)
	}
	return text[:i] + insertion + text[i:]
}
