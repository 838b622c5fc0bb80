package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/migrations"
)

// The one-off tasks that a deployment runs, where the platform has them.
const (
	taskMigrate = "migrate"
	taskSeed    = "seed"
)

// migrate brings the schema to the release's, and fills the database of a first
// deployment. contracts are the contract migrations that are pending. A rollback
// leaves the schema, unless asked.
func (a *attempt) migrate(ctx context.Context, outputs Outputs, contracts []migrations.AppliedContract) error {
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
		r.Migration = &MigrationRecord{Contracts: contracts}
	}
	command := slices.Clone(task.Command)
	if rollback {
		// Newer releases have migrated further.
		command = append(command, "-allow-ahead")
	}
	migration := a.oneOff(task, command, outputs, func(r *Record) *TaskRecord { return &r.Migration.TaskRecord })
	if err := migration.run(ctx); err != nil {
		return err
	}
	seed, ok := a.Platform.Task(taskSeed)
	if !r.First || !ok {
		return nil
	}
	if r.Seed == nil {
		r.Seed = &TaskRecord{}
	}
	return a.oneOff(seed, seed.Command, outputs, func(r *Record) *TaskRecord { return r.Seed }).run(ctx)
}

// oneOff is a task of the attempt. at returns its place in a record.
func (a *attempt) oneOff(task config.Task, command []string, outputs Outputs, at func(*Record) *TaskRecord) *oneOff {
	return &oneOff{
		registrar: registrar{a.operation, a.lease, outputs.Templates}, task: task, command: command,
		placement: outputs.Placements[task.Name], release: a.record().Release, attempt: a.record().ID,
		record: func() *TaskRecord { return at(a.record()) },
		starting: func(ctx context.Context, t TaskRecord) error {
			return a.changing(ctx, PhaseMigrating, func(j *Journal) { *at(&j.Record) = t })
		},
		save: a.changed,
	}
}

// oneOff is a one-off task of an attempt, from its task definition to its end.
type oneOff struct {
	registrar
	task      config.Task
	command   []string
	placement Placement
	release   Release
	attempt   string // its id
	starts    int

	// record is the task in the attempt's record. An attempt that this one continues
	// may have started it. starting stores a task before it is started, and save stores
	// what has come of it.
	record   func() *TaskRecord
	starting func(context.Context, TaskRecord) error
	save     func(context.Context)
}

// registerTask registers a one-off task with the release's image.
func (g registrar) registerTask(ctx context.Context, release Release, task config.Task) (string, error) {
	return g.register(ctx, release, Revision{Name: task.Name, Template: g.templates[task.Name], Image: g.image(release, task.Service)})
}

