package render

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// The printer writes what terraform fmt would, whatever the values.
func TestPrinterWritesCanonicalForm(t *testing.T) {
	t.Parallel()
	for name, body := range map[string][]node{
		"alignment breaks at blocks, comments and long values": {
			set("source", "./x"), set("a", 1), set("long_name", true), comment("why"), set("b", "c"),
			set("object", object{{"k", "v"}, {"longer", 1}, note("why"), {"x y", list{"a", "b"}}, {"z", object{}}}),
			set("after", row{"a", 1, expr("var.x")}), nested("empty"), labelled("variable", "x", set("default", list{})),
		},
		"keys":                 {set("o", object{{"ä", 1}, {"for", 2}, {"(var.x)", 3}, {"a.b", 4}, {"", 5}, {"a-b", 6}, {"ü_identifier", 7}, {"日本", 8}})},
		"values within values": {set("o", call{"jsonencode", object{{"a", list{object{{"b", list{1, 2}}}, object{{"c", row{object{{"d", 1}}}}}}}}})},
		"expressions of several lines": {
			set("kind", optionalObject(field{"a", "number"}, field{"longer", "optional(string)"}, field{"b", "any"})),
			set("list", expr("x ? [] : [{\na = 1\n  longer = [2]\n\"quoted:key\" = 3\n}]")),
			set("call", expr("merge(\n{ a = 1 },\nvar.x == null ? {} : { b = 2 },\n)")),
			set("after", 1),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := formatNodes(body)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(hclwrite.Format(got)), string(got)); diff != "" {
				t.Errorf("-library +ours:\n%s", diff)
			}
			if _, diags := hclwrite.ParseConfig(got, name, hcl.InitialPos); diags.HasErrors() {
				t.Errorf("%v in\n%s", diags, got)
			}
		})
	}
}

// The short ways lead where the library's long ways lead.
func TestShortWays(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "a", "a b/c-d_e.f:*", `"`, `\`, "$", "${x}", "%{x}", "100 %", "ä", "a\nb", "\t", "~", "{}"} {
		if want, got := string(hclwrite.TokensForValue(cty.StringVal(s)).Bytes()), quote(s); got != want {
			t.Errorf("%q is written %s, want %s", s, got, want)
		}
	}
	for _, s := range []string{"a", "a-b", "_x", "A1", "", "1a", "-a", "a b", "a.b", "a\n"} {
		if isWord(s) && !hclsyntax.ValidIdentifier(s) {
			t.Errorf("%q is taken for an identifier", s)
		}
	}
}
