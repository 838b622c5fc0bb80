package balancer

import (
	"net/http/httptest"
	"testing"
	"time"
)

func TestRates(t *testing.T) {
	var r rates
	start := time.Unix(1_800_000_000, 0)
	for i, c := range []struct {
		address string
		after   time.Duration
		want    bool
	}{
		{"a", 0, false},
		{"a", time.Minute, false},
		{"a", 2 * time.Minute, true},
		{"b", 2 * time.Minute, false},
		{"a", 4 * time.Minute, true},
		{"a", 9*time.Minute + 30*time.Second, false},
	} {
		if got := r.exceeds(c.address, start.Add(c.after), 2); got != c.want {
			t.Errorf("request %d, of %s after %s: refused %v", i, c.address, c.after, got)
		}
	}
}

func TestLimited(t *testing.T) {
	l := &listener{config: Listener{Rate: 2, Rules: []Rule{{Action: Action{Fixed: &Fixed{Status: 200}}}}}}
	var got []int
	for range 4 {
		w := httptest.NewRecorder()
		l.ServeHTTP(w, httptest.NewRequest("GET", "http://specboard.io/", nil))
		got = append(got, w.Code)
	}
	if got[0] != 200 || got[1] != 200 || got[2] != 429 || got[3] != 429 {
		t.Errorf("answers %v", got)
	}
}
