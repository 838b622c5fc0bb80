package deploy

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// process is a run of the program in the world: it can be killed, and its calls
// can be made to fail.
type process struct {
	*world
	Pipeline
	dead bool
	// expired: its credentials have ended.
	expired bool
	// checkedOut is the commit of the checkout; empty: the newest.
	checkedOut string
	step       StepName
	seen       map[point]int
	inject     map[point]fault
	points     []point
	calls      []string
	cancel     context.CancelFunc
	hits       int
	// failure is the error that is injected; nil: another one.
	failure error
	events  []Event
}

// point is a call of a step: the first, the second …
type point struct {
	step StepName
	call string
	nth  int
}

type fault string

const (
	none          fault = ""
	fails         fault = "error"
	throttled     fault = "throttle"
	throttledLate fault = "throttle after effect"
	timesOut      fault = "timeout"
	cancelled     fault = "cancel"
	cancelledLate fault = "cancel after effect"
	killed        fault = "kill"
	killedLate    fault = "kill after effect"
	// denied lasts for the step, expired for the rest of the process.
	denied  fault = "denied"
	expired fault = "credentials end"
)

var (
	errInjected = errors.New("AccessDenied: injected")
	errKilled   = errors.New("this process was killed")
)

// start returns a process that has done nothing yet.
func (w *world) start() *process {
	w.started++
	random := rand.New(rand.NewPCG(w.started, 1))
	p := &process{world: w, seen: map[point]int{}, inject: map[point]fault{}}
	p.Pipeline = Pipeline{
		Platform: w.platform, Environment: w.env,
		Images: p, TaskDefinitions: p, Services: p, Scaling: p, Deployments: p, Schedules: p, Tasks: p, Infrastructure: p,
		Secrets: p, Health: p, Checkout: p, History: p, Lock: p, Collector: p, Origin: p, Notifier: p,
		Observe: p.observe, Random: random.Float64,
	}
	return p
}

func (p *process) observe(e Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.dead {
		p.step = e.Step
		p.events = append(p.events, e)
	}
}

// call is every call of every port: it takes its time, and may fail.
func call[T any](ctx context.Context, p *process, name, args string, effect func() (T, error)) (T, error) {
	var zero T
	if err := ctx.Err(); err != nil {
		return zero, err
	}
	p.mu.Lock()
	if p.dead {
		p.mu.Unlock()
		return zero, errKilled
	}
	at := point{step: p.step, call: name}
	p.seen[at]++
	at.nth = p.seen[at]
	p.points = append(p.points, at)
	if name != "Renew" {
		p.calls = append(p.calls, strings.TrimSpace(fmt.Sprintf("%s: %s %s", at.step, name, args)))
	}
	f, latency := p.faultAt(at), p.latency
	p.mu.Unlock()
	timer := time.NewTimer(latency)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return zero, ctx.Err()
	}
	p.mu.Lock()
	p.expired = p.expired || f == expired
	ended := p.expired
	p.mu.Unlock()
	if ended && name != "Notify" && name != "Get" {
		return zero, Access(errors.New("ExpiredToken: injected"), "ExpiredToken", "")
	}
	if f == denied {
		return zero, Access(errors.New("AccessDenied: injected"), "AccessDenied", "aws:"+name)
	}
	if p.watch == nil {
		return finish(ctx, p, f, effect)
	}
	return finish(ctx, p, f, func() (T, error) {
		p.watch(p, name)
		return effect()
	})
}

func finish[T any](ctx context.Context, p *process, f fault, effect func() (T, error)) (T, error) {
	var zero T
	if f == timesOut {
		<-ctx.Done()
		return zero, ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return zero, errKilled
	}
	p.advance()
	failure := errInjected
	if p.failure != nil {
		failure = p.failure
	}
	switch f {
	case fails:
		return zero, failure
	case throttled:
		return zero, Transient(fmt.Errorf("ThrottlingException: %w", failure))
	case killed:
		p.dead = true
		return zero, errKilled
	case cancelled:
		p.cancel()
		if ctx.Err() != nil {
			return zero, ctx.Err()
		}
	}
	v, err := effect()
	switch f {
	case throttledLate:
		return zero, Transient(errors.New("connection reset: injected"))
	case killedLate:
		p.dead = true
		return zero, errKilled
	case cancelledLate:
		p.cancel()
	}
	return v, err
}

// faultAt is the fault of a call. An error and a timeout stay for the rest of
// the step; throttling ends after three tries.
func (p *process) faultAt(at point) fault {
	for nth := at.nth; nth > 0; nth-- {
		f := p.inject[point{at.step, at.call, nth}]
		late := at.nth - nth
		switch {
		case f == none:
			continue
		case late == 0, f == fails, f == denied, f == timesOut, f == throttled && late < 3, f == throttledLate && late < 2:
			p.hits++
			return f
		}
		return none
	}
	return none
}

func ignore[T any](_ T, err error) error { return err }

// promote and rollback run the process to its end.
func (p *process) promote(ctx context.Context, q Request) (Record, error) {
	return p.run(ctx, q, p.Promote)
}

func (p *process) rollback(ctx context.Context, q Request) (Record, error) {
	return p.run(ctx, q, p.Rollback)
}

func (p *process) run(ctx context.Context, q Request, f func(context.Context, Request) (Record, error)) (Record, error) {
	ctx, p.cancel = context.WithCancel(ctx)
	defer p.cancel()
	if q.Actor == "" {
		q.Actor = "ada"
	}
	if q.Why == "" {
		q.Why = "release"
	}
	return f(ctx, q)
}
