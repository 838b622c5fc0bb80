package localaws

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go/logging"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
	"github.com/specboard/platform/tfpipeline/internal/localaws/balancer"
	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs"
	"github.com/specboard/platform/tfpipeline/internal/localaws/task"
)

// CloudOptions configure a Cloud. The zero value is usable.
type CloudOptions struct {
	// Options are those of the endpoint. ECS, TargetHealth and Balancers are
	// filled in, and Database unless it is given.
	Options
	// Pace is the timing of ECS; LocalPace if zero.
	Pace ecs.Pace
	// Consistency says how late reads of ECS may be; Progress prints its seed.
	Consistency ecs.Consistency
	// Speed divides the intervals between health checks, deregistration delays
	// and grace periods; DefaultSpeed if 0. With 1 they are as on AWS.
	Speed int
	// Lag is how long a load balancer still sends requests to a target that
	// was deregistered; 100 ms if 0.
	Lag time.Duration
	// Second is how long one second of a timeout lasts in load balancers and Service
	// Connect's proxies; 1 s if 0.
	Second time.Duration
	// Output receives every line that a container prints, from many
	// goroutines; may be nil.
	Output func(task, container, line string)
}

// DefaultSpeed shortens the half minute that a target drains to a second and a
// half.
const DefaultSpeed = 20

// Cloud is an Endpoint whose resources really run: tasks are processes, load
// balancers answer on loopback ports, and database instances are PostgreSQL
// servers.
type Cloud struct {
	*Endpoint
	// ECS is the runtime, into which tests inject faults and which records its
	// calls.
	ECS *ecs.Runtime

	config    aws.Config
	started   chan struct{} // closed when Endpoint is set
	tasks     *task.Launcher
	balancers *balancer.Balancers
	databases *databaseServers
	schedules *schedules
	sessions  *sessions
	stopping  sync.Once
	ending    atomic.Bool // set by Close: failures from then on are its consequence
	detach    func() bool
}

// StartCloud starts an endpoint whose tasks really run. Like an Endpoint it ends, and
// leaves nothing running, at Close, when ctx ends, or when this process ends or is
// killed.
func StartCloud(ctx context.Context, o CloudOptions) (*Cloud, error) {
	fillIn(&o.Options)
	if o.Speed < 1 {
		o.Speed = DefaultSpeed
	}
	if o.Lag == 0 {
		o.Lag = 100 * time.Millisecond
	}
	if o.Pace == (ecs.Pace{}) {
		o.Pace = ecs.LocalPace()
	}
	o.Pace.Speed = o.Speed
	if o.Consistency.Lag > 0 {
		o.Progress(fmt.Sprintf("local endpoint: reads of ECS are up to %s late, by seed %d", o.Consistency.Lag, o.Consistency.Seed))
	}
	if o.Listener == nil {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("start the local endpoint: %w", err)
		}
		o.Listener = l
	}
	c := &Cloud{started: make(chan struct{})}
	if err := c.assemble(&o); err != nil {
		o.Listener.Close()
		return nil, fmt.Errorf("start the local endpoint: %w", err)
	}
	e, err := Start(ctx, o.Options)
	if err != nil {
		c.stop()
		return nil, err
	}
	c.Endpoint = e
	close(c.started)
	c.schedules.run(context.WithoutCancel(ctx)) // until Close
	c.detach = context.AfterFunc(ctx, c.stop)
	return c, nil
}

