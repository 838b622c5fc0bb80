package deploy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/specboard/platform/gen/config"
)

// Promote brings a release to every service, or leaves all of them with what they ran.
// If the release is older than the current one, this is a rollback, as the record's
// Kind says. A promotion that was killed or interrupted is continued by the same
// request.
//
// The error, if any, is an *Error. The record is complete in either case.
func (p *Pipeline) Promote(ctx context.Context, q Request) (Record, error) {
	return p.attempt(ctx, KindPromote, q)
}

// Rollback brings an earlier release back to every service: by its recorded
// task definitions, without Terraform and without a build. It takes over what
// an interrupted or broken attempt left.
//
// The error, if any, is an *Error. The record is complete in either case.
func (p *Pipeline) Rollback(ctx context.Context, q Request) (Record, error) {
	return p.attempt(ctx, KindRollback, q)
}

// attempt is one promotion or rollback at work.
type attempt struct {
	*operation
	request  Request
	env      config.Environment
	services []string // in the platform's order

	journal Journal
	history *history
	// from is what this run takes over from the one that left the lock.
	from continuation
	// own is how far this run itself has come.
	own Phase
	// rolling are the services once they are updated, or rolled back.
	rolling *rollout
	// adopted: the record is that of an attempt that had done all that was asked for.
	adopted  bool
	lease    *heldLease
	flight   *flight
	evidence Evidence
	refusal  error // why the attempt failed
	// unrecorded: the request named no release, so there is nothing to record.
	unrecorded bool
}

// record is the attempt's record so far.
func (a *attempt) record() *Record { return &a.journal.Record }

func (p *Pipeline) attempt(ctx context.Context, kind Kind, q Request) (Record, error) {
	a := &attempt{operation: p.begin(StepLock), request: q}
	a.history = &history{operation: a.operation}
	*a.record() = Record{
		Version: RecordVersion, Kind: kind, Environment: p.Environment,
		Actor: q.Actor, Caller: q.Caller, RunURL: q.RunURL, Started: a.begun,
		Release: Release{Tag: q.Tag, Commit: q.Commit},
	}
	a.record().ID = a.newID(q.ID)
	if err := a.check(); err != nil {
		return a.refuse(ctx, err)
	}
	return a.run(ctx)
}

// check finds what is wrong with a request before anything is looked at.
func (a *attempt) check() error {
	var problems []error
	env, ok := a.Platform.Environment(a.Environment)
	if !ok {
		problems = append(problems, fmt.Errorf("environment %q is none of the platform's", a.Environment))
	}
	a.env = env
	a.services = a.Platform.ServiceNames()
	if a.record().Kind == KindPromote && a.request.Tag == "" && a.request.Commit == "" {
		problems = append(problems, errors.New("a promotion needs the tag of a release or a commit"))
	}
	if env.Proof != nil && a.Origin == nil && a.record().Kind == KindPromote {
		problems = append(problems, fmt.Errorf("environment %q asks for a proof from %q, which cannot be looked at", env.Name, env.Proof.From))
	}
	if end, most := a.request.CredentialsEnd, a.begun.Add(a.most(a.request.Timeout, env).total()); !end.IsZero() && end.Before(most) && !a.request.DryRun {
		problems = append(problems, &AccessError{Err: fmt.Errorf("they are valid until %s, and this may take until %s",
			end.UTC().Format(time.RFC3339), most.UTC().Format(time.RFC3339))})
	}
	return errors.Join(problems...)
}

