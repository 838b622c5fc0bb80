package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/specboard/platform/gen/config"
)

// rollout is all services on their way to a release, and back.
type rollout struct {
	registrar
	env   config.Environment
	names []string // in the platform's order
	// record is the attempt's; save stores in the journal what has come of a change,
	// and tell says what an interrupt would leave now.
	record *Record
	save   func(context.Context)
	tell   func()
	// continued: a run before this one may have changed services.
	continued bool
	// restart: every service deploys again what it runs. before are the services as
	// they were before that; nil for a promotion or rollback.
	restart bool
	before  map[string]Service

	// written is when this run last changed a service, or may have.
	written map[string]time.Time
	// told are the lines of the services' event logs that were passed on, by id. The
	// rollback passes on only those that come after them.
	told map[string]bool
	// crashed are the tasks that were seen to stop by themselves.
	crashed []StoppedTask
	// interrupted is when a service's task was last stopped through no fault of the
	// release.
	interrupted map[string]time.Time
}

// rollout is that of the attempt's services, as far as they are known.
func (a *attempt) rollout() *rollout {
	return &rollout{
		registrar: registrar{operation: a.operation, lease: a.lease}, env: a.env, names: a.services, record: a.record(),
		save: a.changed, tell: a.tellInFlight,
		continued: a.from.how == howResume, written: map[string]time.Time{}, told: map[string]bool{},
	}
}

// of is the record of a service; nil if the attempt does not know the service.
func (o *rollout) of(name string) *ServiceRecord { return o.record.Services[name] }

// update has every service run its new task definition. It returns the
// deployments that this caused, by service; ECS may show some only later.
func (a *attempt) update(ctx context.Context, revisions map[string]string) (services *rollout, deployments map[string]string, err error) {
	err = a.changing(ctx, PhaseUpdating, func(j *Journal) {
		for _, s := range j.Record.Services {
			s.Updated = true
			if s.Started.IsZero() {
				s.Started = time.Now()
			}
		}
		for _, s := range j.Record.Schedules {
			s.Updated = true
		}
	})
	if err != nil {
		return nil, nil, err
	}
	a.rolling = a.rollout()
	deployments, err = a.rolling.update(ctx, revisions)
	return a.rolling, deployments, err
}

// update asks ECS to update every service, one call right after the other, so that they
// are deployed together.
func (o *rollout) update(ctx context.Context, revisions map[string]string) (deployments map[string]string, err error) {
	services, err := o.describeServices(ctx, o.names)
	if err != nil {
		return nil, err
	}
	for _, name := range o.names {
		own := o.of(name)
		deployment, err := o.updateService(ctx, name, revisions[name], services[name])
		if err != nil {
			return nil, err
		}
		own.Deployment = cmp.Or(deployment, own.Deployment)
		o.tell()
	}
	o.save(ctx)
	deployments = map[string]string{}
	for _, name := range o.names {
		deployments[name] = o.of(name).Deployment
	}
	if err := o.raiseMinimums(ctx); err != nil {
		return nil, err
	}
	return deployments, o.updateSchedules(ctx, revisions)
}

