package deploy

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// TaskRequest asks for a one-off task by hand.
type TaskRequest struct {
	// Task is its name in the platform.
	Task string
	// Command replaces the task definition's; nil leaves it.
	Command []string
	// Timeout bounds how long the task is followed; 0 means Limits.Total.
	Timeout time.Duration
	// Force runs it although somebody holds the environment's lock.
	Force bool
}

// TaskError is why a one-off task by hand did not run to a good end.
type TaskError struct {
	// Task is its name, ARN that of the task; empty if it was not started.
	Task, ARN string
	// Cause is one of those below, or another error.
	Cause error
}

// The causes of a TaskError that somebody can do something about.
var (
	// ErrNotDeployed: there is no release whose image it could run.
	ErrNotDeployed = errors.New("no release is deployed, so there is no image to run it with")
	// ErrNoTemplate: Terraform has made no task definition for it.
	ErrNoTemplate = errors.New("the state has no task definition for it")
	// ErrUnknownTask: ECS does not know it, or no longer.
	ErrUnknownTask = errors.New("ECS does not know it")
	// ErrGoesOn: it was not followed to its end.
	ErrGoesOn = errors.New("it goes on")
)

func (e *TaskError) Error() string {
	if e.ARN == "" {
		return fmt.Sprintf("task %s: %v", e.Task, e.Cause)
	}
	return fmt.Sprintf("task %s (%s): %v", e.Task, e.ARN, e.Cause)
}

func (e *TaskError) Unwrap() error { return e.Cause }

// Run runs a one-off task with the image of the release that is deployed, and
// follows its log to its end; the log's lines are observed. It takes no lock and
// leaves no record. While somebody holds the lock, it returns a LockError,
// unless forced. Other errors are a *TaskError; the task itself is left alone
// if ctx ends.
func (p *Pipeline) Run(ctx context.Context, q TaskRequest) (Task, error) {
	a := &attempt{Pipeline: p, limits: p.Limits.orDefault(), begun: time.Now(), request: Request{Timeout: q.Timeout}}
	a.record().ID = a.newID()
	arn, err := a.startTask(ctx, q)
	if err != nil {
		return Task{}, err
	}
	limit := a.timeout()
	ctx, cancel := context.WithTimeoutCause(ctx, limit, timeUp{limit})
	defer cancel()
	ended, err := a.follow(ctx, q.Task, arn)
	ended.Reason = a.Redactor.Hide(ended.Reason)
	switch {
	case err != nil && ctx.Err() != nil:
		err = fmt.Errorf("%w: %w", ErrGoesOn, context.Cause(ctx))
	case err == nil && !ended.Known:
		err = ErrUnknownTask
	case err == nil && (ended.ExitCode == nil || *ended.ExitCode != 0):
		return ended, taskError(q.Task, TaskRecord{ARN: arn, ExitCode: ended.ExitCode, Reason: ended.Reason}, ended)
	}
	if err != nil {
		return ended, &TaskError{q.Task, arn, err}
	}
	return ended, nil
}

// startTask starts a one-off task by hand and returns its ARN.
func (a *attempt) startTask(ctx context.Context, q TaskRequest) (string, error) {
	refused := func(err error) (string, error) { return "", &TaskError{Task: q.Task, Cause: err} }
	task, ok := a.Platform.Task(q.Task)
	if !ok {
		return refused(errors.New("the platform has no such task"))
	}
	holder, err := retry(ctx, a, a.Lock.Holder)
	switch {
	case q.Force:
	case err != nil:
		return refused(fmt.Errorf("look at the lock: %w", err))
	case holder != nil:
		return "", LockError{Lease: *holder}
	}
	if err := a.readHistory(ctx); err != nil {
		return refused(err)
	}
	current := a.past.current()
	if current == nil || current.Release.Digests[task.Service] == "" {
		return refused(ErrNotDeployed)
	}
	a.record().Release = current.Release
	if err := a.readOutputs(ctx); err != nil {
		return refused(err)
	}
	if a.outputs.Templates[task.Name] == "" {
		return refused(ErrNoTemplate)
	}
	definition, err := a.registerTask(ctx, task)
	if err != nil {
		return refused(err)
	}
	token := "by-hand-" + a.record().ID
	run := TaskRun{
		Name: task.Name, TaskDefinition: definition, Token: token, StartedBy: token,
		Command: q.Command, Environment: a.taskEnvironment(), Placement: a.outputs.Placements[task.Name],
	}
	arn, err := retry(ctx, a, func(ctx context.Context) (string, error) { return a.Tasks.RunTask(ctx, run) })
	if err != nil {
		return refused(fmt.Errorf("start it: %w", err))
	}
	a.note("task %s is started: %s", task.Name, arn)
	return arn, nil
}
