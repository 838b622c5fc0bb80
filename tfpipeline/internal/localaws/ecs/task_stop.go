package ecs

import (
	"slices"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// Why tasks stop: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html

// stop begins to stop a task, unless it is stopping already.
func (m *model) stop(t *task, code types.TaskStopCode, reason string) {
	if !t.wanted() {
		return
	}
	m.condemn(t, code, reason)
	m.deregister(t)
	switch {
	case !t.launched:
		m.deprovision(t)
	case t.draining():
		m.move(t, "DEACTIVATING")
	default:
		m.quit(t)
	}
}

// condemn records that a task will stop, and why.
func (m *model) condemn(t *task, code types.TaskStopCode, reason string) {
	t.api.DesiredStatus = new("STOPPED")
	t.api.StopCode, t.api.StoppedReason = code, &reason
	t.api.StoppingAt = new(m.agenda.now)
	t.api.Version++
	m.wake(t.service)
}

// quit ends the containers of a task after its deregistration from the load
// balancer.
func (m *model) quit(t *task) {
	if t.ended() {
		m.deprovision(t)
		return
	}
	m.move(t, "STOPPING")
	m.options.Launcher.Stop(t.arn(), m.agenda.now)
}

// ended reports whether all containers of the task definition have exited.
func (t *task) ended() bool {
	return !slices.ContainsFunc(t.def.api.ContainerDefinitions, func(d types.ContainerDefinition) bool {
		return *t.container(*d.Name).LastStatus != "STOPPED"
	})
}

// deprovision releases the task's resources.
func (m *model) deprovision(t *task) {
	t.api.ExecutionStoppedAt = new(m.agenda.now)
	for i := range t.api.Containers {
		t.api.Containers[i].LastStatus = new("STOPPED")
	}
	t.api.Attachments[0].Status = new("DELETED")
	m.move(t, "DEPROVISIONING")
	m.after(m.options.Pace.Deprovision, func() {
		t.api.StoppedAt = new(m.agenda.now)
		m.move(t, "STOPPED")
		m.after(forgetAfter, func() { m.forget(t) })
	})
}

// notStarted ends a task that could not start.
func (m *model) notStarted(t *task, reason string) {
	m.condemn(t, types.TaskStopCodeTaskFailedToStart, reason)
	if t.service != nil {
		m.event(t.service, "was unable to place a task. Reason: %s.", reason)
		m.taskFailed(t)
	}
	m.deprovision(t)
}

// exited handles the end of a container. When an essential one ends, the task
// stops.
func (m *model) exited(t *task, e Exited) {
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
		m.condemn(t, types.TaskStopCodeEssentialContainerExited, "Essential container in task exited")
		if t.service != nil {
			m.taskFailed(t)
		}
		m.deregister(t)
		m.quit(t)
	case t.ended() && t.last() != "DEACTIVATING":
		m.deprovision(t)
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
		return nil, refuse(invalidParameter, "The referenced task was not found.")
	}
	reason := value(in.Reason)
	if reason == "" {
		reason = "Task stopped by user"
	}
	if len(reason) > 1024 {
		return nil, refuse(invalidParameter, "Reason must not be longer than 1024 characters.")
	}
	r.stop(t, types.TaskStopCodeUserInitiated, reason)
	return &sdk.StopTaskOutput{Task: &t.api}, nil
}

// task finds a task of a cluster by id or ARN.
func (m *model) task(c *cluster, reference string) *task {
	for _, t := range m.tasks {
		if t.cluster == c && (t.id() == reference || t.arn() == reference) {
			return t
		}
	}
	return nil
}
