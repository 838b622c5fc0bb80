package reference_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/specboard/platform/gen/internal/reference"
)

// Each archive is a tree. What stands before its first file is what Check
// and CheckFormat have to say: all of it and nothing else. A line with # at its beginning is prose.
func TestCheck(t *testing.T) {
	t.Parallel()
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no archives in testdata: %v", err)
	}
	for _, name := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			files := map[string][]byte{}
			for _, f := range archive.Files {
				files[f.Name] = f.Data
			}
			var want []string
			for line := range strings.Lines(string(archive.Comment)) {
				if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
					want = append(want, line)
				}
			}
			var got []string
			for _, err := range []error{reference.Check(files), reference.CheckFormat(files)} {
				if err != nil {
					got = append(got, strings.Split(err.Error(), "\n")...)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestProblemsAreTyped(t *testing.T) {
	t.Parallel()
	err := reference.Check(map[string][]byte{"m/main.tf": []byte("output \"a\" {\n  value = var.b\n}\n")})
	problems, ok := errors.AsType[reference.Problems](err)
	if !ok {
		t.Fatalf("error is a %T, want Problems", err)
	}
	want := reference.Problems{{File: "m/main.tf", Line: 2, Text: "var.b: no variable b is declared"}}
	if diff := cmp.Diff(want, problems); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

// wide is a tree with a root that calls one module so many times.
func wide(calls int) map[string][]byte {
	var root strings.Builder
	root.WriteString("locals {\n  name = \"docs\"\n}\n")
	for i := range calls {
		fmt.Fprintf(&root, `
module "s%d" {
  source = "../../modules/service"

  name = "${local.name}-%d"
  peers = {
    before = %s
  }
}
`, i, i, map[bool]string{true: "null", false: fmt.Sprintf("module.s%d.id", i-1)}[i == 0])
	}
	return map[string][]byte{
		"envs/a/main.tf": []byte(root.String()),
		"modules/service/main.tf": []byte(`variable "name" {
  type = string
}

variable "peers" {
  type = map(string)
}

output "id" {
  value = "${var.name}-${length([for name, peer in var.peers : peer if name != ""])}"
}
`),
	}
}

func BenchmarkCheck(b *testing.B) {
	for _, calls := range []int{3, 300, 900} {
		b.Run(fmt.Sprint(calls), func(b *testing.B) {
			files := wide(calls)
			if err := reference.Check(files); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				_ = reference.Check(files)
			}
		})
	}
}
