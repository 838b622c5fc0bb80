package prove

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/specboard/platform/migrations"
)

// Outcome is what one query said.
type Outcome struct {
	Line int
	SQL  string
	// Error is the server's refusal; "" if it ran.
	Error string
	// Columns are the result's, in order.
	Columns []Column
	// unsteady columns have another value each time: now(), a sequence.
	unsteady map[string]bool
	rows     []map[string]string
	affected int64
}

// Column is one of a result.
type Column struct{ Name, Type string }

// Change is a query that went on before and does not after, or says something
// else.
type Change struct {
	Line int    `json:"line"`
	SQL  string `json:"sql"`
	What string `json:"what"`
}

// Results are compared up to so many rows.
const maxRows = 1000

// Observe runs each query and undoes it. Parameters ($1, $2) get a value of their type.
// The connection may be in a transaction, which stays open; the values of parameters
// are made up, so the rows say little, but names and types count.
func Observe(ctx context.Context, conn *pgx.Conn, queries []migrations.Statement) ([]Outcome, error) {
	const idle = 'I'
	own := conn.PgConn().TxStatus() == idle
	if own {
		if _, err := conn.Exec(ctx, "BEGIN"); err != nil {
			return nil, fmt.Errorf("begin: %w", err)
		}
	}
	var list []Outcome
	for _, q := range queries {
		if _, err := conn.Exec(ctx, "SAVEPOINT observed"); err != nil {
			return nil, fmt.Errorf("observe line %d: %w", q.Line, err)
		}
		list = append(list, observe(ctx, conn, q))
		if _, err := conn.Exec(ctx, "ROLLBACK TO SAVEPOINT observed"); err != nil {
			return nil, fmt.Errorf("observe line %d: %w", q.Line, err)
		}
	}
	if own {
		if _, err := conn.Exec(ctx, "ROLLBACK"); err != nil {
			return nil, fmt.Errorf("roll back: %w", err)
		}
	}
	return list, nil
}

func observe(ctx context.Context, conn *pgx.Conn, q migrations.Statement) Outcome {
	o := Outcome{Line: q.Line, SQL: q.SQL, unsteady: map[string]bool{}}
	refuse := func(err error) Outcome {
		o.Error = err.Error()
		if e, ok := errors.AsType[*pgconn.PgError](err); ok {
			o.Error = e.Message
		}
		return o
	}
	// The server would cache a prepared query's names across the change that the query
	// should notice.
	d, err := conn.PgConn().Prepare(ctx, "", q.SQL, nil)
	if err != nil {
		return refuse(err)
	}
	args := make([][]byte, len(d.ParamOIDs))
	for i, oid := range d.ParamOIDs {
		args[i] = sample(conn.TypeMap(), oid)
	}
	for _, f := range d.Fields {
		name := fmt.Sprint(f.DataTypeOID)
		if t, ok := conn.TypeMap().TypeForOID(f.DataTypeOID); ok {
			name = t.Name
		}
		o.Columns = append(o.Columns, Column{f.Name, name})
	}
	r := conn.PgConn().ExecPrepared(ctx, "", args, nil, nil)
	for r.NextRow() {
		if len(o.rows) >= maxRows {
			continue
		}
		row := map[string]string{}
		for i, v := range r.Values() {
			value := "NULL"
			if v != nil {
				value = "'" + string(v) + "'"
			}
			row[o.Columns[i].Name] = value
		}
		o.rows = append(o.rows, row)
	}
	tag, err := r.Close()
	if err != nil {
		return refuse(err)
	}
	o.affected = tag.RowsAffected()
	return o
}

// sample is a value of a type, as text.
func sample(m *pgtype.Map, oid uint32) []byte {
	values := map[string]string{"text": "sample", "varchar": "sample", "bpchar": "sample", "name": "sample", "bool": "true", "uuid": "00000000-0000-4000-8000-000000000001",
		"date": "2026-01-01", "timestamp": "2026-01-01 00:00:00", "timestamptz": "2026-01-01 00:00:00+00", "time": "12:00", "interval": "1 day",
		"json": "{}", "jsonb": "{}", "bytea": `\x00`, "inet": "127.0.0.1", "cidr": "127.0.0.0/8"}
	t, ok := m.TypeForOID(oid)
	if !ok {
		return nil
	}
	if v, ok := values[t.Name]; ok {
		return []byte(v)
	}
	if strings.HasPrefix(t.Name, "_") {
		return []byte("{}")
	}
	switch t.Name {
	case "int2", "int4", "int8", "float4", "float8", "numeric", "oid":
		return []byte("1")
	}
	return nil
}

// Steady marks in before the columns whose values differed in a second run on the same
// schema: they prove nothing.
func Steady(before, again []Outcome) {
	for i := range before {
		for r := range min(len(before[i].rows), len(again[i].rows)) {
			for name, value := range before[i].rows[r] {
				if again[i].rows[r][name] != value {
					before[i].unsteady[name] = true
				}
			}
		}
	}
}

// fresh removes from a message what differs from run to run: keys and times.
var fresh = regexp.MustCompile(`[0-9]+`)

// Compare returns the queries whose results in after differ from those in before. An
// additional column is no difference, and a query that failed before is left out.
func Compare(before, after []Outcome) []Change {
	var list []Change
	for i, b := range before {
		a := after[i]
		change := func(format string, args ...any) {
			list = append(list, Change{Line: b.Line, SQL: b.SQL, What: fmt.Sprintf(format, args...)})
		}
		switch {
		case b.Error != "" && a.Error != "" && fresh.ReplaceAllString(a.Error, "") != fresh.ReplaceAllString(b.Error, ""):
			if missing(a.Error) && !missing(b.Error) {
				change("fails: %s", a.Error)
			}
			continue
		case b.Error != "":
			continue
		case a.Error != "":
			change("fails: %s", a.Error)
			continue
		}
		if what := columns(b, a); what != "" {
			change("%s", what)
			continue
		}
		if what := rows(b, a); what != "" {
			change("%s", what)
		}
	}
	return list
}

// missing reports whether a message says that something is not there.
func missing(message string) bool {
	return strings.Contains(message, "does not exist") || strings.Contains(message, "no unique or exclusion constraint")
}

func columns(b, a Outcome) string {
	types := map[string]string{}
	for _, c := range a.Columns {
		types[c.Name] = c.Type
	}
	for _, c := range b.Columns {
		switch t, ok := types[c.Name]; {
		case !ok:
			return fmt.Sprintf("the result lacks column %s", c.Name)
		case t != c.Type && (!textual(t) || !textual(c.Type)):
			return fmt.Sprintf("column %s of the result is %s and was %s", c.Name, t, c.Type)
		}
	}
	return ""
}

// textual types come to a client in the same way.
func textual(name string) bool { return name == "text" || name == "varchar" }

func rows(b, a Outcome) string {
	if len(a.rows) != len(b.rows) || a.affected != b.affected {
		return fmt.Sprintf("it returns or changes %d rows and was %d", a.affected, b.affected)
	}
	for r := range b.rows {
		for _, c := range b.Columns {
			if was, is := b.rows[r][c.Name], a.rows[r][c.Name]; is != was && !b.unsteady[c.Name] {
				return fmt.Sprintf("column %s is %s and was %s", c.Name, is, was)
			}
		}
	}
	return ""
}
