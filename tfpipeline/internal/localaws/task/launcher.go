// Package task runs the tasks of an ECS runtime as processes of this
// machine, on the real clock.
//
// # What it models
//
//   - A container is the process that its image's entry point and command start,
//     with the environment of image and definition, and with secrets by reference:
//     https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html
//   - Logs go to CloudWatch, stream prefix/container/task:
//     https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html
//   - The end: SIGTERM to the first process, SIGKILL to all when the stop
//     timeout is over, exit codes 143 and 137:
//     https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_StopTask.html
//   - Health checks of containers:
//     https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_HealthCheck.html
//   - What keeps a task from starting, in ECS's words:
//     https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html
//   - Network mode awsvpc, as near as a process can come to it: each task has a
//     loopback address of its own (where the system has more than one) and a
//     port of its own for each port of the definition. HOST and PORT tell them to
//     a container; PORT is changed if the definition sets it to one of its ports,
//     and LOCAL_PORT_3001 is the port that stands for 3001.
//   - The Service Connect proxy (package proxy), which stands before a task's
//     ports; HTTP_PROXY sends a container's HTTP requests there, so that
//     http://api:3001 reaches the tasks of api.
//
// The tasks end with the process that starts them, even if SIGKILL ends it.
//
// # What it does not
//
// Containers: a task sees the files, users and networks of this machine, and
// has no limits of memory or processor. Layers: an image is the command line in its
// manifest. In place of an image of a public registry, a stand-in runs until it is
// stopped, and is healthy. The order of dependsOn: all containers start at once. What
// a log router sends elsewhere than to CloudWatch. Volumes, ulimits, secrets in the
// Parameter Store, task metadata. ECS Exec in a container: the command is a process of
// its own with the container's environment and folder.
package task

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs"
)

// Options are what tasks need from their surroundings. Image is required;
// without Secret or Log, containers that need one do not start.
type Options struct {
	// Image returns what the image with that digest runs. Its error becomes
	// the reason why the task did not start.
	Image func(ctx context.Context, reference, digest string) (Image, error)
	// Secret returns the value to which a valueFrom refers.
	Secret func(ctx context.Context, as aws.Credentials, valueFrom string) (string, error)
	// Log opens the log of a container. Each Write is a line; Close returns
	// when all lines have been sent.
	Log func(ctx context.Context, as aws.Credentials, stream Stream) (io.WriteCloser, error)
	// Role assumes a role for a task; its error becomes the reason why the
	// task did not start. If nil, tasks have no roles: Secret and Log get no
	// credentials, and containers have only what Environ gives them.
	Role func(ctx context.Context, arn, task string) (aws.Credentials, error)
	// Endpoints returns the task ports behind a name and port of Service
	// Connect, as a task resolves them; ok is false for other names. If nil,
	// tasks have no proxy.
	Endpoints func(task, host string, port int) (all []ecs.Endpoint, ok bool)
	// Second is how long a second of the proxy's time-outs takes; 1 s if 0.
	Second time.Duration
	// Environ is in the environment of every container: NAME=value.
	Environ []string
	// Output is told of every line, from many goroutines; may be nil.
	Output func(task, container, line string)
}

// Launcher runs tasks as processes. It is the Launcher of an ECS runtime.
type Launcher struct {
	options Options
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	watched *os.File // the end of the pipe that every task's watcher reads from
	pipe    *os.File // the other end
	network [2]byte  // 127.a.b is the network of the tasks
	running sync.WaitGroup

	mu     sync.Mutex
	tasks  map[string]*task // by ARN
	serial int              // of tasks, for their addresses
	port   int              // the last one given
	closed bool
}

// task is one task from Launch to the end of its last container.
type task struct {
	ecs.Launch
	// stop ends with Stop or Close; it also ends the preparations.
	stop    context.Context
	cancel  context.CancelFunc
	address string
	ports   map[int32]int // of the containers, by container port
	// containers are those that run.
	containers []*container

	connection connection
}

