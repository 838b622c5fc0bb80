package reference

import (
	"bytes"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// file is one file of HCL, parsed once.
type file struct {
	name string
	// body is nil if the file does not parse.
	body     *hclsyntax.Body
	problems Problems
}

// parse reads every file of HCL, on all processors: it is most of the work.
func parse(files map[string][]byte) []file {
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(files)), func(n string) bool {
		return !strings.HasSuffix(n, ".tf") && !strings.HasSuffix(n, ".tftest.hcl")
	})
	parsed := make([]file, len(names))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(names)) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(names); i = int(next.Add(1)) - 1 {
				parsed[i] = parseFile(names[i], files[names[i]])
			}
		})
	}
	workers.Wait()
	return parsed
}

func parseFile(name string, content []byte) file {
	f := file{name: name}
	parsed, diags := hclsyntax.ParseConfig(content, name, hcl.InitialPos)
	for _, d := range diags {
		line := 1
		if d.Subject != nil {
			line = d.Subject.Start.Line
		}
		f.problems = append(f.problems, Problem{name, line, d.Summary + ": " + d.Detail})
	}
	if diags.HasErrors() {
		return f
	}
	f.body = parsed.Body.(*hclsyntax.Body)
	if formatted := hclwrite.Format(content); !bytes.Equal(formatted, content) {
		f.problems = append(f.problems, Problem{name, firstDifference(content, formatted), "is not formatted as terraform fmt does it"})
	}
	return f
}

// firstDifference is the first line, counted from 1, in which two texts differ.
func firstDifference(a, b []byte) int {
	line := 1
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			break
		}
		if a[i] == '\n' {
			line++
		}
	}
	return line
}
