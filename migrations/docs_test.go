package migrations

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"
)

// example is one worked example of the documentation: files, and what the
// releases run that live on them.
type example struct {
	title string
	// blocks are in the order of the page: a file's name or a release, and
	// its SQL.
	blocks [][2]string
}

var (
	exampleTitle = regexp.MustCompile(`(?m)^## Example: (.*)$`)
	exampleBlock = regexp.MustCompile("(?ms)^```sql (\\S+)\n(.*?)^```$")
)

// examples reads the worked examples out of docs/migrations.md.
func examples(t *testing.T) []example {
	t.Helper()
	page, err := os.ReadFile("../docs/migrations.md")
	if err != nil {
		t.Fatal(err)
	}
	var list []example
	for _, section := range strings.Split(string(page), "\n## ")[1:] {
		m := exampleTitle.FindStringSubmatch("## " + section)
		if m == nil {
			continue
		}
		e := example{title: m[1]}
		for _, b := range exampleBlock.FindAllStringSubmatch(section, -1) {
			e.blocks = append(e.blocks, [2]string{b[1], b[2]})
		}
		list = append(list, e)
	}
	return list
}

// files returns the migrations of an example, in order.
func (e example) files(t *testing.T) []Migration {
	t.Helper()
	fsys := fstest.MapFS{}
	for _, b := range e.blocks {
		if strings.HasSuffix(b[0], ".sql") {
			fsys[b[0]] = &fstest.MapFile{Data: []byte(b[1])}
		}
	}
	list, err := Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestExamplesAreComplete(t *testing.T) {
	list := examples(t)
	var titles []string
	for _, e := range list {
		titles = append(titles, e.title)
		if len(e.files(t)) < 2 {
			t.Errorf("%s: %d files", e.title, len(e.files(t)))
		}
	}
	if got := strings.Join(titles, ", "); got != "rename a column, drop a column, add an index" {
		t.Errorf("examples: %s", got)
	}
}

// TestExamples goes through each example as its reader would. Behind every
// step, each release that has appeared and that the gate would still allow
// must work; and a release that a contract refuses must really be broken by
// it, or the contract would be none.
func TestExamples(t *testing.T) {
	for _, e := range examples(t) {
		t.Run(e.title, func(t *testing.T) {
			config := database(t, "")
			list := e.files(t)
			conn := dial(t, config)
			order := releases("v1", "v2")
			queries := map[string]string{}
			var gone []string
			done, checked := 0, 0
			for _, b := range e.blocks {
				if !strings.HasSuffix(b[0], ".sql") {
					queries[b[0]] = b[1]
				} else {
					m := list[done]
					for name := range queries {
						if refused := Gate([]Migration{m}, Situation{Order: order, Running: releases(name)}); len(refused) > 0 {
							gone = append(gone, name)
						}
					}
					done++
					mustUp(t, config, list[:done], quick())
				}
				for name, sql := range queries {
					err := try(t, conn, sql)
					switch broken := strings.Contains(strings.Join(gone, " "), name); {
					case broken && err == nil:
						t.Errorf("behind %s, %s still works: the contract takes nothing away", b[0], name)
					case !broken && err != nil:
						t.Errorf("behind %s, %s is broken: %v", b[0], name, err)
					}
					checked++
				}
			}
			if done != len(list) || checked < done-1 {
				t.Errorf("%d steps, %d checks", done, checked)
			}
		})
	}
}

// try runs what a release runs. Its rows stay, as those of a release would;
// every query must find something.
func try(t *testing.T, conn *pgx.Conn, sql string) error {
	t.Helper()
	list, _, err := Split(sql)
	if err != nil {
		t.Fatal(err)
	}
	tx, begin := conn.Begin(t.Context())
	if begin != nil {
		t.Fatal(begin)
	}
	for _, s := range list {
		tag, err := tx.Exec(t.Context(), s.SQL)
		if err != nil {
			if err := tx.Rollback(t.Context()); err != nil {
				t.Fatal(err)
			}
			return err
		}
		if tag.RowsAffected() == 0 {
			t.Errorf("finds nothing: %s", s.SQL)
		}
	}
	return tx.Commit(t.Context())
}

// TestRenameKeepsData: what release v1 wrote before the first step is what
// release v2 reads behind the last.
func TestRenameKeepsData(t *testing.T) {
	config := database(t, "")
	list := examples(t)[0].files(t)
	mustUp(t, config, list[:1], quick())
	conn := dial(t, config)
	mustExec(t, conn, "INSERT INTO users (name) VALUES ('before')")
	mustUp(t, config, list[:2], quick())
	mustExec(t, conn, "INSERT INTO users (name) VALUES ('during')")
	mustExec(t, conn, "INSERT INTO users (display_name) VALUES ('new code')")
	mustExec(t, conn, "UPDATE users SET name = name || '!'")
	mustUp(t, config, list, quick())
	if got := value[string](t, conn, "SELECT string_agg(display_name, ', ' ORDER BY id) FROM users"); got != "before!, during!, new code!" {
		t.Errorf("names %s", got)
	}
}
