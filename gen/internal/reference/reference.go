// Package reference proves, without a provider, that generated Terraform is
// consistent: every reference has a declaration, every declaration is used,
// and every module gets the arguments it requires.
package reference

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Problem is one mistake at one place.
type Problem struct {
	// File is a key of the files that were checked; Line counts from 1.
	File string
	Line int
	// Text says what is wrong.
	Text string
}

func (p Problem) String() string { return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text) }

// Problems are all mistakes in a tree, sorted by file and line. It is the
// error that Check returns.
type Problems []Problem

// Error lists the problems, one a line, as file:line: text.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Check checks a tree of files by path, with slashes. A folder with .tf files
// is a module. Files that end in .tftest.hcl only have to parse; all others
// are ignored. It returns nil or Problems.
func Check(files map[string][]byte) error {
	var problems Problems
	modules := map[string]*module{}
	for _, f := range parse(files) {
		problems = append(problems, f.problems...)
		if !strings.HasSuffix(f.name, ".tf") {
			continue
		}
		dir := path.Dir(f.name)
		if modules[dir] == nil {
			modules[dir] = newModule(dir)
		}
		modules[dir].declare(f)
	}
	for _, m := range modules {
		// The declarations of a file that does not parse would seem to be
		// missing.
		if !m.broken {
			m.resolve(modules)
		}
		problems = append(problems, m.problems...)
	}
	if len(problems) == 0 {
		return nil
	}
	slices.SortFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Text, b.Text))
	})
	return slices.Compact(problems)
}
