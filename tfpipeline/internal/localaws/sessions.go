package localaws

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/creack/pty"
	"github.com/xtaci/smux"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
	"github.com/specboard/platform/tfpipeline/internal/localaws/channel"
	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs"
	"github.com/specboard/platform/tfpipeline/internal/localaws/task"
)

// sessionPrefix begins the paths of the sessions' websockets.
const sessionPrefix = adminPrefix + "sessions/"

// sessions are Session Manager's sessions in tasks: commands, and tunnels.
type sessions struct {
	url   string // of the endpoint
	tasks *task.Launcher
	// as is the configuration with which a task's role calls.
	as   func(ctx context.Context, role, task string) (aws.Config, error)
	warn func(error)

	ctx     context.Context // ends with close
	end     context.CancelFunc
	running sync.WaitGroup

	mu  sync.Mutex
	all map[string]sessionInTask // by id, until a client comes
	// open end those with a client, by id.
	open map[string]context.CancelFunc
}

// sessionInTask is one that a client may open.
type sessionInTask struct {
	token   string
	command *exec.Cmd // nil for a tunnel
	address string    // of a tunnel's other end
	port    string    // on the client's machine
	// record keeps what was typed and seen; nil: nobody does.
	record func(ctx context.Context, id string, transcript []byte) error
}

func newSessions(url string, tasks *task.Launcher, as func(ctx context.Context, role, task string) (aws.Config, error), warn func(error)) *sessions {
	s := &sessions{url: url, tasks: tasks, as: as, warn: warn, all: map[string]sessionInTask{}, open: map[string]context.CancelFunc{}}
	s.ctx, s.end = context.WithCancel(context.Background())
	return s
}

// close ends all sessions.
func (s *sessions) close() {
	s.end()
	s.running.Wait()
}

// add keeps a session until its client comes.
func (s *sessions) add(prefix string, one sessionInTask) (id, url, token string) {
	id, one.token = prefix+strings.ToLower(rand.Text()[:17]), rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[id] = one
	return id, "ws" + strings.TrimPrefix(s.url, "http") + sessionPrefix + id + "?role=publish_subscribe", one.token
}

// execute opens a session for a command in a container, as ECS does.
func (s *sessions) execute(t ecs.Launch, container, command, log string) (ecstypes.Session, error) {
	cmd, err := s.tasks.Exec(t.ARN, container, command)
	if err != nil {
		return ecstypes.Session{}, err
	}
	one := sessionInTask{command: cmd}
	if log != "" {
		one.record = func(ctx context.Context, id string, transcript []byte) error {
			return s.record(ctx, aws.ToString(t.Definition.TaskRoleArn), log, id, transcript)
		}
	}
	id, url, token := s.add("ecs-execute-command-", one)
	return ecstypes.Session{SessionId: &id, StreamUrl: &url, TokenValue: &token}, nil
}

// record writes the transcript into the log group as the task's role, as the agent
// does.
func (s *sessions) record(ctx context.Context, role, group, stream string, transcript []byte) error {
	cfg, err := s.as(ctx, role, stream)
	if err != nil {
		return err
	}
	logs := cloudwatchlogs.NewFromConfig(cfg)
	if _, err := logs.DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: &group}); err != nil {
		return err
	}
	if _, err := logs.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &group, LogStreamName: &stream}); err != nil {
		return err
	}
	if len(bytes.TrimSpace(transcript)) == 0 {
		return nil
	}
	_, err = logs.PutLogEvents(ctx, &cloudwatchlogs.PutLogEventsInput{LogGroupName: &group, LogStreamName: &stream, LogEvents: []logtypes.InputLogEvent{
		{Message: aws.String(string(transcript)), Timestamp: aws.Int64(time.Now().UnixMilli())},
	}})
	return err
}

// operations are those of Systems Manager that open tunnels and end sessions:
// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_StartSession.html
// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_TerminateSession.html
// describe finds a running task that sessions can be opened in.
func (s *sessions) operations(describe func(ctx context.Context, region, cluster, task, runtime string) error) endpoint.Table {
	return endpoint.Table{"ssm.TerminateSession": func(c *endpoint.Call, _ endpoint.Next) (*endpoint.Reply, error) {
		var in struct {
			SessionID string `json:"SessionId"`
		}
		if err := endpoint.DecodeJSON(c.Body, &in); err != nil {
			return nil, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.all, in.SessionID)
		if end := s.open[in.SessionID]; end != nil {
			end()
		}
		return endpoint.JSON(map[string]string{"SessionId": in.SessionID})
	}, "ssm.StartSession": func(c *endpoint.Call, _ endpoint.Next) (*endpoint.Reply, error) {
		var in struct {
			Target, DocumentName string
			Parameters           map[string][]string
		}
		if err := endpoint.DecodeJSON(c.Body, &in); err != nil {
			return nil, err
		}
		parts := strings.SplitN(strings.TrimPrefix(in.Target, "ecs:"), "_", 3)
		if !strings.HasPrefix(in.Target, "ecs:") || len(parts) != 3 {
			return nil, endpoint.Refuse("TargetNotConnected", "%s is not connected.", in.Target)
		}
		if in.DocumentName != "AWS-StartPortForwardingSessionToRemoteHost" {
			return nil, notModelled("ssm", "StartSession with "+in.DocumentName)
		}
		if err := describe(c.Request.Context(), c.Region, parts[0], parts[1], parts[2]); err != nil {
			return nil, endpoint.Refuse("TargetNotConnected", "%s is not connected: %v", in.Target, err)
		}
		first := func(name string) string { return append(in.Parameters[name], "")[0] }
		id, url, token := s.add("local-", sessionInTask{address: net.JoinHostPort(first("host"), first("portNumber")), port: first("localPortNumber")})
		return endpoint.JSON(map[string]string{"SessionId": id, "StreamUrl": url, "TokenValue": token})
	}}
}

