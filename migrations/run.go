package migrations

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Result is what a run did.
type Result struct {
	// Applied are the migrations of this run, in order.
	Applied []Record `json:"applied"`
	// Before is how many were applied already.
	Before int `json:"before"`
}

// Up applies the pending migrations of list to the database in order, and
// records each. Any number of runs may start at the same time: one works, the
// others wait for it. When ctx ends, the current statement is rolled back and
// the run stops. It returns a *PartialError if it stops inside a migration, a
// *MismatchError if the files are not those that the database has applied, a
// *ForeignError if another tool has migrated it, and a *LockedError if another
// run takes longer than RunnerWait.
func Up(ctx context.Context, config *pgx.ConnConfig, list []Migration, o Options) (result Result, err error) {
	if err := o.Validate(); err != nil {
		return result, fmt.Errorf("check the options: %w", err)
	}
	r, err := open(ctx, config, o)
	if err != nil {
		return result, err
	}
	// Closing the session releases the lock.
	defer func() { err = errors.Join(err, r.close(ctx)) }()
	p, err := r.place(ctx)
	if err != nil {
		return result, err
	}
	if p.table == "" {
		if err := r.refuseForeign(ctx, list); err != nil {
			return result, err
		}
	}
	if err := r.makeTable(ctx, p); err != nil {
		return result, err
	}
	records, err := r.read(ctx)
	if err != nil {
		return result, err
	}
	pending, err := verify(list, records, o.AllowAhead)
	if err != nil {
		return result, err
	}
	if err := r.renewChecksums(ctx, list, records); err != nil {
		return result, err
	}
	result.Before = len(list) - len(pending)
	r.options.Report(Event{Kind: Locked, Total: int64(len(pending))})
	for _, m := range pending {
		record, err := r.apply(ctx, m, find(records, m))
		if err != nil {
			if partial, ok := errors.AsType[*PartialError](err); ok {
				for _, a := range result.Applied {
					partial.Applied = append(partial.Applied, a.ID())
				}
			}
			return result, err
		}
		result.Applied = append(result.Applied, record)
	}
	return result, r.makeRoles(ctx)
}

// find returns the record of a migration that began before, or nil.
func find(records []Record, m Migration) *Record {
	for i := range records {
		if records[i].Number == m.Number {
			return &records[i]
		}
	}
	return nil
}

// runner applies migrations on a session that holds the lock.
type runner struct {
	*session
	options Options
	watcher *watcher
}

// open connects and takes the lock.
func open(ctx context.Context, config *pgx.ConnConfig, o Options) (*runner, error) {
	if o.Report == nil {
		o.Report = func(Event) {}
	}
	s, err := openSession(ctx, config, o.Release)
	if err != nil {
		return nil, err
	}
	if err := s.lock(ctx, o.RunnerWait, o.Report); err != nil {
		return nil, errors.Join(err, s.close(ctx))
	}
	r := &runner{session: s, options: o, watcher: new(watcher)}
	if watching, err := openSession(ctx, config, strings.TrimSpace(o.Release+" (watcher)")); err == nil {
		r.watcher.conn = watching.Conn
	}
	return r, nil
}

func (r *runner) close(ctx context.Context) error {
	return errors.Join(r.watcher.close(ctx), r.session.close(ctx))
}

// makeTable makes the table of records, or moves it from its old place. Others
// may hold locks on it only for moments, so that the short limit suits it too.
func (r *runner) makeTable(ctx context.Context, p place) error {
	sql := tableSQL
	switch {
	case p.old:
		sql = moveSQL
	case p.table != "":
		return nil
	}
	if err := r.limit(ctx, limits{r.options.LockTimeout, r.options.StatementTimeout}); err != nil {
		return err
	}
	if _, err := retry(ctx, r.options.LockWait, func(int, time.Duration) {}, func() error {
		return r.inTransaction(ctx, func() error { return r.run(ctx, sql) })
	}); err != nil {
		return fmt.Errorf("make the table of applied migrations: %w", err)
	}
	return nil
}

// renewChecksums replaces checksums over the whole text, which older runners
// wrote, now that they are known to be right: comments may change from here on.
func (r *runner) renewChecksums(ctx context.Context, list []Migration, records []Record) error {
	for _, m := range list {
		old := find(records, m)
		if old == nil || old.State != Done || old.Checksum == m.Checksum {
			continue
		}
		if _, err := r.Exec(ctx, "UPDATE "+Table+" SET checksum = $2 WHERE number = $1", m.Number, m.Checksum); err != nil {
			return fmt.Errorf("renew the checksum of %s: %w", m.ID(), err)
		}
	}
	return nil
}

