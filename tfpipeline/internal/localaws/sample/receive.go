package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/jackc/pgx/v5"
)

// receiver handles each message of a queue one time, however often it is
// delivered: the database knows which were handled, and learns of it in the
// transaction that does the work.
type receiver struct {
	behaviour
	client   *sqs.Client
	queue    string // its URL
	database *pgx.ConnConfig
	alive    string // the file whose age says whether it works
	stdout   io.Writer
	handled  atomic.Int64
	crashed  chan struct{} // closed at the message at which it crashes
}

// A receiver asks for messages for two seconds at a time, and one that cannot work
// tries again after one. One that has not come round for half a minute is ill.
const (
	receiveWait  = 2 * time.Second
	receiveRetry = time.Second
	aliveFor     = 30 * time.Second
	receiveLimit = 20 * time.Second
)

// tables hold what was handled, and the work: one row for every time that a
// message was handled. Two tasks may begin at the same time.
const tables = `
SELECT pg_advisory_xact_lock(7241);
DO $$ BEGIN
	IF to_regclass('handled') IS NULL THEN -- who may not make tables waits for who may
		CREATE TABLE received (queue text, id text, PRIMARY KEY (queue, id));
		CREATE TABLE handled (queue text, body text, release text);
	END IF;
END $$;`

func newReceiver(ctx context.Context, b behaviour, stdout io.Writer) (*receiver, error) {
	r := &receiver{behaviour: b, stdout: stdout, alive: aliveFile(b.get), crashed: make(chan struct{})}
	var err error
	if r.client, r.queue, err = openQueue(ctx, b.get, b.receive); err != nil {
		return nil, err
	}
	if r.database, err = database(b.get); err != nil {
		return nil, err
	}
	return r, nil
}

// openQueue finds a queue's URL in its variable.
func openQueue(ctx context.Context, get func(string) string, name string) (client *sqs.Client, url string, err error) {
	variable := strings.ToUpper(strings.ReplaceAll(name, "-", "_")) + "_QUEUE_URL"
	if url = get(variable); url == "" {
		return nil, "", fmt.Errorf("open the queue %s: %s is not set", name, variable)
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, "", fmt.Errorf("open the queue %s: %w", name, err)
	}
	return sqs.NewFromConfig(cfg), url, nil
}

// send sends up to ten messages, all or an error.
func send(ctx context.Context, get func(string) string, queue string, bodies []string) error {
	client, url, err := openQueue(ctx, get, queue)
	if err != nil {
		return err
	}
	in := &sqs.SendMessageBatchInput{QueueUrl: &url}
	for i, body := range bodies {
		in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), MessageBody: &body})
	}
	out, err := client.SendMessageBatch(ctx, in)
	if err != nil {
		return fmt.Errorf("send %d messages: %w", len(bodies), err)
	}
	for _, f := range out.Failed {
		err = errors.Join(err, fmt.Errorf("send message %s: %s", aws.ToString(f.Id), aws.ToString(f.Message)))
	}
	return err
}

// database is where the platform's variables say. Its errors do not show the
// password.
func database(get func(string) string) (*pgx.ConnConfig, error) {
	host := get("DB_HOST")
	if host == "" {
		return nil, errors.New("find the database: DB_HOST is not set")
	}
	address := url.URL{Scheme: "postgres", Host: net.JoinHostPort(host, cmp.Or(get("DB_PORT"), "5432")), User: url.User(get("DB_USER")), Path: get("DB_NAME"),
		RawQuery: url.Values{"sslmode": {cmp.Or(get("DB_SSLMODE"), "prefer")}}.Encode()}
	c, err := pgx.ParseConfig(address.String())
	if err != nil {
		return nil, fmt.Errorf("find the database: %w", err)
	}
	c.Password = get("DB_PASSWORD")
	return c, nil
}

// work handles messages until ctx ends, and then ends with those that it has.
func (r *receiver) work(ctx context.Context) {
	var db *pgx.Conn
	for ctx.Err() == nil {
		err := r.round(ctx, &db)
		if err == nil {
			continue
		}
		fmt.Fprintf(r.stdout, "sample: %v\n", err)
		if db != nil {
			_ = db.Close(context.WithoutCancel(ctx)) // a new one is opened
			db = nil
		}
		_ = wait(ctx, receiveRetry) // the loop asks whether it is to end
	}
	if db != nil {
		_ = db.Close(context.WithoutCancel(ctx)) // nothing is left to be done on it
	}
	_ = os.Remove(r.alive) // a file in the temporary folder
}

