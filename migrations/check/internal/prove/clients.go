package prove

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/specboard/platform/migrations"
)

// Clients go from table to table with the shortest query there is, so that what
// they wait for is a lock: readers take ACCESS SHARE, writers ROW EXCLUSIVE.

// settle is how long clients run undisturbed, to know what is ordinary.
const settle = 50 * time.Millisecond

// withClients runs a migration beside a reader and a writer.
func (r *run) withClients(ctx context.Context, config *pgx.ConnConfig, m migrations.Migration, result *Result) error {
	var reads, writes []string
	if err := with(ctx, config, func(conn *pgx.Conn) (err error) {
		reads, writes, err = clientQueries(ctx, conn)
		return err
	}); err != nil {
		return err
	}
	if len(reads) == 0 {
		return apply(ctx, config, m) // nobody uses an empty database
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	reader, writer := &client{queries: reads}, &client{queries: writes}
	var clients sync.WaitGroup
	failures := make([]error, 2)
	for i, c := range []*client{reader, writer} {
		clients.Go(func() { failures[i] = with(ctx, config, func(conn *pgx.Conn) error { return c.run(running, conn) }) })
	}
	pause := time.NewTimer(settle)
	select {
	case <-ctx.Done():
	case <-pause.C:
	}
	result.Undisturbed = max(reader.reset(), writer.reset())
	err := apply(ctx, config, m)
	stop()
	clients.Wait()
	result.Reader, result.Writer = reader.reset(), writer.reset()
	return errors.Join(err, failures[0], failures[1])
}

// clientQueries are one of each kind for every table.
func clientQueries(ctx context.Context, conn *pgx.Conn) (reads, writes []string, err error) {
	rows, err := conn.Query(ctx, `SELECT quote_ident(n.nspname) || '.' || quote_ident(relname),
			(SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attidentity = '' LIMIT 1)
		FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
		WHERE relkind IN ('r', 'p') AND NOT relispartition AND n.nspname NOT IN ('pg_catalog', 'information_schema')`)
	if err != nil {
		return nil, nil, fmt.Errorf("list tables: %w", err)
	}
	var table string
	var column *string
	if _, err := pgx.ForEachRow(rows, []any{&table, &column}, func() error {
		reads = append(reads, "SELECT 1 FROM "+table+" LIMIT 1")
		if column != nil {
			writes = append(writes, fmt.Sprintf("UPDATE %s SET %s = %s WHERE false", table, *column, *column))
		}
		return nil
	}); err != nil {
		return nil, nil, fmt.Errorf("list tables: %w", err)
	}
	return reads, writes, nil
}

// client is a connection that asks and asks, and remembers its longest wait.
type client struct {
	queries []string
	mu      sync.Mutex
	worst   time.Duration
	since   time.Time
}

// run sends queries until its context ends. It no longer queries what a migration has
// removed.
func (c *client) run(running context.Context, conn *pgx.Conn) error {
	for running.Err() == nil && len(c.queries) > 0 {
		var left []string
		for _, q := range c.queries {
			c.begin()
			// Not stopped in the middle: the last wait counts too.
			_, err := conn.Exec(context.WithoutCancel(running), q)
			c.end()
			if _, gone := errors.AsType[*pgconn.PgError](err); gone {
				continue
			}
			if err != nil {
				return fmt.Errorf("ask as a client: %w", err)
			}
			left = append(left, q)
			if running.Err() != nil {
				break
			}
		}
		c.queries = left
	}
	return nil
}

func (c *client) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.since = time.Now()
}

func (c *client) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.worst = max(c.worst, time.Since(c.since))
}

// reset returns the longest wait so far, and begins anew.
func (c *client) reset() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	worst := c.worst
	c.worst = 0
	return worst
}

// apply runs a migration as its mode says, without measuring. The measured run has
// already reported its failures.
func apply(ctx context.Context, config *pgx.ConnConfig, m migrations.Migration) error {
	return with(ctx, config, func(conn *pgx.Conn) error {
		script := m.SQL
		if m.Mode == migrations.Batched {
			return nil // batches of their own size, measured one by one
		}
		if m.Mode == migrations.Whole {
			script = "BEGIN;\n" + strings.TrimRight(script, "; \n\t") + ";\nCOMMIT"
			_, err := conn.Exec(ctx, script)
			return onlyContext(ctx, err)
		}
		for _, s := range m.Statements {
			if _, err := conn.Exec(ctx, s.SQL); err != nil {
				return onlyContext(ctx, err)
			}
		}
		return nil
	})
}

// onlyContext drops an error of the server, which the measured run has reported.
func onlyContext(ctx context.Context, err error) error {
	if _, refused := errors.AsType[*pgconn.PgError](err); refused {
		return ctx.Err()
	}
	return err
}