// attempt is one migration at work.
type attempt struct {
	*runner
	migration Migration
	record    Record
	began     time.Time
	earlier   Duration // at work in earlier runs
	at        int      // the statement, from 0; -1 is none
	limits    limits   // what the file has set, zero where it has not
}

// apply runs one migration, from the place where an earlier run stopped.
func (r *runner) apply(ctx context.Context, m Migration, before *Record) (Record, error) {
	a := &attempt{runner: r, migration: m, record: newRecord(m, r.options.Release), began: time.Now(), at: -1}
	if before != nil {
		a.record = *before
		a.record.take(m, r.options.Release)
		a.earlier = before.Duration
		if before.Cursor == nil {
			a.record.End = nil // no batch is committed: the file may walk another table now
		}
	}
	a.record.State, a.record.Error = Running, ""
	event := Event{Kind: Started, Statement: len(a.record.Hashes) + 1}
	if a.record.Cursor != nil {
		event.Cursor = *a.record.Cursor
	}
	a.report(event)

	err := r.prepare(ctx)
	if err == nil {
		switch m.Mode {
		case Whole:
			err = a.whole(ctx)
		case Single:
			err = a.single(ctx)
		case Batched:
			err = a.batched(ctx)
		}
	}
	if err != nil {
		return a.record, a.failed(ctx, err)
	}
	a.report(Event{Kind: Applied, Duration: a.record.Duration, Rows: a.record.Rows})
	return a.record, nil
}

// report adds what every event of the migration says.
func (a *attempt) report(e Event) {
	e.Migration, e.Statements = a.migration.ID(), len(a.migration.Statements)
	if e.Statement == 0 && a.at >= 0 {
		e.Statement = a.at + 1
	}
	if e.Statement > 0 && e.Statement <= len(a.migration.Statements) {
		e.Line = a.migration.Statements[e.Statement-1].Line
	}
	a.options.Report(e)
}

// finish marks the record applied; the caller writes it.
func (a *attempt) finish() {
	now := time.Now()
	a.record.State, a.record.FinishedAt, a.record.Executing = Done, &now, ""
	a.clock()
}

func (a *attempt) clock() { a.record.Duration = a.earlier + Duration(time.Since(a.began)) }

// failed records the error and returns a *PartialError. If the record cannot be
// written, the one that is there still tells correctly what is applied.
func (a *attempt) failed(ctx context.Context, cause error) error {
	e := &PartialError{Failed: a.migration.ID(), Mode: a.migration.Mode, Statements: len(a.migration.Statements), Err: cause}
	if ctx.Err() != nil {
		e.Err = ctx.Err()
	}
	if a.at >= 0 {
		e.Statement, e.Line = a.at+1, a.migration.Statements[a.at].Line
	}
	e.Kept = len(a.record.Hashes)
	if a.record.Cursor != nil {
		e.Cursor = *a.record.Cursor
	}
	if passing(cause) {
		e.Blockers = a.watcher.seen()
	}
	a.record.State, a.record.Error, a.record.FinishedAt = Failed, Explain(e.Err), nil
	if e.Interrupted() {
		a.record.Error = "interrupted"
	}
	a.clock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	if a.IsClosed() || errors.Is(cause, errLockLost) {
		return e
	}
	if err := a.prepare(ctx); err != nil {
		return e
	}
	if err := a.write(ctx, a.record); err != nil {
		e.Err = errors.Join(e.Err, err)
	}
	return e
}

// bounds returns the limits of a statement: those of the options for its kind,
// lowered by what the file has set.
func (a *attempt) bounds(long bool) limits {
	l := limits{a.options.LockTimeout, a.options.StatementTimeout}
	if long {
		l = limits{a.options.LongLockTimeout, a.options.LongStatementTimeout}
	}
	if a.limits.lock > 0 {
		l.lock = a.limits.lock
	}
	if a.limits.statement > 0 {
		l.statement = a.limits.statement
	}
	return l
}

