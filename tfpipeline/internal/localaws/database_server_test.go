package localaws

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/specboard/platform/migrations"
)

// TestDatabaseTakesAName: an instance is restored to a time, takes the name of the one
// that it was restored from, and is reached at that one's address. A snapshot keeps what
// there was when it was taken.
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
	s.snapshot("shop-restored", "five")
	s.snapshot("shop", "none")
	if _, restored := open("shop-restored"); true {
		if _, err := restored.Exec(t.Context(), "DELETE FROM items WHERE generate_series > 2"); err != nil {
			t.Fatal(err)
		}
	}
	s.restoreSnapshot("five", "shop-five")
	s.restoreSnapshot("five", "shop-five-more")
	s.restoreSnapshot("none", "shop-none")
	for identifier, want := range map[string]int{"shop-five": 5, "shop-five-more": 5, "shop-none": 0, "shop-restored": 2} {
		if _, db := open(identifier); count(db) != want {
			t.Errorf("%d items in %s, want %d", count(db), identifier, want)
		}
	}
	s.rename("shop", "shop-replaced")
	s.rename("shop-restored", "shop")
	after, taken := open("shop")
	if _, aside := open("shop-replaced"); count(taken) != 2 || count(aside) != 0 || after != before {
		t.Errorf("%d items at %s, want 2 at %s; %d aside", count(taken), after, before, count(aside))
	}
}

// TestServiceLogsIn: a service logs in with its role's own password, over TLS alone, and
// PostgreSQL refuses it what its role was not granted.
func TestServiceLogsIn(t *testing.T) {
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
	host, port, ok := s.address("shop")
	if !ok {
		t.Fatal("the database has no address")
	}
	parse := func(user, password, mode string) *pgx.ConnConfig {
		t.Helper()
		c, err := pgx.ParseConfig(fmt.Sprintf("host=%s port=%d user=%s password=%s dbname=shop sslmode=%s", host, port, user, password, mode))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	list, err := migrations.Load(fstest.MapFS{"0001_items.sql": {Data: []byte("CREATE TABLE items (id int)")}})
	if err != nil {
		t.Fatal(err)
	}
	o := migrations.DefaultOptions()
	o.Roles = []migrations.ServiceRole{{Name: "reports", Login: "reports_v1", Password: "right"}}
	if _, err := migrations.Up(t.Context(), parse("shop", "any", "require"), list, o); err != nil {
		t.Fatal(err)
	}
	db, err := pgx.ConnectConfig(t.Context(), parse("reports_v1", "right", "require"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close(context.WithoutCancel(t.Context())) })
	if _, err := db.Exec(t.Context(), "SELECT * FROM items"); err != nil {
		t.Error(err)
	}
	if _, err := db.Exec(t.Context(), "INSERT INTO items VALUES (1)"); err == nil || !strings.Contains(err.Error(), "permission denied for table items") {
		t.Errorf("a write by who may read: %v", err)
	}
	for _, refused := range []*pgx.ConnConfig{parse("reports_v1", "wrong", "require"), parse("reports_v1", "right", "disable"), parse("reports", "right", "require")} {
		if db, err := pgx.ConnectConfig(t.Context(), refused); err == nil {
			_ = db.Close(t.Context())
			t.Errorf("logged in as %s with %s", refused.User, refused.Password)
		}
	}
}
