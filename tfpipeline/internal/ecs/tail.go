package ecs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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

// logSlack is how late a line may come: CloudWatch sorts the lines of several
// streams, and not at once.
const logSlack = time.Minute

// Tail reads the logs of services and one-off tasks from a time on, and
// returns no line twice.
type Tail struct {
	environment *Environment
	names       []string
	grep        string
	// from is, by name, the time from which its log is read next: logSlack before its
	// newest line, by the clock of whoever wrote that.
	from map[string]time.Time
	// seen are the events that were returned, with their time.
	seen map[string]time.Time
}

// TailLine is one line of a log: which service or task wrote it, the first
// characters of the ECS task's id, when and what.
type TailLine struct {
	Name, Task, Message string
	Time                time.Time
}

// Tail begins at a time. Of what is written it returns the lines that contain
// grep, in upper or lower case.
func (e *Environment) Tail(names []string, grep string, from time.Time) *Tail {
	// CloudWatch counts milliseconds; what is finer would be read twice.
	t := &Tail{e, names, strings.ToLower(grep), map[string]time.Time{}, map[string]time.Time{}}
	for _, name := range names {
		t.from[name] = from.Truncate(time.Millisecond)
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
func (t *Tail) Read(ctx context.Context) ([]TailLine, error) {
	lines, err := t.read(ctx)
	slices.SortStableFunc(lines, func(a, b TailLine) int { return cmp.Compare(a.Time.UnixMilli(), b.Time.UnixMilli()) })
	if err != nil {
		return lines, err
	}
	newest := map[string]time.Time{}
	for id, at := range t.seen {
		if name, _, _ := strings.Cut(id, " "); at.After(newest[name]) {
			newest[name] = at
		}
	}
	for name, at := range newest {
		if from := at.Add(-logSlack); from.After(t.from[name]) {
			t.from[name] = from
		}
	}
	for id, at := range t.seen {
		if name, _, _ := strings.Cut(id, " "); at.Before(t.from[name]) {
			delete(t.seen, id) // it cannot come again
		}
	}
	return lines, nil
}

func (t *Tail) read(ctx context.Context) (lines []TailLine, err error) {
	for _, name := range t.names {
		group := t.environment.platform.LogGroup(t.environment.name, name)
		pages := cloudwatchlogs.NewFilterLogEventsPaginator(t.environment.logs, &cloudwatchlogs.FilterLogEventsInput{
			LogGroupName: &group, StartTime: new(t.from[name].UnixMilli()),
		})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if is(err, "ResourceNotFoundException") {
				return lines, fmt.Errorf("read log of %s: %w %s", name, ErrNoLogGroup, group)
			}
			if err != nil {
				return lines, failed(ctx, err, "read log of %s", name)
			}
			for _, e := range page.Events {
				if line, ok := t.take(name, e); ok {
					lines = append(lines, line)
				}
			}
		}
	}
	return lines, nil
}

// take returns an event as a line, unless it was returned before or is not
// asked for.
func (t *Tail) take(name string, e types.FilteredLogEvent) (TailLine, bool) {
	id := name + " " + value(e.EventId)
	if _, known := t.seen[id]; known {
		return TailLine{}, false
	}
	at := time.UnixMilli(value(e.Timestamp))
	t.seen[id] = at
	message := strings.TrimRight(value(e.Message), "\r\n")
	if !strings.Contains(strings.ToLower(message), t.grep) {
		return TailLine{}, false
	}
	stream := value(e.LogStreamName)
	task := stream[strings.LastIndexByte(stream, '/')+1:]
	task = task[strings.LastIndexByte(task, '-')+1:] // FireLens puts the container in front
	return TailLine{name, task[:min(len(task), 8)], message, at}, true
}