// updateService sets a service to a task definition, and returns the deployment
// that this caused, if ECS tells it.
func (o *rollout) updateService(ctx context.Context, name, revision string, now Service) (deployment string, err error) {
	own := o.of(name)
	if d := now.Deployment; d != nil && d.State == DeploymentRollbackFailed && now.TaskDefinition == revision {
		// ECS tried to bring this very task definition back and gave up. It
		// begins a deployment of it only under another name. The platform may lack the
		// service, and so not tell whose image it runs.
		found, err := o.describeTaskDefinitions(ctx, []string{revision}, o.record.Release)
		if err != nil {
			return "", err
		}
		image := cmp.Or(found[revision].Image, o.image(o.record.Release, name))
		revision, err = o.register(ctx, o.record.Release, Revision{Name: name, Template: revision, Image: image})
		if err != nil {
			return "", err
		}
		own.After = revision
		o.save(ctx)
	}
	if now.TaskDefinition == "" {
		now.Desired = own.DesiredBefore // ECS does not show it at the moment
	}
	desired := tasksWanted(o.sizeOf(name), now.Desired)
	// A read from before the last deployment may show the wanted state, too.
	certain := own.Before == revision || now.Deployment != nil && now.Deployment.ARN == own.Deployment
	if now.TaskDefinition == revision && desired == now.Desired && certain {
		// An attempt that this one continues has done it, or nothing changes.
		o.note("service %s is set to %s already", name, short(revision))
		if now.Deployment != nil && now.Deployment.TaskDefinition == revision {
			return now.Deployment.ARN, nil
		}
		return "", nil
	}
	u := Update{Service: name, TaskDefinition: revision}
	if desired != now.Desired {
		u.Desired = &desired
	}
	return o.requestUpdate(ctx, u)
}

// begun reports whether a deployment that ECS shows of a service began after the
// service was to be restarted.
func (o *rollout) begun(name string, d *Deployment) bool {
	before := o.before[name].Deployment
	return d != nil && (before == nil || d.ARN != before.ARN && d.Created.After(before.Created))
}

// requestUpdate asks ECS for a change of a service. It may repeat a request, which ECS
// then ignores. Only a restart would replace the tasks each time, so it is requested
// again only if ECS shows no deployment of it, which ECS may show late.
func (o *rollout) requestUpdate(ctx context.Context, u Update) (string, error) {
	asked := false
	deployment, err := retry(ctx, o.operation, func(ctx context.Context) (string, error) {
		if err := o.lease.valid(); err != nil {
			return "", err
		}
		if u.Restart && asked {
			services, err := o.Services.DescribeServices(ctx, []string{u.Service})
			if d := services[u.Service].Deployment; err != nil || o.begun(u.Service, d) {
				return "", err
			}
		}
		asked = true
		arn, err := o.Services.UpdateService(ctx, u)
		if err == nil || IsTransient(err) || ctx.Err() != nil {
			o.written[u.Service] = time.Now() // or it may be
		}
		return arn, err
	})
	what := short(u.TaskDefinition)
	if u.TaskDefinition == "" {
		what = fmt.Sprintf("%d tasks", *u.Desired)
	}
	if u.Restart {
		what = "new tasks of " + what
	}
	if err != nil {
		return "", fmt.Errorf("set service %s to %s: %w", u.Service, what, err)
	}
	o.emit(Event{Kind: EventNote, Service: u.Service, Message: fmt.Sprintf("service %s is set to %s", u.Service, what)})
	return deployment, nil
}

// sizeOf is the size that decides how many tasks a service gets. A rollback or restart
// applies nothing, and the program's size may never have been applied: what autoscaling
// keeps stays, and so does the number of tasks, unless a rollback finds none yet.
func (o *rollout) sizeOf(name string) config.Size {
	size, own := o.env.SizeOf(name), o.of(name)
	if !o.restart && (o.record.Kind != KindRollback || own == nil || own.DesiredBefore == 0) {
		return size
	}
	if own.MinimumBefore == nil || own.DesiredBefore == 0 {
		return config.Size{MinTasks: own.DesiredBefore, MaxTasks: own.DesiredBefore}
	}
	least := *own.MinimumBefore
	if least == 0 { // it was never promoted to the end
		least = min(size.MinTasks, own.DesiredBefore)
	}
	return config.Size{MinTasks: least, MaxTasks: max(least+1, size.MaxTasks)}
}

// leastTasks is how many tasks of a service have to run. One of the Minimums may
// come meanwhile.
func (o *rollout) leastTasks(name string) int {
	least, size := o.sizeOf(name).MinTasks, o.env.SizeOf(name)
	if len(size.Minimums) > 0 {
		return min(least, size.MinTasks)
	}
	return least
}