// New returns a launcher without tasks.
func New(o Options) (*Launcher, error) {
	watched, pipe, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make the lifeline of tasks: %w", err)
	}
	if o.Output == nil {
		o.Output = func(string, string, string) {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &Launcher{options: o, ctx: ctx, cancel: cancel, watched: watched, pipe: pipe, tasks: map[string]*task{}}
	var random [4]byte
	if _, err := rand.Read(random[:]); err != nil {
		return nil, fmt.Errorf("choose a network for tasks: %w", err)
	}
	l.network = [2]byte{16 + random[0]%200, random[1]}
	l.port = firstPort + (int(random[2])<<8|int(random[3]))%(lastPort-firstPort)
	return l, nil
}

// Place accepts every task.
func (l *Launcher) Place(ecs.Launch) error { return nil }

// Launch starts a task.
func (l *Launcher) Launch(launch ecs.Launch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.serial++
	t := &task{Launch: launch}
	t.address, t.ports = l.place(launch.Definition)
	t.stop, t.cancel = context.WithCancel(l.ctx)
	l.tasks[launch.ARN] = t
	err := l.connect(t)
	l.running.Go(func() {
		l.run(t, err)
		t.connection.close()
		l.mu.Lock()
		delete(l.tasks, t.ARN)
		l.mu.Unlock()
	})
}

// Stop ends a task. It does nothing about one that has ended.
func (l *Launcher) Stop(arn string, _ time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.tasks[arn]; t != nil {
		t.cancel()
	}
}

// Close kills all tasks, and returns when they have ended.
func (l *Launcher) Close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.cancel()
	l.running.Wait()
	l.pipe.Close()
	l.watched.Close()
}

// run is the whole life of a task. If err is not nil, it ends immediately.
func (l *Launcher) run(t *task, err error) {
	defer t.cancel()
	var containers []*container
	if err == nil {
		containers, err = l.prepare(t)
	}
	if err == nil {
		err = l.start(t, containers)
	}
	if err != nil {
		l.abandon(t, containers, err)
		return
	}
	l.mu.Lock()
	t.containers = containers
	l.mu.Unlock()
	ports := maps.Clone(t.ports)
	maps.Copy(ports, t.connection.ports)
	t.Report(time.Now(), ecs.Started{Address: t.address, Ports: ports})
	var ends sync.WaitGroup
	for _, c := range containers {
		if c.check != nil {
			ends.Go(func() {
				c.check.watch(c.ended, func(healthy bool) {
					t.Report(time.Now(), ecs.Health{Container: c.name, Healthy: healthy})
				})
			})
		}
		ends.Go(func() {
			code := c.wait(t.stop, l.ctx, t.StopTimeout)
			t.Report(time.Now(), ecs.Exited{Container: c.name, Code: &code})
		})
	}
	ends.Wait()
}

// abandon reports a task that could not start, and keeps it until it is
// stopped: a runtime that stops the task before it reads that report must
// still learn that its containers have ended.
func (l *Launcher) abandon(t *task, containers []*container, err error) {
	for _, c := range containers {
		c.discard()
	}
	if l.ctx.Err() != nil {
		return
	}
	if t.stop.Err() == nil {
		t.Report(time.Now(), ecs.NotStarted{Reason: err.Error()})
		// The report and a stop may be under way at the same time.
		timer := time.NewTimer(crossing)
		defer timer.Stop()
		select {
		case <-t.stop.Done():
		case <-timer.C:
			return
		}
	}
	for _, d := range t.Definition.ContainerDefinitions {
		t.Report(time.Now(), ecs.Exited{Container: *d.Name})
	}
}

// crossing is how long the runtime may take to read a report.
const crossing = 10 * time.Second

// The ports of tasks are below those that systems use for outgoing
// connections, so that a client's connection cannot take the port of a task
// that is about to start.
const firstPort, lastPort = 20000, 32000

// place finds an address for a task, and a port for each port of its
// definition. The caller holds the lock.
func (l *Launcher) place(definition types.TaskDefinition) (string, map[int32]int) {
	address := net.IPv4(127, l.network[0], l.network[1]+byte(l.serial/250), byte(1+l.serial%250)).String()
	if !free(address, 0) {
		address = "127.0.0.1" // a system with only one loopback address
	}
	ports := map[int32]int{}
	for _, c := range definition.ContainerDefinitions {
		for _, m := range c.PortMappings {
			if m.ContainerPort == nil {
				continue
			}
			for range lastPort - firstPort {
				if l.port++; l.port >= lastPort {
					l.port = firstPort
				}
				// A program that ignores HOST listens on every address.
				if free("", l.port) {
					break
				}
			}
			ports[*m.ContainerPort] = l.port
		}
	}
	return address, ports
}

func free(address string, port int) bool {
	s, err := net.Listen("tcp", net.JoinHostPort(address, fmt.Sprint(port)))
	if err != nil {
		return false
	}
	s.Close()
	return true
}

// id is the last part of the task's ARN.
func (t *task) id() string { return t.ARN[strings.LastIndex(t.ARN, "/")+1:] }
