package ecs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/specboard/platform/tfpipeline/internal/calls"
)

// ErrNoLogGroup is returned where a service or task has no log group, because
// it was never applied.
var ErrNoLogGroup = errors.New("there is no log group")

// A line may come late: CloudWatch needs time to sort the lines of several streams, and
// whatever sends a line may have to try for minutes. Each read looks back logSlack, and
// every lateEvery one looks back lateWithin.
const (
	logSlack   = time.Minute
	lateEvery  = time.Minute
	lateWithin = 15 * time.Minute
)

// tailMemory bounds how many lines a tail remembers. For a log that has more of them
// within lateWithin, the tail waits less long for late lines.
const tailMemory = 200_000

// Tail reads the logs of services and one-off tasks from a time on, and
// returns no line twice.
type Tail struct {
	environment *Environment
	names       []string
	grep        string
	logs        map[string]*tailed
	// until is the time after which no line is read; zero: there is none.
	until time.Time
	// looked is when a read last looked back lateWithin.
	looked time.Time
}

// tailed is one log. Its times are by the clock of whoever wrote the lines, unless that
// is ahead.
type tailed struct {
	// from is the time before which nothing is returned any more.
	from, newest time.Time
	// seen are the lines from then on that were returned, by the event's id.
	seen map[string]time.Time
}

// TailLine is one line of a log: which service or task wrote it, the first
// characters of the ECS task's id, when and what.
type TailLine struct {
	Name, Task, Message string
	Time                time.Time
}

// Tail begins at a time, and ends after another unless that is zero. Of what is written it
// returns the lines that contain grep, in upper or lower case.
func (e *Environment) Tail(names []string, grep string, from, until time.Time) *Tail {
	// CloudWatch counts milliseconds, from 1970 on; what is finer would be read twice.
	from = time.UnixMilli(max(from.UnixMilli(), 0))
	t := &Tail{environment: e, names: names, grep: strings.ToLower(grep), until: until, logs: map[string]*tailed{}}
	for _, name := range names {
		t.logs[name] = &tailed{from: from, newest: from, seen: map[string]time.Time{}}
	}
	return t
}

// Follow gives each line to print. With a pace of 0 it reads once; else it reads
// again after that time until the context ends, which is no error. Once a read
// has succeeded, it gives failures of later ones to failing and goes on.
func (t *Tail) Follow(ctx context.Context, pace time.Duration, print func(TailLine), failing func(error)) error {
	for begun := false; ; begun = true {
		lines, err := t.Read(ctx)
		for _, l := range lines {
			print(l)
		}
		switch {
		case ctx.Err() != nil && pace > 0:
			return nil
		case err != nil && (pace == 0 || !begun):
			return err
		case err != nil:
			failing(err)
		}
		if pace == 0 || !calls.Pause(ctx, pace) {
			return nil
		}
	}
}

// Read returns what is new since the last time, in the order of time; where
// it fails, what it has read until then.
func (t *Tail) Read(ctx context.Context) (lines []TailLine, err error) {
	now := time.Now()
	back := now.Sub(t.looked) >= lateEvery
	for _, name := range t.names {
		if lines, err = t.read(ctx, name, back, lines); err != nil {
			break
		}
	}
	slices.SortStableFunc(lines, func(a, b TailLine) int { return cmp.Compare(a.Time.UnixMilli(), b.Time.UnixMilli()) })
	if err == nil && back {
		t.looked = now
	}
	return lines, err
}

// read adds to lines what is new in one log.
func (t *Tail) read(ctx context.Context, name string, back bool, lines []TailLine) ([]TailLine, error) {
	l := t.logs[name]
	start, newest := l.from, l.newest
	if near := newest.Add(-logSlack); !back && near.After(start) {
		start = near
	}
	group := t.environment.platform.LogGroup(t.environment.name, name)
	in := &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &group, StartTime: new(start.UnixMilli())}
	if !t.until.IsZero() {
		in.EndTime = new(t.until.UnixMilli())
	}
	pages := cloudwatchlogs.NewFilterLogEventsPaginator(t.environment.logs, in)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if is(err, "ResourceNotFoundException") {
			return lines, fmt.Errorf("read log of %s: %w %s", name, ErrNoLogGroup, group)
		}
		if err != nil {
			return lines, failed(ctx, err, "read log of %s", name)
		}
		for _, e := range page.Events {
			at := value(e.Timestamp)
			if e.IngestionTime != nil { // a writer's clock that is ahead must not hide the lines of others
				at = min(at, *e.IngestionTime)
			}
			if at := time.UnixMilli(at); at.After(newest) {
				newest = at
			}
			if line, ok := t.take(name, e); ok {
				lines = append(lines, line)
			}
		}
	}
	l.newest = newest
	l.forget(tailMemory / len(t.names))
	return lines, nil
}

// take returns an event as a line, unless it was returned before or is not
// asked for.
func (t *Tail) take(name string, e types.FilteredLogEvent) (TailLine, bool) {
	message := strings.TrimRight(value(e.Message), "\r\n")
	seen, id := t.logs[name].seen, value(e.EventId)
	if _, known := seen[id]; known || !strings.Contains(strings.ToLower(message), t.grep) {
		return TailLine{}, false
	}
	at := time.UnixMilli(value(e.Timestamp))
	seen[id] = at
	stream := value(e.LogStreamName)
	task := stream[strings.LastIndexByte(stream, '/')+1:]
	task = task[strings.LastIndexByte(task, '-')+1:] // FireLens puts the container in front
	return TailLine{name, task[:min(len(task), 8)], message, at}, true
}

// forget forgets the lines that are older than lateWithin. If more than most are left,
// it forgets the oldest of them too.
func (l *tailed) forget(most int) {
	if from := l.newest.Add(-lateWithin); from.After(l.from) {
		l.from = from
	}
	if len(l.seen) > most {
		times := slices.SortedFunc(maps.Values(l.seen), time.Time.Compare)
		l.from = times[len(times)-most/2] // half of them, so that the next line does not cause this again
	}
	maps.DeleteFunc(l.seen, func(_ string, at time.Time) bool { return at.Before(l.from) })
}