// tasksWanted is how many tasks a service gets: as many as configured, or as
// many as autoscaling has found necessary.
func tasksWanted(size config.Size, now int) int {
	if size.Autoscaled() {
		return max(size.MinTasks, now)
	}
	return size.MinTasks
}

// raiseMinimums sets what autoscaling may go down to. It follows the update:
// autoscaling starts tasks at once, and before it those would be of the
// placeholder that a new service is created with.
func (o *rollout) raiseMinimums(ctx context.Context) error {
	for _, name := range o.names {
		own := o.of(name)
		if own.MinimumBefore == nil {
			continue
		}
		if least := o.sizeOf(name).Floor(*own.MinimumBefore); least != *own.MinimumBefore {
			if err := o.setMinimum(ctx, name, least); err != nil {
				return err
			}
		}
	}
	return nil
}

func (o *rollout) setMinimum(ctx context.Context, name string, tasks int) error {
	err := o.retryCall(ctx, func(ctx context.Context) error {
		if err := o.lease.valid(); err != nil {
			return err
		}
		return o.Scaling.SetMinimum(ctx, name, tasks)
	})
	if err != nil {
		return fmt.Errorf("set the least number of tasks of %s to %d: %w", name, tasks, err)
	}
	return nil
}

// maxRefusals is how many looks in a row may fail for another reason than a
// transient one.
const maxRefusals = 3

// supersededError is the error of an attempt that somebody else's deployment ended.
type supersededError struct{ why string }

func (e supersededError) Error() string { return e.why }

// steady remembers for how long something is so.
type steady map[string]stay

// stay is when something was seen last, and for how long it was so until then.
type stay struct {
	seen time.Time
	so   time.Duration
}

// since returns for how long something has been so, as far as was seen; it is
// called at every look.
func (s steady) since(what string, so bool) time.Duration {
	if !so {
		delete(s, what)
		return 0
	}
	now, before := time.Now(), s[what]
	if !before.seen.IsZero() {
		before.so += min(now.Sub(before.seen), sight)
	}
	s[what] = stay{now, before.so}
	return before.so
}

// watch follows deployments of all services to their end; the first that fails
// ends it, and so does the first task that stops by itself. What ECS shows only
// now is added to the deployments.
func (o *rollout) watch(ctx context.Context, deployments map[string]string) error {
	w := newWatch(o)
	began, so := time.Now(), steady{}
	for {
		look, err := w.look(ctx, deployments)
		if err != nil {
			return err
		}
		if err := o.crashes(ctx); err != nil {
			return err
		}
		waiting := 0
		for _, name := range o.names {
			own := o.of(name)
			s, shown := look.services[name]
			if unseen := so.since("unseen "+name, !shown || s.Gone); !shown || s.Gone {
				if unseen >= o.limits.Confirm {
					return unseenError(name, s, o.limits.Confirm)
				}
				waiting++
				continue
			}
			own.see(s)
			d, known := look.deployments[deployments[name]]
			if o.restart && !known {
				waiting++ // an earlier deployment brings the same task definition
				continue
			}
			set := began
			if at := o.written[name]; !at.IsZero() {
				set = at
			}
			j := judge(s, d, known, time.Since(set) > o.limits.Confirm || o.written[name].IsZero(), *own)
			if j.deployment.ARN != "" {
				deployments[name], own.Deployment = j.deployment.ARN, j.deployment.ARN
				own.note(j.deployment)
				w.show(j.deployment)
			}
			unproven := so.since("superseded "+name, j.verdict == superseded && !j.proven) < o.limits.Confirm
			switch {
			case j.verdict == superseded && !j.proven && unproven:
				waiting++
			case j.verdict == superseded:
				own.Outcome = Superseded
				return supersededError{j.why}
			case j.verdict == failed:
				return errors.New(j.why)
			case j.verdict == goesOn:
				waiting++
			}
		}
		if waiting == 0 {
			return nil
		}
		if !o.pause(ctx, w.pace(deployments)) {
			return fmt.Errorf("%d of %d services are not there yet (%s): %w", waiting, len(o.names), o.standing(), context.Cause(ctx))
		}
	}
}

