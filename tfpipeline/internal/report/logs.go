package report

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/ecs"
	"github.com/specboard/platform/tfpipeline/internal/flags"
	"github.com/specboard/platform/tfpipeline/internal/redact"
	"github.com/specboard/platform/tfpipeline/internal/state"
)

// logPace is the pause between two looks at a log that is followed.
const logPace = 2 * time.Second

// logSince is how far back logs begin unless told.
const logSince = 10 * time.Minute

// LogOptions say which logs are shown, and how.
type LogOptions struct {
	Environment string
	// Pace is the time between two looks at a log that is followed; 0 is the
	// standard one.
	Pace            time.Duration
	services, tasks []string
	since           time.Duration
	id, grep        string
	follow, json    bool
}

// Declare declares the flags.
func (o *LogOptions) Declare(set *flag.FlagSet) {
	set.StringVar(&o.Environment, "env", "", "environment")
	set.Func("service", "`name` of a service; may be repeated (default: all)", func(s string) error {
		o.services = append(o.services, s)
		return nil
	})
	set.Func("task", "`name` of a one-off task; may be repeated", func(s string) error {
		o.tasks = append(o.tasks, s)
		return nil
	})
	set.DurationVar(&o.since, "since", logSince, "how far back to begin")
	set.StringVar(&o.id, "id", "", "`ID` of an attempt in the history: the lines from its beginning to its end, of its services and tasks")
	set.StringVar(&o.grep, "grep", "", "only lines with this `text`, in upper or lower case")
	set.BoolVar(&o.follow, "follow", false, "go on with what is written from now on")
	set.BoolVar(&o.follow, "f", false, "as -follow")
	set.BoolVar(&o.json, "json", false, "print one JSON object a line: time, environment, name, task, message")
}

// Check refuses services and one-off tasks that the platform does not have.
func (o LogOptions) Check(p config.Platform) error {
	if o.since <= 0 {
		return console.Usage("-since must be more than 0, such as 10m: it says how far back to begin", "tfpipeline logs -env "+o.Environment+" -since 10m")
	}
	if o.id != "" && (o.follow || o.since != logSince) {
		return console.Usage("-id shows an attempt from its beginning to its end: it goes without -since and -f", "tfpipeline logs -env "+o.Environment+" -id "+o.id)
	}
	for _, s := range o.services {
		if err := flags.Named("service", s, p.ServiceNames(), "tfpipeline logs -env "+o.Environment+" -service"); err != nil {
			return err
		}
	}
	for _, t := range o.tasks {
		if err := flags.Named("one-off task", t, p.TaskNames(), "tfpipeline logs -env "+o.Environment+" -task"); err != nil {
			return err
		}
	}
	return nil
}

// names are the services and tasks whose logs are asked for.
func (o LogOptions) names(p config.Platform) []string {
	if len(o.services)+len(o.tasks) == 0 {
		return p.ServiceNames()
	}
	return slices.Concat(o.services, o.tasks)
}

// attemptLogs says whose logs belong to an attempt; of a one-off task, the id of the ECS
// task that it ran.
func attemptLogs(r deploy.Record) (names []string, tasks map[string]string) {
	names, tasks = slices.Sorted(maps.Keys(r.Services)), map[string]string{}
	add := func(name string, t *deploy.TaskRecord) {
		if t != nil && t.ARN != "" {
			names, tasks[name] = append(names, name), t.ARN[strings.LastIndexByte(t.ARN, '/')+1:]
		}
	}
	if r.Migration != nil {
		add(config.MigrateTask, &r.Migration.TaskRecord)
	}
	add("seed", r.Seed)
	return names, tasks
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

// Logs prints the logs of an environment, or of one attempt in its history, without
// secrets.
func Logs(ctx context.Context, c *console.Console, p config.Platform, e *ecs.Environment, h *state.History, o LogOptions) error {
	names, from, until, tasks := o.names(p), time.Now().Add(-o.since), time.Time{}, map[string]string{}
	if o.id != "" {
		r, err := recordOf(ctx, h, o.Environment, o.id)
		if err != nil {
			return err
		}
		var theirs []string
		theirs, tasks = attemptLogs(*r)
		if len(o.services)+len(o.tasks) == 0 {
			names = theirs
		}
		names = slices.DeleteFunc(names, func(name string) bool { return !slices.Contains(theirs, name) })
		if len(names) == 0 {
			return console.WithNext(fmt.Errorf("attempt %s has no tasks of what was asked for", o.id), "tfpipeline history -env %s -id %s", o.Environment, o.id)
		}
		from, until = r.Started, r.Ended
		c.Progress("%s: %s, from %s to %s", o.Environment, strings.Join(names, ", "), from.UTC().Format(time.RFC3339), until.UTC().Format(time.RFC3339))
	}
	tail := e.Tail(names, o.grep, from, until)
	for _, name := range names {
		if s, _ := p.Service(name); s.LogsElsewhere() != "" {
			c.Progress("%s: its own lines are not here: sidecar %s sends them to another place than CloudWatch", name, s.LogsElsewhere())
		}
	}
	redactor := redact.FromEnvironment(c.Getenv)
	out := console.NewEncoder(c.Out)
	var failed error
	pace := cmp.Or(o.Pace, logPace)
	if !o.follow {
		pace = 0
	}
	err := tail.Follow(ctx, pace, func(l ecs.TailLine) {
		if !strings.HasPrefix(tasks[l.Name], l.Task) && tasks[l.Name] != "" {
			return // another run of a one-off task
		}
		message := redactor.Hide(l.Message)
		if o.json {
			failed = cmp.Or(failed, out.Encode(LogLine{l.Time.UTC(), o.Environment, l.Name, l.Task, message}))
			return
		}
		fmt.Fprintf(c.Out, "%s %s/%s %s\n", l.Time.UTC().Format("2006-01-02T15:04:05.000Z"), l.Name, l.Task, console.Printable(message))
	}, func(err error) { c.Progress("trying again: %v", err) })
	switch {
	case errors.Is(err, ecs.ErrNoLogGroup):
		return console.WithNext(fmt.Errorf("%w: was %s applied?", err, o.Environment), "tfpipeline bootstrap -env %s", o.Environment)
	case failed != nil:
		return fmt.Errorf("print the log: %w", failed)
	}
	return err
}
