package scratch

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestRestore: a restored server holds what was committed until that time, goes on by
// itself, and can be restored once more, to a time before or after its own start.
func TestRestore(t *testing.T) {
	needServer(t)
	open := func(s *Server, err error) *pgx.Conn {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close(context.WithoutCancel(t.Context())) })
		conn, err := pgx.ConnectConfig(t.Context(), s.Config("postgres"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
		return conn
	}
	insert := func(conn *pgx.Conn, text string) (after time.Time) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), "CREATE TABLE IF NOT EXISTS said (word text)"); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(t.Context(), "INSERT INTO said VALUES ($1)", text); err != nil {
			t.Fatal(err)
		}
		if err := conn.QueryRow(t.Context(), "SELECT clock_timestamp()").Scan(&after); err != nil {
			t.Fatal(err)
		}
		return after
	}
	holds := func(conn *pgx.Conn, want ...string) {
		t.Helper()
		rows, err := conn.Query(t.Context(), "SELECT word FROM said")
		if err != nil {
			t.Fatal(err)
		}
		got, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("holds %v, want %v: %v", got, want, err)
		}
	}
	first, err := New(t.Context(), Options{Restorable: true})
	db := open(first, err)
	one := insert(db, "one")
	two := insert(db, "two")
	insert(db, "three")
	if _, err := first.Restore(t.Context(), time.Now().Add(time.Hour), Options{}); err == nil || !strings.Contains(err.Error(), "is not in the past") {
		t.Errorf("restored to a time to come: %v", err)
	}
	second, err := first.Restore(t.Context(), two, Options{})
	restored := open(second, err)
	holds(restored, "one", "two")
	four := insert(restored, "four")
	insert(restored, "five")
	holds(db, "one", "two", "three")
	third, err := second.Restore(t.Context(), four, Options{})
	holds(open(third, err), "one", "two", "four")
	fourth, err := second.Restore(t.Context(), one, Options{})
	holds(open(fourth, err), "one")
}
