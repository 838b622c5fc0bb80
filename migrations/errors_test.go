package migrations

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// TestNext: only what a file can mend is said to be the file's to mend.
func TestNext(t *testing.T) {
	pg := func(code, message string) error { return &pgconn.PgError{Code: code, Message: message} }
	tests := []struct {
		err  error
		want string
	}{
		{pg("42703", "column x does not exist"), "correct the file or the data, then run migrate up again"},
		{pg("23505", "duplicate key"), "correct the file or the data"},
		{pg("57P01", "terminating connection due to administrator command"), "make sure that it is up, then run migrate up again"},
		{pg("57P05", "terminating connection due to idle-session timeout"), "take idle_session_timeout away"},
		{pg("53100", "could not extend file"), "the server's disk is full"},
		{pg("53300", "too many connections"), "no connection left"},
		{pg("57014", "canceling statement due to statement timeout"), "give it more time (-statement-timeout"},
		{pg("57014", "canceling statement due to user request"), "who cancelled the statement"},
		{pg("55P03", "canceling statement due to lock timeout"), "end what is in the way"},
		{pg("40P01", "deadlock detected"), "end what is in the way"},
		{pg("42501", "permission denied for table a"), "let the role do this"},
		{pg("25006", "cannot execute in a read-only transaction"), "connect to the primary"},
		{pg("XX001", "invalid page"), "look into its log"},
		{fmt.Errorf("receive: %w", io.ErrUnexpectedEOF), "make sure that the database can be reached"},
		{context.Canceled, "run migrate up again"},
		{errors.New("index x is invalid"), "run migrate up again"},
		{&BatchError{Table: "a", Key: "k"}, "AND k BETWEEN $1 AND $2"},
		{errLockLost, "correct the file, then"},
	}
	for _, tt := range tests {
		e := &PartialError{Failed: "0002_b", Mode: Whole, Statement: 1, Statements: 1, Line: 1, Err: tt.err}
		_, next, _ := strings.Cut(e.Error(), "\nnext: ")
		if !strings.Contains(next, tt.want) || strings.Contains(next, "correct") != strings.Contains(tt.want, "correct") {
			t.Errorf("%v: next %q, want %q", tt.err, next, tt.want)
		}
	}
}

// TestManyNames: of many files their number and the last three.
func TestManyNames(t *testing.T) {
	var applied []string
	for i := range 19 {
		applied = append(applied, id(i+1, "x"))
	}
	e := &PartialError{Applied: applied, Failed: "0020_y", Err: errors.New("no")}
	if want := "this run applied 19 migrations, the last of them 0017_x, 0018_x, 0019_x\n"; !strings.Contains(e.Error(), want) {
		t.Error(e)
	}
}
