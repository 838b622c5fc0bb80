package migrations

import (
	"context"
	"slices"
	"time"
)

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

// set applies a statement that changes limits or the session. Limits are kept
// here, and set anew before each statement.
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

// tell reports a try that did not get its locks.
func (a *attempt) tell(n int, pause time.Duration) {
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

// whole runs the file and its record in one transaction. It waits long for
// locks only if nothing in it could make others queue meanwhile.
func (a *attempt) whole(ctx context.Context) error {
	long := !slices.ContainsFunc(a.migration.Statements, func(s Statement) bool {
		w := s.work()
		return !w.long() && w != limit && w != setting
	})
	var failed waits // so far, for the record that a try itself writes
	began := time.Now()
	w, err := retry(ctx, a.options.LockWait, func(n int, pause time.Duration) {
		failed = waits{n, time.Since(began) + pause}
		a.tell(n, pause)
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
// applied. What PostgreSQL takes in a transaction gets one together with its
// record; for the rest the record says beforehand what is about to run.
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
			lost, err = retry(ctx, a.options.LockWait, a.tell, func() error {
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
