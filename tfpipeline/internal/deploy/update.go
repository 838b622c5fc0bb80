package deploy

import (
	"context"
	"fmt"
	"time"

	"github.com/specboard/platform/gen/config"
)

// update sets every service to its new task definition, one call each and one
// right after the other: they are deployed together.
func (a *attempt) update(ctx context.Context) error {
	err := a.changing(ctx, func(j *Journal) {
		j.Updated = true
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
	desired := tasksWanted(a.env.SizeOf(name), now.Desired)
	if now.TaskDefinition == own.After && desired == now.Desired {
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
	deployment, err := a.updateOnce(ctx, u)
	if err != nil {
		return err
	}
	own.Deployment = deployment
	a.updated[name] = time.Now()
	return nil
}

// updateOnce asks ECS for a change of a service. Asked twice for the same it
// does nothing more.
func (a *attempt) updateOnce(ctx context.Context, u Update) (string, error) {
	deployment, err := retry(ctx, a, func(ctx context.Context) (string, error) {
		if err := a.hold.valid(); err != nil {
			return "", err
		}
		return a.Services.UpdateService(ctx, u)
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
	err := a.again(ctx, func(ctx context.Context) error {
		if err := a.hold.valid(); err != nil {
			return err
		}
		return a.Scaling.SetMinimum(ctx, name, tasks)
	})
	if err != nil {
		return fmt.Errorf("set the least number of tasks of %s to %d: %w", name, tasks, err)
	}
	return nil
}
