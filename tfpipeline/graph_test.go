package main_test

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/specboard/platform/"

// allowed is the import graph: what each package may import of ours. A new
// arrow is added here, on purpose. Floors, from below: facts, domain, adapters
// (never each other), mains.
var allowed = map[string][]string{
	// Facts.
	"gen/config":            {},
	"gen/config/configtest": {"gen/config"}, // imported by tests alone
	"migrations":            {},

	"migrations/migrationstest": {}, // imported by tests alone

	"migrations/scratch": {},
	"migrations/migrate": {"migrations"},
	// The linter and the proof: one program, its parts its own business.
	"migrations/check":            {"migrations", "migrations/scratch", "migrations/check/*"},
	"migrations/check/internal/*": {"migrations", "migrations/scratch", "migrations/check/internal/*"},

	// The generator.
	"gen/internal/tree":      {},
	"gen/internal/reference": {},
	"gen/internal/manual":    {"gen/internal/tree"},
	"gen/internal/render":    {"gen/config", "gen/internal/tree"},
	"gen/gentest":            {"gen/config", "gen/internal/reference", "gen/internal/render"}, // imported by tests alone
	"gen":                    {"gen/config", "gen/internal/manual", "gen/internal/reference", "gen/internal/render", "gen/internal/tree"},

	// What a command talks to, and what it must not say.
	"tfpipeline/internal/calls":     {},
	"tfpipeline/internal/console":   {},
	"tfpipeline/internal/redact":    {},
	"tfpipeline/internal/flags":     {"gen/config", "tfpipeline/internal/console"},
	"tfpipeline/internal/process":   {},
	"tfpipeline/internal/dashboard": {},

	"tfpipeline/internal/workflowtest": {}, // imported by tests alone

	// The pipeline's domain.
	"tfpipeline/internal/plan":   {"gen/config", "tfpipeline/internal/redact"},
	"tfpipeline/internal/deploy": {"gen/config", "migrations", "tfpipeline/internal/console", "tfpipeline/internal/redact"},

	// Its adapters, each for one outside system.
	"tfpipeline/internal/ecs":         {"gen/config", "tfpipeline/internal/calls", "tfpipeline/internal/deploy"},
	"tfpipeline/internal/checkout":    {"gen/config", "migrations", "tfpipeline/internal/console", "tfpipeline/internal/deploy"},
	"tfpipeline/internal/github":      {},
	"tfpipeline/internal/localaws":    {"gen/config", "migrations/scratch", "tfpipeline/internal/console", "tfpipeline/internal/endpoint", "tfpipeline/internal/localaws/*", "tfpipeline/internal/process"},
	"tfpipeline/internal/localaws/*":  {"tfpipeline/internal/localaws/*"},
	"tfpipeline/internal/notify":      {},
	"tfpipeline/internal/endpoint":    {"gen/config"},
	"tfpipeline/internal/state":       {"gen/config", "tfpipeline/internal/calls", "tfpipeline/internal/deploy"},
	"tfpipeline/internal/terraform":   {"gen/config", "tfpipeline/internal/process"},
	"tfpipeline/internal/webidentity": {},
	"tfpipeline/internal/view":        {"gen/config", "migrations", "tfpipeline/internal/console", "tfpipeline/internal/deploy", "tfpipeline/internal/plan"},

	// What is done with the adapters: the account, and one Terraform root.
	"tfpipeline/internal/account":             {"gen/config", "tfpipeline/internal/calls", "tfpipeline/internal/console", "tfpipeline/internal/deploy", "tfpipeline/internal/flags", "tfpipeline/internal/state"},
	"tfpipeline/internal/account/accounttest": {"gen/config"}, // imported by tests alone
	"tfpipeline/internal/root": {
		"gen/config", "tfpipeline/internal/calls", "tfpipeline/internal/console", "tfpipeline/internal/deploy", "tfpipeline/internal/endpoint", "tfpipeline/internal/flags", "tfpipeline/internal/plan", "tfpipeline/internal/process",
		"tfpipeline/internal/redact", "tfpipeline/internal/state", "tfpipeline/internal/terraform", "tfpipeline/internal/view",
	},

	// What people do inside an environment.
	"tfpipeline/internal/session": {"gen/config", "tfpipeline/internal/console", "tfpipeline/internal/ecs", "tfpipeline/internal/flags"},

	// Which versions are supported.
	"tfpipeline/internal/upgrade": {"gen/config"},

	// A checkout becomes somebody's own platform.
	"tfpipeline/internal/scaffold": {"gen/config", "migrations", "tfpipeline/internal/console"},

	"tfpipeline/internal/report": {
		"gen/config", "tfpipeline/internal/checkout", "tfpipeline/internal/console", "tfpipeline/internal/deploy", "tfpipeline/internal/ecs", "tfpipeline/internal/flags", "tfpipeline/internal/github", "tfpipeline/internal/notify",
		"tfpipeline/internal/plan", "tfpipeline/internal/redact", "tfpipeline/internal/state", "tfpipeline/internal/view",
	},

	"tfpipeline": {"gen/config", "tfpipeline/internal/*"},

	// The demonstration, which runs the program as a person would.
	"tfpipeline/demo": {"gen/config", "migrations/scratch", "tfpipeline/internal/console", "tfpipeline/internal/localaws/balancer", "tfpipeline/internal/process"},
}

