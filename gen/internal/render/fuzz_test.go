package render

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/internal/reference"
)

// Whatever validates renders, into a tree that hangs together and says what
// the platform says.
func TestRandomPlatforms(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		p := randomPlatform(seed)
		if err := p.Validate(); err != nil {
			t.Errorf("seed %d: the platform is not valid:\n%v", seed, err)
			continue
		}
		if !checkRendered(t, p) {
			t.Errorf("seed %d", seed)
		}
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
func checkRendered(t *testing.T, p config.Platform) bool {
	t.Helper()
	tree := renderTree(t, p)
	if err := reference.Check(tree); err != nil {
		t.Errorf("references:\n%v", err)
		return false
	}
	if err := reference.CheckFormat(tree); err != nil {
		t.Errorf("format:\n%v", err)
		return false
	}
	ok := true
	for _, e := range p.Environments {
		for _, s := range p.Services {
			call := moduleBlock(t, tree["envs/"+e.Name+"/services.tf"], identifier(s.Name))
			ok = ok && says(t, call, "environment", s.Environment)
		}
		for _, task := range p.Tasks {
			call := moduleBlock(t, tree["envs/"+e.Name+"/tasks.tf"], identifier(task.Name))
			ok = ok && says(t, call, "environment", task.Environment)
			command, diags := call.Body.Attributes["command"].Expr.Value(nil)
			if diags.HasErrors() {
				t.Errorf("command of %s: %v", task.Name, diags)
				return false
			}
			var words []string
			for _, w := range command.AsValueSlice() {
				words = append(words, w.AsString())
			}
			if diff := cmp.Diff(task.Command, words); diff != "" {
				t.Errorf("command of %s (-want +got):\n%s", task.Name, diff)
				ok = false
			}
		}
	}
	return ok
}

// renderTree renders a platform into files by path.
func renderTree(t *testing.T, p config.Platform) map[string][]byte {
	t.Helper()
	files, err := Render(p)
	if err != nil {
		t.Fatalf("render: %v", err)
	}
	tree := map[string][]byte{}
	for _, f := range files {
		tree[f.Path] = f.Content
	}
	return tree
}

// Nothing in the tree follows the order of a map.
func TestRenderingIsStable(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		p := randomPlatform(seed)
		first := renderTree(t, p)
		for range 3 {
			for name, content := range renderTree(t, p) {
				if !bytes.Equal(content, first[name]) {
					t.Fatalf("seed %d: two renderings of %s differ", seed, name)
				}
			}
		}
	}
}

// moduleBlock finds a module block in a file.
func moduleBlock(t *testing.T, content []byte, name string) *hclsyntax.Block {
	t.Helper()
	f, diags := hclsyntax.ParseConfig(content, "", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	for _, b := range f.Body.(*hclsyntax.Body).Blocks {
		if b.Type == "module" && b.Labels[0] == name {
			return b
		}
	}
	t.Fatalf("no module %s in:\n%s", name, content)
	return nil
}

// says checks that an argument that is a map holds these literal values.
func says(t *testing.T, call *hclsyntax.Block, argument string, want map[string]string) bool {
	t.Helper()
	got := map[string]string{}
	object, ok := call.Body.Attributes[argument].Expr.(*hclsyntax.ObjectConsExpr)
	if !ok {
		t.Errorf("%s is no object", argument)
		return false
	}
	for _, item := range object.Items {
		key, diags := item.KeyExpr.Value(nil)
		if diags.HasErrors() {
			t.Errorf("%s: %v", argument, diags)
			return false
		}
		if _, wanted := want[key.AsString()]; !wanted {
			continue
		}
		value, diags := item.ValueExpr.Value(nil)
		if diags.HasErrors() {
			t.Errorf("%s: %s is no literal: %v", argument, key.AsString(), diags)
			return false
		}
		got[key.AsString()] = value.AsString()
	}
	if len(want) == 0 {
		return true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", argument, diff)
		return false
	}
	return true
}
