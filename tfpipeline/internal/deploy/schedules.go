package deploy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/specboard/platform/gen/config"
)

// Schedules are those by which the environment's tasks run by themselves.
type Schedules interface {
	// DescribeSchedules returns them by task; one that does not exist is absent.
	DescribeSchedules(ctx context.Context, tasks []string) (map[string]Schedule, error)
	// SetSchedule sets what the schedule of a task starts, and leaves its times
	// and all else as they are.
	SetSchedule(ctx context.Context, task string, s Schedule) error
}

// Schedule is what a schedule starts, and whether it does.
type Schedule struct {
	// TaskDefinition is an ARN.
	TaskDefinition string `json:"task_definition"`
	Enabled        bool   `json:"enabled"`
}

func (s Schedule) String() string {
	if !s.Enabled {
		return "off"
	}
	return short(s.TaskDefinition)
}

// ScheduleRecord is what an attempt did to one schedule.
type ScheduleRecord struct {
	// Digest is that of the image that the task runs.
	Digest string `json:"digest"`
	// Before is what the schedule started, After the task definition that it gets.
	Before Schedule `json:"before"`
	After  string   `json:"task_definition_after,omitempty"`
	// Off: a rollback switches the schedule off, since the release had none.
	Off bool `json:"off,omitempty"`
	// Updated: the schedule was changed, or may have been.
	Updated bool `json:"updated,omitempty"`
	// Seen is what the outcome was concluded from.
	Seen *Schedule `json:"seen,omitempty"`
	// Outcome is this schedule's.
	Outcome Outcome `json:"outcome,omitempty"`
}

// after is what the attempt sets the schedule to.
func (s *ScheduleRecord) after() Schedule {
	if s.Off {
		return Schedule{s.Before.TaskDefinition, false}
	}
	return Schedule{s.After, true}
}

// schedules are those of an attempt, in order.
func (r *Record) schedules() []string { return slices.Sorted(maps.Keys(r.Schedules)) }

// imageName is the service whose image a service or task runs.
func imageName(p config.Platform, name string) string {
	if t, ok := p.Task(name); ok {
		return t.Service
	}
	return name
}

func (o *operation) describeSchedules(ctx context.Context, tasks []string) (map[string]Schedule, error) {
	found, err := retry(ctx, o, func(ctx context.Context) (map[string]Schedule, error) {
		return o.Schedules.DescribeSchedules(ctx, tasks)
	})
	if err != nil {
		return nil, fmt.Errorf("look at the schedules: %w", err)
	}
	return found, nil
}

// readSchedules notes what every schedule starts before it is changed, as
// readBefore does for services. A schedule that the apply creates is noted after
// that. A rollback switches off each schedule that its target did not have, which would
// otherwise go on with the release that is rolled back from. It finds those that this
// program's platform lacks in the records.
func (c *checks) readSchedules(ctx context.Context, applied bool) error {
	r := &c.Record
	var tasks, off []string
	for _, t := range c.Platform.Scheduled(c.env) {
		tasks = append(tasks, t.Name)
	}
	if r.Kind == KindRollback {
		for _, other := range []*Record{r, c.history.current(), c.history.unfinished(), c.from.attempt()} {
			if other != nil {
				tasks = append(tasks, other.schedules()...)
			}
		}
		slices.Sort(tasks)
		tasks = slices.Compact(tasks)
		off = slices.DeleteFunc(slices.Clone(tasks), func(name string) bool { return r.Schedules[name] != nil })
	}
	for _, name := range r.schedules() {
		if !slices.Contains(tasks, name) {
			c.warn("%s has no schedule any more", name)
			delete(r.Schedules, name)
		}
	}
	if len(tasks) == 0 {
		return nil
	}
	began := time.Now()
	for {
		found, err := c.describeSchedules(ctx, tasks)
		if err != nil {
			return err
		}
		absent := slices.DeleteFunc(slices.Clone(tasks), func(name string) bool { _, ok := found[name]; return ok })
		if applied && len(absent) > 0 && time.Since(began) < c.limits.Confirm && c.pause(ctx, c.limits.Tick) {
			continue // it was made just now
		}
		if len(absent) > 0 && applied {
			return fmt.Errorf("there is no schedule of %s in %s: was the environment applied?", strings.Join(absent, ", "), c.Environment)
		}
		if r.Schedules == nil {
			r.Schedules = map[string]*ScheduleRecord{}
		}
		if r.Kind == KindRollback {
			for _, name := range absent {
				if !slices.Contains(off, name) {
					c.warn("the schedule of %s is gone", name)
				}
				delete(r.Schedules, name)
			}
		}
		for name, s := range found {
			switch {
			case r.Schedules[name] != nil:
			case slices.Contains(off, name):
				c.warn("the schedule of %s was no part of %s and is switched off until the next promotion", name, r.Release)
				r.Schedules[name] = &ScheduleRecord{Off: true}
			default:
				r.Schedules[name] = &ScheduleRecord{Digest: r.Release.Digests[imageName(c.Platform, name)]}
			}
			if own := r.Schedules[name]; own.Before.TaskDefinition == "" {
				own.Before = s
			}
		}
		return nil
	}
}

