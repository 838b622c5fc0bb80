package deploy

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/migrations"
)

// world is everything that a pipeline needs, in memory and on the clock of the
// bubble it is made in. It outlives the processes that act on it.
type world struct {
	mu          sync.Mutex
	platform    config.Platform
	env         string
	latency     time.Duration
	services    map[string]*fakeService
	definitions map[string]*fakeDefinition // by ARN
	deployments map[string]*fakeDeployment
	tasks       map[string]*fakeTask // by ARN
	minimums    map[string]int
	records     []Record
	journals    map[string][]byte
	lease       *Lease
	versions    int
	images      map[string][]string // service → digests that the registry holds
	kept        []string            // tags given to images
	schema      Schema
	planned     Plan
	applied     []string // fingerprints
	history     []string // commits, the oldest first
	tags        map[string]string
	empty       []string // secrets without a value
	past        map[string][]PastDeployment
	notified    []Record
	unhealthy   map[string]bool   // services whose targets fail
	templates   map[string]string // of Terraform, by name; others are the first revision
	onApply     func()
	// serves is a digest that a service's tasks run, whatever they should.
	serves map[string]string

	// behave says what becomes of the tasks of an image; nil: they are healthy
	// after 30 s.
	behave func(service, digest string) behaviour
	// taskEnds is how a one-off task ends; nil: after 20 s, with code 0.
	taskEnds func(name string, n int) taskEnd
	serial   int
	started  uint64 // processes
}

// behaviour is what a deployment does.
type behaviour struct {
	after time.Duration
	fails bool
	// noRollback: the circuit breaker stops it, and ECS brings nothing back.
	noRollback bool
	stuck      bool
	// rollbackFails: ECS cannot bring back what ran before.
	rollbackFails bool
	reason        string
}

type taskEnd struct {
	after    time.Duration
	code     *int
	reason   string
	capacity bool
	log      []string
}

const (
	accountARN = "arn:aws:ecs:us-west-2:123456789012:"
	testEnv    = "production"
)

// commitOf is the full commit of a release's tag in the world.
func commitOf(tag string) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(tag)))[:40]
}

func digestOf(service, commit string) string {
	return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(service+commit)))
}

func newWorld() *world {
	w := &world{
		platform: config.Default(), env: testEnv, latency: 10 * time.Millisecond,
		services: map[string]*fakeService{}, definitions: map[string]*fakeDefinition{}, deployments: map[string]*fakeDeployment{},
		tasks: map[string]*fakeTask{}, minimums: map[string]int{}, journals: map[string][]byte{}, images: map[string][]string{},
		tags: map[string]string{}, past: map[string][]PastDeployment{}, unhealthy: map[string]bool{}, templates: map[string]string{}, serves: map[string]string{},
		planned: Plan{Fingerprint: "fp-none", Empty: true},
	}
	w.create()
	for _, tag := range []string{"v1.0", "v1.1", "v1.2"} {
		w.release(tag)
	}
	return w
}

// create makes the services, as Terraform does: at zero, with the placeholder.
func (w *world) create() {
	for _, s := range w.platform.Services {
		template := w.define(s.Name, "placeholder")
		w.services[s.Name] = &fakeService{name: s.Name, definition: template, completed: template}
		w.minimums[s.Name] = 0
	}
	for _, t := range w.platform.Tasks {
		w.define(t.Name, "placeholder")
	}
}

// release builds a release and lets it prove itself.
func (w *world) release(tag string) {
	commit := commitOf(tag)
	w.tags[tag] = commit
	w.history = append(w.history, commit)
	for _, s := range w.platform.Services {
		digest := digestOf(s.Name, commit)
		w.images[s.Name] = append(w.images[s.Name], digest)
		w.past[s.Name] = []PastDeployment{{
			ARN: "staging-" + s.Name + "-" + tag, Revision: "revision-" + tag, Digest: digest, State: DeploymentSuccessful,
			Created: time.Now().Add(-time.Hour), Finished: time.Now().Add(-50 * time.Minute),
		}}
	}
}