// taskRun starts a one-off task that is told the release.
func taskRun(task config.Task, definition, token string, command []string, release Release, where Placement) TaskRun {
	return TaskRun{
		Name: task.Name, TaskDefinition: definition, Token: token, StartedBy: token,
		Command: command, Environment: map[string]string{"RELEASE": release.name()}, Placement: where,
	}
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

// run runs the task to its end. If an earlier attempt, which this one continues, has
// started the task, run follows that one and starts no other.
func (o *oneOff) run(ctx context.Context) error {
	name := o.task.Name
	if o.record().Succeeded() {
		o.note("task %s has run", name)
		return nil
	}
	b := backoff{most: o.limits.Backoff}
	for {
		ended, err := o.start(ctx)
		t := o.record()
		switch {
		case err != nil:
			return err
		case ended.Capacity:
			o.warn("there is no room for task %s now: %s; trying again", name, ended.Reason)
			*t = TaskRecord{TaskDefinition: t.TaskDefinition}
			if !o.pause(ctx, b.next()) {
				return fmt.Errorf("task %s found no room: %s: %w", name, ended.Reason, context.Cause(ctx))
			}
		case !ended.Known && name == taskMigrate:
			// The database records what was applied, so it is safe to run the task
			// again.
			o.warn("ECS no longer knows task %s, so nobody can tell how it ended: running it again", short(t.ARN))
			*t = TaskRecord{TaskDefinition: t.TaskDefinition}
			if !o.pause(ctx, b.next()) {
				return fmt.Errorf("task %s is not known: %w", name, context.Cause(ctx))
			}
		case !ended.Known:
			return fmt.Errorf("ECS no longer knows task %s (%s), so nobody can tell how it ended", name, t.ARN)
		case !t.Succeeded():
			return taskError(name, *t, ended)
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

// start starts the task, or finds the one that was started, and follows it.
func (o *oneOff) start(ctx context.Context) (Task, error) {
	name, t := o.task.Name, o.record()
	if !t.Ended.IsZero() || t.ARN == "" && time.Since(t.Started) > tokenLife {
		*t = TaskRecord{} // it is over, or its token has lost its meaning
	}
	if t.TaskDefinition == "" {
		definition, err := o.registerTask(ctx, o.release, o.task)
		if err != nil {
			return Task{}, err
		}
		t.TaskDefinition = definition
	}
	if t.Token == "" {
		err := o.starting(ctx, TaskRecord{Token: o.token(), Release: o.release.name(), TaskDefinition: t.TaskDefinition, Started: time.Now()})
		if err != nil {
			return Task{}, err
		}
		t = o.record()
	}
	if t.ARN == "" {
		command := o.command
		if slices.Equal(command, o.task.Command) {
			command = nil // the task definition's own
		}
		run := taskRun(o.task, t.TaskDefinition, t.Token, command, o.release, o.placement)
		if t.Release != "" {
			run.Environment["RELEASE"] = t.Release
		}
		arn, err := retry(ctx, o.operation, func(ctx context.Context) (string, error) {
			if err := o.lease.valid(); err != nil {
				return "", err
			}
			return o.Tasks.RunTask(ctx, run)
		})
		if err != nil {
			return Task{}, fmt.Errorf("start task %s: %w", name, err)
		}
		t.ARN = arn
		o.save(ctx)
	}
	o.note("following task %s (%s)", name, short(t.ARN))
	ended, err := followTask(ctx, o.operation, name, t.ARN)
	if err != nil {
		return ended, o.abandon(ctx, t, err)
	}
	t.Ended, t.ExitCode, t.Reason = ended.Stopped, ended.ExitCode, o.Redactor.Hide(ended.Reason)
	if t.Ended.IsZero() {
		t.Ended = time.Now()
	}
	o.save(ctx)
	return ended, nil
}

// token is a client token that no other start of a task has.
func (o *oneOff) token() string {
	o.starts++
	token := fmt.Sprintf("%s-%s-%d", o.attempt, o.task.Name, o.starts)
	return token[:min(len(token), 64)]
}

// abandon stops a task that took too long. After an interrupt it lets the task go on:
// the run that continues the attempt follows it.
func (o *oneOff) abandon(ctx context.Context, t *TaskRecord, because error) error {
	if _, late := errors.AsType[timeUp](because); !late {
		return because
	}
	ctx, cancel := o.finishing(ctx)
	defer cancel()
	if err := o.lease.valid(); err != nil {
		return because
	}
	err := o.retryCall(ctx, func(ctx context.Context) error { return o.Tasks.StopTask(ctx, t.ARN, "took too long") })
	if err != nil {
		return fmt.Errorf("%w; stop task %s: %w", because, o.task.Name, err)
	}
	ended, err := followTask(ctx, o.operation, o.task.Name, t.ARN)
	if err != nil {
		return fmt.Errorf("%w; wait for task %s to stop: %w", because, o.task.Name, err)
	}
	t.Ended, t.ExitCode, t.Reason = ended.Stopped, ended.ExitCode, o.Redactor.Hide(ended.Reason)
	return because
}

// followTask waits for the end of a task, and passes on what it logs. A task that
// ECS does not know, and did not come to know within a minute, is returned as
// it is.
func followTask(ctx context.Context, o *operation, name, arn string) (Task, error) {
	log := taskLog{operation: o, name: name}
	began, pace := time.Now(), backoff{most: o.limits.Tick}
	for {
		t, err := retry(ctx, o, func(ctx context.Context) (Task, error) { return o.Tasks.DescribeTask(ctx, arn) })
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
		if !o.pause(ctx, pace.next()) {
			return t, fmt.Errorf("task %s is %s (%s): %w", name, t.State, arn, context.Cause(ctx))
		}
	}
}

// taskLog passes on what a one-off task writes.
type taskLog struct {
	*operation
	name   string
	cursor string
	warned bool
}

// read passes on what is new, and reports whether anything was. A migration does not
// fail because its log cannot be read.
func (l *taskLog) read(ctx context.Context, t Task) bool {
	lines, next, err := l.Tasks.TaskLog(ctx, t, l.cursor)
	if err != nil {
		if !l.warned && ctx.Err() == nil {
			l.warned = true
			l.warn("read the log of task %s: %v", l.name, err)
		}
		return false
	}
	l.cursor = next
	for _, line := range lines {
		l.emit(Event{Kind: EventLog, Service: l.name, Message: line.Message})
	}
	return len(lines) > 0
}

// flush reads on after the end, since the last lines come some seconds late. After a
// task that ended well it waits for flushWithin only.
func (l *taskLog) flush(ctx context.Context, t Task) {
	if t.ExitCode != nil && *t.ExitCode == 0 {
		l.pause(ctx, min(flushWithin, l.limits.Tick))
		l.read(ctx, t)
		return
	}
	for range 5 {
		if !l.pause(ctx, l.limits.Tick) || !l.read(ctx, t) {
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
	// Force runs it although somebody holds the environment's lock, or has frozen
	// the environment.
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

// Run runs a one-off task with the image of the release that is deployed, and follows
// its log to its end; the log's lines are observed. It takes no lock and leaves no
// record. Unless forced, it returns a LockError while somebody holds the lock, and a
// FrozenError while the environment is frozen. The error of a task that failed says how
// it ended; all others are a *TaskError. If ctx ends, the task itself goes on.
func (p *Pipeline) Run(ctx context.Context, q TaskRequest) (Task, error) {
	o := p.begin("")
	arn, err := o.startTask(ctx, q)
	if err != nil {
		return Task{}, err
	}
	limit := o.within(q.Timeout)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, timeUp{after: limit})
	defer cancel()
	ended, err := followTask(ctx, o, q.Task, arn)
	ended.Reason = o.Redactor.Hide(ended.Reason)
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
func (o *operation) startTask(ctx context.Context, q TaskRequest) (string, error) {
	refused := func(err error) (string, error) { return "", &TaskError{Task: q.Task, Cause: err} }
	task, ok := o.Platform.Task(q.Task)
	if !ok {
		return refused(errors.New("the platform has no such task"))
	}
	holder, err := retry(ctx, o, o.Lock.Holder)
	switch {
	case q.Force:
	case err != nil:
		return refused(fmt.Errorf("look at the lock: %w", err))
	case holder != nil:
		return "", LockError{Lease: *holder}
	default:
		if err := o.checkFreeze(ctx); err != nil {
			return "", err
		}
	}
	history := &history{operation: o}
	if err := history.read(ctx); err != nil {
		return refused(err)
	}
	current := history.current()
	if current == nil || current.Release.Digests[task.Service] == "" {
		return refused(ErrNotDeployed)
	}
	outputs, err := o.outputs(ctx)
	if err != nil {
		return refused(err)
	}
	if outputs.Templates[task.Name] == "" {
		return refused(ErrNoTemplate)
	}
	definition, err := registrar{operation: o, templates: outputs.Templates}.registerTask(ctx, current.Release, task)
	if err != nil {
		return refused(err)
	}
	run := taskRun(task, definition, "by-hand-"+o.newID(""), q.Command, current.Release, outputs.Placements[task.Name])
	arn, err := retry(ctx, o, func(ctx context.Context) (string, error) { return o.Tasks.RunTask(ctx, run) })
	if err != nil {
		return refused(fmt.Errorf("start it: %w", err))
	}
	o.note("task %s is started: %s", task.Name, arn)
	return arn, nil
}
