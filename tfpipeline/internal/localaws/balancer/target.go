package balancer

import (
	"context"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs"
)

// group is a target group with its targets.
type group struct {
	settings TargetGroup
	targets  []*target
	next     int // whose turn it is
}

// target is one registered address.
type target struct {
	ecs.Target
	group  *group
	state  ecs.TargetState
	until  time.Time // draining: until then it may get new requests
	report func(time.Time, ecs.TargetState)

	ctx       context.Context // ends when requests in flight are cut off
	cut       context.CancelFunc
	transport *http.Transport
}

func (t *target) address() string { return net.JoinHostPort(t.ID, strconv.Itoa(t.Port)) }

// group finds or makes one; the lock is held.
func (b *Balancers) group(arn string) *group {
	g := b.groups[arn]
	if g == nil {
		g = &group{settings: defaults(arn)}
		b.groups[arn] = g
	}
	return g
}

// Register adds a target and begins to check its health.
func (b *Balancers) Register(arn string, where ecs.Target, at time.Time, report func(time.Time, ecs.TargetState)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	ctx, cut := context.WithCancel(b.ctx)
	g := b.group(arn)
	t := &target{
		Target: where, group: g, state: ecs.TargetInitial, report: report, ctx: ctx, cut: cut,
		transport: &http.Transport{
			MaxIdleConnsPerHost: 256, DisableCompression: true, IdleConnTimeout: keepAlive,
			DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		},
	}
	g.targets = append(g.targets, t)
	b.running.Go(func() { b.watch(t) })
}

// Deregister drains a target, and removes it in the end.
func (b *Balancers) Deregister(arn string, where ecs.Target, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	g := b.groups[arn]
	if g == nil || b.closed {
		return
	}
	for _, t := range g.targets {
		if t.Target != where || t.state.State == "draining" {
			continue
		}
		if t.state.State == "healthy" {
			t.until = time.Now().Add(b.options.Lag)
		}
		t.state = ecs.TargetDraining
		delay := t.group.settings.Delay / time.Duration(b.options.Speed)
		b.running.Go(func() { b.drain(t, delay) })
	}
}

// drain waits for the deregistration delay, and removes the target.
func (b *Balancers) drain(t *target, delay time.Duration) {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-b.ctx.Done():
	}
	b.mu.Lock()
	t.group.targets = slices.DeleteFunc(t.group.targets, func(o *target) bool { return o == t })
	t.state = ecs.TargetUnused
	b.mu.Unlock()
	t.cut()
	t.transport.CloseIdleConnections()
	t.report(time.Now(), ecs.TargetUnused)
}

// Health is the state of a group's targets; ok is false if there is no such
// group.
func (b *Balancers) Health(arn string) (all []ecs.TargetHealth, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	g := b.groups[arn]
	if g == nil {
		return nil, false
	}
	all = []ecs.TargetHealth{}
	for _, t := range g.targets {
		all = append(all, ecs.TargetHealth{Target: t.Target, TargetState: t.state})
	}
	return all, true
}

// choose returns the next target of a group in turn: a healthy one; an
// unhealthy one if none is healthy; nil if there is none at all.
func (b *Balancers) choose(arn string) *target {
	b.mu.Lock()
	defer b.mu.Unlock()
	g := b.groups[arn]
	if g == nil {
		return nil
	}
	now := time.Now()
	for _, fit := range []func(*target) bool{
		func(t *target) bool {
			return t.state.State == "healthy" || t.state.State == "draining" && now.Before(t.until)
		},
		func(t *target) bool { return t.state.State == "unhealthy" },
	} {
		for range g.targets {
			g.next = (g.next + 1) % len(g.targets)
			if t := g.targets[g.next]; fit(t) {
				return t
			}
		}
	}
	return nil
}
