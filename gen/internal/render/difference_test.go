package render

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/specboard/platform/gen/config/configtest"
)

var update = flag.Bool("update", false, "rewrite the goldens")

// TestDifference states everything in which staging and production differ, as
// a table. Names that merely contain the environment's own name count as equal.
func TestDifference(t *testing.T) {
	files := renderTree(t, configtest.Docs())
	staging, production := arguments(t, files, "staging"), arguments(t, files, "production")

	keys := maps.Clone(staging)
	maps.Copy(keys, production)
	var got bytes.Buffer
	got.WriteString("| argument | staging | production |\n|---|---|---|\n")
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if staging[k] != production[k] {
			fmt.Fprintf(&got, "| %s | %s | %s |\n", k, orNone(staging[k]), orNone(production[k]))
		}
	}

	golden := "testdata/difference.md"
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got.String()); d != "" {
		t.Errorf("staging and production differ otherwise than %s says (rewrite it with -update):\n%s", golden, d)
	}
}

func orNone(s string) string {
	if s == "" {
		return "–"
	}
	return "`" + s + "`"
}

// arguments maps every argument of a root, down to the fields of objects, to
// its source, with the environment's own name replaced.
func arguments(t *testing.T, files map[string][]byte, environment string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for file, content := range files {
		if path.Dir(file) != "envs/"+environment {
			continue
		}
		parsed, diags := hclsyntax.ParseConfig(content, file, hcl.InitialPos)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		var walk func(prefix string, body *hclsyntax.Body)
		var value func(prefix string, e hclsyntax.Expression)
		value = func(prefix string, e hclsyntax.Expression) {
			if o, ok := e.(*hclsyntax.ObjectConsExpr); ok {
				for _, item := range o.Items {
					value(prefix+"."+strings.Trim(string(item.KeyExpr.Range().SliceBytes(content)), `"`), item.ValueExpr)
				}
				return
			}
			text := string(e.Range().SliceBytes(content))
			out[prefix] = strings.ReplaceAll(text, environment, "<environment>")
		}
		walk = func(prefix string, body *hclsyntax.Body) {
			for name, a := range body.Attributes {
				value(prefix+name, a.Expr)
			}
			for _, b := range body.Blocks {
				walk(prefix+strings.Join(append([]string{b.Type}, b.Labels...), ".")+".", b.Body)
			}
		}
		walk("", parsed.Body.(*hclsyntax.Body))
	}
	return out
}