// run goes through the steps. From resolve on, they may be those of a rollback instead
// of a promotion.
func (a *attempt) run(ctx context.Context) (Record, error) {
	work, end := context.WithCancelCause(ctx)
	defer end(nil)
	a.lease = &heldLease{operation: a.operation, most: a.most(a.request.Timeout, a.env), end: end}
	defer a.lease.stop()
	a.flight = newFlight(a.operation, a.lease)
	defer context.AfterFunc(ctx, func() { a.flight.mark(ctx) })()
	if a.request.DryRun {
		a.lease.limit() // a dry run takes no lock, which would start the limit
	}
	promotion, rollback := a.steps()
	for i := 0; ; i++ {
		steps := promotion
		if a.record().Kind == KindRollback {
			steps = rollback
		}
		if i == len(steps) {
			break
		}
		s := steps[i]
		switch {
		case a.from.how == howDone:
			*a.record(), a.from, a.adopted = *a.from.record, continuation{}, true
			a.note("%s was brought to every service by %s, which could not give the lock back", a.record().Release, a.record().ID)
			i = slices.IndexFunc(steps, func(s step) bool { return s.name == StepUnlock })
			s = steps[i]
		case a.journal.Phase == PhaseRollingBack:
			return a.fail(ctx, a.journal.FailedStep, errors.New(a.journal.Failure))
		}
		if s.name == StepRecord {
			a.flight.land(ctx) // an interrupt comes too late to stop anything
		}
		superseded := a.record().SupersededBy != nil
		if superseded && !s.name.ends() {
			continue
		}
		if a.request.DryRun && s.name.changes() {
			if !superseded {
				a.note("every check has passed; a dry run changes nothing")
			}
			a.record().Outcome = Untouched
			a.record().Ended = time.Now()
			break
		}
		if err := a.do(work, s); err != nil {
			return a.fail(ctx, s.name, err)
		}
	}
	a.ended()
	return hideRecord(a.Redactor, *a.record()), nil
}

func (a *attempt) do(ctx context.Context, s step) error {
	began := time.Now()
	a.enter(s.name)
	a.journal.Step = s.name
	a.tellInFlight()
	a.emit(Event{Kind: EventStep})
	err := s.run(ctx)
	if !s.name.ends() { // the step record stores the record, so later steps are not in it
		a.timed(s.name, began)
	}
	kind := EventDone
	message := ""
	if err != nil {
		err = because(ctx, err)
		kind, message = EventFailed, err.Error()
	}
	e := Event{Kind: kind, Message: message, Elapsed: time.Since(began)}
	if s.name == StepResolve {
		r := hideRecord(a.Redactor, *a.record())
		e.Record = &r
	}
	a.emit(e)
	return err
}

// timed notes a step that has ended.
func (a *attempt) timed(s StepName, began time.Time) {
	a.record().Steps = append(slices.Clip(a.record().Steps), StepTime{s, began, time.Now()})
}

// because adds the cause that ended a context to the error that followed from it.
func because(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	if cause == nil || errors.Is(err, cause) {
		return err
	}
	return fmt.Errorf("%w: %w", cause, err)
}

// enterPhase notes that this run has come to a phase. What it continues may have come
// further.
func (a *attempt) enterPhase(p Phase) {
	a.own, a.journal.Phase = p, max(a.journal.Phase, p)
}

// ended tells the observer how the attempt ended.
func (a *attempt) ended() {
	r := hideRecord(a.Redactor, *a.record())
	a.emit(Event{Kind: EventEnd, Message: string(r.Outcome), Elapsed: time.Since(a.begun), Record: &r})
}

// StepName is the name of a step, in records, errors and events.
type StepName string

const (
	StepLock      StepName = "lock"
	StepResolve   StepName = "resolve"
	StepPreflight StepName = "preflight"
	StepPlan      StepName = "plan"
	StepMigrate   StepName = "migrate"
	StepApply     StepName = "apply"
	StepRegister  StepName = "register"
	StepUpdate    StepName = "update"
	StepWatch     StepName = "watch"
	StepVerify    StepName = "verify"
	StepRecord    StepName = "record"
	StepUnlock    StepName = "unlock"
	StepNotify    StepName = "notify"

	// StepRollBack is no step of its own: it follows a failure of update, watch
	// or verify.
	StepRollBack StepName = "roll back"
)

