package migrations

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// alone runs a statement that PostgreSQL refuses in a transaction. An earlier run may
// have executed it, wholly or partly, and been killed before it could record that. If
// Record.Executing names the statement, what the statement makes was made by us.
func (a *attempt) alone(ctx context.Context, s Statement) (lost waits, err error) {
	if err := a.limit(ctx, a.bounds(true)); err != nil {
		return lost, err
	}
	ours := s.ran(a.record.Executing)
	there, err := a.recover(ctx, s, ours)
	if err != nil {
		return lost, err
	}
	if !there || !ours {
		lost, err = a.try(ctx, s, there)
		if err != nil {
			return lost, err
		}
	}
	if err := a.confirm(ctx, s); err != nil {
		return lost, err
	}
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	return lost, a.advance(after, s)
}

// try runs the statement until it gets its locks. If somebody else has already
// made what the statement makes, the record must not claim it as ours; the
// server then decides whether the statement fails.
func (a *attempt) try(ctx context.Context, s Statement, there bool) (waits, error) {
	if !there {
		a.record.Executing = s.hash()
		if err := a.write(ctx, a.record); err != nil {
			return waits{}, err
		}
	}
	retried := false
	lost, err := retry(ctx, a.options.LockWait, a.reportRetry, func() error {
		if retried {
			if _, err := a.recover(ctx, s, false); err != nil {
				return err
			}
		}
		retried = true
		if err := a.execute(ctx, s, true); err != nil {
			return errors.Join(err, a.clear(ctx, s))
		}
		return nil
	})
	if err != nil && !a.IsClosed() {
		a.record.Executing = "" // the server said that it is not done
	}
	return lost, err
}

// clear removes what a failed or cancelled statement left behind. If that is
// not possible, the next run does it.
func (a *attempt) clear(ctx context.Context, s Statement) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	if a.IsClosed() {
		return nil
	}
	if err := a.limit(ctx, limits{cleanupTimeout, cleanupTimeout}); err != nil {
		return err
	}
	var err error
	switch s.work() {
	case buildIndex:
		_, err = a.dropInvalid(ctx, s)
	case reindex:
		err = a.dropLeftovers(ctx)
	}
	if err != nil {
		return fmt.Errorf("clear what the statement left (the next run tries again): %w", err)
	}
	return nil
}

// recover repairs what an earlier try has left, and reports whether the effect of
// the statement is there. ours says that our own run was killed at this statement;
// if the effect is there then, the statement's work is done.
func (a *attempt) recover(ctx context.Context, s Statement, ours bool) (there bool, err error) {
	switch s.work() {
	case buildIndex:
		return a.dropInvalid(ctx, s)
	case reindex:
		if ours {
			return false, a.dropLeftovers(ctx)
		}
	case dropIndex:
		if ours {
			return a.allDropped(ctx, s)
		}
	case detach:
		if ours {
			return a.finalize(ctx, s)
		}
	}
	return false, nil
}

// indexState returns whether the index that a statement builds is there, on
// its table, and whether it is valid; name is its full name.
func (a *attempt) indexState(ctx context.Context, s Statement) (name string, exists, valid bool, err error) {
	t := s.target()
	rows, err := a.Query(ctx, `
		SELECT format('%I.%I', n.nspname, c.relname), i.indisvalid
		  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
		 WHERE i.indrelid = to_regclass($1) AND c.relname = $2`, t.Table, t.Index)
	if err != nil {
		return "", false, false, fmt.Errorf("look for index %s: %w", t.Index, err)
	}
	defer rows.Close()
	if rows.Next() {
		exists = true
		if err := rows.Scan(&name, &valid); err != nil {
			return "", false, false, fmt.Errorf("look for index %s: %w", t.Index, err)
		}
	}
	rows.Close()
	if err := rows.Err(); err != nil {
		return "", false, false, fmt.Errorf("look for index %s: %w", t.Index, err)
	}
	return name, exists, valid, nil
}

