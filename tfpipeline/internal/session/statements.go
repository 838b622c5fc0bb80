package session

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"text/tabwriter"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/specboard/platform/tfpipeline/internal/console"
)

// reader is the role that reads every table and changes none.
const reader = "pg_read_all_data"

// statements are run on one connection.
type statements struct {
	entrance Entrance
	conn     *pgconn.PgConn
	record   *record
	json     bool
}

// Result is what a statement has returned.
type Result struct {
	Columns []string `json:"columns"`
	// Rows hold the values as PostgreSQL writes them; nil is null.
	Rows [][]*string `json:"rows"`
	// Done is what PostgreSQL says was done, such as "SELECT 3".
	Done string `json:"done"`
}

// begin takes the role that cannot write, unless writing is wanted, and says which it
// is.
func (s *statements) begin(ctx context.Context, write bool) error {
	env := s.entrance.Environment.Name
	if write {
		s.entrance.Console.Progress("%s: statements may change the database", env)
		return nil
	}
	results, err := s.conn.Exec(ctx, "select pg_has_role(current_user, '"+reader+"', 'member')").ReadAll()
	if err != nil {
		return fmt.Errorf("ask for the role %s: %w", reader, err)
	}
	if string(results[0].Rows[0][0]) != "t" {
		s.entrance.Console.Progress("%s: read only, by default_transaction_read_only", env)
		return nil
	}
	if _, err := s.conn.Exec(ctx, "set role "+reader).ReadAll(); err != nil {
		return fmt.Errorf("take the role %s: %w", reader, err)
	}
	s.entrance.Console.Progress("%s: read only, by default_transaction_read_only and the role %s", env, reader)
	return nil
}

// run records statements, runs them, and prints each result.
func (s *statements) run(ctx context.Context, sql string) error {
	if isCopy(sql) {
		return console.WithNext(errors.New("COPY from or to the client is not spoken here, and nothing was run"), "tfpipeline help db, for what it takes instead")
	}
	if err := s.record.statement(ctx, sql); err != nil {
		return err
	}
	answers := s.conn.Exec(ctx, sql)
	for answers.NextResult() {
		if err := s.print(answers.ResultReader()); err != nil {
			_ = answers.Close() // it says the same
			return err
		}
	}
	return said(answers.Close())
}

// isCopy reports whether a statement is a COPY to or from the client, which would wait
// for ever here. Comments may precede it.
func isCopy(sql string) bool {
	return copies.MatchString(sql) || copies.MatchString(comments.ReplaceAllString(sql, " "))
}

var (
	copies   = regexp.MustCompile(`(?is)(?:^|;)\s*copy\b(?:[^;"']|"[^"]*"|'[^']*')*\b(?:from\s+stdin|to\s+stdout)\b`)
	comments = regexp.MustCompile(`(?s)--[^\n]*|/\*.*?\*/`)
)

// serverError is what PostgreSQL says of a statement. Its text may hold data.
type serverError struct{ code, text string }

func (e *serverError) Error() string {
	return fmt.Sprintf("PostgreSQL says: %s (SQLSTATE %s)", e.text, e.code)
}

// said is PostgreSQL's error with what helps to mend the statement.
func said(err error) error {
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return err
	}
	text := e.Message
	for _, more := range []string{e.Detail, e.Hint} {
		if more != "" {
			text += "; " + more
		}
	}
	if e.Code == "25006" {
		return console.WithNext(&serverError{e.Code, text}, "add -write if that is meant")
	}
	return &serverError{e.Code, text}
}

