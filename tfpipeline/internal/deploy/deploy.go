// Package deploy is the domain of the pipeline: a release goes to all services
// of an environment or to none, and every end of it is named.
//
// Promote and Rollback are lists of named steps. What they need of
// the world are the small interfaces beside the nouns they speak of; adapters
// implement them. The package calls no SDK, starts no process and prints
// nothing: it tells an observer what happens, and returns a Record and an
// *Error that says which step failed, how things were left and what to do next.
//
// What every adapter keeps to:
//
//   - An adapter belongs to one environment.
//   - It retries what AWS says may be retried. If that does not help, it
//     returns an error made by Transient; whoever waits here goes on waiting
//     after such an error until its time is up, and gives up on any other soon.
//   - It returns when the context ends, with the context's error.
//   - A map by service lacks the services that AWS does not know.
package deploy

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/migrations"
	"github.com/specboard/platform/tfpipeline/internal/redact"
)

// Pipeline is an environment with everything that a promotion needs of the
// world. All fields are required but those whose comment says what nil or the zero
// value means; Origin is required only if the environment asks for a proof.
type Pipeline struct {
	Platform    config.Platform
	Environment string

	Images          Images
	TaskDefinitions TaskDefinitions
	Services        Services
	Scaling         Scaling
	Deployments     Deployments
	Schedules       Schedules
	Tasks           Tasks
	Infrastructure  Infrastructure
	Secrets         Secrets
	Health          Health
	Checkout        Checkout
	History         History
	Lock            Lock
	Collector       Collector
	// Freezer tells whether promotions are refused; nil: never.
	Freezer Freezer
	// Origin is the environment that a proof comes from.
	Origin Origin
	// Notifier tells people how an attempt ended; nil tells nobody.
	Notifier Notifier
	// Observe is told what happens, from one goroutine at a time; nil: nobody.
	Observe func(Event)
	// InFlight is told at each step, and after each change, what an interrupt would
	// leave; nil: nobody. Insisted is closed when an interrupted attempt is to be
	// recorded before it has ended; nil: never.
	InFlight func(InFlight)
	Insisted <-chan struct{}
	// Random gives numbers in [0,1) for jitter and for ids; nil means
	// math/rand. It is called from one goroutine at a time.
	Random func() float64
	// Redactor hides secrets in what is observed and recorded. Its zero value
	// hides what looks like one.
	Redactor redact.Redactor
	// Limits bound every wait; zero fields mean DefaultLimits.
	Limits Limits

	drawn sync.Mutex // guards Random: operations of one pipeline may overlap
}

// Request is what a person or a workflow asks for.
type Request struct {
	// Tag names the release; Commit is the full commit. A promotion needs one
	// of them: a tag is peeled to its commit. A rollback takes either as the
	// release to go to; none means the last good one before the current.
	Tag, Commit string
	// ID is the attempt's, made by NewID; "" has one made.
	ID string
	// Actor is who asks, Caller the ARN of the credentials if AWS told it, RunURL
	// where the log is.
	Actor, Caller, RunURL string
	// Why is told to whoever finds the lock held.
	Why string

	// Reviewed is the fingerprint of the plan that was approved; any other
	// plan is refused. Empty: no plan was reviewed.
	Reviewed string
	// OverrideProof is the reason for promoting without a proof.
	OverrideProof string
	// Force promotes a rejected release, or rolls back past a contract
	// migration. What it overrode is recorded, with ForceReason if there is one.
	Force       bool
	ForceReason string
	// Forward makes a promotion change nothing if a newer release runs, instead of
	// rolling back to the older one.
	Forward bool
	// WithMigrations makes a rollback run the target's migrations.
	WithMigrations bool
	// DryRun walks every check and stops before the first change.
	DryRun bool
	// Timeout bounds everything from the lock to the verification, besides the
	// health window; 0 means Limits.Total.
	Timeout time.Duration
	// CredentialsEnd is when the credentials expire; zero if they are
	// renewed, or if nobody knows. An attempt whose time limit is later does not begin.
	CredentialsEnd time.Time
	// LockWait is how long to wait for a lock that somebody holds; 0 means
	// Limits.LockWait, less than 0 not at all.
	LockWait time.Duration
}

