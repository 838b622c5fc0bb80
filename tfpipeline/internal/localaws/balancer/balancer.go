// Package balancer is Elastic Load Balancing's application load balancer as a
// reverse proxy on loopback ports: it routes requests by the rules of its
// listeners to targets that pass their health checks, and lets those that
// leave finish what they have begun.
//
// # What it models
//
//   - Listener rules in the order of their priorities, with conditions on
//     path, host and method, and the actions forward (with weights), redirect
//     and fixed response:
//     https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-rules.html
//   - Health checks with interval, timeout, matcher and thresholds; a new
//     target must pass one; requests go to unhealthy targets if a group has no
//     healthy one:
//     https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
//   - Deregistration: no new requests, those in flight have the deregistration
//     delay to end, and are cut off then; the state is draining for the whole
//     delay:
//     https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-target-group-attributes.html#deregistration-delay
//   - The idle time-out, even in the middle of a response:
//     https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-load-balancer-attributes.html
//   - Errors: 502 for a target that closes or refuses the connection, 503
//     without a target, 504 without an answer in time. Nothing is tried twice:
//     https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html
//   - The headers X-Forwarded-For, -Proto and -Port:
//     https://docs.aws.amazon.com/elasticloadbalancing/latest/application/x-forwarded-headers.html
//
// AWS does not document how soon its nodes learn that a target has left.
// Options.Lag is our guess: for that long, the target still gets new requests.
//
// # What it does not
//
// TLS: an HTTPS listener answers plain HTTP on its loopback port; to its targets,
// X-Forwarded-Proto says https. Authentication, Lambda and instance targets,
// stickiness, slow start, other conditions (a rule with one answers 501 and names
// it), access logs, HTTP/2 and gRPC to targets, zones, and security groups. Of WAF,
// only the limit of an address's requests is modelled; each listener counts by itself.
package balancer

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// Options say what the load balancers are like. Read is required.
type Options struct {
	// Read gives the configuration as it is now. It is called at the start and
	// after Refresh, from one goroutine.
	Read func(context.Context) (Configuration, error)
	// Speed divides the intervals between health checks and the deregistration
	// delays, so that a deployment does not take minutes on a laptop; 0 and 1 are
	// as on AWS. Time-outs are not divided.
	Speed int
	// Second is how long a second of the idle time-out takes; 1 s if 0.
	Second time.Duration
	// Lag is how long a target still gets new requests after its
	// deregistration.
	Lag time.Duration
	// Warn is told of configuration that cannot be read or is not modelled;
	// may be nil.
	Warn func(error)
}

// Balancers are all load balancers and target groups of a region, and the
// Targets of an ECS runtime. Its methods may be called from any goroutine.
type Balancers struct {
	options Options
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	dirty   chan struct{}
	running sync.WaitGroup

	mu        sync.Mutex // guards all below; never held while calling a report function
	groups    map[string]*group
	listeners map[string]*listener // by ARN
	balancers []LoadBalancer
	closed    bool
}

// standardIdle is the idle time-out, in seconds, of a load balancer that sets none:
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-load-balancer-attributes.html
const standardIdle = 60

// keepAlive is how long a connection stays open that carries no request.
const keepAlive = 60 * time.Second

// Changes within settleTime lead to one read. A read that fails, because something
// is being deleted, is repeated after retryTime; when that many retries have failed,
// Warn is called.
const (
	settleTime = 50 * time.Millisecond
	retryTime  = 200 * time.Millisecond
	retries    = 5
)

// New starts the load balancers of the configuration, and follows its changes.
func New(o Options) *Balancers {
	if o.Speed < 1 {
		o.Speed = 1
	}
	if o.Warn == nil {
		o.Warn = func(error) {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	b := &Balancers{
		options: o, ctx: ctx, cancel: cancel, dirty: make(chan struct{}, 1),
		groups: map[string]*group{}, listeners: map[string]*listener{},
	}
	b.running.Go(b.follow)
	b.Refresh()
	return b
}

// Refresh makes the configuration be read again soon.
func (b *Balancers) Refresh() {
	select {
	case b.dirty <- struct{}{}:
	default:
	}
}

// Close stops all load balancers; requests in flight are cut off.
func (b *Balancers) Close() {
	b.mu.Lock()
	b.closed = true
	open := b.listeners
	b.listeners = map[string]*listener{}
	b.mu.Unlock()
	b.cancel()
	for _, l := range open {
		l.server.Close()
	}
	b.running.Wait()
}

// follow reads the configuration whenever it may have changed.
func (b *Balancers) follow() {
	failed := 0
	for {
		select {
		case <-b.ctx.Done():
			return
		case <-b.dirty:
		}
		wait := settleTime
		if failed > 0 {
			wait = retryTime
		}
		settle := time.NewTimer(wait)
		select {
		case <-b.ctx.Done():
			settle.Stop()
			return
		case <-settle.C:
		}
		c, err := b.options.Read(b.ctx)
		switch {
		case err == nil:
			failed = 0
			b.apply(c)
		case failed < retries:
			failed++
			b.Refresh()
		default:
			failed = 0
			b.options.Warn(err)
		}
	}
}

// apply opens and closes listeners so that they are as the configuration says.
func (b *Balancers) apply(c Configuration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	b.balancers = c.LoadBalancers
	exists := map[string]bool{}
	for _, g := range c.Groups {
		exists[g.ARN] = true
		b.group(g.ARN).settings = g
	}
	for arn, g := range b.groups {
		if !exists[arn] && len(g.targets) == 0 {
			delete(b.groups, arn)
		}
	}
	wanted := map[string]bool{}
	for _, lb := range c.LoadBalancers {
		for _, l := range lb.Listeners {
			wanted[l.ARN] = true
			if open := b.listeners[l.ARN]; open != nil {
				open.set(l)
				continue
			}
			if err := b.open(l); err != nil {
				b.options.Warn(err)
			}
		}
	}
	for arn, l := range b.listeners {
		if !wanted[arn] {
			delete(b.listeners, arn)
			l.server.Close()
		}
	}
}

// listener answers on one loopback port for one listener of a load balancer.
type listener struct {
	balancers *Balancers
	address   string // host:port
	server    *http.Server
	rates     rates

	mu     sync.Mutex
	config Listener
	count  Count
}

// open starts a listener; the lock is held.
func (b *Balancers) open(config Listener) error {
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	l := &listener{balancers: b, address: socket.Addr().String(), config: config}
	l.server = &http.Server{Handler: l, ReadHeaderTimeout: time.Minute, IdleTimeout: keepAlive}
	b.listeners[config.ARN] = l
	b.running.Go(func() { _ = l.server.Serve(socket) }) // until it is closed
	return nil
}

func (l *listener) set(config Listener) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.config = config
}