// print prints the rows of one statement.
func (s *statements) print(rows *pgconn.ResultReader) error {
	r := Result{Columns: []string{}, Rows: [][]*string{}}
	for _, f := range rows.FieldDescriptions() {
		r.Columns = append(r.Columns, f.Name)
	}
	for rows.NextRow() {
		var row []*string
		for _, v := range rows.Values() {
			var text *string
			if v != nil {
				text = new(string(v))
			}
			row = append(row, text)
		}
		r.Rows = append(r.Rows, row)
	}
	done, err := rows.Close()
	if err != nil {
		return said(err)
	}
	r.Done = done.String()
	if s.json {
		return console.NewEncoder(s.entrance.Console.Out).Encode(r)
	}
	return r.table(s.entrance.Console.Out)
}

// printable is a value without what would act on a terminal or a table.
func printable(value string) string { return console.Printable(blanks.Replace(value)) }

var blanks = strings.NewReplacer("\t", `\t`, "\n", `\n`, "\r", `\r`)

// table prints the result for people.
func (r Result) table(out io.Writer) error {
	if len(r.Columns) > 0 {
		w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
		var cells []string
		for _, name := range r.Columns {
			cells = append(cells, printable(name))
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
		for _, row := range r.Rows {
			cells = cells[:0]
			for _, v := range row {
				text := "null"
				if v != nil {
					text = printable(*v)
				}
				cells = append(cells, text)
			}
			fmt.Fprintln(w, strings.Join(cells, "\t"))
		}
		if err := w.Flush(); err != nil {
			return fmt.Errorf("print the rows: %w", err)
		}
	}
	if _, err := fmt.Fprintln(out, r.Done); err != nil {
		return fmt.Errorf("print the rows: %w", err)
	}
	return nil
}

// longestLine bounds a line that is typed, in bytes.
const longestLine = 1 << 20

// converse runs what is typed, until its end. A statement that fails ends nothing on a
// terminal, and everything where nobody can answer.
func (s *statements) converse(ctx context.Context) error {
	c, env := s.entrance.Console, s.entrance.Environment.Name
	lines, typed := make(chan string), bufio.NewScanner(c.In)
	typed.Buffer(nil, longestLine)
	failed := func() error {
		if errors.Is(typed.Err(), bufio.ErrTooLong) {
			return console.WithNext(fmt.Errorf("a line has more than %d bytes, and was not run", longestLine), "give such statements with -file FILE; -file - is the standard input")
		}
		return typed.Err()
	}
	go func() {
		defer close(lines)
		for typed.Scan() {
			select {
			case lines <- typed.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	var text strings.Builder
	for {
		if c.CanAsk() {
			fmt.Fprint(c.Err, env+map[bool]string{true: "=> ", false: "-> "}[text.Len() == 0])
		}
		var line string
		var more bool
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case line, more = <-lines:
		}
		trimmed := strings.TrimSpace(line)
		var sql string
		switch {
		case !more && (c.CanAsk() || typed.Err() != nil):
			return failed() // what is unfinished is not run
		case !more && strings.TrimSpace(text.String()) != "":
			sql = text.String()
		case !more, text.Len() == 0 && trimmed == `\q`:
			return failed()
		case text.Len() == 0 && (trimmed == `\d` || strings.HasPrefix(trimmed, `\d `)):
			sql = describe(strings.TrimSpace(strings.TrimPrefix(trimmed, `\d`)))
		default:
			text.WriteString(line + "\n")
			if !strings.HasSuffix(trimmed, ";") {
				continue
			}
			sql = text.String()
		}
		text.Reset()
		if err := s.run(ctx, sql); err != nil {
			if !c.CanAsk() || s.conn.IsClosed() {
				return err
			}
			c.Progress("%v", err)
		}
		if !more {
			return failed()
		}
	}
}

// describe lists the tables, or the columns of one.
func describe(name string) string {
	if name == "" {
		return `select table_schema as schema, table_name as name, table_type as type from information_schema.tables
where table_schema not in ('pg_catalog', 'information_schema') order by 1, 2`
	}
	return `select column_name as column, data_type as type, is_nullable as nullable, column_default as default from information_schema.columns
where table_name = '` + strings.ReplaceAll(name, "'", "''") + `' order by table_schema, ordinal_position`
}
