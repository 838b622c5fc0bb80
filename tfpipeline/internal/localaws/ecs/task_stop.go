package ecs

import (
	"slices"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// Why tasks stop: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html

// stop begins to stop a task, unless it is stopping already.
func (r *Runtime) stop(t *task, code types.TaskStopCode, reason string) {
	if !t.wanted() {
		return
	}
	r.condemn(t, code, reason)
	r.deregister(t)
	switch {
	case !t.launched:
		r.deprovision(t)
	case t.draining():
		r.move(t, "DEACTIVATING")
	default:
		r.quit(t)
	}
}

// condemn records that a task will stop, and why.
func (r *Runtime) condemn(t *task, code types.TaskStopCode, reason string) {
	t.api.DesiredStatus = new("STOPPED")
	t.api.StopCode, t.api.StoppedReason = code, &reason
	t.api.StoppingAt = new(r.agenda.now)
	t.api.Version++
	r.wake(t.service)
}

// quit ends the containers of a task after its deregistration from the load
// balancer.
func (r *Runtime) quit(t *task) {
	if t.ended() {
		r.deprovision(t)
		return
	}
	r.move(t, "STOPPING")
	r.options.Launcher.Stop(t.arn(), r.agenda.now)
}

// ended reports whether all containers of the task definition have exited.
func (t *task) ended() bool {
	return !slices.ContainsFunc(t.def.api.ContainerDefinitions, func(d types.ContainerDefinition) bool {
		return *t.container(*d.Name).LastStatus != "STOPPED"
	})
}

// deprovision releases the task's resources.
func (r *Runtime) deprovision(t *task) {
	t.api.ExecutionStoppedAt = new(r.agenda.now)
	for i := range t.api.Containers {
		t.api.Containers[i].LastStatus = new("STOPPED")
	}
	t.api.Attachments[0].Status = new("DELETED")
	r.move(t, "DEPROVISIONING")
	r.after(r.options.Pace.Deprovision, func() {
		t.api.StoppedAt = new(r.agenda.now)
		r.move(t, "STOPPED")
		r.after(forgetAfter, func() { r.forget(t) })
	})
}

// notStarted ends a task that could not start.
func (r *Runtime) notStarted(t *task, reason string) {
	r.condemn(t, types.TaskStopCodeTaskFailedToStart, reason)
	if t.service != nil {
		r.event(t.service, "was unable to place a task. Reason: %s.", reason)
		r.taskFailed(t)
	}
	r.deprovision(t)
}

// exited handles the end of a container. When an essential one ends, the task
// stops.
func (r *Runtime) exited(t *task, e Exited) {
	c := t.container(e.Container)
	if c == nil || *c.LastStatus == "STOPPED" {
		return
	}
	c.LastStatus, c.ExitCode = new("STOPPED"), e.Code
	if e.Reason != "" {
		c.Reason = &e.Reason
	}
	essential := *t.def.container(e.Container).Essential
	switch {
	case t.wanted() && essential:
		r.condemn(t, types.TaskStopCodeEssentialContainerExited, "Essential container in task exited")
		if t.service != nil {
			r.taskFailed(t)
		}
		r.deregister(t)
		r.quit(t)
	case t.ended() && t.last() != "DEACTIVATING":
		r.deprovision(t)
	}
}

// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_StopTask.html
func (r *Runtime) stopTask(in *sdk.StopTaskInput) (*sdk.StopTaskOutput, error) {
	c, err := r.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	t := r.task(c, value(in.Task))
	if t == nil {
		return nil, invalid("The referenced task was not found.")
	}
	reason := value(in.Reason)
	if reason == "" {
		reason = "Task stopped by user"
	}
	if len(reason) > 1024 {
		return nil, invalid("Reason must not be longer than 1024 characters.")
	}
	r.stop(t, types.TaskStopCodeUserInitiated, reason)
	return &sdk.StopTaskOutput{Task: &t.api}, nil
}

// task finds a task of a cluster by id or ARN.
func (r *Runtime) task(c *cluster, reference string) *task {
	for _, t := range r.tasks {
		if t.cluster == c && (t.id() == reference || t.arn() == reference) {
			return t
		}
	}
	return nil
}
