package root

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/endpoint"
	"github.com/specboard/platform/tfpipeline/internal/state"
)

// TestTokenStep holds what follows each state that a killed run can leave.
func TestTokenStep(t *testing.T) {
	stored := time.Date(2026, 11, 27, 2, 0, 0, 0, time.UTC)
	rotated, set := stored.Add(time.Minute), stored.Add(time.Hour)
	accepted := acceptedAt(rotated)
	for name, c := range map[string]struct {
		token cacheToken
		want  tokenStep
	}{
		"nothing is pending":                      {cacheToken{created: stored}, tokenDone},
		"the first is stored":                     {cacheToken{stages: []string{pendingLabel, currentLabel}, created: stored}, tokenRotate},
		"another is stored":                       {cacheToken{stages: []string{pendingLabel}, created: stored, modified: stored.Add(-time.Hour), older: true}, tokenRotate},
		"the cache accepts it, killed there":      {cacheToken{stages: []string{pendingLabel}, created: stored, modified: rotated, older: true}, tokenPublish},
		"tasks read it, killed there":             {cacheToken{stages: []string{pendingLabel, currentLabel}, created: stored, modified: rotated, older: true}, tokenPublish},
		"labelled accepted, and not current":      {cacheToken{stages: []string{pendingLabel, accepted}, created: stored, modified: rotated}, tokenPublish},
		"tasks have the one before":               {cacheToken{stages: []string{pendingLabel, currentLabel, accepted}, created: stored, modified: rotated, older: true}, tokenWait},
		"every task has it":                       {cacheToken{stages: []string{pendingLabel, currentLabel, accepted}, created: stored, modified: rotated}, tokenSet},
		"it is the only one, killed there":        {cacheToken{stages: []string{pendingLabel, currentLabel, accepted}, created: stored, modified: set}, tokenFinish},
		"the only one, and a task of before runs": {cacheToken{stages: []string{pendingLabel, currentLabel, accepted}, created: stored, modified: set, older: true}, tokenFinish},
	} {
		if got := c.token.next(); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestContinuedTokenLock: a lock without an attempt's id would outlive a run that was
// killed, since nobody takes it over.
func TestContinuedTokenLock(t *testing.T) {
	var lock state.StateLock
	answer := func(q *http.Request) (int, string) {
		body, err := io.ReadAll(q.Body)
		switch {
		case err != nil:
			t.Error(err)
		case q.Method == http.MethodPost: // Secrets Manager
			return http.StatusOK, `{"VersionIdsToStages": {"a": ["AWSPENDING"]}}`
		case q.Method == http.MethodGet:
			return http.StatusNotFound, "<Error><Code>NoSuchKey</Code></Error>"
		case json.Unmarshal(body, &lock) != nil:
			t.Errorf("the lock is %s", body)
		}
		return http.StatusForbidden, "<Error><Code>AccessDenied</Code></Error>"
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		status, body := answer(q)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	defer server.Close()
	p := configtest.Docs()
	p.CacheTokenVersion = 1
	r := &Root{Name: "staging", roots: &Roots{Options: Options{
		Platform: p, Cloud: Cloud{Target: Local, Config: endpoint.Access{URL: server.URL, Region: p.Region, Key: "x"}.Config()},
		Console: &console.Console{Out: io.Discard, Err: io.Discard},
	}}}
	for _, attempt := range []string{"", "20261127T020000Z-x"} {
		if err := r.continueToken(t.Context(), Choices{Operation: Apply, attempt: attempt}); err == nil {
			t.Fatal("no lock was given, and the token was changed")
		}
		if got := lock.Attempt(); got == "" || attempt != "" && got != attempt {
			t.Errorf("the lock of attempt %q is %q's", attempt, got)
		}
	}
}

// Before the first token is accepted, no task may start that has it.
func TestTheFirstTokenDoesNotWait(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]bool{
		&windowError{"g", "EngineVersion", false}: true, &windowError{"g", "EngineVersion", true}: false, io.EOF: false,
	} {
		if got := mayWait(err); got != want {
			t.Errorf("%v: %v", err, got)
		}
	}
}
