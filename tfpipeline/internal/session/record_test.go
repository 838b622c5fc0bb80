package session

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/ecs"
)

// A statement of any length is recorded whole, in lines that CloudWatch takes.
func TestRecordOfALongStatement(t *testing.T) {
	t.Parallel()
	var lines []record
	logs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".PutLogEvents") {
			var in struct {
				LogEvents []struct{ Message string }
			}
			if err := json.Unmarshal(body, &in); err != nil {
				t.Error(err)
			}
			size := 0
			for _, e := range in.LogEvents {
				var line record
				if err := json.Unmarshal([]byte(e.Message), &line); err != nil {
					t.Error(err)
				}
				lines = append(lines, line)
				size += len(e.Message) + 26 // as CloudWatch counts a batch, of which an event was the half
			}
			if size > 256<<10 {
				t.Errorf("a batch of %d bytes", size)
			}
		}
		_, _ = io.WriteString(w, "{}")
	}))
	defer logs.Close()
	cluster, err := ecs.New(aws.Config{
		Region: "eu-central-1", BaseEndpoint: &logs.URL, Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	}, configtest.Docs(), "staging", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"select 1", strings.Repeat("<ß\x01>", 300_000), strings.Repeat("\x80", 1<<20+1), "select 'secret-of-staging'; " + strings.Repeat("insert into t values (1);\n", 50_000)} {
		lines = nil
		r := &record{Verb: "db", of: Entrance{ECS: cluster, Hide: func(s string) string { return strings.ReplaceAll(s, "secret-of-staging", "***") }}, stream: "s"}
		if err := r.statement(t.Context(), text); err != nil {
			t.Fatal(err)
		}
		var whole strings.Builder
		for i, line := range lines {
			whole.WriteString(line.Statement)
			if len(lines) > 1 && (line.Part != i+1 || line.Parts != len(lines)) || len(lines) == 1 && line.Parts != 0 || line.Event != "statement" {
				t.Errorf("line %d of %d: %s, part %d of %d", i+1, len(lines), line.Event, line.Part, line.Parts)
			}
		}
		if want := strings.ToValidUTF8(strings.ReplaceAll(r.of.Hide(text), "\x80", "\ufffd"), ""); whole.String() != want || (len(text) > 1<<20) != (len(lines) > 1) {
			t.Errorf("%d bytes in %d lines, want %d", whole.Len(), len(lines), len(want))
		}
		if r.Statement != "" || r.Parts != 0 {
			t.Error("the end would repeat the statement")
		}
	}
}
