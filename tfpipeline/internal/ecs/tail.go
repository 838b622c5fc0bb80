package ecs

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// overlap is how far a Tail looks back: lines of different tasks do not arrive
// in the order of their times.
const overlap = 10 * time.Second

// Tail reads the log of a service or one-off task, of all its containers, as
// it grows.
type Tail struct {
	environment *Environment
	name        string
	from        time.Time
	seen        map[string]time.Time // by event id, as far back as the overlap
}

// TailLine is a line with the task that wrote it.
type TailLine struct {
	deploy.LogLine
	// Task is the id that ends the task's ARN.
	Task string
}

// Tail reads what a service or one-off task logs from a time on.
func (e *Environment) Tail(name string, since time.Time) *Tail {
	return &Tail{environment: e, name: name, from: since, seen: map[string]time.Time{}}
}

// Next returns the lines that have come since the last call, by their time. A
// call after an error goes on where the one before did.
func (t *Tail) Next(ctx context.Context) ([]TailLine, error) {
	pages := cloudwatchlogs.NewFilterLogEventsPaginator(t.environment.logs, &cloudwatchlogs.FilterLogEventsInput{
		LogGroupName: new(t.environment.platform.LogGroup(t.environment.name, t.name)),
		StartTime:    new(t.from.UnixMilli()),
	})
	var lines []TailLine
	fresh := map[string]time.Time{}
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, failed(ctx, err, "read log of %s", t.name)
		}
		for _, event := range page.Events {
			id, at := value(event.EventId), time.UnixMilli(value(event.Timestamp)).UTC()
			if _, old := t.seen[id]; old {
				continue
			}
			fresh[id] = at
			lines = append(lines, TailLine{deploy.LogLine{Time: at, Message: value(event.Message)}, short(value(event.LogStreamName))})
		}
	}
	slices.SortStableFunc(lines, func(a, b TailLine) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Task, b.Task)) })
	t.remember(lines, fresh)
	return lines, nil
}

// remember moves the place to go on from, and forgets what lies before it.
func (t *Tail) remember(lines []TailLine, fresh map[string]time.Time) {
	if len(lines) > 0 {
		if from := lines[len(lines)-1].Time.Add(-overlap); from.After(t.from) {
			t.from = from
		}
	}
	for id, at := range fresh {
		t.seen[id] = at
	}
	for id, at := range t.seen {
		if at.Before(t.from.Truncate(time.Millisecond)) {
			delete(t.seen, id)
		}
	}
}