// step is one part of an attempt. If the attempt continues an earlier one, the step
// finds in the journal what that one has done of it, and does the rest.
type step struct {
	name StepName
	run  func(context.Context) error
}

// steps are those of a promotion and of a rollback, in order, with what they hand
// on to one another. No service changes its release before update. The first two
// are the same, since the promotion of an older release becomes a rollback in
// resolve. A dry run ends with plan. That of a rollback ends with preflight, since a
// rollback uses neither Terraform nor a build.
func (a *attempt) steps() (promotion, rollback []step) {
	var (
		digests     map[string]string // by service, as are those below
		found       *checks
		planned     Plan
		revisions   map[string]string
		services    *rollout
		deployments map[string]string
	)
	lock := step{StepLock, a.lock}
	resolve := step{StepResolve, func(ctx context.Context) (err error) { digests, err = a.resolve(ctx); return err }}
	preflight := step{StepPreflight, func(ctx context.Context) (err error) { found, err = a.preflight(ctx); return err }}
	migrate := step{StepMigrate, func(ctx context.Context) error { return a.migrate(ctx, found.outputs, found.contracts) }}
	deploy := []step{
		{StepUpdate, func(ctx context.Context) (err error) {
			services, deployments, err = a.update(ctx, revisions)
			return err
		}},
		{StepWatch, func(ctx context.Context) error {
			a.enterPhase(PhaseWatching)
			return services.watch(ctx, deployments)
		}},
		{StepVerify, func(ctx context.Context) error { return a.verify(ctx, services, digests) }},
		{StepRecord, a.store},
		{StepUnlock, func(ctx context.Context) error { a.settleLock(ctx, ""); return nil }}, // if this fails, the lease expires
		{StepNotify, a.notify},
	}
	promotion = append([]step{
		lock, resolve, preflight,
		{StepPlan, func(ctx context.Context) (err error) { planned, err = a.plan(ctx); return err }},
		migrate,
		{StepApply, func(ctx context.Context) error { return a.apply(ctx, planned, found) }},
		{StepRegister, func(ctx context.Context) (err error) { revisions, err = a.register(ctx, found); return err }},
	}, deploy...)
	rollback = append([]step{
		lock, resolve, preflight, migrate,
		{StepRegister, func(ctx context.Context) (err error) { revisions, err = a.reregister(ctx, found.outputs); return err }},
	}, deploy...)
	return promotion, rollback
}

// Steps returns the names of the steps of an attempt, in their order; none for a
// restart or a scale.
func Steps(kind Kind) []StepName {
	if kind != KindPromote && kind != KindRollback {
		return nil
	}
	steps, rollback := new(attempt).steps()
	if kind == KindRollback {
		steps = rollback
	}
	var names []StepName
	for _, s := range steps {
		names = append(names, s.name)
	}
	return names
}

// changes reports whether a dry run stops before this step.
func (s StepName) changes() bool {
	switch s {
	case StepLock, StepResolve, StepPreflight, StepPlan:
		return false
	default:
		return true
	}
}

// ends reports whether a step concludes an attempt that has nothing to do.
func (s StepName) ends() bool { return s == StepRecord || s == StepNotify || s == StepUnlock }

// Event is something that happened, for whoever watches.
type Event struct {
	Time time.Time `json:"time"`
	// Environment is the one that is changed.
	Environment string    `json:"environment"`
	Kind        EventKind `json:"kind"`
	// Step is the one at work; StepRollBack while services are rolled back.
	Step StepName `json:"step,omitempty"`
	// Service is the service or one-off task that the event is about, if any.
	Service string `json:"service,omitempty"`
	// Message is a sentence without a full stop.
	Message string `json:"message,omitempty"`
	// Elapsed is how long a step that ended took; for EventEnd, the whole attempt.
	Elapsed time.Duration `json:"elapsed_ns,omitempty"`
	// Deployment is a service's deployment as last seen, for EventDeployment.
	Deployment *Deployment `json:"deployment,omitempty"`
	// Record is the attempt's record so far; set for EventEnd, and at the end of the
	// step resolve.
	Record *Record `json:"record,omitempty"`
}

