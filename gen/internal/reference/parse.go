package reference

import (
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// file is one file of HCL, parsed once.
type file struct {
	name string
	// body is nil if the file does not parse.
	body     *hclsyntax.Body
	problems Problems
}

// parse parses every HCL file, which is most of the work.
func parse(files map[string][]byte) []file { return eachFile(files, parseFile) }

// eachFile calls do for every HCL file, on all processors. The results are in
// the order of the names.
func eachFile[R any](files map[string][]byte, do func(name string, content []byte) R) []R {
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(files)), func(n string) bool {
		return !strings.HasSuffix(n, ".tf") && !strings.HasSuffix(n, ".tftest.hcl")
	})
	results := make([]R, len(names))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(names)) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(names); i = int(next.Add(1)) - 1 {
				results[i] = do(names[i], files[names[i]])
			}
		})
	}
	workers.Wait()
	return results
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
	return f
}
