package report

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/ecs"
	"github.com/specboard/platform/tfpipeline/internal/redact"
)

// logPace is the pause between two looks at a log that is followed.
const logPace = 2 * time.Second

// LogOptions say how a log is shown.
type LogOptions struct {
	Environment string
	// Follow goes on with what is written until the context ends, with a look
	// every Pace; 0 is the standard one.
	Follow bool
	Pace   time.Duration
	// JSON prints one object a line.
	JSON bool
}

// LogLine is a line of a log as JSON.
type LogLine struct {
	Time        time.Time `json:"time"`
	Environment string    `json:"environment"`
	// Name is the service or one-off task, Task the beginning of its ECS task's id.
	Name    string `json:"name"`
	Task    string `json:"task"`
	Message string `json:"message"`
}

// Logs prints what a tail reads, without secrets.
func Logs(ctx context.Context, c *console.Console, tail *ecs.Tail, o LogOptions) error {
	redactor := redact.FromEnvironment(c.Getenv)
	out := json.NewEncoder(c.Out)
	var failed error
	pace := cmp.Or(o.Pace, logPace)
	if !o.Follow {
		pace = 0
	}
	err := tail.Follow(ctx, pace, func(l ecs.TailLine) {
		message := redactor.Hide(l.Message)
		if o.JSON {
			failed = cmp.Or(failed, out.Encode(LogLine{l.Time.UTC(), o.Environment, l.Name, l.Task, message}))
			return
		}
		fmt.Fprintf(c.Out, "%s %s/%s %s\n", l.Time.UTC().Format("2006-01-02T15:04:05.000Z"), l.Name, l.Task, message)
	}, func(err error) { c.Progress("trying again: %v", err) })
	switch {
	case errors.Is(err, ecs.ErrNoLogGroup):
		return console.WithNext(fmt.Errorf("%w: was %s applied?", err, o.Environment), "tfpipeline bootstrap -env %s", o.Environment)
	case failed != nil:
		return fmt.Errorf("print the log: %w", failed)
	}
	return err
}
