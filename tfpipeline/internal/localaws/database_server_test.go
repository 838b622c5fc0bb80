package localaws

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestDatabaseTakesAName: an instance is restored to a time, takes the name of the one
// that it was restored from, and is reached at that one's address.
func TestDatabaseTakesAName(t *testing.T) {
	if os.Getenv("E2E") == "" {
		t.Skip("needs PostgreSQL: run make e2e")
	}
	s, err := newDatabaseServers(func(_ context.Context, identifier string) (instance, error) {
		return instance{role: "shop", database: "shop", created: "then"}, nil
	}, func(line string) { t.Log(line) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	open := func(identifier string) (address string, db *pgx.Conn) {
		t.Helper()
		host, port, ok := s.address(identifier)
		if !ok {
			t.Fatalf("%s has no address", identifier)
		}
		db, err := pgx.Connect(t.Context(), fmt.Sprintf("host=%s port=%d user=shop dbname=shop sslmode=require", host, port))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close(context.WithoutCancel(t.Context())) })
		return fmt.Sprint(host, ":", port), db
	}
	count := func(db *pgx.Conn) (n int) {
		t.Helper()
		if err := db.QueryRow(t.Context(), "SELECT count(*) FROM items").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before, db := open("shop")
	var at time.Time
	if _, err := db.Exec(t.Context(), "CREATE TABLE items AS SELECT generate_series(1, 5)"); err != nil {
		t.Fatal(err)
	}
	if err := db.QueryRow(t.Context(), "SELECT clock_timestamp()").Scan(&at); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(t.Context(), "DELETE FROM items"); err != nil {
		t.Fatal(err)
	}
	s.restore("shop", "shop-restored", at)
	if _, restored := open("shop-restored"); count(restored) != 5 {
		t.Errorf("%d items as of then, want 5", count(restored))
	}
	s.rename("shop", "shop-replaced")
	s.rename("shop-restored", "shop")
	after, taken := open("shop")
	if _, aside := open("shop-replaced"); count(taken) != 5 || count(aside) != 0 || after != before {
		t.Errorf("%d items at %s, want 5 at %s; %d aside", count(taken), after, before, count(aside))
	}
}