// unseenError says that ECS shows a service no longer.
func unseenError(name string, s Service, unseen time.Duration) error {
	if s.Gone {
		return fmt.Errorf("service %s was deleted", name)
	}
	return fmt.Errorf("ECS has not shown service %s for %v", name, unseen)
}

// crashes fails if a task of the new revision has stopped by itself.
func (o *rollout) crashes(ctx context.Context) error {
	since := time.Now()
	for _, name := range o.names {
		since = earlier(since, o.of(name).since())
	}
	var stopped []StoppedTask
	for refusals := 1; ; refusals++ {
		var err error
		stopped, err = retry(ctx, o.operation, func(ctx context.Context) ([]StoppedTask, error) {
			return o.Services.StoppedTasks(ctx, o.names, since)
		})
		if err == nil {
			break
		}
		if ctx.Err() != nil || refusals == maxRefusals || !o.pause(ctx, o.limits.Tick) {
			return fmt.Errorf("look for tasks that stopped: %w", err)
		}
	}
	var crashed []error
	for _, t := range stopped {
		own := o.of(t.Name)
		replaced := own != nil && o.restart && t.Created.Before(own.Begun)
		if own != nil && t.Taken() && !replaced && t.TaskDefinition == own.After {
			if o.interrupted == nil {
				o.interrupted = map[string]time.Time{}
			}
			if at := t.Stopped; at.IsZero() {
				o.interrupted[t.Name] = time.Now() // it is being stopped
			} else if at.After(o.interrupted[t.Name]) {
				o.interrupted[t.Name] = at
			}
			if t.StopCode == stopSpot && !o.told[t.ARN] {
				o.told[t.ARN] = true
				o.note("Fargate Spot took task %s of service %s away; another one is awaited", short(t.ARN), t.Name)
			}
		}
		if own != nil && t.Crashed() && !replaced && t.TaskDefinition == own.After && !t.Stopped.Before(own.since()) {
			own.Crashed++
			o.crashed = append(o.crashed, t)
			crashed = append(crashed, errors.New(t.end()))
		}
	}
	if len(crashed) > 3 {
		crashed = append(crashed[:3], fmt.Errorf("and %d more", len(crashed)-3))
	}
	return errors.Join(crashed...)
}

