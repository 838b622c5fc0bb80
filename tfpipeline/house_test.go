package main_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// measures are the figures by which the house is kept small enough to enter:
// lines and files of Go that is part of a program, which leaves out tests and
// the packages that only tests import.
type measures struct {
	lines, files map[string]int            // by package
	methods      map[string]map[string]int // by package and type
	floors       map[string]int            // by package: the longest chain of imports below it, itself included
}

// isTestPackage reports whether only tests import a package.
func isTestPackage(name string) bool { return strings.HasSuffix(name, "test") }

// measure reads every package of the module.
func measure(t *testing.T) measures {
	t.Helper()
	m := measures{map[string]int{}, map[string]int{}, map[string]map[string]int{}, map[string]int{}}
	packages := ours(t)
	for name := range packages {
		if isTestPackage(name) {
			continue
		}
		m.methods[name] = map[string]int{}
		sources, err := filepath.Glob(filepath.Join("..", filepath.FromSlash(name), "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, source := range sources {
			if strings.HasSuffix(source, "_test.go") {
				continue
			}
			content, err := os.ReadFile(source)
			if err != nil {
				t.Fatal(err)
			}
			m.files[name]++
			m.lines[name] += bytes.Count(content, []byte("\n"))
			file, err := parser.ParseFile(token.NewFileSet(), source, content, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range file.Decls {
				if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil {
					m.methods[name][receiver(f)]++
				}
			}
		}
	}
	var floor func(string) int
	floor = func(name string) int {
		if m.floors[name] == 0 {
			below := 0
			for _, i := range packages[name].Imports {
				if own, ok := strings.CutPrefix(i, module); ok {
					below = max(below, floor(own))
				}
			}
			m.floors[name] = below + 1
		}
		return m.floors[name]
	}
	for name := range packages {
		floor(name)
	}
	return m
}

// receiver is the name of the type that a method belongs to.
func receiver(f *ast.FuncDecl) string {
	e := f.Recv.List[0].Type
	for {
		switch x := e.(type) {
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.IndexListExpr:
			e = x.X
		case *ast.Ident:
			return x.Name
		default:
			return fmt.Sprint(x)
		}
	}
}

// largest is the type with the most methods of some packages.
func (m measures) largest(keep func(string) bool) (name string, methods int) {
	for _, p := range slices.Sorted(maps.Keys(m.methods)) {
		if !keep(p) {
			continue
		}
		for _, t := range slices.Sorted(maps.Keys(m.methods[p])) {
			if n := m.methods[p][t]; n > methods {
				name, methods = path.Base(p)+"."+t, n
			}
		}
	}
	return name, methods
}

// TestHouse prints the figures (make house) and holds the number of floors.
func TestHouse(t *testing.T) {
	m := measure(t)
	total := 0
	var table strings.Builder
	fmt.Fprintf(&table, "| package | files | lines | floor | largest type (methods) |\n|---|---|---|---|---|\n")
	for _, p := range slices.Sorted(maps.Keys(m.lines)) {
		total += m.lines[p]
		name, n := m.largest(func(x string) bool { return x == p })
		fmt.Fprintf(&table, "| %s | %d | %d | %d | %s (%d) |\n", p, m.files[p], m.lines[p], m.floors[p], name, n)
	}
	name, n := m.largest(func(string) bool { return true })
	fmt.Fprintf(&table, "| **all %d** | | **%d** | **%d** | %s (%d) |\n", len(m.lines), total, slices.Max(slices.Collect(maps.Values(m.floors))), name, n)
	t.Log("\n" + table.String())

	for p, floor := range m.floors {
		if floor > 5 {
			t.Errorf("%s is on floor %d; five are enough", p, floor)
		}
	}
}
