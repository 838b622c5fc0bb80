package ecs

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// logPages bounds the calls for one look at a log: a page has up to 10,000
// lines. What is beyond comes with the next look.
const logPages = 20

// TaskLog returns what a task has logged since the cursor. A task that has not
// logged anything has no stream yet, and no lines.
func (e *Environment) TaskLog(ctx context.Context, t deploy.Task, cursor string) ([]deploy.LogLine, string, error) {
	if t.Name == "" {
		return nil, cursor, fmt.Errorf("read log of task %s: nobody knows its name", short(t.ARN))
	}
	var lines []deploy.LogLine
	for range logPages {
		in := e.logInput(t.Name, t.Name, t.ARN)
		in.StartFromHead = new(true)
		if cursor != "" {
			in.NextToken = &cursor
		}
		out, err := e.logs.GetLogEvents(ctx, in)
		if is(err, "ResourceNotFoundException") {
			return lines, cursor, nil
		}
		if err != nil {
			return lines, cursor, failed(ctx, err, "read log of %s", t.Name)
		}
		lines = append(lines, linesOf(out.Events)...)
		next := value(out.NextForwardToken)
		// An empty page is not the end of a log; a token that stays the same is.
		if next == "" || next == cursor {
			return lines, cursor, nil
		}
		cursor = next
	}
	return lines, cursor, nil
}

// lastLines are the last lines that a container of a task logged.
func (e *Environment) lastLines(ctx context.Context, name, container, arn string, n int32) ([]deploy.LogLine, error) {
	if router := e.logsElsewhere(name, container); router != "" {
		return nil, fmt.Errorf("read log of %s, task %s: sidecar %s sends it to another place than CloudWatch", name, short(arn), router)
	}
	in := e.logInput(name, container, arn)
	in.StartFromHead, in.Limit = new(false), &n
	out, err := e.logs.GetLogEvents(ctx, in)
	if is(err, "ResourceNotFoundException") {
		return nil, nil
	}
	if err != nil {
		return nil, failed(ctx, err, "read log of %s, task %s", name, short(arn))
	}
	return linesOf(out.Events), nil
}

// logInput names the stream of a task's container.
func (e *Environment) logInput(name, container, arn string) *cloudwatchlogs.GetLogEventsInput {
	return &cloudwatchlogs.GetLogEventsInput{
		LogGroupName:  new(e.platform.LogGroup(e.name, name)),
		LogStreamName: new(e.platform.LogStream(name, container) + short(arn)),
	}
}

// logsElsewhere is the sidecar that sends a service's own log to another place than
// CloudWatch; "" if none does.
func (e *Environment) logsElsewhere(name, container string) string {
	s, ok := e.platform.Service(name)
	if !ok || container != name {
		return ""
	}
	return s.LogsElsewhere()
}

func linesOf(events []types.OutputLogEvent) []deploy.LogLine {
	var lines []deploy.LogLine
	for _, event := range events {
		lines = append(lines, deploy.LogLine{Time: time.UnixMilli(value(event.Timestamp)).UTC(), Message: value(event.Message)})
	}
	return lines
}
