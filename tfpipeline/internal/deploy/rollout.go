package deploy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/specboard/platform/gen/config"
)

// update sets every service to its new task definition, one call each and one
// right after the other: they are deployed together.
func (a *attempt) update(ctx context.Context) error {
	err := a.changing(ctx, PhaseUpdating, func(j *Journal) {
		for _, s := range j.Record.Services {
			s.Updated = true
			if s.Started.IsZero() {
				s.Started = time.Now()
			}
		}
	})
	if err != nil {
		return err
	}
	services, err := a.describeServices(ctx)
	if err != nil {
		return err
	}
	for _, name := range a.services {
		if err := a.updateService(ctx, name, services[name]); err != nil {
			return err
		}
	}
	a.changed(ctx)
	return a.raiseMinimums(ctx)
}

func (a *attempt) updateService(ctx context.Context, name string, now Service) error {
	own := a.record().Services[name]
	if d := now.Deployment; d != nil && d.State == DeploymentRollbackFailed && now.TaskDefinition == own.After {
		// ECS tried to bring this very task definition back and gave up. It
		// begins a deployment of it only under another name.
		fresh, err := a.copyOf(ctx, name, own.After)
		if err != nil {
			return err
		}
		own.After = fresh
		a.changed(ctx)
	}
	if now.TaskDefinition == "" {
		now.Desired = own.DesiredBefore // ECS does not show it at the moment
	}
	desired := tasksWanted(a.env.SizeOf(name), now.Desired)
	// A read that is older than the last deployment shows what is wanted, too.
	certain := own.Before == own.After || now.Deployment != nil && now.Deployment.ARN == own.Deployment
	if now.TaskDefinition == own.After && desired == now.Desired && certain {
		// An attempt that this one continues has done it, or nothing changes.
		if now.Deployment != nil && now.Deployment.TaskDefinition == own.After {
			own.Deployment = now.Deployment.ARN
		}
		a.note("service %s is set to %s already", name, short(own.After))
		return nil
	}
	u := Update{Service: name, TaskDefinition: own.After}
	if desired != now.Desired {
		u.Desired = &desired
	}
	deployment, err := a.requestUpdate(ctx, u)
	if err != nil {
		return err
	}
	if deployment != "" {
		own.Deployment = deployment
	}
	return nil
}