// matches reports whether a name is a key's; a key ending in /* stands for
// everything below.
func matches(key, name string) bool {
	parent, below := strings.CutSuffix(key, "*")
	return key == name || below && strings.HasPrefix(name, parent)
}

// rule is the most exact key for a package.
func rule(name string) (key string, ok bool) {
	for k := range allowed {
		if matches(k, name) && len(k) > len(key) {
			key, ok = k, true
		}
	}
	return key, ok
}

// forbidden says which programs must stay free of what.
var forbidden = []struct {
	program, dependency, why string
}{
	{"gen", "github.com/aws/", "the generator needs neither the AWS SDK nor credentials"},
	{"gen", "github.com/hashicorp/hc-install", "the generator runs no Terraform"},
	{"tfpipeline", "github.com/pganalyze/", "the SQL parser needs a C compiler and a minute to build"},
	{"migrations/migrate", "github.com/pganalyze/", "the binary in images is static and small"},
	{"migrations/migrate", "github.com/aws/", "the binary in images is static and small"},
}

type goPackage struct {
	ImportPath, Doc            string
	Imports, Deps, TestImports []string
	XTestImports               []string
}

// ours lists this module's packages.
func ours(t *testing.T) map[string]goPackage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Doc,Imports,Deps", module+"...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	packages := map[string]goPackage{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := dec.Decode(&p); err == io.EOF {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages[strings.TrimPrefix(p.ImportPath, module)] = p
	}
}

func TestImportGraph(t *testing.T) {
	packages := ours(t)
	used := map[string]bool{} // arrows, as "key: import"
	for _, name := range slices.Sorted(maps.Keys(packages)) {
		key, ok := rule(name)
		if !ok {
			t.Errorf("%s is not in the import graph: add it to allowed, with what it may import", name)
			continue
		}
		for _, i := range packages[name].Imports {
			own, ok := strings.CutPrefix(i, module)
			if !ok {
				continue
			}
			arrow := slices.IndexFunc(allowed[key], func(k string) bool { return matches(k, own) })
			if arrow < 0 {
				t.Errorf("%s imports %s: if the arrow is meant, add it to allowed", name, own)
				continue
			}
			used[key+": "+allowed[key][arrow]] = true
		}
	}
	for _, key := range slices.Sorted(maps.Keys(allowed)) {
		for _, i := range allowed[key] {
			if !used[key+": "+i] {
				t.Errorf("%s does not import %s: take the arrow out of allowed", key, i)
			}
		}
	}
	for _, f := range forbidden {
		for _, d := range packages[f.program].Deps {
			if strings.HasPrefix(d, f.dependency) {
				t.Errorf("%s depends on %s: %s", f.program, d, f.why)
				break
			}
		}
	}
}

// The domain returns data; how a command is spelled, and Markdown, are view's.
func TestTheDomainNamesNoCommand(t *testing.T) {
	files, err := filepath.Glob("internal/deploy/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	concepts := 0
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		concepts++
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, spelled := range []string{"tfpipeline ", "-force", "-override-proof"} {
			if strings.Contains(string(text), spelled) {
				t.Errorf("%s spells %q: that is for view to do", path, spelled)
			}
		}
	}
	if concepts > 18 {
		t.Errorf("the domain has %d files: one concept a file", concepts)
	}
}

func TestPackageDocs(t *testing.T) {
	for name, p := range ours(t) {
		if p.Doc == "" {
			t.Errorf("%s has no package comment: say in one sentence what it promises", name)
		}
	}
}

// Main keeps the verbs: their flags, help and wiring. What a verb does lives in
// a package, so main stays small, and no type in it knows everything.
func TestMainStaysSmall(t *testing.T) {
	const lines, methods = 2000, 20
	m := measure(t)
	if total := m.lines["tfpipeline"]; total > lines {
		t.Errorf("package main has %d lines, and may have %d: move what a verb does into a package", total, lines)
	}
	of := m.methods["tfpipeline"]
	for _, name := range slices.Sorted(maps.Keys(of)) {
		if of[name] > methods {
			t.Errorf("%s has %d methods, and may have %d: move what it does into a package", name, of[name], methods)
		}
	}
	if of["app"] == 0 {
		t.Error("no method is found: is the search broken?")
	}
}

// readsDefault are the tests about the deployed platform itself, with what they are
// about. All others use the platforms of configtest, so that no edit of the struct
// changes whether they pass.
var readsDefault = map[string]string{
	"gen/config/validate_test.go":    "it is valid",
	"gen/main_test.go":               "the committed tree is what it renders",
	"tfpipeline/workflows_test.go":   "the workflows name its environments and images",
	"tfpipeline/e2e_test.go":         "its committed roots are planned offline",
	"tfpipeline/hostile_e2e_test.go": "the same, under hostile settings",
	"tfpipeline/overhead_test.go":    "the same, as a benchmark",
	"tfpipeline/local_test.go":       "the built program demonstrates it",
}

func TestDeployedPlatformInTests(t *testing.T) {
	root := ".."
	found := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == "Default" {
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "config" {
					rel, _ := filepath.Rel(root, path)
					found[filepath.ToSlash(rel)] = true
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range found {
		if readsDefault[name] == "" {
			t.Errorf("%s reads config.Default: use a platform of configtest", name)
		}
	}
	for name := range readsDefault {
		if !found[name] {
			t.Errorf("%s does not read config.Default: take it out of readsDefault", name)
		}
	}
}