// process is a run of the program in the world: it can be killed, and its calls
// can be made to fail.
type process struct {
	*world
	Pipeline
	dead bool
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
		Images: p, TaskDefinitions: p, Services: p, Scaling: p, Deployments: p, Tasks: p, Infrastructure: p,
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
	f := p.faultAt(at)
	p.mu.Unlock()
	timer := time.NewTimer(p.latency)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return zero, ctx.Err()
	}
	return finish(ctx, p, f, effect)
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
		case late == 0, f == fails, f == timesOut, f == throttled && late < 3, f == throttledLate && late < 2:
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

// The checkout, and what stands around it.

func (p *process) Head(ctx context.Context) (string, []string, error) {
	commit, err := call(ctx, p, "Head", "", func() (string, error) { return p.head(), nil })
	return commit, nil, err
}

// head is the commit that the process was started for.
func (p *process) head() string {
	if p.checkedOut != "" {
		return p.checkedOut
	}
	return p.history[len(p.history)-1]
}

func (p *process) Peel(ctx context.Context, tag string) (string, error) {
	return call(ctx, p, "Peel", tag, func() (string, error) {
		if c, ok := p.tags[tag]; ok {
			return c, nil
		}
		return "", fmt.Errorf("there is no tag %s", tag)
	})
}

func (p *process) Contains(ctx context.Context, descendant, ancestor string) (bool, error) {
	return call(ctx, p, "Contains", "", func() (bool, error) {
		d, a := slices.Index(p.history, descendant), slices.Index(p.history, ancestor)
		return a >= 0 && d >= a, nil
	})
}

func (p *process) Schema(ctx context.Context) (Schema, error) {
	return call(ctx, p, "Schema", "", func() (Schema, error) { return p.schema, nil })
}

func (p *process) Plan(ctx context.Context) (Plan, error) {
	return call(ctx, p, "Plan", "", func() (Plan, error) { return p.planned, nil })
}

func (p *process) Apply(ctx context.Context) error {
	return ignore(call(ctx, p, "Apply", p.planned.Fingerprint, func() (struct{}, error) {
		p.applied = append(p.applied, p.planned.Fingerprint)
		p.planned = Plan{Fingerprint: "fp-none", Empty: true}
		if p.onApply != nil {
			p.onApply()
		}
		return struct{}{}, nil
	}))
}

func (p *process) Outputs(ctx context.Context) (Outputs, error) {
	return call(ctx, p, "Outputs", "", func() (Outputs, error) {
		o := Outputs{Templates: map[string]string{}, Placements: map[string]Placement{}}
		for _, s := range p.platform.Services {
			o.Templates[s.Name] = p.arn(s.Name, 1)
		}
		for _, t := range p.platform.Tasks {
			o.Templates[t.Name] = p.arn(t.Name, 1)
			o.Placements[t.Name] = Placement{Subnets: []string{"subnet-1"}, SecurityGroups: []string{"sg-" + t.Name}}
		}
		maps.Copy(o.Templates, p.templates)
		return o, nil
	})
}

func (p *process) Empty(ctx context.Context, names []string) ([]string, error) {
	return call(ctx, p, "Empty", "", func() ([]string, error) { return p.empty, nil })
}

func (p *process) Past(ctx context.Context, services []string) (map[string][]PastDeployment, error) {
	return call(ctx, p, "Past", "", func() (map[string][]PastDeployment, error) { return p.past, nil })
}

func (p *process) Notify(ctx context.Context, r Record) error {
	return ignore(call(ctx, p, "Notify", string(r.Outcome), func() (struct{}, error) {
		p.notified = append(p.notified, r)
		return struct{}{}, nil
	}))
}

// contract is a contract migration.
func contract(number int, name, since string) migrations.Migration {
	return migrations.Migration{Number: number, Name: name, Header: migrations.Header{Phase: migrations.Contract, UnusedSince: since}}
}
