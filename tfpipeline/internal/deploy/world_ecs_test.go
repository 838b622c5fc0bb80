package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// fakeService is a service of the world's ECS.
type fakeService struct {
	name       string
	definition string // what it is set to
	completed  string // what ECS goes back to
	desired    int
	latest     *fakeDeployment
	events     []ServiceEvent
	// crashed are its tasks that stopped by themselves.
	crashed []StoppedTask
	deleted bool
	// before is what old reads show until stale has passed.
	before *Service
	stale  time.Time
}

type fakeDefinition struct {
	name, image string
	inactive    bool
}

type fakeDeployment struct {
	Deployment
	behaviour behaviour
	backAt    time.Time // when its rollback is complete
	shownAt   time.Time // from when every read shows it
}

func (w *world) arn(name string, revision int) string {
	return fmt.Sprintf("%stask-definition/%s:%d", accountARN, w.platform.Family(w.env, name), revision)
}

// define registers a revision.
func (w *world) define(name, image string) string {
	for n := 1; ; n++ {
		arn := w.arn(name, n)
		if w.definitions[arn] == nil {
			w.definitions[arn] = &fakeDefinition{name: name, image: image}
			return arn
		}
	}
}

// digestIn is the digest that a task definition runs.
func (w *world) digestIn(definition string) string {
	_, digest, _ := strings.Cut(w.definitions[definition].image, "@")
	return digest
}

// deploy begins a deployment of what a service is set to.
func (w *world) deploy(s *fakeService) *fakeDeployment {
	w.serial++
	b := behaviour{after: 30 * time.Second}
	if w.behave != nil {
		b = w.behave(s.name, w.digestIn(s.definition))
	}
	if s.desired == 0 {
		b = behaviour{after: 10 * time.Second}
	}
	if old := s.latest; old != nil && !old.State.Ended() {
		old.State, old.Reason, old.Finished = DeploymentStopped, "replaced by a later deployment", time.Now()
	}
	d := &fakeDeployment{behaviour: b, Deployment: Deployment{
		ARN:     fmt.Sprintf("%sservice-deployment/%s/%s/d%03d", accountARN, w.platform.Cluster(w.env), s.name, w.serial),
		Service: s.name, TaskDefinition: s.definition, Revision: fmt.Sprintf("revision-%d", w.serial),
		State: DeploymentInProgress, Threshold: 3, Desired: s.desired, Created: time.Now(),
	}}
	w.deployments[d.ARN] = d
	s.latest = d
	d.shownAt = time.Now().Add(w.lag())
	w.event(s, "has begun a deployment")
	return d
}

func (w *world) event(s *fakeService, text string) {
	w.serial++
	s.events = append(s.events, ServiceEvent{ID: fmt.Sprint(w.serial), Time: time.Now(), Message: fmt.Sprintf("(service %s) %s.", s.name, text)})
}

// advance brings the world to the present.
func (w *world) advance() {
	now := time.Now()
	for _, d := range w.deployments {
		s := w.services[d.Service]
		due := d.Created.Add(d.behaviour.after)
		if d.State == DeploymentInProgress && !d.behaviour.stuck && !now.Before(due) {
			w.finishDeployment(s, d, due)
		}
		if d.State == DeploymentRollingBack && !now.Before(d.backAt) {
			d.State, d.Finished = DeploymentRolledBack, d.backAt
			if d.behaviour.rollbackFails {
				d.State = DeploymentRollbackFailed
			}
			w.event(s, "has rolled back")
		}
	}
	for _, t := range w.tasks {
		if t.State != TaskStopped && !now.Before(t.ends) {
			t.State, t.Stopped, t.ExitCode, t.Reason, t.Capacity = TaskStopped, t.ends, t.end.code, t.end.reason, t.end.capacity
		}
	}
}

func (w *world) finishDeployment(s *fakeService, d *fakeDeployment, at time.Time) {
	switch {
	case !d.behaviour.fails:
		d.State, d.Finished, d.Running = DeploymentSuccessful, at, d.Desired
		s.completed = d.TaskDefinition
		w.event(s, "has reached a steady state")
		for _, after := range d.behaviour.crashes {
			s.crashed = append(s.crashed, StoppedTask{
				ARN: fmt.Sprintf("%stask/%s/crash%d", accountARN, s.name, len(s.crashed)), Name: s.name, TaskDefinition: d.TaskDefinition,
				StopCode: "EssentialContainerExited", Reason: "Essential container in task exited", Created: d.Created, Stopped: at.Add(after),
				Containers: []StoppedContainer{{Name: s.name, ExitCode: new(2)}},
			})
		}
	case d.behaviour.noRollback:
		d.State, d.Finished, d.Failures, d.Reason = DeploymentStopped, at, 3, "tasks failed to start"
	default:
		d.Failures = 3
		w.event(s, "is unable to start: "+d.behaviour.reason)
		w.rollBack(s, d, at, "circuit breaker: tasks failed to start "+d.behaviour.reason)
	}
}

// rollBack is what ECS does by itself: it makes no deployment of its own.
func (w *world) rollBack(s *fakeService, d *fakeDeployment, at time.Time, why string) {
	d.State, d.Reason, d.backAt = DeploymentRollingBack, why, at.Add(20*time.Second)
	s.definition = s.completed
}

// taskDefinitionARNs of the services, by name.
func (w *world) running() map[string]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.advance()
	all := map[string]string{}
	for name, s := range w.services {
		all[name] = s.definition
	}
	return all
}