// requestUpdate asks ECS for a change of a service. Asked twice for the same it
// does nothing more.
func (a *attempt) requestUpdate(ctx context.Context, u Update) (string, error) {
	deployment, err := retry(ctx, a.operation, func(ctx context.Context) (string, error) {
		if err := a.lease.valid(); err != nil {
			return "", err
		}
		arn, err := a.Services.UpdateService(ctx, u)
		if err == nil || IsTransient(err) || ctx.Err() != nil {
			a.written[u.Service] = time.Now() // or it may be
		}
		return arn, err
	})
	what := short(u.TaskDefinition)
	if u.TaskDefinition == "" {
		what = fmt.Sprintf("%d tasks", *u.Desired)
	}
	if err != nil {
		return "", fmt.Errorf("set service %s to %s: %w", u.Service, what, err)
	}
	a.emit(Event{Kind: EventNote, Service: u.Service, Message: fmt.Sprintf("service %s is set to %s", u.Service, what)})
	return deployment, nil
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
func (a *attempt) raiseMinimums(ctx context.Context) error {
	for _, name := range a.services {
		own := a.record().Services[name]
		if least := a.env.SizeOf(name).MinTasks; own.MinimumBefore != nil && *own.MinimumBefore != least {
			if err := a.setMinimum(ctx, name, least); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *attempt) setMinimum(ctx context.Context, name string, tasks int) error {
	err := a.retryCall(ctx, func(ctx context.Context) error {
		if err := a.lease.valid(); err != nil {
			return err
		}
		return a.Scaling.SetMinimum(ctx, name, tasks)
	})
	if err != nil {
		return fmt.Errorf("set the least number of tasks of %s to %d: %w", name, tasks, err)
	}
	return nil
}

// maxRefusals is how many looks in a row may fail for another reason than a
// transient one.
const maxRefusals = 3

// supersededError is why an attempt ends that somebody else's deployment ended.
type supersededError struct{ why string }

func (e supersededError) Error() string { return e.why }

// steady remembers since when something is so.
type steady map[string]time.Time

// since returns for how long something has been so, as far as was seen; it is
// called at every look.
func (s steady) since(what string, so bool) time.Duration {
	if !so {
		delete(s, what)
		return 0
	}
	if s[what].IsZero() {
		s[what] = time.Now()
	}
	return time.Since(s[what])
}

// watch follows the deployments of all services to their end; the first that
// fails ends it, and so does the first task that stops by itself.
func (a *attempt) watch(ctx context.Context) error {
	a.enterPhase(PhaseWatching)
	w := newWatcher(a, func(s *ServiceRecord) *string { return &s.Deployment })
	began, so := time.Now(), steady{}
	for {
		look, err := w.look(ctx)
		if err != nil {
			return err
		}
		if err := a.crashes(ctx); err != nil {
			return err
		}
		waiting := 0
		for _, name := range a.services {
			own := a.record().Services[name]
			s, shown := look.services[name]
			if unseen := so.since("unseen "+name, !shown || s.Gone); !shown || s.Gone {
				if unseen >= a.limits.Confirm {
					return unseenError(name, s, a.limits.Confirm)
				}
				waiting++
				continue
			}
			own.see(s)
			d, known := look.deployments[own.Deployment]
			set := began
			if at := a.written[name]; !at.IsZero() {
				set = at
			}
			j := judge(s, d, known, time.Since(set) > a.limits.Confirm || a.written[name].IsZero(), *own)
			if j.deployment.ARN != "" {
				own.Deployment = j.deployment.ARN
				own.note(j.deployment)
				w.show(j.deployment)
			}
			unproven := so.since("superseded "+name, j.verdict == superseded && !j.proven) < a.limits.Confirm
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
		if !a.pause(ctx, w.pace()) {
			return fmt.Errorf("%d of %d services are not there yet (%s): %w", waiting, len(a.services), a.standing(), context.Cause(ctx))
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

// crashes fails if a task of what was deployed stopped by itself since.
func (a *attempt) crashes(ctx context.Context) error {
	since := time.Now()
	for _, name := range a.services {
		since = earlier(since, a.record().Services[name].since())
	}
	var stopped []StoppedTask
	for refusals := 1; ; refusals++ {
		var err error
		stopped, err = retry(ctx, a.operation, func(ctx context.Context) ([]StoppedTask, error) {
			return a.Services.StoppedTasks(ctx, a.services, since)
		})
		if err == nil {
			break
		}
		if ctx.Err() != nil || refusals == maxRefusals || !a.pause(ctx, a.limits.Tick) {
			return fmt.Errorf("look for tasks that stopped: %w", err)
		}
	}
	var crashed []error
	for _, t := range stopped {
		own := a.record().Services[t.Name]
		if own != nil && t.Crashed() && t.TaskDefinition == own.After && !t.Stopped.Before(own.since()) {
			own.Crashed++
			a.crashed = append(a.crashed, t)
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

// standing says where every service is.
func (a *attempt) standing() string {
	text := ""
	for i, name := range a.services {
		if i > 0 {
			text += ", "
		}
		state := a.record().Services[name].State
		if state == "" {
			state = "not begun"
		}
		text += name + " " + string(state)
	}
	return text
}

// watcher looks at all services at once, and passes on what has changed.
type watcher struct {
	attempt *attempt
	of      func(*ServiceRecord) *string
	shown   map[string]Deployment
	events  map[string]bool
	since   time.Time
	errors  int
	moved   time.Time // when anything last changed
}

type look struct {
	services    map[string]Service
	deployments map[string]Deployment
}

func newWatcher(a *attempt, of func(*ServiceRecord) *string) *watcher {
	now := time.Now()
	since := now
	for _, s := range a.record().Services {
		if !s.Started.IsZero() && s.Started.Before(since) {
			since = s.Started
		}
	}
	if a.told == nil {
		a.told = map[string]bool{}
	}
	return &watcher{attempt: a, of: of, shown: map[string]Deployment{}, events: a.told, since: since, moved: now}
}

// look costs two calls of the ports, however many services there are.
func (w *watcher) look(ctx context.Context) (look, error) {
	a := w.attempt
	for {
		found, err := retry(ctx, a.operation, w.observe)
		if err == nil {
			w.errors = 0
			w.passOn(found.services)
			return found, nil
		}
		w.errors++
		if ctx.Err() != nil || w.errors >= maxRefusals || !a.pause(ctx, a.limits.Tick) {
			return look{}, because(ctx, fmt.Errorf("look at the deployments: %w", err))
		}
	}
}

func (w *watcher) observe(ctx context.Context) (look, error) {
	a := w.attempt
	var arns []string
	for _, name := range a.services {
		if own := a.record().Services[name]; own != nil && *w.of(own) != "" {
			arns = append(arns, *w.of(own))
		}
	}
	var found look
	var err error
	if len(arns) > 0 {
		if found.deployments, err = a.Deployments.DescribeDeployments(ctx, arns); err != nil {
			return found, err
		}
	}
	found.services, err = a.Services.DescribeServices(ctx, a.services)
	return found, err
}

// passOn tells the observer of new lines in the services' event logs.
func (w *watcher) passOn(services map[string]Service) {
	for _, name := range w.attempt.services {
		for _, e := range services[name].Events {
			if w.events[e.ID] || e.Time.Before(w.since) {
				continue
			}
			w.events[e.ID] = true
			w.attempt.emit(Event{Kind: EventService, Service: name, Message: e.Message})
		}
	}
}

// show tells the observer of a deployment that has moved.
func (w *watcher) show(d Deployment) {
	if w.shown[d.ARN] == d {
		return
	}
	w.shown[d.ARN] = d
	w.moved = time.Now()
	d.Reason = w.attempt.Redactor.Hide(d.Reason)
	w.attempt.emit(Event{Kind: EventDeployment, Service: d.Service, Message: string(d.State), Deployment: &d})
}

// pace is the pause until the next look: short while something is about to
// happen, and the longer the longer nothing has.
func (w *watcher) pace() time.Duration {
	most := w.attempt.limits.Tick
	soon := slices.ContainsFunc(w.attempt.services, func(name string) bool {
		own := w.attempt.record().Services[name]
		if own == nil {
			return false
		}
		d := w.shown[*w.of(own)]
		return d.ARN != "" && !d.State.Ended() && d.Desired > 0 && d.Running >= d.Desired
	})
	switch quiet := time.Since(w.moved); {
	case soon || quiet < 10*time.Second:
		return most / 2
	default:
		return most
	}
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
		return other // or a read from before
	case !old:
		return judgement{verdict: goesOn}
	case latest != nil && latest.State == DeploymentRollbackFailed:
		return judgement{verdict: failed, deployment: *latest, why: fmt.Sprintf("service %s: deployment %s is %s%s", s.Name, short(latest.ARN), latest.State, explain(*latest))}
	case latest == nil || latest.State.Ended():
		// It was set to it before: ECS begins no deployment then, nor does it
		// when it brings a service back by itself.
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

// verify makes sure of what users get: that the tasks which run are of the
// release's images, that the load balancer finds them healthy, that the public
// address answers, and that all of this stays so for a while in which no task
// stops by itself.
func (a *attempt) verify(ctx context.Context) error {
	a.enterPhase(PhaseVerifying)
	window := a.window()
	limit := a.limits.Verify + window
	ctx, cancel := context.WithTimeoutCause(ctx, limit, timeUp{limit})
	defer cancel()
	refused, so := 0, steady{}
	if window > 0 {
		a.note("every service is deployed; it has to stay healthy for %v", window)
	}
	for {
		wrong, err := a.wrong(ctx)
		if err == nil {
			if crash := a.crashes(ctx); crash != nil && ctx.Err() == nil && !IsTransient(crash) {
				return crash
			}
		}
		right := err == nil && len(wrong) == 0
		switch lasting := so.since("right", right); {
		case err != nil && !IsTransient(err):
			refused++
		case right && lasting >= window:
			a.verified()
			return nil
		}
		pace := a.limits.Tick / 2
		if right {
			pace = min(a.limits.Tick, window/4)
		}
		if refused >= maxRefusals || !a.pause(ctx, pace) {
			switch {
			case err != nil:
			case len(wrong) == 0:
				err = fmt.Errorf("it has not stayed healthy for %v", window)
			default:
				err = errors.New(strings.Join(wrong, "; "))
			}
			return because(ctx, err)
		}
	}
}

// window is how long a release has to stay healthy.
func (a *attempt) window() time.Duration {
	if a.limits.Window > 0 {
		return a.limits.Window
	}
	return a.Platform.Window(a.env)
}

// verified notes that the release is deployed.
func (a *attempt) verified() {
	a.lease.inTime()
	a.enterPhase(PhaseDeployed)
	r := a.record()
	r.Outcome, r.Ended = Deployed, a.history.clock()
	for _, s := range r.Services {
		s.Outcome = Deployed
	}
}

// wrong lists what is not as it should be.
func (a *attempt) wrong(ctx context.Context) ([]string, error) {
	var wrong []string
	running, err := a.Services.RunningDigests(ctx, a.services)
	if err != nil {
		return nil, fmt.Errorf("look at the running images: %w", err)
	}
	services, err := a.Services.DescribeServices(ctx, a.services)
	if err != nil {
		return nil, fmt.Errorf("look at the services: %w", err)
	}
	for _, name := range a.services {
		own := a.record().Services[name]
		switch s, shown := services[name]; {
		case !shown || s.Gone:
			wrong = append(wrong, unseenError(name, s, a.limits.Confirm).Error())
			continue
		case s.TaskDefinition != own.After:
			wrong = append(wrong, fmt.Sprintf("service %s is set to %s instead of %s", name, short(s.TaskDefinition), short(own.After)))
		default:
			own.see(s)
		}
		want := own.Digest
		got := running[name]
		if own.Seen != nil {
			own.Seen.Digests = got
		}
		other := slices.DeleteFunc(slices.Clone(got), func(d string) bool { return d == want })
		switch {
		case len(got) == 0 && a.env.SizeOf(name).MinTasks > 0:
			wrong = append(wrong, fmt.Sprintf("service %s has no running task", name))
		case len(got) < a.env.SizeOf(name).MinTasks:
			wrong = append(wrong, fmt.Sprintf("service %s runs %d tasks of at least %d", name, len(got), a.env.SizeOf(name).MinTasks))
		case len(other) > 0:
			if other[0] == "" {
				other[0] = "an image whose digest ECS does not tell"
			}
			wrong = append(wrong, fmt.Sprintf("%d of %d tasks of service %s run %s instead of %s", len(other), len(got), name, other[0], want))
		}
	}
	path := ""
	for _, s := range a.Platform.Services {
		if s.Default {
			path = s.HealthPath
		}
	}
	if public := a.public(); len(public) > 0 {
		targets, err := a.Health.TargetHealth(ctx, public)
		if err != nil {
			return nil, fmt.Errorf("look at the targets: %w", err)
		}
		for _, name := range public {
			wrong = append(wrong, unhealthy(name, targets[name])...)
		}
	}
	if path == "" || len(wrong) > 0 {
		return wrong, nil
	}
	url := "https://" + a.Platform.Host(a.env) + path
	status, err := a.Health.Get(ctx, url)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, err
	case err != nil:
		wrong = append(wrong, fmt.Sprintf("GET %s: %v", url, err))
	case status != http.StatusOK:
		wrong = append(wrong, fmt.Sprintf("GET %s answers %d", url, status))
	}
	return wrong, nil
}

// public are the services that a load balancer finds.
func (a *attempt) public() []string {
	var public []string
	for _, s := range a.Platform.Services {
		if s.Public() && slices.Contains(a.services, s.Name) {
			public = append(public, s.Name)
		}
	}
	return public
}

func unhealthy(name string, t Targets) []string {
	reasons := ""
	if len(t.Reasons) > 0 {
		reasons = ": " + strings.Join(t.Reasons, ", ")
	}
	switch {
	case t.Unhealthy > 0:
		return []string{fmt.Sprintf("%d targets of service %s are not healthy%s", t.Unhealthy, name, reasons)}
	case t.Healthy == 0:
		return []string{fmt.Sprintf("service %s has no healthy target%s", name, reasons)}
	}
	return nil
}