// since is when ECS began to deploy, by its clock if that is known.
func (s *ServiceRecord) since() time.Time {
	if !s.Begun.IsZero() {
		return s.Begun
	}
	return s.Started
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// note keeps what a deployment shows.
func (s *ServiceRecord) note(d Deployment) {
	s.Revision, s.State, s.Reason = d.Revision, d.State, d.Reason
	s.Failures, s.Threshold, s.Begun, s.Ended = d.Failures, d.Threshold, d.Created, d.Finished
}

// stoppedHere says that this attempt stopped a deployment, where ECS's own reason says
// that a user did.
func stoppedHere(reason string, kind Kind) string {
	by := "promotion"
	if kind != KindPromote {
		by = string(kind)
	}
	return strings.Replace(reason, "stopped by a user", "stopped by this "+by, 1)
}

// standing describes the state of every service.
func (o *rollout) standing() string {
	text := ""
	for i, name := range o.names {
		if i > 0 {
			text += ", "
		}
		state := o.of(name).State
		if state == "" {
			state = "not begun"
		}
		text += name + " " + string(state)
	}
	return text
}

// watch looks at all services of a rollout at once, and passes on what has
// changed.
type watch struct {
	*rollout
	shown  map[string]Deployment
	since  time.Time
	errors int
	moved  time.Time // when anything last changed
}

type look struct {
	services    map[string]Service
	deployments map[string]Deployment
}

func newWatch(o *rollout) *watch {
	now := time.Now()
	since := now
	for _, s := range o.record.Services {
		if !s.Started.IsZero() && s.Started.Before(since) {
			since = s.Started
		}
	}
	return &watch{rollout: o, shown: map[string]Deployment{}, since: since, moved: now}
}

// look describes the services, and deployments by service; "" is none. It costs
// two calls of the ports, however many services there are.
func (w *watch) look(ctx context.Context, deployments map[string]string) (look, error) {
	var arns []string
	for _, name := range w.names {
		if arn := deployments[name]; arn != "" {
			arns = append(arns, arn)
		}
	}
	for {
		found, err := retry(ctx, w.operation, func(ctx context.Context) (found look, err error) {
			if len(arns) > 0 {
				if found.deployments, err = w.Deployments.DescribeDeployments(ctx, arns); err != nil {
					return found, err
				}
			}
			found.services, err = w.Services.DescribeServices(ctx, w.names)
			return found, err
		})
		if err == nil {
			w.errors = 0
			w.passOn(found.services)
			return found, nil
		}
		w.errors++
		if ctx.Err() != nil || w.errors >= maxRefusals || !w.pause(ctx, w.limits.Tick) {
			return look{}, because(ctx, fmt.Errorf("look at the deployments: %w", err))
		}
	}
}

// passOn tells the observer of new lines in the services' event logs.
func (w *watch) passOn(services map[string]Service) {
	for _, name := range w.names {
		for _, e := range services[name].Events {
			if w.told[e.ID] || e.Time.Before(w.since) {
				continue
			}
			w.told[e.ID] = true
			w.emit(Event{Kind: EventService, Service: name, Message: e.Message})
		}
	}
}

// show tells the observer of a deployment that has moved.
func (w *watch) show(d Deployment) {
	if w.shown[d.ARN] == d {
		return
	}
	w.shown[d.ARN] = d
	w.moved = time.Now()
	d.Reason = w.Redactor.Hide(d.Reason)
	w.tell()
	w.emit(Event{Kind: EventDeployment, Service: d.Service, Message: string(d.State), Deployment: &d})
}

// pace is the pause until the next look: shorter while something is about to happen, or
// has happened in the last ten seconds.
func (w *watch) pace(deployments map[string]string) time.Duration {
	soon := slices.ContainsFunc(w.names, func(name string) bool {
		d := w.shown[deployments[name]]
		return d.ARN != "" && !d.State.Ended() && d.Desired > 0 && d.Running >= d.Desired
	})
	if soon || time.Since(w.moved) < 10*time.Second {
		return w.limits.Tick / 2
	}
	return w.limits.Tick
}

// verdict is what a look at a service says about the deployment that is waited
// for.
type verdict int

const (
	goesOn verdict = iota
	succeeded
	failed
	superseded
)

// judgement is a verdict, with the deployment that it is about.
type judgement struct {
	verdict    verdict
	deployment Deployment // zero: none is known yet
	why        string
	// proven: a later deployment shows it, which no old read could.
	proven bool
}

// judge decides about a service that an attempt has set to own.After: by the
// deployment that this caused, or by a later one of the same task definition.
// known is false while ECS does not show that deployment; old tells that it has
// had the time to.
func judge(s Service, d Deployment, known, old bool, own ServiceRecord) judgement {
	latest, wanted := s.Deployment, own.After
	if latest != nil && latest.TaskDefinition == wanted && (!known || latest.ARN != d.ARN && latest.Created.After(d.Created)) {
		// ECS shows only now what the update caused, or somebody had the same
		// deployed once more.
		d, known = *latest, true
	}
	elsewhere := s.TaskDefinition != "" && s.TaskDefinition != wanted
	other := judgement{verdict: superseded, deployment: d, why: fmt.Sprintf("service %s was set to %s by somebody else", s.Name, short(s.TaskDefinition))}
	// What ECS itself brings back is no deployment of its own.
	if known && latest != nil && latest.ARN != d.ARN && latest.TaskDefinition != wanted && latest.Created.After(d.Created) {
		other.why = fmt.Sprintf("service %s is being set to %s by somebody else (deployment %s)", s.Name, short(latest.TaskDefinition), short(latest.ARN))
		other.proven = true
		return other
	}
	switch {
	case known && d.State.Failed():
		return judgement{verdict: failed, deployment: d, why: fmt.Sprintf("service %s: deployment %s is %s%s", s.Name, short(d.ARN), d.State, explain(d))}
	case known && d.State == DeploymentSuccessful && !elsewhere:
		return judgement{verdict: succeeded, deployment: d}
	case known && d.State != DeploymentSuccessful:
		return judgement{verdict: goesOn, deployment: d}
	case elsewhere:
		return other // or this read is older than the update
	case !old:
		return judgement{verdict: goesOn}
	case latest != nil && latest.State == DeploymentRollbackFailed:
		return judgement{verdict: failed, deployment: *latest, why: fmt.Sprintf("service %s: deployment %s is %s%s", s.Name, short(latest.ARN), latest.State, explain(*latest))}
	case latest == nil || latest.State.Ended():
		// The service was already set to this task definition, or ECS itself has set it
		// back. ECS begins no deployment in either case.
		return judgement{verdict: succeeded}
	default:
		return judgement{verdict: goesOn}
	}
}

// explain is ECS's reason and how far the circuit breaker came.
func explain(d Deployment) string {
	text := ""
	if d.Reason != "" {
		text += ": " + d.Reason
	}
	if d.Threshold > 0 {
		text += fmt.Sprintf(" (%d of %d failures trip the circuit breaker)", d.Failures, d.Threshold)
	}
	return text
}

// verify has the release verified, and then notes that it is deployed.
func (a *attempt) verify(ctx context.Context, services *rollout, digests map[string]string) error {
	a.enterPhase(PhaseVerifying)
	if err := services.verify(ctx, digests, a.window(a.env)); err != nil {
		return err
	}
	a.lease.inTime()
	a.enterPhase(PhaseDeployed)
	r := a.record()
	r.Outcome, r.Ended = Deployed, a.history.clock()
	for _, s := range r.Services {
		s.Outcome = Deployed
	}
	for _, s := range r.Schedules {
		s.Outcome = Deployed
	}
	return nil
}

// verify makes sure of what users get: that the tasks which run are of the
// release's images, given by service, that the load balancer finds them healthy,
// that the public address answers, and that all of this stays so for a window in
// which no task stops by itself.
func (o *rollout) verify(ctx context.Context, digests map[string]string, window time.Duration) error {
	limit := timeUp{after: o.limits.Verify + window}
	h := health{began: time.Now(), seen: time.Now()}
	unanswered, refused := steady{}, 0
	var reason error // why all was not right long enough, as far as was seen
	if window > 0 {
		o.note("every service is deployed; it has to stay healthy for %v", window)
	}
	for {
		look, cancel := context.WithTimeout(ctx, lookTime)
		wrong, err := o.wrong(look, digests)
		if err == nil {
			if err = o.crashes(look); err != nil && !unseen(err) && ctx.Err() == nil {
				cancel()
				return err
			}
		}
		cancel()
		if silent := len(wrong) == 1 && wrong[0].silent; err == nil && unanswered.since("GET", silent) < o.limits.Confirm && silent {
			err = Transient(errors.New(wrong[0].text)) // by this machine's network, or the release's fault
		}
		pace := o.limits.Tick / 2
		switch right := err == nil && len(wrong) == 0; {
		case err == nil:
			h.saw(time.Now(), right, o.excused(wrong))
			if right && h.healthy >= window {
				return nil
			}
			if right {
				pace = min(o.limits.Tick, window/4)
			}
			refused, reason = 0, wrongError(wrong, window)
		case reason == nil, h.right && ctx.Err() == nil:
			reason = err
		}
		if err != nil && !unseen(err) {
			refused++
		}
		switch {
		case refused >= maxRefusals:
			return because(ctx, err)
		case h.watched(time.Now()) >= limit.total():
			return fmt.Errorf("%w: %w", limit, reason)
		case !o.pause(ctx, pace):
			return because(ctx, reason)
		}
	}
}

// lookTime bounds a look: one that takes longer has seen nothing.
const lookTime = 30 * time.Second

// unseen reports whether a look has failed for a reason that says nothing of the
// release, such as throttling.
func unseen(err error) bool { return IsTransient(err) || errors.Is(err, context.DeadlineExceeded) }

// health adds up what looks say of a release. A look that failed is as if nobody had
// looked: that time proves nothing, and is not held against the release.
type health struct {
	began time.Time
	seen  time.Time     // when the last look was that did not fail
	right bool          // it found all right
	blind time.Duration // in which nobody looked, until seen
	// healthy is the time for which all was right, from a look that found it so to the
	// next one that did. A task that was taken away says nothing of the release: the
	// time until it is replaced does not count, and what came before it does.
	healthy time.Duration
}

// sight bounds how much of the time between two looks counts as seen.
const sight = 10 * time.Second

// saw adds a look that did not fail. What it found wrong may be excused.
func (h *health) saw(now time.Time, right, excused bool) {
	since := now.Sub(h.seen)
	h.blind += max(0, since-sight)
	switch {
	case right && h.right:
		h.healthy += min(since, sight)
	case !right && !excused:
		h.healthy = 0
	}
	h.seen, h.right = now, right
}

// watched is for how long somebody has looked until now.
func (h *health) watched(now time.Time) time.Duration {
	return now.Sub(h.began) - h.blind - max(0, now.Sub(h.seen)-sight)
}

// wrongError says what is wrong, or that nothing is and was for too short a time.
func wrongError(wrong []defect, window time.Duration) error {
	if len(wrong) == 0 {
		return fmt.Errorf("it has not stayed healthy for %v", window)
	}
	var texts []string
	for _, w := range wrong {
		texts = append(texts, w.text)
	}
	return errors.New(strings.Join(texts, "; "))
}

// defect is something that is not as it should be.
type defect struct {
	service string // "" if it is not one service's
	text    string
	short   bool // tasks or healthy targets are missing
	silent  bool // nobody answered
}

// excused reports whether the only defects are missing tasks and targets of services
// whose tasks were taken away a short time ago, so that a replacement may still be
// starting.
func (o *rollout) excused(wrong []defect) bool {
	return !slices.ContainsFunc(wrong, func(d defect) bool {
		return !d.short || time.Since(o.interrupted[d.service]) >= o.limits.Verify
	})
}

// wrong lists what is not as it should be.
func (o *rollout) wrong(ctx context.Context, digests map[string]string) ([]defect, error) {
	var wrong []defect
	running, err := o.Services.RunningTasks(ctx, o.names)
	if err != nil {
		return nil, fmt.Errorf("look at the running tasks: %w", err)
	}
	services, err := o.Services.DescribeServices(ctx, o.names)
	if err != nil {
		return nil, fmt.Errorf("look at the services: %w", err)
	}
	for _, name := range o.names {
		own := o.of(name)
		switch s, shown := services[name]; {
		case !shown || s.Gone:
			wrong = append(wrong, defect{service: name, text: unseenError(name, s, o.limits.Confirm).Error()})
			continue
		case s.TaskDefinition != own.After:
			wrong = append(wrong, defect{service: name, text: fmt.Sprintf("service %s is set to %s instead of %s", name, short(s.TaskDefinition), short(own.After))})
		default:
			own.see(s)
		}
		if own.Seen != nil {
			own.Seen.Digests = Digests(running[name])
		}
		wrong = append(wrong, otherImages(name, Digests(running[name]), digests[name], o.leastTasks(name))...)
		wrong = append(wrong, sick(name, running[name])...)
	}
	schedules, err := o.wrongSchedules(ctx)
	if err != nil {
		return nil, err
	}
	for _, text := range schedules {
		wrong = append(wrong, defect{text: text})
	}
	if public := publicServices(o.Platform, o.names); len(public) > 0 {
		targets, err := o.Health.TargetHealth(ctx, public)
		if err != nil {
			return nil, fmt.Errorf("look at the targets: %w", err)
		}
		for _, name := range public {
			_, known := o.Platform.Service(name)
			if _, registers := targets[name]; !known && !registers {
				continue
			}
			wrong = append(wrong, unhealthy(name, targets[name], o.leastTasks(name))...)
		}
	}
	path := ""
	for _, s := range o.Platform.Services {
		if s.Default {
			path = s.HealthPath
		}
	}
	if path == "" || len(wrong) > 0 || len(o.env.AllowedCIDRs) > 0 { // the load balancer does not let everybody in
		return wrong, nil
	}
	url := o.Platform.URL(o.env) + path
	status, err := o.Health.Get(ctx, url)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, err
	case err != nil:
		wrong = append(wrong, defect{text: fmt.Sprintf("GET %s: %v", url, err), silent: IsTransient(err)})
	case status == http.StatusTooManyRequests:
		return nil, Transient(fmt.Errorf("GET %s answers %d", url, status))
	case status != http.StatusOK:
		wrong = append(wrong, defect{text: fmt.Sprintf("GET %s answers %d", url, status)})
	}
	return wrong, nil
}

