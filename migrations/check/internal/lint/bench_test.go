package lint_test

import (
	"fmt"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/specboard/platform/migrations/check/internal/lint"
)

// run judges from an empty database on.
var run = lint.Run{Postgres: lint.DefaultPostgres}

// folder is a history of n files, as long as a company's.
func folder(n int) fs.FS {
	files := fstest.MapFS{}
	add := func(i int, name, sql string) {
		files[fmt.Sprintf("%04d_%s.sql", i, name)] = &fstest.MapFile{Data: []byte(sql)}
	}
	for i := 1; i <= n; i++ {
		table := fmt.Sprintf("t%d", i-i%4)
		switch i % 4 {
		case 0:
			add(i, "create", fmt.Sprintf("CREATE TABLE %s (\n  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,\n  name text NOT NULL CHECK (name <> ''),\n  created_at timestamptz NOT NULL DEFAULT now()\n);\nCREATE INDEX %s_name_idx ON %s (name);\n", table, table, table))
		case 1:
			add(i, "column", fmt.Sprintf("ALTER TABLE %s ADD COLUMN note text;\n", table))
		case 2:
			add(i, "index", fmt.Sprintf("CREATE INDEX CONCURRENTLY %s_note_idx ON %s (note);\n", table, table))
		case 3:
			add(i, "check", fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s_note CHECK (length(note) < 1000) NOT VALID;\n", table, table))
		}
	}
	return files
}

// BenchmarkFolder judges folders of a thousand files and of five thousand.
func BenchmarkFolder(b *testing.B) {
	for _, n := range []int{1000, 5000} {
		files := folder(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				if _, err := run.Folder(files); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestLinearWork keeps the work linear in the number of files: four times the
// files allocate nowhere near sixteen times as much.
func TestLinearWork(t *testing.T) {
	work := func(n int) float64 {
		files := folder(n)
		return testing.AllocsPerRun(1, func() {
			if _, err := run.Folder(files); err != nil {
				t.Fatal(err)
			}
		})
	}
	if few, many := work(250), work(1000); many > 5*few {
		t.Errorf("250 files take %.0f allocations and 1,000 take %.0f: not linear", few, many)
	}
}