// EventKind is what an event is about.
type EventKind string

const (
	// EventStep and EventDone frame a step; EventFailed ends one that failed.
	EventStep   EventKind = "step"
	EventDone   EventKind = "done"
	EventFailed EventKind = "failed"
	// EventNote is a line of progress, EventWarning one that needs attention.
	EventNote    EventKind = "note"
	EventWarning EventKind = "warning"
	// EventWait: waiting for a lock or for somebody else's deployment.
	EventWait EventKind = "wait"
	// EventDeployment: a deployment has changed.
	EventDeployment EventKind = "deployment"
	// EventService is a line of a service's event log, EventLog one that a
	// one-off task wrote.
	EventService EventKind = "service"
	EventLog     EventKind = "log"
	// EventEnd is the last.
	EventEnd EventKind = "end"
)

// changing stores what is about to be changed, and the phase in which it is. It is
// called before every change. It fails, and nothing may be changed, if the
// journal cannot be stored or the lock is not ours.
func (a *attempt) changing(ctx context.Context, p Phase, tell func(*Journal)) error {
	if err := a.lease.valid(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	next := a.journal
	next.Record = next.Record.clone()
	next.Phase = max(next.Phase, p)
	if tell != nil {
		tell(&next)
	}
	if err := a.write(ctx, next); err != nil {
		return fmt.Errorf("store the journal before a change: %w", err)
	}
	a.journal, a.own = next, p
	a.tellInFlight()
	// Storing it may have taken longer than the lease lived.
	return a.lease.valid()
}

// changed stores the result of a change. If that fails, a later run finds the result by
// looking at AWS.
func (a *attempt) changed(ctx context.Context) {
	ctx, cancel := a.finishing(ctx)
	defer cancel()
	a.tellInFlight()
	if err := a.write(ctx, a.journal); err != nil {
		a.warn("store the journal: %v", err)
	}
}

// write stores the journal. No other goroutine stores one meanwhile.
func (a *attempt) write(ctx context.Context, j Journal) error {
	a.flight.storing <- struct{}{}
	defer func() { <-a.flight.storing }()
	return a.storeJournal(ctx, j)
}

// storeJournal stores a journal as it is now.
func (o *operation) storeJournal(ctx context.Context, j Journal) error {
	j.Record, j.Time = hideRecord(o.Redactor, j.Record), time.Now()
	return o.retryCall(ctx, func(ctx context.Context) error { return o.History.WriteJournal(ctx, j) })
}

// clone is a copy that shares nothing that an attempt changes.
func (r Record) clone() Record {
	services := make(map[string]*ServiceRecord, len(r.Services))
	for name, s := range r.Services {
		services[name] = new(*s)
	}
	if r.Services != nil {
		r.Services = services
	}
	schedules := make(map[string]*ScheduleRecord, len(r.Schedules))
	for name, s := range r.Schedules {
		schedules[name] = new(*s)
	}
	if r.Schedules != nil {
		r.Schedules = schedules
	}
	if r.Migration != nil {
		r.Migration = new(*r.Migration)
	}
	if r.Seed != nil {
		r.Seed = new(*r.Seed)
	}
	return r
}

// resolve finds out what exactly is to be deployed: the commit, the digest of
// each image, and what runs before. From here on nothing looks at a tag. It
// returns the digests by service.
func (a *attempt) resolve(ctx context.Context) (digests map[string]string, err error) {
	current := a.history.current()
	if a.record().Kind == KindPromote && a.from.how != howResume {
		older, err := a.history.older(ctx, a.record().Release)
		if err != nil {
			return nil, err
		}
		if older && a.request.Forward {
			a.note("superseded by %s, which runs and is newer", current.Release)
			r := a.record()
			r.Previous, r.SupersededBy = current.Release, new(current.Release.bare())
			r.Outcome, r.Ended = Untouched, a.history.clock()
			return nil, nil
		}
		if older {
			a.note("%s is older than %s, which runs: rolling back to it", a.record().Release, current.Release)
			a.record().Kind = KindRollback
		}
	}
	if a.record().Kind == KindRollback {
		err = a.resolveTarget(ctx, current)
	} else if r := a.record(); r.Release.Digests == nil { // an attempt that is continued has them
		if current != nil {
			r.Previous = current.Release
		}
		r.Release.Digests, err = a.digests(ctx, r.Release, a.services)
	}
	if err != nil {
		return nil, err
	}
	digests = map[string]string{}
	maps.Copy(digests, a.record().Release.Digests)
	for name, s := range a.record().Services {
		digests[name] = s.Digest
	}
	if a.request.DryRun {
		return digests, nil
	}
	// The lease tells whoever finds the lock held what it is held for.
	err = a.retryCall(ctx, func(ctx context.Context) error {
		return a.lease.renew(ctx, func(l *Lease) { l.Release, l.Kind = a.record().Release, a.record().Kind })
	})
	if err != nil {
		return nil, fmt.Errorf("say in the lock what is deployed: %w", err)
	}
	return digests, nil
}

// digests finds the digests of a release's images, by service.
func (o *operation) digests(ctx context.Context, release Release, services []string) (map[string]string, error) {
	digests, err := retry(ctx, o, func(ctx context.Context) (map[string]string, error) {
		return o.Images.Digests(ctx, release.Commit, services)
	})
	if err != nil {
		return nil, fmt.Errorf("find the images of %s: %w", release, err)
	}
	var missing []string
	for _, s := range services {
		if digests[s] == "" {
			missing = append(missing, s)
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("there is no image with tag %s of %s: was it built, and is its build done?", release.Commit, strings.Join(missing, ", "))
	}
	return digests, nil
}

// resolveTarget finds the record of the release that a rollback goes to.
func (a *attempt) resolveTarget(ctx context.Context, current *Record) error {
	r := a.record()
	if a.from.how == howResume && r.Services != nil {
		a.services = inOrder(a.services, r)
		return nil
	}
	if current == nil {
		return unknownReleaseError{"no release was ever deployed here, so there is none to roll back to"}
	}
	left := a.from.attempt()
	if left == nil {
		left = a.history.unfinished()
	}
	name := a.request.Tag
	if name == "" {
		name = a.request.Commit
	}
	target := current
	var of *DeployedRelease
	switch {
	case name != "":
		if of = a.history.named(ctx, name); of == nil {
			return unknownReleaseError{fmt.Sprintf("%s never ran here; rollback goes to one of: %s", name, names(a.history.order()))}
		}
		if c := a.request.Commit; a.request.Tag != "" && c != "" && of.release.Commit != c {
			return fmt.Errorf("%s was deployed here as commit %s, not %s", name, of.release.Commit, c)
		}
	case left != nil && left.Kind == KindRollback && left.Release.Commit != "":
		of = a.history.deployed(left.Release.Commit) // it is continued
	case left != nil:
		// Go back to what ran before the attempt that did not finish.
	default:
		before := a.history.before(current.Release)
		if before.IsZero() {
			return fmt.Errorf("nothing good ran here before %s; releases that ran: %s", current.Release, names(a.history.order()))
		}
		of = a.history.deployed(before.Commit)
	}
	if of != nil {
		var err error
		if target, err = a.history.recordOf(ctx, *of); err != nil {
			return err
		}
	}
	r.Release, r.Previous = target.Release, current.Release
	r.Rejected = rejects(target.Release, current.Release, left)
	others, err := a.otherServices(ctx, target, current, left)
	if err != nil {
		return err
	}
	r.Services = map[string]*ServiceRecord{}
	for _, s := range slices.Concat(a.services, others) {
		was, ok := target.Services[s]
		if !ok || was.After == "" {
			a.warn("service %s was no part of %s and is left as it is", s, target.Release)
			continue
		}
		r.Services[s] = &ServiceRecord{Digest: was.Digest, After: was.After}
		if slices.Contains(others, s) {
			a.note("service %s is not in the gen/config of this program, and is rolled back with the others", s)
		}
	}
	r.Schedules = map[string]*ScheduleRecord{}
	for name, was := range target.Schedules {
		if !was.Off {
			r.Schedules[name] = &ScheduleRecord{Digest: was.Digest, After: was.After}
		}
	}
	if len(r.Services) == 0 {
		return fmt.Errorf("the record of %s names no task definition", target.Release)
	}
	a.services = inOrder(a.services, r)
	return nil
}

// otherServices are the services in the records that this program's platform no longer
// has, or does not have yet, and that ECS shows. A rollback includes them, or they
// would keep the release that is rolled back from. ECS may show a service that ran only
// after a while, so this waits for it. It does not wait as long for a service that ECS
// keeps showing as gone, or that only the target has.
func (a *attempt) otherServices(ctx context.Context, target *Record, records ...*Record) ([]string, error) {
	var ran []string
	for _, r := range records {
		if r != nil {
			ran = slices.AppendSeq(ran, maps.Keys(r.Services))
		}
	}
	others := slices.AppendSeq(slices.Clone(ran), maps.Keys(target.Services))
	slices.Sort(others)
	others = slices.DeleteFunc(slices.Compact(others), func(s string) bool { return slices.Contains(a.services, s) })
	if len(others) == 0 {
		return nil, nil
	}
	gone := steady{}
	for began := time.Now(); ; {
		services, err := a.describeServices(ctx, others)
		if err != nil {
			return nil, err
		}
		var absent []string
		limit := a.limits.lag()
		for _, name := range others {
			s, shown := services[name]
			isGone := gone.since(name, s.Gone) >= a.limits.lag()
			if shown && !s.Gone {
				continue
			}
			absent = append(absent, name)
			if slices.Contains(ran, name) && !isGone {
				limit = a.limits.Confirm
			}
		}
		switch {
		case len(absent) == 0:
			return others, nil
		case time.Since(began) < limit:
			if !a.pause(ctx, a.limits.Tick) {
				return nil, context.Cause(ctx)
			}
			continue
		}
		for _, name := range absent {
			if target.Services[name] != nil {
				a.warn("service %s was part of %s, and ECS shows it no longer: the others are rolled back without it", name, target.Release)
			}
		}
		return slices.DeleteFunc(others, func(name string) bool { return slices.Contains(absent, name) }), nil
	}
}

// inOrder are the services of a record: those of a list, in its order, and then the
// others by name.
func inOrder(names []string, r *Record) []string {
	list := recorded(names, r)
	for _, s := range slices.Sorted(maps.Keys(r.Services)) {
		if !slices.Contains(names, s) {
			list = append(list, s)
		}
	}
	return list
}

// recorded leaves out the services that a record lacks: the target of a rollback, or
// the attempt that is continued, did not have them.
func recorded(names []string, r *Record) []string {
	return slices.DeleteFunc(slices.Clone(names), func(s string) bool { return r.Services[s] == nil })
}

// names lists releases, the newest first.
func names(releases []Release) string {
	if len(releases) == 0 {
		return "none"
	}
	var list []string
	for _, r := range slices.Backward(releases) {
		list = append(list, r.String())
	}
	return strings.Join(list, ", ")
}

// rejects returns the release that a rollback marks as rejected: the one of an
// unfinished attempt, or else the current one. A rollback to the current release marks
// none.
func rejects(target, current Release, left *Record) *Release {
	rejected := &current
	if left != nil && left.touched() {
		rejected = &left.Release
		if left.Kind == KindRollback {
			rejected = left.Rejected
		}
	}
	if rejected == nil || rejected.Same(target) {
		return nil
	}
	return rejected
}
