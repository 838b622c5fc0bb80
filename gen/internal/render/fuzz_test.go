package render

import (
	"bytes"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/internal/reference"
)

// Whatever validates renders, into a tree that hangs together and says what
// the platform says.
func TestRandomPlatforms(t *testing.T) {
	t.Parallel()
	for seed := range uint64(randomPlatforms) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			p := randomPlatform(seed)
			if err := p.Validate(); err != nil {
				t.Fatalf("the platform is not valid:\n%v", err)
			}
			checkRendered(t, p)
		})
	}
}

// FuzzRender puts text wherever text is free, and draws the rest.
func FuzzRender(f *testing.F) {
	f.Add(uint64(1), "")
	f.Add(uint64(2), "${x} \"quoted\" | %{if} \\")
	f.Fuzz(func(t *testing.T, seed uint64, text string) {
		p := randomPlatform(seed)
		p.Services[0].Environment = map[string]string{"TEXT": text}
		p.Tasks[0].Command = []string{"migrate", text}
		p.Secrets = append(p.Secrets, config.Secret{Name: "text", Kind: config.Provided, Variable: "TEXT_SECRET", Hint: "x" + text})
		if p.Validate() != nil {
			t.Skip("not valid")
		}
		checkRendered(t, p)
	})
}

// checkRendered renders a platform and checks the tree.
func checkRendered(t *testing.T, p config.Platform) {
	t.Helper()
	tree := renderTree(t, p)
	if err := reference.Check(tree); err != nil {
		t.Fatalf("references:\n%v", err)
	}
	// Modules do not depend on the platform, and the committed ones are checked.
	maps.DeleteFunc(tree, func(name string, _ []byte) bool { return strings.HasPrefix(name, "modules/") })
	if err := reference.CheckFormat(tree); err != nil {
		t.Errorf("format:\n%v", err)
	}
	for _, e := range p.Environments {
		services := moduleBlocks(t, tree["envs/"+e.Name+"/services.tf"])
		for _, s := range p.Services {
			says(t, services[identifier(s.Name)], e.VariablesOf(s.Name, s.Environment))
		}
		tasks := moduleBlocks(t, tree["envs/"+e.Name+"/tasks.tf"])
		for _, task := range p.Tasks {
			call := tasks[identifier(task.Name)]
			says(t, call, e.VariablesOf(task.Name, task.Environment))
			command, diags := call.Body.Attributes["command"].Expr.Value(nil)
			if diags.HasErrors() {
				t.Fatalf("command of %s: %v", task.Name, diags)
			}
			var words []string
			for _, w := range command.AsValueSlice() {
				words = append(words, w.AsString())
			}
			if diff := cmp.Diff(task.Command, words); diff != "" {
				t.Errorf("command of %s (-want +got):\n%s", task.Name, diff)
			}
		}
	}
}

// renderTree renders a platform into files by path.
func renderTree(t *testing.T, p config.Platform) map[string][]byte {
	t.Helper()
	files, err := Render(p)
	if err != nil {
		t.Fatalf("render: %v", err)
	}
	return files
}

// Nothing in the tree follows the order of a map.
func TestRenderingIsStable(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		p := randomPlatform(seed)
		first := renderTree(t, p)
		for range 2 {
			for name, content := range renderTree(t, p) {
				if !bytes.Equal(content, first[name]) {
					t.Fatalf("seed %d: two renderings of %s differ", seed, name)
				}
			}
		}
	}
}

// moduleBlocks are the module blocks of a file, by name.
func moduleBlocks(t *testing.T, content []byte) map[string]*hclsyntax.Block {
	t.Helper()
	f, diags := hclsyntax.ParseConfig(content, "", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	blocks := map[string]*hclsyntax.Block{}
	for _, b := range f.Body.(*hclsyntax.Body).Blocks {
		if b.Type == "module" {
			blocks[b.Labels[0]] = b
		}
	}
	return blocks
}

// says checks that a container's environment holds these literal values.
func says(t *testing.T, call *hclsyntax.Block, want map[string]string) {
	t.Helper()
	if call == nil {
		t.Fatal("a container has no module block")
	}
	object, ok := call.Body.Attributes["environment"].Expr.(*hclsyntax.ObjectConsExpr)
	if !ok {
		t.Fatalf("environment of %s is no object", call.Labels[0])
	}
	got := map[string]string{}
	for _, item := range object.Items {
		key, diags := item.KeyExpr.Value(nil)
		if diags.HasErrors() {
			t.Fatalf("environment of %s: %v", call.Labels[0], diags)
		}
		if _, wanted := want[key.AsString()]; !wanted {
			continue
		}
		value, diags := item.ValueExpr.Value(nil)
		if diags.HasErrors() {
			t.Fatalf("environment of %s: %s is no literal: %v", call.Labels[0], key.AsString(), diags)
		}
		got[key.AsString()] = value.AsString()
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("environment of %s (-want +got):\n%s", call.Labels[0], diff)
	}
}