// Limits are the bounds and paces of every wait.
type Limits struct {
	// Total bounds a promotion from lock to verification, besides the health window.
	Total time.Duration
	// LockWait is how long an attempt waits for a lock that somebody holds.
	LockWait time.Duration
	// Lease is how long a lock lives without being renewed; it is renewed
	// three times in that span.
	Lease time.Duration
	// Tick is the longest pause between two looks at what is waited for.
	Tick time.Duration
	// Backoff is the longest pause after transient errors.
	Backoff time.Duration
	// Settle bounds the wait for services that another run, an apply or an
	// earlier attempt set in motion.
	Settle time.Duration
	// Confirm is how long ECS has to show the same thing before it counts as a fact, if
	// no deployment proves it. A read of ECS lags behind a write by less than this.
	Confirm time.Duration
	// Verify bounds how long digests, targets and the URL may take to be right
	// once ECS calls every deployment successful.
	Verify time.Duration
	// Window is how long a release has to stay healthy; 0 means the
	// environment's own.
	Window time.Duration
	// RollBack bounds the return to the previous task definitions.
	RollBack time.Duration
	// Finish bounds each of record, unlock and notify, and the stop of a
	// migration that took too long.
	Finish time.Duration
	// Collect bounds the gathering of evidence.
	Collect time.Duration
}

// lag is the time by which a read of ECS may lag behind a write, in most cases.
func (l Limits) lag() time.Duration { return l.Confirm / 6 }

// DefaultLimits suit AWS.
func DefaultLimits() Limits {
	return Limits{
		Total:    time.Hour,
		LockWait: 15 * time.Minute,
		Lease:    time.Minute,
		Tick:     2 * time.Second,
		Backoff:  30 * time.Second,
		Settle:   15 * time.Minute,
		Confirm:  time.Minute,
		Verify:   5 * time.Minute,
		RollBack: 20 * time.Minute,
		Finish:   2 * time.Minute,
		Collect:  30 * time.Second,
	}
}

// Schema is a list of migrations, in the order of their numbers.
type Schema []migrations.Migration

// operation is anything that is done with a pipeline: an attempt, a change under
// the lease, a task by hand. It says what happens, tries again what may be tried
// again, and waits no longer than its limits.
type operation struct {
	*Pipeline
	limits Limits
	begun  time.Time

	emitted sync.Mutex // guards step, and that events come one by one
	step    StepName
}

// begin begins an operation, whose first events belong to a step.
func (p *Pipeline) begin(s StepName) *operation {
	return &operation{Pipeline: p, limits: p.Limits.orDefault(), begun: time.Now(), step: s}
}

// newID is an id for the operation, if nobody gave it one.
func (o *operation) newID(given string) string {
	if given != "" {
		return given
	}
	return NewID(o.begun, o.random)
}

// within is how long the operation may take: as asked, or else Limits.Total.
func (o *operation) within(asked time.Duration) time.Duration {
	if asked > 0 {
		return asked
	}
	return o.limits.Total
}

// window is how long a release has to stay healthy in an environment.
func (o *operation) window(env config.Environment) time.Duration {
	return cmp.Or(o.limits.Window, o.Platform.Window(env))
}

// most is the time limit of work that ends with a health window: the window is added to
// the time that was asked for.
func (o *operation) most(asked time.Duration, env config.Environment) timeUp {
	return timeUp{o.within(asked), o.window(env)}
}

// enter says which step events belong to from here on. The lock's renewals emit
// some too.
func (o *operation) enter(s StepName) {
	o.emitted.Lock()
	defer o.emitted.Unlock()
	o.step = s
}

