package lint_test

import (
	"fmt"
	"io/fs"
	"testing"
	"testing/fstest"
	"time"

	"github.com/specboard/platform/migrations/check/internal/lint"
)

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

// BenchmarkFolder judges a folder of a thousand files.
func BenchmarkFolder(b *testing.B) {
	files := folder(1000)
	for b.Loop() {
		if _, err := lint.Folder(files, nil, lint.DefaultPostgres); err != nil {
			b.Fatal(err)
		}
	}
}

// TestThousandFiles keeps the time linear: four times the files take nowhere
// near sixteen times as long.
func TestThousandFiles(t *testing.T) {
	took := func(n int) time.Duration {
		files := folder(n)
		best := time.Hour
		for range 3 {
			began := time.Now()
			if _, err := lint.Folder(files, nil, lint.DefaultPostgres); err != nil {
				t.Fatal(err)
			}
			best = min(best, time.Since(began))
		}
		return best
	}
	few, many := took(250), took(1000)
	t.Logf("250 files %s, 1,000 files %s", few, many)
	const bound = 10 * time.Second // for slow machines and the race detector; see BenchmarkFolder
	if many > bound {
		t.Errorf("1,000 files take %s; no machine should need %s", many, bound)
	}
	if many > 9*few {
		t.Errorf("250 files take %s and 1,000 take %s: not linear", few, many)
	}
}