// dropInvalid drops the index of a failed build, and reports whether a valid
// one of that name is there instead.
func (a *attempt) dropInvalid(ctx context.Context, s Statement) (valid bool, err error) {
	name, exists, valid, err := a.indexState(ctx, s)
	if err != nil || !exists || valid {
		return valid, err
	}
	_, err = retry(ctx, a.options.LockWait, a.reportRetry, func() error { return a.run(ctx, "DROP INDEX CONCURRENTLY IF EXISTS "+name) })
	if err != nil {
		return false, fmt.Errorf("drop the invalid index %s: %w", name, err)
	}
	a.report(Event{Kind: Repaired, Message: "dropped the invalid index " + name + " that a failed build left"})
	return false, nil
}

// confirm makes sure that a statement did what it says: with IF NOT EXISTS,
// PostgreSQL accepts any index of that name, even an invalid one.
func (a *attempt) confirm(ctx context.Context, s Statement) error {
	if s.work() != buildIndex {
		return nil
	}
	_, exists, valid, err := a.indexState(ctx, s)
	switch {
	case err != nil:
		return err
	case !exists:
		return fmt.Errorf("index %s is not on %s though its statement succeeded: another relation has its name", s.target().Index, s.target().Table)
	case !valid:
		return fmt.Errorf("index %s is invalid though its statement succeeded; drop it and run migrate up again", s.target().Index)
	}
	return nil
}

// dropLeftovers drops the transient indexes of a REINDEX CONCURRENTLY that did
// not end: they are invalid and end in _ccnew or _ccold.
func (a *attempt) dropLeftovers(ctx context.Context) error {
	rows, err := a.Query(ctx, `
		SELECT format('%I.%I', n.nspname, c.relname)
		  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
		 WHERE NOT i.indisvalid AND c.relname ~ '_cc(new|old)[0-9]*$'
		   AND n.nspname NOT IN ('pg_catalog', 'pg_toast')`)
	if err != nil {
		return fmt.Errorf("look for indexes that a REINDEX left: %w", err)
	}
	names, err := collect(rows)
	if err != nil {
		return fmt.Errorf("look for indexes that a REINDEX left: %w", err)
	}
	for _, name := range names {
		if err := a.run(ctx, "DROP INDEX CONCURRENTLY IF EXISTS "+name); err != nil {
			return fmt.Errorf("drop the invalid index %s: %w", name, err)
		}
		a.report(Event{Kind: Repaired, Message: "dropped the invalid index " + name + " that a REINDEX left"})
	}
	return nil
}

// allDropped reports whether none of the indexes of DROP INDEX CONCURRENTLY is
// there any more.
func (a *attempt) allDropped(ctx context.Context, s Statement) (bool, error) {
	i := s.skip(s.sequence("index", "concurrently"), "if", "exists")
	for _, name := range s.names(i) {
		var exists bool
		if err := a.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", name).Scan(&exists); err != nil {
			return false, fmt.Errorf("look for index %s: %w", name, err)
		}
		if exists {
			return false, nil
		}
	}
	return true, nil
}

// finalize ends a DETACH PARTITION CONCURRENTLY that was killed between its
// two transactions, and reports whether the partition is detached.
func (a *attempt) finalize(ctx context.Context, s Statement) (bool, error) {
	i := s.skip(s.sequence("alter", "table"), "if", "exists")
	parent, _ := s.name(s.skip(i, "only"))
	part, _ := s.name(s.sequence("detach", "partition"))
	var count int
	var half bool
	err := a.QueryRow(ctx, `SELECT count(*), coalesce(bool_or((to_jsonb(i) ->> 'inhdetachpending')::boolean), false)
		FROM pg_inherits i WHERE inhparent = to_regclass($1) AND inhrelid = to_regclass($2)`, parent, part).Scan(&count, &half)
	switch {
	case err != nil:
		return false, fmt.Errorf("look for partition %s: %w", part, err)
	case count == 0:
		return true, nil
	case !half:
		return false, nil
	}
	start := time.Now()
	if err := a.run(ctx, fmt.Sprintf("ALTER TABLE %s DETACH PARTITION %s FINALIZE", parent, part)); err != nil {
		return false, fmt.Errorf("finish detaching %s: %w", part, err)
	}
	a.report(Event{Kind: Repaired, Message: "finished detaching partition " + part, Duration: Duration(time.Since(start))})
	return true, nil
}
