package postgres

import (
	"fmt"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestVersion(t *testing.T) {
	for dir, want := range map[string]int{
		"/usr/lib/postgresql/16/bin":                          16,
		"/usr/pgsql-17/bin":                                   17,
		"/opt/homebrew/opt/postgresql@15/bin":                 15,
		"/opt/homebrew/opt/postgresql@9.6/bin":                9,
		"/Applications/Postgres.app/Contents/Versions/14/bin": 14,
		"/usr/libexec/postgresql18":                           18,
		"/usr/local/pgsql/bin":                                0,
	} {
		if got := version(dir); got != want {
			t.Errorf("%s: %d, want %d", dir, got, want)
		}
	}
}

// TestServer: two servers know nothing of each other, and leave nothing.
func TestServer(t *testing.T) {
	if os.Getenv("E2E") == "" {
		t.Skip("needs PostgreSQL: run make e2e")
	}
	var all []*Server
	for range 2 {
		s, err := Start(t.Context(), "doc_platform", "platform")
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		all = append(all, s)
		conn, err := pgx.Connect(t.Context(), fmt.Sprintf("host=127.0.0.1 port=%d user=doc_platform password=any dbname=platform sslmode=disable", s.Port()))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(t.Context(), "CREATE TABLE only_here ()"); err != nil {
			t.Error(err)
		}
		if err := conn.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	for _, s := range all {
		s.Close()
		if _, err := os.Stat(s.dir); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", s.dir, err)
		}
	}
}
