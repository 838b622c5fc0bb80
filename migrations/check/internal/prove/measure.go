package prove

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/specboard/platform/migrations"
	"github.com/specboard/platform/migrations/check/internal/catalog"
)

// Lock is a lock that a transaction holds on a relation that was there before the file.
type Lock struct {
	Relation string `json:"relation"`
	// Kind is pg_class.relkind: r table, p partitioned, i index, m materialised
	// view, S sequence, v view.
	Kind string       `json:"kind"`
	Mode catalog.Mode `json:"mode"`
}

// KeepsOut reports whether the lock stops clients: writers of a table, or
// readers of anything.
func (l Lock) KeepsOut() bool {
	switch l.Kind {
	case "r", "p", "f":
		return l.Mode >= catalog.Share
	case "m", "v", "i":
		return l.Mode == catalog.AccessExclusive
	}
	return false
}

// Read says how many rows a statement read of a relation that was there before the file.
type Read struct {
	Relation string `json:"relation"`
	Scans    int64  `json:"scans"`
	Rows     int64  `json:"rows"`
}

// Effect is what one statement did.
type Effect struct {
	Line int    `json:"line"`
	SQL  string `json:"sql"`
	// Locks are those that its transaction holds after it, strongest first.
	Locks []Lock `json:"locks,omitempty"`
	// Rewritten are tables and indexes whose files were replaced.
	Rewritten []string `json:"rewritten,omitempty"`
	Reads     []Read   `json:"reads,omitempty"`
	// Changed is how many rows were inserted, updated or deleted in relations
	// that were there before.
	Changed int64         `json:"changed,omitempty"`
	Elapsed time.Duration `json:"took_ns"`
	// Error is the server's refusal; "" if it ran.
	Error string `json:"error,omitempty"`
	// Alone is set for what ran outside a transaction.
	Alone bool `json:"alone,omitempty"`

	changed map[uint32]int64 // by relation
}

// ManyRows is the number of rows from which reading or changing them counts as work.
const ManyRows = 1000

// Works says which parts of the statement take longer on larger tables. It returns
// nothing if the statement only changed the catalogue.
func (e Effect) Works() []string {
	var list []string
	for _, r := range e.Rewritten {
		list = append(list, "rewrites "+r)
	}
	for _, r := range e.Reads {
		if r.Rows >= ManyRows {
			list = append(list, fmt.Sprintf("reads %d rows of %s", r.Rows, r.Relation))
		}
	}
	if e.Changed >= ManyRows {
		list = append(list, fmt.Sprintf("changes %d rows", e.Changed))
	}
	return list
}

// KeepsOut returns the strongest lock that stops clients, if any.
func (e Effect) KeepsOut() (Lock, bool) {
	for _, l := range e.Locks {
		if l.KeepsOut() {
			return l, true
		}
	}
	return Lock{}, false
}

// Blocks reports whether the statement works while it keeps clients out.
func (e Effect) Blocks() bool {
	_, out := e.KeepsOut()
	return out && len(e.Works()) > 0
}

// Measure runs one migration as the runner would, but leaves a file that is one
// transaction open: the caller commits or rolls back. The watcher is a second
// connection to the same database. The effects are those of all statements up
// to the first that fails; the error is about measuring, not about them.
func Measure(ctx context.Context, conn, watcher *pgx.Conn, m migrations.Migration) ([]Effect, error) {
	p := &probe{conn: conn, watcher: watcher}
	if err := p.begin(ctx); err != nil {
		return nil, err
	}
	if m.Mode == migrations.Whole {
		if _, err := conn.Exec(ctx, "BEGIN"); err != nil {
			return nil, fmt.Errorf("begin: %w", err)
		}
	}
	var list []Effect
	for _, s := range m.Statements {
		var e Effect
		var err error
		switch {
		case m.Mode == migrations.Batched && isBatched(s):
			e, err = p.batches(ctx, m, s)
		case m.Mode == migrations.Whole:
			e, err = p.statement(ctx, s)
		case s.Alone():
			e, err = p.alone(ctx, s)
		default:
			e, err = p.single(ctx, s)
		}
		if err != nil {
			return list, fmt.Errorf("measure line %d: %w", s.Line, err)
		}
		list = append(list, e)
		if e.Error != "" {
			break
		}
	}
	return list, nil
}

