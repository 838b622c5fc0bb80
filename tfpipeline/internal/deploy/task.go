package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/specboard/platform/gen/config"
)

// The one-off tasks that a deployment runs, where the platform has them.
const (
	taskMigrate = "migrate"
	taskSeed    = "seed"
)

// migrate brings the schema to the release's, and fills the database of a first
// deployment. A rollback leaves the schema, unless asked.
func (a *attempt) migrate(ctx context.Context) error {
	r := a.record()
	task, ok := a.Platform.Task(taskMigrate)
	rollback := r.Kind == KindRollback
	switch {
	case rollback && !a.request.WithMigrations:
		a.note("migrations are not run: every release since keeps the schema that %s needs", r.Release)
		return nil
	case !ok:
		a.note("the platform has no task %s", taskMigrate)
		return nil
	}
	if r.Migration == nil {
		r.Migration = &MigrationRecord{Contracts: a.contracts}
	}
	command := slices.Clone(task.Command)
	if rollback {
		// Newer releases have migrated further.
		command = append(command, "-allow-ahead")
	}
	if err := a.oneOff(ctx, task, command, func(r *Record) *TaskRecord { return &r.Migration.TaskRecord }); err != nil {
		return err
	}
	seed, ok := a.Platform.Task(taskSeed)
	if !r.First || !ok {
		return nil
	}
	if r.Seed == nil {
		r.Seed = &TaskRecord{}
	}
	return a.oneOff(ctx, seed, seed.Command, func(r *Record) *TaskRecord { return r.Seed })
}

// taskEnvironment is what a one-off task is told of the release.
func (a *attempt) taskEnvironment() map[string]string {
	return map[string]string{"RELEASE": a.record().Release.name()}
}

// imageOf is the full reference of the image that a service or one-off task
// runs.
func (a *attempt) imageOf(service string) string {
	return a.Platform.RepositoryURL(service) + "@" + a.record().Release.Digests[service]
}

func (a *attempt) tags(template string) map[string]string {
	release := a.record().Release
	return map[string]string{"release": release.name(), "commit": release.Commit, "template": short(template)}
}

// registerTask registers a one-off task with the release's image.
func (a *attempt) registerTask(ctx context.Context, task config.Task) (string, error) {
	template := a.outputs.Templates[task.Name]
	return a.registerRevision(ctx, Revision{Name: task.Name, Template: template, Image: a.imageOf(task.Service), Tags: a.tags(template)})
}

const (
	// tokenLife is how long ECS remembers a client token, with a margin.
	tokenLife = 23 * time.Hour
	// unknownFor is how long ECS may not know a task that was just started.
	unknownFor = time.Minute
	// firstLook is the pause before the second look at a task that was just
	// started; the pauses double up to Limits.Tick.
	firstLook = time.Second / 4
	// flushWithin is how long the last lines of a task that ended well are
	// waited for.
	flushWithin = time.Second / 2
)

// oneOff runs a one-off task to its end. at finds the task's record, which says
// what an attempt that this one continues has started: that is followed, and
// nothing is started beside it.
func (a *attempt) oneOff(ctx context.Context, task config.Task, command []string, at func(*Record) *TaskRecord) error {
	if at(a.record()).Succeeded() {
		a.note("task %s has run", task.Name)
		return nil
	}
	b := backoff{most: a.limits.Backoff}
	for {
		ended, err := a.runOneOff(ctx, task, command, at)
		t := at(a.record())
		switch {
		case err != nil:
			return err
		case ended.Capacity:
			a.warn("there is no room for task %s now: %s; trying again", task.Name, ended.Reason)
			*t = TaskRecord{TaskDefinition: t.TaskDefinition}
			if !a.pause(ctx, b.next()) {
				return fmt.Errorf("task %s found no room: %s: %w", task.Name, ended.Reason, context.Cause(ctx))
			}
		case !ended.Known && task.Name == taskMigrate:
			// Its own table makes it safe to run again.
			a.warn("ECS no longer knows task %s, so nobody can tell how it ended: running it again", short(t.ARN))
			*t = TaskRecord{TaskDefinition: t.TaskDefinition}
			if !a.pause(ctx, b.next()) {
				return fmt.Errorf("task %s is not known: %w", task.Name, context.Cause(ctx))
			}
		case !ended.Known:
			return fmt.Errorf("ECS no longer knows task %s (%s), so nobody can tell how it ended", task.Name, t.ARN)
		case !t.Succeeded():
			return taskError(task.Name, *t, ended)
		default:
			return nil
		}
	}
}

// taskError says how a task failed.
func taskError(name string, t TaskRecord, ended Task) error {
	if t.ExitCode == nil {
		return fmt.Errorf("task %s never began, or has no exit code: %s: %s (%s)", name, ended.StopCode, t.Reason, t.ARN)
	}
	return fmt.Errorf("task %s ended with exit code %d: %s (%s)", name, *t.ExitCode, t.Reason, t.ARN)
}