// set applies a SET statement. Limits are remembered, and set before each
// statement.
func (a *attempt) set(ctx context.Context, s Statement) error {
	if s.work() != limit {
		return a.run(ctx, s.SQL)
	}
	name, value, err := s.limit()
	if err != nil {
		return err
	}
	if name == "lock_timeout" {
		a.limits.lock = value
	} else {
		a.limits.statement = value
	}
	return nil
}

// reportRetry reports a try that did not get its locks.
func (a *attempt) reportRetry(n int, pause time.Duration) {
	a.report(Event{Kind: Retrying, Attempt: n, Duration: Duration(pause), Blockers: a.watcher.seen()})
}

// attend watches what the statement waits for and passes on what the server
// says about it, until the returned function is called.
func (a *attempt) attend(ctx context.Context) (done func()) {
	stop := a.watcher.watch(ctx, a.PgConn().PID())
	a.notice = func(message string) { a.report(Event{Kind: Notice, Message: message}) }
	return func() {
		a.notice = nil
		stop()
	}
}

// execute runs one statement under its limits.
func (a *attempt) execute(ctx context.Context, s Statement, long bool) error {
	if err := a.limit(ctx, a.bounds(long)); err != nil {
		return err
	}
	a.report(Event{Kind: Executing})
	start := time.Now()
	done := a.attend(ctx)
	err := a.run(ctx, s.SQL)
	done()
	if err != nil {
		return err
	}
	a.report(Event{Kind: Executed, Duration: Duration(time.Since(start))})
	if a.options.observe != nil {
		return a.options.observe(ctx, a, s)
	}
	return nil
}

// whole runs the file and writes its record in one transaction. The long lock
// timeout applies only if no statement of the file makes others queue.
func (a *attempt) whole(ctx context.Context) error {
	long := !slices.ContainsFunc(a.migration.Statements, func(s Statement) bool {
		w := s.work()
		return !w.long() && w != limit && w != setting
	})
	var failed waits // so far, for the record that a try itself writes
	began := time.Now()
	w, err := retry(ctx, a.options.LockWait, func(n int, pause time.Duration) {
		failed = waits{n, time.Since(began) + pause}
		a.reportRetry(n, pause)
	}, func() error {
		a.limits, a.at = limits{}, -1
		return a.inTransaction(ctx, func() error {
			for i, s := range a.migration.Statements {
				a.at = i
				if w := s.work(); w == limit || w == setting {
					if err := a.set(ctx, s); err != nil {
						return err
					}
					continue
				}
				if err := a.execute(ctx, s, long); err != nil {
					return err
				}
			}
			return a.writeInside(ctx, failed)
		})
	})
	if err != nil {
		a.record.State, a.record.FinishedAt = Running, nil
		w.addTo(&a.record)
	} else {
		failed.addTo(&a.record)
	}
	return err
}

// writeInside writes the finished record in the transaction of the file.
func (a *attempt) writeInside(ctx context.Context, lost waits) error {
	a.finish()
	r := a.record
	lost.addTo(&r)
	return a.write(ctx, r)
}

// single runs the file statement by statement, from the first that is not
// applied. A statement that may run in a transaction is committed together with
// its record; for any other the record says beforehand that it is about to run.
func (a *attempt) single(ctx context.Context) error {
	for i, s := range a.migration.Statements {
		if err := ctx.Err(); err != nil {
			return err
		}
		a.at = i
		w := s.work()
		done := i < len(a.record.Hashes)
		if w == limit || w == setting {
			if err := a.set(ctx, s); err != nil {
				return err
			}
		}
		if done {
			continue
		}
		var lost waits
		var err error
		switch {
		case w == limit || w == setting:
			err = a.advance(ctx, s)
		case w.alone():
			lost, err = a.alone(ctx, s)
		default:
			lost, err = retry(ctx, a.options.LockWait, a.reportRetry, func() error {
				kept := a.record
				err := a.inTransaction(ctx, func() error {
					if err := a.execute(ctx, s, w.long()); err != nil {
						return err
					}
					return a.advance(ctx, s)
				})
				if err != nil {
					a.record = kept
				}
				return err
			})
		}
		lost.addTo(&a.record)
		if err != nil {
			return err
		}
	}
	a.at = -1
	a.finish()
	return a.write(ctx, a.record)
}

// advance records that a statement is applied.
func (a *attempt) advance(ctx context.Context, s Statement) error {
	a.record.Hashes = append(slices.Clone(a.record.Hashes), s.hash())
	a.record.Executing = ""
	a.clock()
	return a.write(ctx, a.record)
}