// releases lists the releases that services are set to, each once.
func (w *world) releases() []string {
	var list []string
	for name, definition := range w.running() {
		found := "placeholder"
		for tag, commit := range w.tags {
			if w.digestIn(definition) == digestOf(name, commit) {
				found = tag
			}
		}
		if !slices.Contains(list, found) {
			list = append(list, found)
		}
	}
	for name, s := range w.schedules {
		if found := w.starts(name, s); !slices.Contains(list, found) {
			list = append(list, found)
		}
	}
	slices.Sort(list)
	return list
}

// show is a service as it is.
func (s *fakeService) show() Service {
	v := Service{Name: s.name, Gone: s.deleted, TaskDefinition: s.definition, Desired: s.desired, Running: s.desired, Events: slices.Clone(s.events)}
	if s.latest != nil {
		v.Deployment = new(s.latest.Deployment)
		if s.latest.State == DeploymentInProgress {
			v.Running = 0
		}
	}
	return v
}

func (p *process) DescribeServices(ctx context.Context, services []string) (map[string]Service, error) {
	return call(ctx, p, "DescribeServices", "", func() (map[string]Service, error) {
		all := map[string]Service{}
		for _, name := range services {
			if s := p.services[name]; s != nil {
				if v, shown := p.read(s); shown {
					all[name] = v
				}
			}
		}
		return all, nil
	})
}

func (p *process) StoppedTasks(ctx context.Context, services []string, since time.Time) ([]StoppedTask, error) {
	return call(ctx, p, "StoppedTasks", "", func() ([]StoppedTask, error) {
		var all []StoppedTask
		for _, name := range services {
			if s := p.services[name]; s != nil {
				for _, t := range s.crashed {
					if !t.Stopped.Before(since) && !time.Now().Before(t.Stopped) {
						all = append(all, t)
					}
				}
			}
		}
		return all, nil
	})
}

func (p *process) UpdateService(ctx context.Context, u Update) (string, error) {
	args := u.Service + " " + short(u.TaskDefinition)
	if u.Desired != nil {
		args += fmt.Sprintf(" desired=%d", *u.Desired)
	}
	if u.Restart {
		args += " restart"
	}
	return call(ctx, p, "UpdateService", args, func() (string, error) {
		s := p.services[u.Service]
		if s.deleted {
			return "", fmt.Errorf("ServiceNotActiveException: %s", s.name)
		}
		p.write(s)
		if u.TaskDefinition == "" {
			u.TaskDefinition = s.definition
		}
		if d := p.definitions[u.TaskDefinition]; d == nil || d.inactive {
			return "", fmt.Errorf("ClientException: TaskDefinition is inactive: %s", u.TaskDefinition)
		}
		if u.Desired != nil {
			s.desired = *u.Desired
		}
		if u.TaskDefinition == s.definition && !u.Restart {
			return "", nil
		}
		s.definition = u.TaskDefinition
		arn := p.deploy(s).ARN
		if p.consistency != nil && p.consistency.IntN(2) == 0 {
			arn = "" // the answer shows the service as it was
		}
		return arn, nil
	})
}

func (p *process) RunningTasks(ctx context.Context, services []string) (map[string][]RunningTask, error) {
	return call(ctx, p, "RunningTasks", "", func() (map[string][]RunningTask, error) {
		all := map[string][]RunningTask{}
		for _, name := range services {
			s := p.services[name]
			if s == nil || s.deleted {
				continue
			}
			for i := range s.desired {
				digest := p.digestIn(s.completed)
				if p.late(s.stale) {
					digest = ""
				}
				if other := p.serves[name]; other != "" {
					digest = other
				}
				all[name] = append(all[name], RunningTask{Digest: digest, Unhealthy: p.sick[name] && i == 0})
			}
		}
		return all, nil
	})
}

func (p *process) DescribeDeployments(ctx context.Context, arns []string) (map[string]Deployment, error) {
	return call(ctx, p, "DescribeDeployments", "", func() (map[string]Deployment, error) {
		all := map[string]Deployment{}
		for _, arn := range arns {
			if d := p.deployments[arn]; d != nil && !p.late(d.shownAt) {
				all[arn] = d.Deployment
			}
		}
		return all, nil
	})
}

func (p *process) StopDeployment(ctx context.Context, arn string) error {
	return ignore(call(ctx, p, "StopDeployment", short(arn), func() (struct{}, error) {
		if d := p.deployments[arn]; d.State == DeploymentInProgress {
			p.write(p.services[d.Service])
			p.rollBack(p.services[d.Service], d, time.Now(), "Service deployment rolled back because it was stopped by a user.")
		}
		return struct{}{}, nil
	}))
}

func (p *process) Minimums(ctx context.Context, services []string) (map[string]int, error) {
	return call(ctx, p, "Minimums", "", func() (map[string]int, error) {
		all := map[string]int{}
		for _, s := range services {
			if m, ok := p.minimums[s]; ok {
				all[s] = m
			}
		}
		return all, nil
	})
}

func (p *process) SetMinimum(ctx context.Context, service string, tasks int) error {
	return ignore(call(ctx, p, "SetMinimum", fmt.Sprintf("%s %d", service, tasks), func() (struct{}, error) {
		if _, ok := p.minimums[service]; !ok {
			return struct{}{}, errors.New("ValidationException: You must specify a maximum capacity for a scalable target")
		}
		env, _ := p.world.platform.Environment(p.env)
		if most := env.SizeOf(service).MaxTasks; tasks > most {
			return struct{}{}, fmt.Errorf("ValidationException: Maximum capacity cannot be less than minimum capacity (%d, %d)", most, tasks)
		}
		p.minimums[service] = tasks
		if s := p.services[service]; s.desired < tasks {
			p.write(s)
			s.desired = tasks // autoscaling acts at once
			if strings.Contains(p.definitions[s.definition].image, "placeholder") {
				return struct{}{}, fmt.Errorf("autoscaling has started the placeholder of %s", service)
			}
		}
		return struct{}{}, nil
	}))
}