// updateSchedules has every schedule start the release, or nothing if it had none.
func (o *rollout) updateSchedules(ctx context.Context, revisions map[string]string) error {
	for _, name := range o.record.schedules() {
		s := Schedule{revisions[name], true}
		if own := o.record.Schedules[name]; own.Off {
			s = own.after()
		}
		if err := o.setSchedule(ctx, name, s); err != nil {
			return err
		}
	}
	return nil
}

func (o *rollout) setSchedule(ctx context.Context, task string, s Schedule) error {
	err := o.retryCall(ctx, func(ctx context.Context) error {
		if err := o.lease.valid(); err != nil {
			return err
		}
		err := o.Schedules.SetSchedule(ctx, task, s)
		if err == nil || IsTransient(err) || ctx.Err() != nil {
			o.written[scheduleOf(task)] = time.Now() // or it may be
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("set the schedule of %s to %s: %w", task, s, err)
	}
	o.emit(Event{Kind: EventNote, Service: task, Message: fmt.Sprintf("the schedule of %s is set to %s", task, s)})
	return nil
}

// scheduleOf names a schedule among services.
func scheduleOf(task string) string { return "schedule " + task }

// wrongSchedules lists those that do not start the release.
func (o *rollout) wrongSchedules(ctx context.Context) ([]string, error) {
	names := o.record.schedules()
	if len(names) == 0 {
		return nil, nil
	}
	found, err := o.Schedules.DescribeSchedules(ctx, names)
	if err != nil {
		return nil, fmt.Errorf("look at the schedules: %w", err)
	}
	var wrong []string
	for _, name := range names {
		own := o.record.Schedules[name]
		s, shown := found[name]
		if !shown {
			wrong = append(wrong, fmt.Sprintf("the schedule of %s is gone", name))
			continue
		}
		own.Seen = &s
		if s != own.after() {
			wrong = append(wrong, fmt.Sprintf("the schedule of %s is set to %s instead of %s", name, s, own.after()))
		}
	}
	return wrong, nil
}

// schedulesWithin is how long the schedules of one round of the way back may take.
const schedulesWithin = 10 * time.Second

// restoreSchedules makes the next move for each schedule, and reports how many have to
// be looked at again. A schedule that for long enough starts neither what it started
// before nor the release was set by somebody else. Trouble with schedules delays no
// service: they are tried again in the next round, and refused reads are given up only
// once every service is done.
func (b *rollBack) restoreSchedules(ctx context.Context, alone bool) (waiting int) {
	var names []string
	for _, name := range b.record.schedules() {
		at := scheduleOf(name)
		own := b.record.Schedules[name]
		switch _, written := b.written[at]; {
		case b.moves[at] == moveStuck || b.moves[at] == moveLeave || b.moves[at] == moveUnseen || b.moves[at] == moveDone && b.asked[at] == moveSet:
		case !own.Updated || !written && !b.continued:
			b.moves[at] = moveDone
		default:
			names = append(names, name)
		}
	}
	last := b.trouble
	if b.trouble = nil; len(names) == 0 {
		return 0
	}
	ctx, cancel := context.WithTimeoutCause(ctx, schedulesWithin, timeUp{after: schedulesWithin})
	defer cancel()
	defer func() {
		if b.trouble != nil && (last == nil || last.Error() != b.trouble.Error()) {
			b.warn("%v", b.trouble)
		}
	}()
	found, err := b.Schedules.DescribeSchedules(ctx, names)
	if err != nil {
		b.trouble = because(ctx, fmt.Errorf("look at the schedules: %w", err))
		if !IsTransient(err) && ctx.Err() == nil {
			b.refusals++
		}
		if !alone || b.refusals < maxRefusals {
			return len(names)
		}
		for _, name := range names {
			b.moves[scheduleOf(name)], b.why[scheduleOf(name)] = moveStuck, b.trouble
		}
		return 0
	}
	b.refusals = 0
	for _, name := range names {
		at, own := scheduleOf(name), b.record.Schedules[name]
		s, shown := found[name]
		strange := !shown || s != own.Before && s != own.after()
		lasting := b.so.since("strange "+at, strange)
		if shown {
			own.Seen = &s
		}
		switch {
		case strange && lasting < b.limits.Confirm:
			b.moves[at] = moveWait
		case !shown:
			b.moves[at], b.why[at] = moveUnseen, fmt.Errorf("the schedule of %s is gone", name)
		case strange:
			b.moves[at] = moveLeave
		case b.asked[at] == moveSet && s == own.Before:
			b.moves[at] = moveDone // from here on, no read can be from before our write
		case b.asked[at] == moveSet && time.Since(b.written[at]) < b.limits.Confirm:
			b.moves[at] = moveWait
		default:
			b.moves[at], b.asked[at] = moveWait, moveSet
			if err := b.restoreSchedule(ctx, name, own); err != nil {
				b.trouble = because(ctx, err)
				_, lost := errors.AsType[lostError](err)
				if lost || ctx.Err() != nil || blind(StepUpdate, err) {
					delete(b.asked, at)
				} else {
					b.moves[at], b.why[at] = moveStuck, err
				}
			}
		}
		if b.moves[at] == moveWait {
			waiting++
		}
	}
	return waiting
}

// restoreSchedule sets a schedule to what it started before. Scheduler would accept a
// deregistered task definition, and then start nothing, so revive replaces it.
func (b *rollBack) restoreSchedule(ctx context.Context, name string, own *ScheduleRecord) error {
	if own.Before.Enabled {
		active, err := b.revive(ctx, map[string]string{name: own.Before.TaskDefinition}, b.previous)
		if err != nil {
			return err
		}
		own.Before.TaskDefinition = active[name]
	}
	return b.setSchedule(ctx, name, own.Before)
}

// judgeSchedules notes how the schedules were left, as judge does for services.
func (b *rollBack) judgeSchedules(stuck *stuckError) (left []string, back, changed int) {
	for _, name := range b.record.schedules() {
		at, own := scheduleOf(name), b.record.Schedules[name]
		switch b.moves[at] {
		case moveLeave:
			left = append(left, at)
			own.Outcome = Superseded
		case moveStuck, moveUnseen:
			stuck.add(at, b.why[at])
			own.Outcome = Broken
		default:
			back++
			own.Outcome = Untouched
			if b.asked[at] == moveSet {
				own.Outcome = RolledBack
				changed++
			}
		}
	}
	return left, back, changed
}

func tellSchedule(name string, s *ScheduleRecord) string {
	switch s.Outcome {
	case Untouched:
		return fmt.Sprintf("the schedule of %s was not changed", name)
	case RolledBack:
		return fmt.Sprintf("the schedule of %s is back on %s", name, s.Before)
	case Superseded:
		return fmt.Sprintf("the schedule of %s was set to something else by somebody else", name)
	case Deployed:
		if s.Off {
			return fmt.Sprintf("the schedule of %s is switched off until the next promotion", name)
		}
		return fmt.Sprintf("the schedule of %s starts %s", name, short(s.After))
	default:
		return fmt.Sprintf("the schedule of %s may have been set to %s", name, s.after())
	}
}
