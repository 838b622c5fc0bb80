package balancer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs"
)

// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html

// watch checks the health of a target until it is deregistered.
func (b *Balancers) watch(t *target) {
	checker := &http.Client{
		// Each check has a connection of its own, as on AWS.
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	passed, failed := 0, 0
	for {
		b.mu.Lock()
		settings, state := t.group.settings, t.state
		b.mu.Unlock()
		if state.State == "draining" || state.State == "unused" || t.ctx.Err() != nil {
			return
		}
		wrong := settings.Check.try(t.ctx, checker, t.Target)
		if t.ctx.Err() != nil {
			return
		}
		if wrong == nil {
			passed, failed = passed+1, 0
		} else {
			passed, failed = 0, failed+1
		}
		b.judge(t, verdict(state, settings.Check, passed, failed, wrong))
		timer := time.NewTimer(settings.Check.Interval / time.Duration(b.options.Speed))
		select {
		case <-t.ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// verdict is the state of a target after it has passed, or failed, so many
// checks in a row.
func verdict(state ecs.TargetState, c Check, passed, failed int, wrong *ecs.TargetState) ecs.TargetState {
	switch {
	case passed > 0 && (state.State == "initial" || passed >= c.Healthy):
		return ecs.TargetState{State: "healthy"}
	case failed >= c.Unhealthy:
		return *wrong
	}
	return state
}

// judge changes the state of a target that is still registered.
func (b *Balancers) judge(t *target, s ecs.TargetState) {
	b.mu.Lock()
	changed := t.state.State != "draining" && t.state.State != "unused" && t.state != s
	if changed {
		t.state = s
	}
	b.mu.Unlock()
	if changed {
		t.report(time.Now(), s)
	}
}

// try checks a target a single time, and returns why it failed.
func (c Check) try(ctx context.Context, client *http.Client, t ecs.Target) *ecs.TargetState {
	failed := func(reason, format string, args ...any) *ecs.TargetState {
		return &ecs.TargetState{State: "unhealthy", Reason: reason, Description: fmt.Sprintf(format, args...)}
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	port := c.Port
	if port == 0 {
		port = t.Port
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(t.ID, strconv.Itoa(port))+c.Path, nil)
	if err != nil {
		return failed("Target.FailedHealthChecks", "Health checks failed")
	}
	r.Header.Set("User-Agent", "ELB-HealthChecker/2.0")
	res, err := client.Do(r)
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			return failed("Target.Timeout", "Request timed out")
		}
		return failed("Target.FailedHealthChecks", "Health checks failed")
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20)) // the status is what counts
	if !c.accepts(res.StatusCode) {
		return failed("Target.ResponseCodeMismatch", "Health checks failed with these codes: [%d]", res.StatusCode)
	}
	return nil
}

// accepts reports whether the matcher holds a status code.
func (c Check) accepts(status int) bool {
	for part := range strings.SplitSeq(c.Matcher, ",") {
		low, high, ok := strings.Cut(strings.TrimSpace(part), "-")
		if !ok {
			high = low
		}
		from, ferr := strconv.Atoi(low)
		to, terr := strconv.Atoi(high)
		if ferr == nil && terr == nil && from <= status && status <= to {
			return true
		}
	}
	return false
}