func (o *operation) emit(e Event) {
	if o.Observe == nil {
		return
	}
	o.emitted.Lock()
	defer o.emitted.Unlock()
	e.Time, e.Environment = time.Now(), o.Environment
	e.Message = o.Redactor.Hide(e.Message)
	if e.Step == "" {
		e.Step = o.step
	}
	o.Observe(e)
}

func (o *operation) note(format string, args ...any) {
	o.emit(Event{Kind: EventNote, Message: fmt.Sprintf(format, args...)})
}

func (o *operation) warn(format string, args ...any) {
	o.emit(Event{Kind: EventWarning, Message: fmt.Sprintf(format, args...)})
}

// random draws a number in [0,1).
func (o *operation) random() float64 {
	o.drawn.Lock()
	defer o.drawn.Unlock()
	if o.Random == nil {
		return rand.Float64()
	}
	return o.Random()
}

// NewID is an id as Record.ID has it. random gives numbers in [0,1).
func NewID(begun time.Time, random func() float64) string {
	letters := make([]byte, 6)
	for i := range letters {
		letters[i] = 'a' + byte(random()*26)
	}
	return begun.UTC().Format("20060102T150405Z") + "-" + string(letters)
}

// pause waits; false if the context ended first. Up to a tenth of it is left
// out at random, so that runs that began together do not call together.
func (o *operation) pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d - time.Duration(o.random()*float64(d)/10))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// backoff is a pause that doubles with every transient error in a row.
type backoff struct {
	most, last time.Duration
}

func (b *backoff) next() time.Duration {
	b.last = min(max(2*b.last, firstLook), b.most)
	return b.last
}

// retry calls f until it succeeds, fails for good, or the context ends. Every function
// that is passed to it can be called twice.
func retry[T any](ctx context.Context, o *operation, f func(context.Context) (T, error)) (T, error) {
	b := backoff{most: o.limits.Backoff}
	for {
		v, err := f(ctx)
		if err == nil || !IsTransient(err) {
			return v, err
		}
		if b.last == 0 {
			o.warn("trying again: %v", err)
		}
		if !o.pause(ctx, b.next()) {
			return v, because(ctx, err)
		}
	}
}

// retryCall is retry for what returns no value.
func (o *operation) retryCall(ctx context.Context, f func(context.Context) error) error {
	_, err := retry(ctx, o, func(ctx context.Context) (struct{}, error) { return struct{}{}, f(ctx) })
	return err
}

// finishing is a context for what has to be done even if the attempt's own has
// ended.
func (o *operation) finishing(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(context.WithoutCancel(ctx), o.limits.Finish, timeUp{after: o.limits.Finish})
}

// timeUp is the cause of a context that a time limit ended.
type timeUp struct {
	after  time.Duration
	window time.Duration // a health window, which comes on top
}

func (t timeUp) total() time.Duration { return t.after + t.window }

func (t timeUp) Error() string {
	text := "not done within " + t.after.String()
	if t.window > 0 {
		text += fmt.Sprintf(" besides the health window of %v", t.window)
	}
	return text
}

// orDefault fills in what is zero.
func (l Limits) orDefault() Limits {
	d := DefaultLimits()
	for _, f := range []struct{ limit, standard *time.Duration }{
		{&l.Total, &d.Total}, {&l.LockWait, &d.LockWait}, {&l.Lease, &d.Lease}, {&l.Tick, &d.Tick},
		{&l.Backoff, &d.Backoff}, {&l.Settle, &d.Settle}, {&l.Verify, &d.Verify}, {&l.RollBack, &d.RollBack},
		{&l.Finish, &d.Finish}, {&l.Collect, &d.Collect}, {&l.Confirm, &d.Confirm},
	} {
		if *f.limit == 0 {
			*f.limit = *f.standard
		}
	}
	return l
}