// describeTask refuses a target that is no running task in which sessions are allowed.
func (e *Endpoint) describeTask(ctx context.Context, region, cluster, id, runtime string) error {
	reply, err := e.askECS(ctx, region, "DescribeTasks", map[string]any{"cluster": cluster, "tasks": []string{id}})
	if err != nil {
		return err
	}
	var found struct {
		Tasks []struct {
			LastStatus           string
			EnableExecuteCommand bool
			Containers           []struct{ RuntimeId string }
		}
	}
	if err := endpoint.DecodeJSON(reply.Body, &found); err != nil {
		return err
	}
	for _, t := range found.Tasks {
		for _, c := range t.Containers {
			if t.LastStatus == "RUNNING" && t.EnableExecuteCommand && c.RuntimeId == runtime {
				return nil
			}
		}
	}
	return errors.New("no such container runs with an agent")
}

// serve connects a client with its session.
func (s *sessions) serve(w http.ResponseWriter, r *http.Request, id string) {
	s.mu.Lock()
	one, ok := s.all[id]
	delete(s.all, id)
	s.mu.Unlock()
	if !ok {
		http.Error(w, "no such session", http.StatusNotFound)
		return
	}
	s.running.Add(1)
	defer s.running.Done()
	// The connection is no longer the request's once it is a websocket.
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	s.mu.Lock()
	s.open[id] = cancel
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.open, id)
	}()
	defer context.AfterFunc(s.ctx, cancel)() //nolint:contextcheck // the end of the endpoint ends it too
	run := one.tunnel
	if one.command != nil {
		run = one.shell
	}
	if err := run(ctx, w, r, id); err != nil && s.ctx.Err() == nil {
		s.warn(fmt.Errorf("session %s: %w", id, err))
	}
}

// shell runs the command at a terminal of its own.
func (one sessionInTask) shell(ctx context.Context, w http.ResponseWriter, r *http.Request, id string) error {
	terminal, tty, err := pty.Open()
	if err != nil {
		return err
	}
	defer terminal.Close()
	c, err := channel.Open(ctx, w, r, one.token, channel.Shell(), func(columns, rows uint16) {
		_ = pty.Setsize(terminal, &pty.Winsize{Cols: columns, Rows: rows}) // it has gone
	})
	if err != nil {
		tty.Close()
		return err
	}
	one.command.Stdin, one.command.Stdout, one.command.Stderr = tty, tty, tty
	err = one.command.Start()
	tty.Close()
	if err != nil {
		fmt.Fprintf(c, "%v\r\n", err)
		return errors.Join(err, c.Close())
	}
	stop := make(chan struct{})
	go func() {
		select {
		case <-c.Done(): // the client has gone
			task.Kill(one.command)
		case <-stop:
		}
	}()
	go func() { _, _ = io.Copy(terminal, c) }() // until either has gone
	var transcript bytes.Buffer
	copied := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.MultiWriter(&transcript, c), terminal)
		copied <- err
	}()
	_ = one.command.Wait() // its exit code reaches nobody, as on AWS
	close(stop)
	// The watcher holds the terminal too. Where SIGHUP is ignored, as under nohup,
	// the end of the command does not end it.
	task.Kill(one.command)
	err = <-copied
	// A terminal whose programs have ended fails to read.
	if path, ok := errors.AsType[*os.PathError](err); ok && path.Op == "read" {
		err = nil
	}
	if one.record != nil {
		err = errors.Join(err, one.record(context.WithoutCancel(ctx), id, transcript.Bytes()))
	}
	return errors.Join(err, c.Close())
}

// tunnel leads each of the client's connections to the other end.
func (one sessionInTask) tunnel(ctx context.Context, w http.ResponseWriter, r *http.Request, _ string) error {
	c, err := channel.Open(ctx, w, r, one.token, channel.Port(one.address[strings.LastIndex(one.address, ":")+1:], one.port), nil)
	if err != nil {
		return err
	}
	options := smux.DefaultConfig()
	options.KeepAliveDisabled = true
	mux, err := smux.Server(c, options)
	if err != nil {
		return err
	}
	defer func() { _ = mux.Close() }() // the client may have closed it
	for {
		stream, err := mux.AcceptStream()
		if err != nil {
			return nil // the client has gone
		}
		go func() {
			defer func() { _ = stream.Close() }() // either side may have closed it
			var d net.Dialer
			other, err := d.DialContext(ctx, "tcp", one.address)
			if err != nil {
				return // and so is the client's connection
			}
			defer func() { _ = other.Close() }()
			done := make(chan struct{}, 2)
			for _, way := range [][2]io.ReadWriter{{stream, other}, {other, stream}} {
				go func() {
					_, _ = io.Copy(way[0], way[1]) // either side may end it
					done <- struct{}{}
				}()
			}
			<-done
		}()
	}
}
