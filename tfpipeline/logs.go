package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/specboard/platform/tfpipeline/internal/console"
)

const (
	// logPace is the pause between two looks at a log that is followed.
	logPace = 2 * time.Second
	// logSlack is how late a line may come: CloudWatch puts lines of several
	// streams in order, and not at once.
	logSlack = 15 * time.Second
)

func logsCommand() command {
	return command{
		name:    "logs",
		summary: "show what services and one-off tasks write",
		usage:   "-env ENV [-service NAME | -task NAME]... [-since 10m] [-follow]",
		env:     environments, refusal: noServices,
		long: `
Prints the log lines of services and one-off tasks in the order of their time,
each with the service and the task that wrote it: those of all services, or of
the named ones. With -follow it goes on until Ctrl-C. What looks like a secret
is hidden.

Examples:
  tfpipeline logs -env production -service api -since 1h -grep error
  tfpipeline logs -env staging -follow
  tfpipeline logs -env production -task migrate -since 24h`,
		flags: func(set *flag.FlagSet) func(context.Context, *app, []string) error {
			var o logOptions
			set.StringVar(&o.env, "env", "", "environment")
			set.Func("service", "`name` of a service; may be repeated (default: all)", func(s string) error {
				o.services = append(o.services, s)
				return nil
			})
			set.Func("task", "`name` of a one-off task; may be repeated", func(s string) error {
				o.tasks = append(o.tasks, s)
				return nil
			})
			set.DurationVar(&o.since, "since", 10*time.Minute, "how far back to begin")
			set.StringVar(&o.grep, "grep", "", "only lines with this `text`, in upper or lower case")
			set.BoolVar(&o.follow, "follow", false, "go on with what is written from now on")
			return func(ctx context.Context, a *app, args []string) error {
				return a.logs(ctx, o)
			}
		},
	}
}

type logOptions struct {
	env, grep       string
	services, tasks []string
	since           time.Duration
	follow          bool
}

func (a *app) logs(ctx context.Context, o logOptions) error {
	names, err := a.logNames(o)
	if err != nil {
		return err
	}
	e, err := a.openEnvironment(ctx, o.env, "logs")
	if err != nil {
		return err
	}
	t := &tail{app: a, client: cloudwatchlogs.NewFromConfig(e.cfg), env: o.env, grep: strings.ToLower(o.grep), seen: map[string]time.Time{}}
	// CloudWatch counts milliseconds; what is finer would be read twice.
	from := time.Now().Add(-o.since).Truncate(time.Millisecond)
	for {
		now := time.Now()
		err := t.read(ctx, names, from)
		switch {
		case ctx.Err() != nil && o.follow:
			return nil // Ctrl-C is how following ends
		case err != nil && (!o.follow || t.looks == 0):
			return err
		case err != nil:
			a.console.Progress("trying again: %v", err)
		case !o.follow:
			return nil
		default:
			t.looks++
			from = now.Add(-logSlack).Truncate(time.Millisecond)
			t.forget(from)
		}
		if !pause(ctx, cmp.Or(a.limits.Tick, logPace)) {
			return nil
		}
	}
}

// logNames are the services and tasks whose logs are asked for.
func (a *app) logNames(o logOptions) ([]string, error) {
	for _, s := range o.services {
		if _, ok := a.platform.Service(s); !ok {
			return nil, console.Usage(fmt.Sprintf("no service %q; there are %s", s, strings.Join(a.services(), ", ")), "tfpipeline logs -env "+o.env+" -service "+a.services()[0])
		}
	}
	for _, t := range o.tasks {
		if _, err := a.checkTask(o.env, t); err != nil {
			return nil, err
		}
	}
	if len(o.services)+len(o.tasks) == 0 {
		return a.services(), nil
	}
	return append(slices.Clone(o.services), o.tasks...), nil
}

// tail reads log groups from a time on, and prints no line twice.
type tail struct {
	app    *app
	client *cloudwatchlogs.Client
	env    string
	grep   string
	looks  int
	// seen are the events that were printed, with their time.
	seen map[string]time.Time
}

type logLine struct {
	name, task, message string
	at                  time.Time
}

func (t *tail) read(ctx context.Context, names []string, from time.Time) error {
	var lines []logLine
	for _, name := range names {
		group := t.app.platform.LogGroup(t.env, name)
		pages := cloudwatchlogs.NewFilterLogEventsPaginator(t.client, &cloudwatchlogs.FilterLogEventsInput{
			LogGroupName: &group, StartTime: aws.Int64(from.UnixMilli()),
		})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if _, none := errors.AsType[*types.ResourceNotFoundException](err); none {
				return console.WithNext(fmt.Errorf("read the log of %s: there is no log group %s: was %s applied?", name, group, t.env), "tfpipeline bootstrap -env %s", t.env)
			}
			if err != nil {
				return fmt.Errorf("read the log of %s: %w", name, err)
			}
			for _, e := range page.Events {
				if line, ok := t.take(name, e); ok {
					lines = append(lines, line)
				}
			}
		}
	}
	slices.SortStableFunc(lines, func(a, b logLine) int { return cmp.Compare(a.at.UnixMilli(), b.at.UnixMilli()) })
	hide := t.app.redactor()
	for _, l := range lines {
		fmt.Fprintf(t.app.console.Out, "%s %s/%s %s\n", l.at.UTC().Format("2006-01-02T15:04:05.000Z"), l.name, l.task, hide.Hide(l.message))
	}
	return nil
}

// take returns an event as a line, unless it was printed before or is not
// asked for.
func (t *tail) take(name string, e types.FilteredLogEvent) (logLine, bool) {
	id := name + " " + aws.ToString(e.EventId)
	if _, known := t.seen[id]; known {
		return logLine{}, false
	}
	at := time.UnixMilli(aws.ToInt64(e.Timestamp))
	t.seen[id] = at
	message := strings.TrimRight(aws.ToString(e.Message), "\r\n")
	if !strings.Contains(strings.ToLower(message), t.grep) {
		return logLine{}, false
	}
	stream := aws.ToString(e.LogStreamName)
	task := stream[strings.LastIndexByte(stream, '/')+1:]
	return logLine{name, task[:min(len(task), 8)], message, at}, true
}

// forget drops what cannot come again.
func (t *tail) forget(from time.Time) {
	for id, at := range t.seen {
		if at.Before(from) {
			delete(t.seen, id)
		}
	}
}
