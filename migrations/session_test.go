package migrations

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// TestPooler puts a proxy before the server that does what poolers do: it
// hands out a process id of its own.
func TestPooler(t *testing.T) {
	config := database(t, "")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			network, address := pgconn.NetworkAddress(config.Host, config.Port)
			server, err := net.Dial(network, address)
			if err != nil {
				client.Close()
				return
			}
			go func() { io.Copy(server, client); server.Close() }()
			go func() { renumber(client, server); client.Close() }()
		}
	}()
	pooled := config.Copy()
	pooled.Host, pooled.Port = "127.0.0.1", uint16(listener.Addr().(*net.TCPAddr).Port)
	list := files(t, "CREATE TABLE a ()")
	_, err = Up(t.Context(), pooled, list, quick())
	if err == nil || !strings.Contains(err.Error(), "a connection pooler stands before the database") {
		t.Fatalf("error %v", err)
	}
	mustUp(t, config, list, quick())
}

// renumber copies messages and adds one to the process id in BackendKeyData.
func renumber(to io.Writer, from io.Reader) {
	for {
		head := make([]byte, 5)
		if _, err := io.ReadFull(from, head); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(head[1:])-4)
		if _, err := io.ReadFull(from, body); err != nil {
			return
		}
		if head[0] == 'K' {
			binary.BigEndian.PutUint32(body, binary.BigEndian.Uint32(body)+1)
		}
		if _, err := to.Write(append(head, body...)); err != nil {
			return
		}
	}
}

// TestConnectionLost cuts the runner's session inside a migration, as a
// failover does: the error says what is left, and the next run goes on.
func TestConnectionLost(t *testing.T) {
	config := database(t, "")
	list := files(t, "CREATE TABLE a (); SELECT pg_sleep(30)")
	conn := dial(t, config)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	defer func() { cancel(); <-done }()
	go func() {
		defer close(done)
		for rest(ctx, 20*time.Millisecond) == nil {
			_, _ = conn.Exec(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'")
		}
	}()
	_, err := Up(t.Context(), config, list, quick())
	partial, ok := errors.AsType[*PartialError](err)
	if !ok || partial.Interrupted() || !strings.Contains(err.Error(), "left: nothing of it") || !strings.Contains(err.Error(), "next: the server ended the session") {
		t.Fatalf("error %v", err)
	}
	mustUp(t, config, files(t, "CREATE TABLE a ()"), quick())
}

// TestAutovacuumGivesWay: a vacuum that PostgreSQL started by itself gives way
// to whoever waits for longer than the runner ever does, so that it must be
// asked.
func TestAutovacuumGivesWay(t *testing.T) {
	config := database(t, "")
	list := files(t, `CREATE TABLE a (id int, pad text) WITH (autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0, autovacuum_analyze_threshold = 2000000000, autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1);
		INSERT INTO a SELECT i, repeat('x', 1000) FROM generate_series(1, 7000) i`,
		"ALTER TABLE a ADD COLUMN x int")
	mustUp(t, config, list[:1], quick())
	conn := dial(t, config)
	mustExec(t, conn, "DELETE FROM a WHERE id % 2 = 0")
	until(t, "autovacuum works on the table", func() bool {
		return value[int](t, conn, "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE a.backend_type = 'autovacuum worker' AND l.relation = 'a'::regclass AND l.mode = 'ShareUpdateExclusiveLock'") > 0
	})
	mustUp(t, config, list, quick())
	if ended := value[int](t, conn, "SELECT autovacuum_count FROM pg_stat_user_tables WHERE relname = 'a'"); ended != 0 {
		t.Error("the migration waited for the end of the vacuum")
	}
}