type probe struct {
	conn, watcher *pgx.Conn
	pid           uint32
	names         map[uint32]named
}

type named struct{ name, kind string }

// begin notes which relations are there before the file.
func (p *probe) begin(ctx context.Context) error {
	p.pid = p.conn.PgConn().PID()
	p.names = map[uint32]named{}
	rows, err := p.watcher.Query(ctx, `SELECT c.oid, CASE WHEN n.nspname = 'public' THEN quote_ident(relname) ELSE quote_ident(nspname) || '.' || quote_ident(relname) END, relkind::text
		FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
		WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\_%'`)
	if err != nil {
		return fmt.Errorf("list relations: %w", err)
	}
	var oid uint32
	var r named
	if _, err = pgx.ForEachRow(rows, []any{&oid, &r.name, &r.kind}, func() error { p.names[oid] = r; return nil }); err != nil {
		return fmt.Errorf("list relations: %w", err)
	}
	return nil
}

// statement runs a statement in the open transaction.
func (p *probe) statement(ctx context.Context, s migrations.Statement, args ...any) (Effect, error) {
	before, err := p.snapshot(ctx, p.conn)
	if err != nil {
		return Effect{}, err
	}
	e := Effect{Line: s.Line, SQL: s.SQL}
	began := time.Now()
	_, err = p.conn.Exec(ctx, s.SQL, args...)
	e.Elapsed = time.Since(began)
	if err != nil {
		e.Error = err.Error()
		return e, ctx.Err()
	}
	after, err := p.snapshot(ctx, p.conn)
	if err != nil {
		return e, err
	}
	p.compare(&e, before, after)
	e.Locks, err = p.locks(ctx, p.conn)
	return e, err
}

// single runs a statement in a transaction of its own.
func (p *probe) single(ctx context.Context, s migrations.Statement) (Effect, error) {
	if _, err := p.conn.Exec(ctx, "BEGIN"); err != nil {
		return Effect{}, fmt.Errorf("begin: %w", err)
	}
	e, err := p.statement(ctx, s)
	end := "COMMIT"
	if e.Error != "" {
		end = "ROLLBACK"
	}
	if _, failed := p.conn.Exec(context.WithoutCancel(ctx), end); failed != nil && e.Error == "" {
		e.Error = failed.Error()
	}
	return e, err
}

// alone runs a statement that PostgreSQL refuses in a transaction, and watches its
// locks from the other connection.
func (p *probe) alone(ctx context.Context, s migrations.Statement) (Effect, error) {
	before, err := p.snapshot(ctx, p.watcher)
	if err != nil {
		return Effect{}, err
	}
	e := Effect{Line: s.Line, SQL: s.SQL, Alone: true}
	done := make(chan error, 1)
	began := time.Now()
	go func() {
		_, err := p.conn.Exec(ctx, s.SQL)
		done <- err
	}()
	strongest := map[string]Lock{}
	tick := time.NewTicker(500 * time.Microsecond)
	defer tick.Stop()
	for running := true; running; {
		select {
		case err = <-done:
			running = false
		case <-tick.C:
			seen, err := p.locks(ctx, p.watcher)
			if err != nil {
				<-done
				return e, err
			}
			for _, l := range seen {
				if l.Mode > strongest[l.Relation].Mode {
					strongest[l.Relation] = l
				}
			}
		}
	}
	e.Elapsed = time.Since(began)
	if err != nil {
		e.Error = err.Error()
		return e, ctx.Err()
	}
	for _, l := range strongest {
		e.Locks = append(e.Locks, l)
	}
	sortLocks(e.Locks)
	after, err := p.snapshot(ctx, p.watcher)
	if err != nil {
		return e, err
	}
	for oid, r := range before {
		known, old := p.names[oid]
		if a, ok := after[oid]; ok && old && a.file != r.file {
			e.Rewritten = append(e.Rewritten, known.name)
		}
	}
	slices.Sort(e.Rewritten)
	return e, nil
}

