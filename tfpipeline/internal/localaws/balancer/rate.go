package balancer

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// AWS WAF looks back so far for a rate-based rule, and counts in such steps:
// https://docs.aws.amazon.com/waf/latest/developerguide/waf-rule-statement-type-rate-based.html
const (
	rateWindow = 5 * time.Minute
	rateStep   = 10 * time.Second
)

// rates counts the requests of each address within the window.
type rates struct {
	mu   sync.Mutex
	seen map[string]map[int64]int // by address and step
}

// exceeds counts a request, and reports whether its address has made more than limit
// within the window. Requests that are refused count as well.
func (r *rates) exceeds(address string, now time.Time, limit int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil {
		r.seen = map[string]map[int64]int{}
	}
	steps := r.seen[address]
	if steps == nil {
		steps = map[int64]int{}
		r.seen[address] = steps
	}
	step := now.UnixNano() / int64(rateStep)
	steps[step]++
	total := 0
	for at, n := range steps {
		if at <= step-int64(rateWindow/rateStep) {
			delete(steps, at)
			continue
		}
		total += n
	}
	return total > limit
}

// limited answers a request with 429 if its address makes too many.
func (l *listener) limited(w http.ResponseWriter, r *http.Request, limit int) bool {
	if limit == 0 {
		return false
	}
	address, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		address = r.RemoteAddr
	}
	if !l.rates.exceeds(address, time.Now(), limit) {
		return false
	}
	w.WriteHeader(http.StatusTooManyRequests)
	return true
}
