package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// The page of events has the fields and kinds that the code has, in its order.
func TestDocsEvents(t *testing.T) {
	page, err := os.ReadFile("../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := func(heading string) (names []string) {
		_, section, _ := strings.Cut(string(page), "\n## "+heading+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(section, -1) {
			names = append(names, m[1])
		}
		return names
	}
	var fields []string
	for f := range reflect.TypeFor[deploy.Event]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		fields = append(fields, name)
	}
	if d := cmp.Diff(fields, documented("Fields")); d != "" {
		t.Errorf("docs/events.md: fields (-code +page):\n%s", d)
	}
	file, err := parser.ParseFile(token.NewFileSet(), "internal/deploy/attempt.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for n := range ast.Preorder(file) {
		v, ok := n.(*ast.ValueSpec)
		if !ok || v.Type == nil {
			continue
		}
		if id, ok := v.Type.(*ast.Ident); !ok || id.Name != "EventKind" {
			continue
		}
		kind, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, kind)
	}
	if d := cmp.Diff(kinds, documented("Kinds")); d != "" || !slices.Contains(kinds, "end") {
		t.Errorf("docs/events.md: kinds (-code +page):\n%s", d)
	}
}
