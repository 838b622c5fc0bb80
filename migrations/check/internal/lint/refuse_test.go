package lint_test

import (
	"testing"

	"github.com/specboard/platform/migrations/check/internal/lint"
)

// TestRefusesNotDeployed: no release writes to what only files that are not deployed
// make. Without a base, each file is judged as if those before it were deployed.
func TestRefusesNotDeployed(t *testing.T) {
	made := lint.File{Name: "0001_a.sql", Data: []byte("CREATE TABLE notes (id bigint PRIMARY KEY, text text);")}
	checked := lint.File{Name: "0002_b.sql", Data: []byte("ALTER TABLE notes ADD CONSTRAINT notes_text_len CHECK (length(text) < 100) NOT VALID;")}
	for _, c := range []struct {
		name    string
		run     lint.Run
		refuses bool
	}{
		{"nothing is known", lint.Run{}, true},
		{"both are behind the deployed schema", lint.Run{Base: base(t)}, false},
		{"both are new", lint.Run{Applied: map[string][]byte{}}, false},
		{"the first is deployed", lint.Run{Applied: map[string][]byte{made.Name: made.Data}}, true},
	} {
		c.run.Postgres = lint.DefaultPostgres
		findings, err := c.run.Files([]lint.File{made, checked})
		if err != nil {
			t.Fatal(err)
		}
		if has(findings, "refuses-rows") != c.refuses {
			t.Errorf("%s: found\n%s", c.name, golden(findings))
		}
	}
}
