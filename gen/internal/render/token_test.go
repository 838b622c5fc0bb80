package render

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// The short ways to tokens lead where the library's long ways lead.
func TestShortWaysToTokens(t *testing.T) {
	for _, s := range []string{"", "a", "a b/c-d_e.f:*", `"`, `\`, "$", "${x}", "%{x}", "100 %", "ä", "a\nb", "\t", "~", "{}"} {
		want := hclwrite.TokensForValue(cty.StringVal(s))
		if diff := cmp.Diff(want, appendString(nil, s)); diff != "" {
			t.Errorf("%q (-library +ours):\n%s", s, diff)
		}
	}
	for src, short := range map[string]bool{
		"a": true, "var.name": true, "aws_x.this.id": true, "a-b.c_1": true, "true": true,
		"": false, "a.": false, ".a": false, "a..b": false, "1a": false, "a.0": false, "-a": false,
		"a[0]": false, "a.*.b": false, `"a"`: false, "a + b": false, "a\n": false, "ä": false,
	} {
		if traversal(src) != short {
			t.Errorf("%q: a traversal: %t, want %t", src, !short, short)
		}
		if !short {
			continue
		}
		lexed, _ := hclsyntax.LexExpression([]byte(src), "", hcl.InitialPos)
		var want hclwrite.Tokens
		for _, x := range lexed[:len(lexed)-1] {
			want = append(want, &hclwrite.Token{Type: x.Type, Bytes: x.Bytes})
		}
		if diff := cmp.Diff(want, appendTraversal(nil, src)); diff != "" {
			t.Errorf("%q (-library +ours):\n%s", src, diff)
		}
	}
}