// runOneOff starts a task, or finds the one that was started, and follows it.
func (a *attempt) runOneOff(ctx context.Context, task config.Task, command []string, at func(*Record) *TaskRecord) (Task, error) {
	t := at(a.record())
	if !t.Ended.IsZero() || t.ARN == "" && time.Since(t.Started) > tokenLife {
		*t = TaskRecord{} // it is over, or its token has lost its meaning
	}
	if t.TaskDefinition == "" {
		definition, err := a.registerTask(ctx, task)
		if err != nil {
			return Task{}, err
		}
		t.TaskDefinition = definition
	}
	if t.Token == "" {
		definition, token := t.TaskDefinition, a.token(task.Name)
		err := a.changing(ctx, PhaseMigrating, func(j *Journal) {
			*at(&j.Record) = TaskRecord{Token: token, TaskDefinition: definition, Started: time.Now()}
		})
		if err != nil {
			return Task{}, err
		}
		t = at(a.record())
	}
	if t.ARN == "" {
		run := TaskRun{
			Name: task.Name, TaskDefinition: t.TaskDefinition, Token: t.Token, StartedBy: t.Token,
			Command: command, Environment: a.taskEnvironment(), Placement: a.outputs.Placements[task.Name],
		}
		if slices.Equal(command, task.Command) {
			run.Command = nil // the task definition's own
		}
		arn, err := retry(ctx, a.operation, func(ctx context.Context) (string, error) {
			if err := a.lease.valid(); err != nil {
				return "", err
			}
			return a.Tasks.RunTask(ctx, run)
		})
		if err != nil {
			return Task{}, fmt.Errorf("start task %s: %w", task.Name, err)
		}
		t.ARN = arn
		a.changed(ctx)
	}
	a.note("following task %s (%s)", task.Name, short(t.ARN))
	ended, err := a.follow(ctx, task.Name, t.ARN)
	if err != nil {
		return ended, a.abandon(ctx, task.Name, t, err)
	}
	t.Ended, t.ExitCode, t.Reason = ended.Stopped, ended.ExitCode, a.Redactor.Hide(ended.Reason)
	if t.Ended.IsZero() {
		t.Ended = time.Now()
	}
	a.changed(ctx)
	return ended, nil
}

// token is a client token that no other start of a task has.
func (a *attempt) token(name string) string {
	a.starts++
	token := fmt.Sprintf("%s-%s-%d", a.record().ID, name, a.starts)
	return token[:min(len(token), 64)]
}

// abandon stops a task that took too long. One that an interrupt left goes on:
// whoever continues follows it.
func (a *attempt) abandon(ctx context.Context, name string, t *TaskRecord, because error) error {
	if _, late := errors.AsType[timeUp](because); !late {
		return because
	}
	ctx, cancel := a.finishing(ctx)
	defer cancel()
	if err := a.lease.valid(); err != nil {
		return because
	}
	err := a.retryCall(ctx, func(ctx context.Context) error { return a.Tasks.StopTask(ctx, t.ARN, "took too long") })
	if err != nil {
		return fmt.Errorf("%w; stop task %s: %w", because, name, err)
	}
	ended, err := a.follow(ctx, name, t.ARN)
	if err != nil {
		return fmt.Errorf("%w; wait for task %s to stop: %w", because, name, err)
	}
	t.Ended, t.ExitCode, t.Reason = ended.Stopped, ended.ExitCode, a.Redactor.Hide(ended.Reason)
	return because
}

// follow waits for the end of a task, and passes on what it logs. A task that
// ECS does not know, and did not come to know within a minute, is returned as
// it is.
func (a *attempt) follow(ctx context.Context, name, arn string) (Task, error) {
	log := taskLog{attempt: a, name: name}
	began, pace := time.Now(), backoff{most: a.limits.Tick}
	for {
		t, err := retry(ctx, a.operation, func(ctx context.Context) (Task, error) { return a.Tasks.DescribeTask(ctx, arn) })
		if err != nil {
			return t, fmt.Errorf("look at task %s (%s): %w", name, arn, err)
		}
		if t.Known {
			began = time.Now()
			log.read(ctx, t)
		}
		switch {
		case t.Known && t.State == TaskStopped:
			log.flush(ctx, t)
			return t, nil
		case !t.Known && time.Since(began) >= unknownFor:
			return t, nil
		}
		if !a.pause(ctx, pace.next()) {
			return t, fmt.Errorf("task %s is %s (%s): %w", name, t.State, arn, context.Cause(ctx))
		}
	}
}

// taskLog passes on what a one-off task writes.
type taskLog struct {
	attempt *attempt
	name    string
	cursor  string
	warned  bool
}

// read passes on what is new, and reports whether anything was. A log that
// cannot be read fails no migration.
func (l *taskLog) read(ctx context.Context, t Task) bool {
	lines, next, err := l.attempt.Tasks.TaskLog(ctx, t, l.cursor)
	if err != nil {
		if !l.warned && ctx.Err() == nil {
			l.warned = true
			l.attempt.warn("read the log of task %s: %v", l.name, err)
		}
		return false
	}
	l.cursor = next
	for _, line := range lines {
		l.attempt.emit(Event{Kind: EventLog, Service: l.name, Message: line.Message})
	}
	return len(lines) > 0
}

// flush reads on after the end: the last lines come some seconds late. Those of
// a task that ended well are not worth that.
func (l *taskLog) flush(ctx context.Context, t Task) {
	if t.ExitCode != nil && *t.ExitCode == 0 {
		l.attempt.pause(ctx, flushWithin)
		l.read(ctx, t)
		return
	}
	for range 5 {
		if !l.attempt.pause(ctx, l.attempt.limits.Tick) || !l.read(ctx, t) {
			return
		}
	}
}

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
	a := &attempt{operation: p.begin("")}
	a.record().ID = a.newID("")
	arn, err := a.startTask(ctx, q)
	if err != nil {
		return Task{}, err
	}
	limit := a.within(q.Timeout)
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
	holder, err := retry(ctx, a.operation, a.Lock.Holder)
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
	current := a.history.current()
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
	arn, err := retry(ctx, a.operation, func(ctx context.Context) (string, error) { return a.Tasks.RunTask(ctx, run) })
	if err != nil {
		return refused(fmt.Errorf("start it: %w", err))
	}
	a.note("task %s is started: %s", task.Name, arn)
	return arn, nil
}