// round receives some messages and handles them. It is not interrupted: a message on
// its way to a receiver that has gone would stay hidden until its visibility timeout.
func (r *receiver) round(ctx context.Context, db **pgx.Conn) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), receiveLimit)
	defer cancel()
	if *db == nil {
		c, err := pgx.ConnectConfig(ctx, r.database)
		if err != nil {
			return fmt.Errorf("connect to the database: %w", err)
		}
		*db = c
		if _, err := c.Exec(ctx, tables); err != nil {
			return fmt.Errorf("make the tables: %w", err)
		}
	}
	if err := os.WriteFile(r.alive, nil, 0o600); err != nil {
		return fmt.Errorf("say that it works: %w", err)
	}
	out, err := r.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &r.queue, MaxNumberOfMessages: 10, WaitTimeSeconds: int32(receiveWait / time.Second)})
	if err != nil || len(out.Messages) == 0 {
		return err //nolint:wrapcheck // it names the operation
	}
	return r.handle(ctx, *db, out.Messages)
}

// handle does the work of messages that are new, notes all, and deletes them.
func (r *receiver) handle(ctx context.Context, db *pgx.Conn, messages []types.Message) error {
	var ids, bodies []string
	var entries []types.DeleteMessageBatchRequestEntry
	for i, m := range messages {
		if n := r.handled.Add(1); r.crashAt > 0 && n >= int64(r.crashAt) {
			if n == int64(r.crashAt) {
				close(r.crashed)
			}
			<-ctx.Done()     // it is over in an instant
			return ctx.Err() //nolint:wrapcheck // nobody reads it
		}
		if err := wait(ctx, r.slow); err != nil {
			return fmt.Errorf("handle a message: %w", ctx.Err())
		}
		ids, bodies = append(ids, aws.ToString(m.MessageId)), append(bodies, aws.ToString(m.Body))
		entries = append(entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), ReceiptHandle: m.ReceiptHandle})
	}
	if _, err := db.Exec(ctx, `
WITH new AS (INSERT INTO received (queue, id) SELECT $1, unnest($2::text[]) ORDER BY 2 ON CONFLICT DO NOTHING RETURNING id)
INSERT INTO handled (queue, body, release) SELECT $1, m.body, $4 FROM unnest($2::text[], $3::text[]) AS m (id, body) JOIN new USING (id)`,
		r.receive, ids, bodies, r.release); err != nil {
		return fmt.Errorf("handle %d messages: %w", len(messages), err)
	}
	out, err := r.client.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &r.queue, Entries: entries})
	if err != nil {
		return fmt.Errorf("delete %d messages: %w", len(messages), err)
	}
	for _, f := range out.Failed {
		fmt.Fprintf(r.stdout, "sample: a message was not deleted, so it comes again: %s\n", aws.ToString(f.Message))
	}
	return nil
}

// idle is the work of a worker without a queue: it says that it works, for check.
func idle(ctx context.Context, alive string) {
	pace := time.NewTicker(aliveFor / 3)
	defer pace.Stop()
	for ctx.Err() == nil {
		_ = os.WriteFile(alive, nil, 0o600) // without the file check fails
		select {
		case <-ctx.Done():
		case <-pace.C:
		}
	}
	_ = os.Remove(alive) // a file in the temporary folder
}

// aliveFile is where a worker says that it works. Tasks that share a folder have
// names of their own.
func aliveFile(get func(string) string) string {
	return filepath.Join(os.TempDir(), "sample-"+cmp.Or(get("HOSTNAME"), "worker")+".alive")
}

// check is the health command of a worker: it works while it asks for messages, or
// while it runs, if it has no queue.
func check(get func(string) string, stderr io.Writer) int {
	info, err := os.Stat(aliveFile(get))
	if err != nil || time.Since(info.ModTime()) > aliveFor {
		fmt.Fprintln(stderr, "sample: check: the worker has said nothing of itself lately")
		return 1
	}
	return 0
}

// report is a scheduled task: it says how many messages were handled.
func report(ctx context.Context, get func(string) string, stdout, stderr io.Writer) int {
	failed := func(err error) int {
		fmt.Fprintf(stderr, "sample: report: %v\n", err)
		return 1
	}
	ctx, cancel := context.WithTimeout(ctx, receiveLimit)
	defer cancel()
	c, err := database(get)
	if err != nil {
		return failed(err)
	}
	db, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return failed(err)
	}
	defer func() { _ = db.Close(context.WithoutCancel(ctx)) }() // what it had to say is said
	n := 0
	if _, err := db.Exec(ctx, tables); err != nil {
		return failed(err)
	}
	if err := db.QueryRow(ctx, "SELECT count(*) FROM handled").Scan(&n); err != nil {
		return failed(err)
	}
	fmt.Fprintf(stdout, "%d messages were handled\n", n)
	return 0
}