func sortLocks(list []Lock) {
	slices.SortFunc(list, func(a, b Lock) int {
		return cmp.Or(cmp.Compare(b.Mode, a.Mode), cmp.Compare(a.Relation, b.Relation))
	})
}

// locks returns what the migration's connection holds from SHARE UPDATE
// EXCLUSIVE up, on relations that were there before.
func (p *probe) locks(ctx context.Context, conn *pgx.Conn) ([]Lock, error) {
	rows, err := conn.Query(ctx, `SELECT relation, mode FROM pg_locks
		WHERE pid = $1 AND locktype = 'relation' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`, p.pid)
	if err != nil {
		return nil, fmt.Errorf("read locks: %w", err)
	}
	strongest := map[uint32]catalog.Mode{}
	var oid uint32
	var mode string
	if _, err := pgx.ForEachRow(rows, []any{&oid, &mode}, func() error {
		strongest[oid] = max(strongest[oid], catalog.ModeOf(mode))
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read locks: %w", err)
	}
	var list []Lock
	for oid, mode := range strongest {
		if r, ok := p.names[oid]; ok && mode >= catalog.ShareUpdateExclusive {
			list = append(list, Lock{Relation: r.name, Kind: r.kind, Mode: mode})
		}
	}
	sortLocks(list)
	return list, nil
}

// figures are what a relation's counters and files say at one moment.
type figures struct {
	file           uint32
	scans, rows    int64
	fetched, wrote int64
}

func (p *probe) snapshot(ctx context.Context, conn *pgx.Conn) (map[uint32]figures, error) {
	rows, err := conn.Query(ctx, `SELECT c.oid, coalesce(pg_relation_filenode(c.oid), 0), coalesce(seq_scan, 0), coalesce(seq_tup_read, 0),
			coalesce(idx_tup_fetch, 0), coalesce(n_tup_ins + n_tup_upd + n_tup_del, 0)
		FROM pg_class c LEFT JOIN pg_stat_xact_all_tables s ON s.relid = c.oid WHERE c.oid >= 16384`)
	if err != nil {
		return nil, fmt.Errorf("read counters: %w", err)
	}
	all := map[uint32]figures{}
	var oid uint32
	var f figures
	if _, err := pgx.ForEachRow(rows, []any{&oid, &f.file, &f.scans, &f.rows, &f.fetched, &f.wrote}, func() error { all[oid] = f; return nil }); err != nil {
		return nil, fmt.Errorf("read counters: %w", err)
	}
	return all, nil
}

func (p *probe) compare(e *Effect, before, after map[uint32]figures) {
	e.changed = map[uint32]int64{}
	for oid, b := range before {
		r, old := p.names[oid]
		a, still := after[oid]
		if !old || !still {
			continue
		}
		if a.file != b.file {
			e.Rewritten = append(e.Rewritten, r.name)
		}
		if read := (a.rows - b.rows) + (a.fetched - b.fetched); read > 0 || a.scans > b.scans {
			e.Reads = append(e.Reads, Read{Relation: r.name, Scans: a.scans - b.scans, Rows: read})
		}
		if n := a.wrote - b.wrote; n > 0 {
			e.Changed += n
			e.changed[oid] = n
		}
	}
	slices.Sort(e.Rewritten)
	slices.SortFunc(e.Reads, func(a, b Read) int { return cmp.Or(cmp.Compare(b.Rows, a.Rows), cmp.Compare(a.Relation, b.Relation)) })
}