// otherImages says what is wrong with the digests of a service's running tasks.
func otherImages(name string, running []string, want string, least int) []defect {
	other := slices.DeleteFunc(slices.Clone(running), func(d string) bool { return d == want })
	switch {
	case len(running) == 0 && least > 0:
		return []defect{{service: name, text: fmt.Sprintf("service %s has no running task", name), short: true}}
	case len(running) < least:
		return []defect{{service: name, text: fmt.Sprintf("service %s runs %d tasks of at least %d", name, len(running), least), short: true}}
	case len(other) > 0:
		if other[0] == "" {
			other[0] = "an image whose digest ECS does not tell"
		}
		return []defect{{service: name, text: fmt.Sprintf("%d of %d tasks of service %s run %s instead of %s", len(other), len(running), name, other[0], want)}}
	}
	return nil
}

// sick says how many of a service's running tasks fail their own health check.
func sick(name string, running []RunningTask) []defect {
	n := 0
	for _, t := range running {
		if t.Unhealthy {
			n++
		}
	}
	switch n {
	case 0:
		return nil
	case 1:
		return []defect{{service: name, text: fmt.Sprintf("1 of %d tasks of service %s fails its health check", len(running), name)}}
	default:
		return []defect{{service: name, text: fmt.Sprintf("%d of %d tasks of service %s fail their health check", n, len(running), name)}}
	}
}

// publicServices are those of the named services that may be behind the load balancer.
// A service that the platform lacks is one of them, since only ECS knows.
func publicServices(p config.Platform, names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		s, known := p.Service(name)
		return known && !s.Public()
	})
}

// unhealthy says what is wrong with a service's targets. Those of new tasks are no
// defect while enough others are healthy: autoscaling may start tasks at any time.
func unhealthy(name string, t Targets, least int) []defect {
	reasons := ""
	if len(t.Reasons) > 0 {
		reasons = ": " + strings.Join(t.Reasons, ", ")
	}
	switch {
	case t.Unhealthy > 0:
		return []defect{{service: name, text: fmt.Sprintf("%d targets of service %s are not healthy%s", t.Unhealthy, name, reasons), short: true}}
	case t.Healthy == 0 && least > 0:
		return []defect{{service: name, text: fmt.Sprintf("service %s has no healthy target%s", name, reasons), short: true}}
	case t.Healthy < least:
		return []defect{{service: name, text: fmt.Sprintf("service %s has %d healthy targets of at least %d%s", name, t.Healthy, least, reasons), short: true}}
	}
	return nil
}
