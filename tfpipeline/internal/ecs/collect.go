package ecs

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// Collect gathers what explains a failure: events, stopped tasks with their
// last lines, circuit breakers and targets. What it cannot get it notes as a gap, with
// AWS's reason, and gathers the rest.
func (e *Environment) Collect(ctx context.Context, s deploy.Scope) deploy.Evidence {
	s.Since = e.onServer(s.Since)
	c := &collection{environment: e, scope: s, until: time.Now().Add(settle)}
	c.evidence.Collected = time.Now().UTC()
	var parts sync.WaitGroup
	parts.Go(func() { c.events(ctx) })
	parts.Go(func() { c.targets(ctx) })
	parts.Go(func() { c.stopped(ctx, c.breakers(ctx)) })
	parts.Wait()
	slices.Sort(c.evidence.Gaps)
	return c.evidence
}

// collection is evidence while it is gathered.
type collection struct {
	environment *Environment
	scope       deploy.Scope
	until       time.Time // looks are not repeated after it

	mu       sync.Mutex
	evidence deploy.Evidence
}

// put changes the evidence.
func (c *collection) put(change func(*deploy.Evidence)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.evidence)
}

func (c *collection) gap(format string, args ...any) {
	c.put(func(e *deploy.Evidence) { e.Gaps = append(e.Gaps, fmt.Sprintf(format, args...)) })
}

// settle bounds how long a read is repeated while something that must be there is
// missing in it: reads of ECS and CloudWatch lag behind, mostly by less than this. A
// rollback may be waiting.
const settle = 5 * time.Second

// look repeats a look until it shows the whole, or the time to settle is up.
func (c *collection) look(ctx context.Context, whole func() bool) {
	ctx, cancel := context.WithDeadline(ctx, c.until)
	defer cancel()
	for pause := 50 * time.Millisecond; !whole(); pause = min(2*pause, time.Second) {
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

func (c *collection) events(ctx context.Context) {
	events := map[string][]deploy.ServiceEvent{}
	var err error
	c.look(ctx, func() (whole bool) {
		var services []types.Service
		if services, err = c.environment.describeServices(ctx, c.scope.Services); err != nil {
			return true
		}
		for _, s := range services {
			events[*s.ServiceName] = eventsOf(s, c.scope.Since)
		}
		return len(events) == len(c.scope.Services)
	})
	if err != nil {
		c.gap("events: %v", err)
	}
	for _, name := range c.scope.Services {
		if _, ok := events[name]; !ok && err == nil {
			c.gap("events: ECS does not show service %s", name)
		}
	}
	c.put(func(e *deploy.Evidence) { e.Events = events })
}

// breakers gathers the circuit breakers, and returns the services that have failed
// tasks.
func (c *collection) breakers(ctx context.Context) (failing []string) {
	var deployments map[string]deploy.Deployment
	var err error
	c.look(ctx, func() (whole bool) {
		deployments, err = c.environment.DescribeDeployments(ctx, c.scope.Deployments)
		return err != nil || !slices.ContainsFunc(c.scope.Deployments, func(arn string) bool { _, ok := deployments[arn]; return !ok })
	})
	if err != nil {
		c.gap("circuit breakers: %v", err)
		return nil
	}
	var breakers []deploy.Breaker
	for arn := range distinct(c.scope.Deployments) {
		d, ok := deployments[arn]
		if !ok {
			c.gap("circuit breakers: ECS does not know %s", afterColon(arn))
			continue
		}
		if d.Failures > 0 {
			failing = append(failing, d.Service)
		}
		breakers = append(breakers, deploy.Breaker{
			Service: d.Service, ARN: d.ARN, State: d.State, Reason: d.Reason, Failures: d.Failures, Threshold: d.Threshold,
		})
	}
	c.put(func(e *deploy.Evidence) { e.Deployments = breakers })
	return failing
}

func (c *collection) targets(ctx context.Context) {
	targets, err := c.environment.TargetHealth(ctx, c.scope.Services)
	if err != nil {
		c.gap("targets: %v", err)
		return
	}
	c.put(func(e *deploy.Evidence) { e.Targets = targets })
}

const (
	// tasksWithLog is how many tasks of a service have their last lines read:
	// tasks that fail one after the other mostly say the same.
	tasksWithLog = 3
	// lastLinesOfTask is how many lines of a task are read.
	lastLinesOfTask = 50
)

// stopped gathers the tasks that ended, with their last lines. It repeats the look
// until each failing service has one.
func (c *collection) stopped(ctx context.Context, failing []string) {
	var parts sync.WaitGroup
	var ofServices, oneOff []deploy.StoppedTask
	parts.Go(func() { ofServices = c.serviceTasks(ctx, failing) })
	parts.Go(func() { oneOff = c.oneOffTasks(ctx) })
	parts.Wait()
	all := append(oneOff, ofServices...)

	var read []*deploy.StoppedTask
	count := map[string]int{}
	for i := range all {
		if count[all[i].Name]++; count[all[i].Name] <= tasksWithLog {
			read = append(read, &all[i])
		}
	}
	// Lines that cannot be read are a gap; those of the next task may be readable.
	_ = each(ctx, slices.Values(read), func(ctx context.Context, t *deploy.StoppedTask) error {
		var err error
		c.look(ctx, func() (whole bool) {
			t.Log, err = c.environment.lastLines(ctx, t.Name, cmp.Or(t.Ended(), t.Name), t.ARN, lastLinesOfTask)
			return err != nil || len(t.Log) > 0 || t.StopCode != "EssentialContainerExited"
		})
		if err != nil {
			c.gap("logs: %v", err)
		}
		return nil
	})
	c.put(func(e *deploy.Evidence) { e.Stopped = all })
}

// serviceTasks are the tasks of the services that ended, or were told to: the
// newest first, by service.
func (c *collection) serviceTasks(ctx context.Context, failing []string) []deploy.StoppedTask {
	if len(c.scope.Services) == 0 {
		return nil
	}
	seen := map[string]deploy.StoppedTask{} // by ARN; once a read has shown an end, a later one cannot undo it
	for _, t := range c.scope.Crashed {
		seen[t.ARN] = t
	}
	var err error
	c.look(ctx, func() (whole bool) {
		var tasks []types.Task
		if tasks, err = c.environment.tasks(ctx, types.DesiredStatusStopped); err != nil {
			return true
		}
		for _, t := range tasks {
			if arn := *t.TaskArn; c.concerns(t) && seen[arn].Stopped.IsZero() {
				seen[arn] = c.environment.stoppedOf(t)
			}
		}
		return complete(seen, failing)
	})
	if err != nil {
		c.gap("stopped tasks: %v", err)
	}
	return slices.SortedFunc(maps.Values(seen), func(a, b deploy.StoppedTask) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), b.Stopped.Compare(a.Stopped), cmp.Compare(a.ARN, b.ARN))
	})
}