// assemble creates the parts and puts them into the endpoint's options. The
// parts call the endpoint, which already listens but answers only after its
// start.
func (c *Cloud) assemble(o *CloudOptions) (err error) {
	access := endpoint.Access{URL: "http://" + o.Listener.Addr().String(), Region: o.Region, Key: accessKey}
	c.config = access.Config()
	c.config.Logger = logging.Nop{} // what matters is in the errors
	warn := func(err error) {
		if !c.ending.Load() {
			o.Progress("local endpoint: " + err.Error())
		}
	}
	if c.databases, err = newDatabaseServers(c.describeInstance, o.Progress); err != nil {
		return err
	}
	c.tasks, err = task.New(task.Options{
		Image:   c.image,
		Secret:  task.Secrets(secretsmanager.NewFromConfig(c.config)),
		Log:     task.Logs(cloudwatchlogs.NewFromConfig(c.config), warn),
		Environ: append(withoutCredentials(access.Environ(nil)), "PGSSLROOTCERT="+c.databases.root),
		Role: func(ctx context.Context, arn, id string) (aws.Credentials, error) {
			e, err := c.endpoint(ctx)
			if err != nil {
				return aws.Credentials{}, err
			}
			return e.access.assumeForTask(ctx, o.Region, arn, id)
		},
		Endpoints: func(task, host string, port int) ([]ecs.Endpoint, bool) { return c.ECS.Endpoints(task, host, port) },
		Second:    o.Second,
		Output:    o.Output,
	})
	if err != nil {
		return err
	}
	c.sessions = newSessions(access.URL, c.tasks, func(ctx context.Context, role, task string) (aws.Config, error) {
		e, err := c.endpoint(ctx)
		if err != nil {
			return aws.Config{}, err
		}
		as, err := e.access.assumeForTask(ctx, o.Region, role, task)
		cfg := c.config.Copy()
		cfg.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return as, nil })
		return cfg, err
	}, warn)
	o.sessions = c.sessions
	client := elb.NewFromConfig(c.config)
	c.balancers = balancer.New(balancer.Options{
		Read: func(ctx context.Context) (balancer.Configuration, error) {
			return balancer.Read(ctx, client, c.firewallRate)
		},
		Speed: o.Speed, Lag: o.Lag, Second: o.Second, Warn: warn,
	})
	c.ECS = ecs.New(ecs.Options{
		Region: o.Region, Account: o.Account, Pace: o.Pace, Consistency: o.Consistency,
		Launcher: c.tasks, Targets: c.balancers, Images: c.digest, Execute: c.sessions.execute,
	})
	c.schedules = newSchedules(scheduler.NewFromConfig(c.config), o.Speed, c.startScheduled, warn)
	o.schedules = c.schedules
	o.ECS, o.TargetHealth, o.Balancers = c.ECS, c.ECS.TargetHealth, c.Balancers
	if o.Database == nil {
		o.Database, o.instances = c.databases.address, c.databases
	}
	trace := o.Trace
	o.Trace = func(call Call) {
		trace(call)
		switch {
		case call.Service == "elasticloadbalancing" && !strings.HasPrefix(call.Operation, "Describe"):
			c.balancers.Refresh()
		case call.Service == "wafv2" && !strings.HasPrefix(call.Operation, "Get") && !strings.HasPrefix(call.Operation, "List"):
			c.balancers.Refresh()
		case call.Service == "rds" && call.Operation == "DeleteDBInstance":
			c.databases.recheck()
		}
	}
	return nil
}

// withoutCredentials is the environment of containers, whose only credentials
// are those of their role.
func withoutCredentials(env []string) []string {
	return slices.DeleteFunc(env, func(kv string) bool {
		return strings.HasPrefix(kv, "AWS_ACCESS_KEY_ID=") || strings.HasPrefix(kv, "AWS_SECRET_ACCESS_KEY=")
	})
}

// endpoint waits for the endpoint's start and returns it.
func (c *Cloud) endpoint(ctx context.Context) (*Endpoint, error) {
	select {
	case <-c.started:
		return c.Endpoint, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// digest returns the digest to which an image reference resolves.
func (c *Cloud) digest(reference string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	e, err := c.endpoint(ctx)
	if err != nil {
		return "", err
	}
	return e.ImageDigest(ctx, reference)
}

// image returns the programs that an image runs.
func (c *Cloud) image(ctx context.Context, reference, digest string) (task.Image, error) {
	if public(reference) {
		return task.StandIn(), nil
	}
	e, err := c.endpoint(ctx)
	if err != nil {
		return task.Image{}, err
	}
	text, err := e.images.manifest(reference, digest)
	if err != nil {
		return task.Image{}, err
	}
	return task.ParseManifest(text)
}

// Close stops the endpoint and all that runs behind it, and returns when
// everything is gone. It may be called more than once.
func (c *Cloud) Close() error {
	c.detach()
	c.stop() // first, so that the last lines of logs arrive
	return c.Endpoint.Close()
}

// stop ends everything that runs behind the endpoint.
func (c *Cloud) stop() {
	c.stopping.Do(func() {
		c.ending.Store(true)
		c.schedules.close()
		c.sessions.close()
		// ECS comes first: its scheduler would replace tasks that end.
		c.ECS.Close()
		c.tasks.Close()
		c.balancers.Close()
		c.databases.close()
	})
}
