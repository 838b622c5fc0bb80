package ecs

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

// tunnelDocument has an agent connect to another host: see
// https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-sessions-start.html
const tunnelDocument = "AWS-StartPortForwardingSessionToRemoteHost"

// Container is a container of a running task, in which a session may be opened.
type Container struct {
	// Task is the task's ARN, Name the container's.
	Task, Name string
	// Started is when the task began to run.
	Started time.Time
	// Target is how Session Manager knows it.
	Target string
	// Closed says why no session can be opened in it; "" if one can.
	Closed string
}

// ShortTask is the task's id.
func (c Container) ShortTask() string { return short(c.Task) }

// Session is an open session, and how to speak on it.
type Session struct{ ID, URL, Token string }

// Containers are those of a service's running tasks that have a name, the newest
// first.
func (e *Environment) Containers(ctx context.Context, service, container string) ([]Container, error) {
	var arns []string
	pages := sdk.NewListTasksPaginator(e.ecs, &sdk.ListTasksInput{Cluster: &e.cluster, ServiceName: &service})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, failed(ctx, err, "list tasks of %s", service)
		}
		arns = append(arns, page.TaskArns...)
	}
	tasks, err := e.describeTasks(ctx, arns)
	if err != nil {
		return nil, err
	}
	var all []Container
	for _, t := range tasks {
		c := containerOf(t, container)
		if value(t.LastStatus) != "RUNNING" || value(t.DesiredStatus) != "RUNNING" || c.Name == nil {
			continue
		}
		all = append(all, Container{
			Task: *t.TaskArn, Name: container, Started: value(t.StartedAt), Closed: closed(t, c),
			Target: "ecs:" + e.cluster + "_" + short(*t.TaskArn) + "_" + value(c.RuntimeId),
		})
	}
	slices.SortFunc(all, func(a, b Container) int {
		return cmp.Or(cmp.Compare(a.Closed, b.Closed), b.Started.Compare(a.Started), strings.Compare(a.Task, b.Task))
	})
	return all, nil
}

// closed says why no session can be opened in a container.
func closed(t types.Task, c types.Container) string {
	if !t.EnableExecuteCommand {
		return "it started before sessions were allowed here"
	}
	for _, agent := range c.ManagedAgents {
		switch {
		case agent.Name != types.ManagedAgentNameExecuteCommandAgent || value(agent.LastStatus) == "RUNNING":
		case value(agent.Reason) != "":
			return "its agent is " + value(agent.LastStatus) + ": " + value(agent.Reason)
		default:
			return "its agent is " + value(agent.LastStatus)
		}
	}
	return ""
}

// Execute starts a command in a container, in a session.
func (e *Environment) Execute(ctx context.Context, c Container, command string) (Session, error) {
	out, err := e.ecs.ExecuteCommand(ctx, &sdk.ExecuteCommandInput{Cluster: &e.cluster, Task: &c.Task, Container: &c.Name, Command: &command, Interactive: true})
	if err != nil {
		return Session{}, failed(ctx, err, "open a session in %s of task %s", c.Name, c.ShortTask())
	}
	return Session{ID: value(out.Session.SessionId), URL: value(out.Session.StreamUrl), Token: value(out.Session.TokenValue)}, nil
}

// Tunnel opens a session by which connections to a port of this machine lead to
// another host that a container can connect to.
func (e *Environment) Tunnel(ctx context.Context, c Container, host string, port int32) (Session, error) {
	out, err := e.sessions.StartSession(ctx, &ssm.StartSessionInput{
		Target: &c.Target, DocumentName: new(tunnelDocument),
		Parameters: map[string][]string{"host": {host}, "portNumber": {fmt.Sprint(port)}, "localPortNumber": {"0"}},
	})
	if err != nil {
		return Session{}, failed(ctx, err, "open a tunnel through %s of task %s", c.Name, c.ShortTask())
	}
	return Session{ID: value(out.SessionId), URL: value(out.StreamUrl), Token: value(out.TokenValue)}, nil
}

// RecordSession writes lines about a session into the log of sessions, each time into
// the same stream, which it makes.
func (e *Environment) RecordSession(ctx context.Context, stream string, lines ...string) error {
	group := e.platform.SessionLog(e.name)
	_, err := e.logs.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &group, LogStreamName: &stream})
	if err != nil && !is(err, "ResourceAlreadyExistsException") {
		return failed(ctx, err, "record the session in %s", group)
	}
	var events []logtypes.InputLogEvent
	for _, line := range lines {
		events = append(events, logtypes.InputLogEvent{Message: &line, Timestamp: new(time.Now().UnixMilli())})
	}
	out, err := e.logs.PutLogEvents(ctx, &cloudwatchlogs.PutLogEventsInput{LogGroupName: &group, LogStreamName: &stream, LogEvents: events})
	if err == nil && out.RejectedLogEventsInfo != nil {
		return fmt.Errorf("record the session in %s: CloudWatch dropped it: is this machine's clock right? It says %s", group, time.Now().UTC().Format(time.RFC3339))
	}
	return failed(ctx, err, "record the session in %s", group)
}