// complete reports whether every task shows its end, and every one of the services
// has a task that ended.
func complete(tasks map[string]deploy.StoppedTask, services []string) bool {
	ended := map[string]bool{}
	for _, t := range tasks {
		if t.Stopped.IsZero() {
			return false
		}
		ended[t.Name] = true
	}
	return !slices.ContainsFunc(services, func(s string) bool { return !ended[s] })
}

// concerns reports whether a task of a service is in the scope.
func (c *collection) concerns(t types.Task) bool {
	service, ok := serviceOf(t)
	return ok && slices.Contains(c.scope.Services, service) &&
		(c.scope.TaskDefinitions == nil || slices.Contains(c.scope.TaskDefinitions, value(t.TaskDefinitionArn))) &&
		(t.StoppedAt == nil || !t.StoppedAt.Before(c.scope.Since))
}

// oneOffTasks are the one-off tasks of the scope, whatever their state: one
// that hangs has a log too.
func (c *collection) oneOffTasks(ctx context.Context) []deploy.StoppedTask {
	var arns []string
	for _, t := range c.scope.Tasks {
		arns = append(arns, t.ARN)
	}
	known := map[string]deploy.StoppedTask{}
	var err error
	c.look(ctx, func() (whole bool) {
		var tasks []types.Task
		if tasks, err = c.environment.describeTasks(ctx, arns); err != nil {
			return true
		}
		for _, t := range tasks {
			if known[*t.TaskArn].Stopped.IsZero() {
				known[*t.TaskArn] = c.environment.stoppedOf(t)
			}
		}
		return !slices.ContainsFunc(arns, func(arn string) bool { return arn != "" && known[arn].Stopped.IsZero() })
	})
	if err != nil {
		c.gap("one-off tasks: %v", err)
	}
	var all []deploy.StoppedTask
	for _, t := range c.scope.Tasks {
		s, ok := known[t.ARN]
		switch {
		case ok:
			all = append(all, s)
		case t.ARN == "":
			c.gap("one-off tasks: %s was never started", t.Name)
		case t.Name != "":
			// ECS has forgotten it; CloudWatch has not.
			all = append(all, deploy.StoppedTask{ARN: t.ARN, Name: t.Name, StopCode: t.StopCode, Reason: t.Reason, Stopped: t.Stopped})
			c.gap("one-off tasks: ECS does not know %s any more", afterColon(t.ARN))
		default:
			c.gap("one-off tasks: ECS does not know %s any more", afterColon(t.ARN))
		}
	}
	return all
}

// stoppedOf is a task that ended, without its log.
func (e *Environment) stoppedOf(t types.Task) deploy.StoppedTask {
	s := deploy.StoppedTask{
		ARN:            *t.TaskArn,
		Name:           e.nameOf(value(t.TaskDefinitionArn)),
		TaskDefinition: value(t.TaskDefinitionArn),
		StopCode:       string(t.StopCode),
		Reason:         value(t.StoppedReason),
		Created:        value(t.CreatedAt),
		Stopped:        value(t.StoppedAt),
	}
	for _, c := range t.Containers {
		s.Containers = append(s.Containers, deploy.StoppedContainer{
			Name: value(c.Name), Optional: e.optional(s.Name, value(c.Name)), ExitCode: exitCodeOf(c), Reason: value(c.Reason), Digest: value(c.ImageDigest),
		})
	}
	return s
}

// optional reports whether a container of a service is a sidecar whose end does not end
// the task.
func (e *Environment) optional(service, container string) bool {
	return slices.ContainsFunc(e.platform.Services, func(s config.Service) bool {
		return s.Name == service && slices.ContainsFunc(s.Sidecars, func(c config.Sidecar) bool { return c.Name == container && c.Optional })
	})
}
