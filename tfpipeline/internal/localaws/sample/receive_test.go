package main

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/specboard/platform/migrations/scratch"
)

// mailbox is a queue that delivers every message until it is deleted, and refuses to
// delete at first, so that all of them come twice.
type mailbox struct {
	mu       sync.Mutex
	messages []string
	refusals int
	asked    chan struct{} // gets one for each delivery
}

func (m *mailbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	answer := map[string]any{}
	switch _, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), "."); operation {
	case "ReceiveMessage":
		var all []map[string]string
		for _, body := range m.messages[:min(len(m.messages), 10)] {
			sum := md5.Sum([]byte(body))
			all = append(all, map[string]string{"MessageId": "id of " + body, "ReceiptHandle": body, "Body": body, "MD5OfBody": hex.EncodeToString(sum[:])})
		}
		if len(all) > 0 {
			answer["Messages"] = all
			select {
			case m.asked <- struct{}{}:
			default:
			}
		}
	case "DeleteMessageBatch":
		var in struct {
			Entries []struct{ Id, ReceiptHandle string }
		}
		_ = json.NewDecoder(r.Body).Decode(&in)
		var done, failed []map[string]any
		for _, e := range in.Entries {
			if m.refusals > 0 {
				failed = append(failed, map[string]any{"Id": e.Id, "Code": "InternalError", "SenderFault": false, "Message": "not now"})
				continue
			}
			done = append(done, map[string]any{"Id": e.Id})
			m.messages = slices.DeleteFunc(m.messages, func(body string) bool { return body == e.ReceiptHandle })
		}
		m.refusals--
		answer = map[string]any{"Successful": done, "Failed": failed}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// left is how many messages were not deleted.
func (m *mailbox) left() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.messages)
}

// TestReceive: whatever comes twice is handled one time, a crash loses nothing, and
// a worker that is told to end finishes what it has.
// A worker without a queue is healthy as long as it runs.
func TestIdle(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	s, env := &sample{}, []string{"HOSTNAME=here"}
	check := func() int { return run(t.Context(), []string{"check"}, env, s, s) }
	if code := check(); code != 1 {
		t.Errorf("the check of a worker that does not run: exit %d", code)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, nil, env, s, s) }()
	for check() != 0 {
		if err := wait(t.Context(), 10*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	if code := <-ended; code != 0 || check() != 1 {
		t.Errorf("after its end with %d, the check says it works: %s", code, s.said())
	}
}

func TestReceive(t *testing.T) {
	if os.Getenv("E2E") == "" {
		t.Skip("needs PostgreSQL: run make e2e")
	}
	server, err := scratch.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close(context.WithoutCancel(t.Context())) })
	box := &mailbox{refusals: 1, asked: make(chan struct{}, 1)}
	var all []string
	for i := range 25 {
		all = append(all, fmt.Sprint(i))
	}
	box.messages = slices.Clone(all)
	queue := httptest.NewServer(box)
	t.Cleanup(queue.Close)
	t.Setenv("AWS_ENDPOINT_URL", queue.URL)
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "key")
	t.Setenv("AWS_REGION", "us-west-2")
	t.Setenv("TMPDIR", t.TempDir())
	where := server.Config("postgres")
	env := []string{"HOSTNAME=here", "LATE_MAIL_QUEUE_URL=" + queue.URL + "/1/mail", "DB_HOST=" + where.Host, "DB_PORT=" + fmt.Sprint(where.Port),
		"DB_USER=" + where.User, "DB_NAME=postgres", "DB_PASSWORD=" + where.Password}
	s := &sample{}
	works := func(ctx context.Context, want int, args ...string) {
		t.Helper()
		if code := run(ctx, append([]string{"-receive", "late-mail", "-release", "v1"}, args...), env, s, s); code != want {
			t.Fatalf("%v: exit %d, want %d: %s", args, code, want, s.said())
		}
	}
	if code := run(t.Context(), []string{"check"}, env, s, s); code != 1 {
		t.Errorf("the check of a worker that does not run: exit %d", code)
	}
	works(t.Context(), 7, "-crash-at", "13", "-exit-code", "7")
	if !strings.Contains(s.said(), "told to crash at message 13") || box.left() != 25 {
		t.Errorf("%d messages are left: %s", box.left(), s.said())
	}

	ctx, stop := context.WithCancel(t.Context())
	go func() {
		defer stop()
		for range 2 { // the second delivery is under way when it is told to end
			select {
			case <-box.asked:
			case <-t.Context().Done():
			}
		}
		if code := run(t.Context(), []string{"check"}, env, s, s); code != 0 {
			t.Errorf("the check of a worker that runs: exit %d: %s", code, s.said())
		}
	}()
	works(ctx, 0, "-slow", "20ms")
	db, err := pgx.ConnectConfig(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close(context.WithoutCancel(t.Context())) })
	done := 0
	if err := db.QueryRow(t.Context(), "SELECT count(*) FROM handled").Scan(&done); err != nil || done == 0 || done+box.left() != 25 {
		t.Errorf("when it was told to end, %d were handled and %d left: %v: %s", done, box.left(), err, s.said())
	}
	ctx, stop = context.WithCancel(t.Context())
	go func() {
		defer stop()
		for box.left() > 0 && wait(t.Context(), 10*time.Millisecond) == nil {
		}
	}()
	works(ctx, 0)
	if code := run(t.Context(), []string{"report"}, env, s, s); code != 0 || !strings.Contains(s.said(), "25 messages were handled") {
		t.Errorf("report: exit %d: %s", code, s.said())
	}
	rows, err := db.Query(t.Context(), "SELECT body FROM handled WHERE queue = 'late-mail' AND release = 'v1'")
	if err != nil {
		t.Fatal(err)
	}
	handled, err := pgx.CollectRows(rows, pgx.RowTo[string])
	slices.Sort(handled)
	slices.Sort(all)
	if err != nil || !slices.Equal(handled, all) {
		t.Errorf("handled %v, %v", handled, err)
	}
}
