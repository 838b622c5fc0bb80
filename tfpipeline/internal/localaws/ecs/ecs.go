// Package ecs is Amazon ECS as it behaves, for Fargate services that are
// deployed by rolling update: the wire protocol of the real service in front
// of a model of its schedulers. It stands in for AWS on a laptop, where tasks
// are processes, and in tests, where they follow a script and time is virtual.
//
// Each file names the AWS page that it follows. Where AWS says nothing, the
// comment says "our reading". Everything happens in the order and at the time
// that Pace gives; the same calls at the same times see the same answers.
//
// Modelled: clusters, task definitions, services, rolling deployments with
// minimum and maximum percent, load balancer and container health with grace
// period, the deployment circuit breaker, rollback, service deployments and
// revisions with image digests, one-off tasks, tags, paging, the limits on the
// size of a call, and, if asked for, reads that lag behind (Consistency).
//
// Not modelled: EC2 and external instances, daemons, task sets and
// blue/green, canary and linear deployments with their hooks; deployment
// alarms; weights of capacity providers; placement across
// zones (tasks take turns); task protection; volumes; IAM,
// so that no call is ever denied; quotas other than those of a single call.
// Calls of these kinds fail by name instead of pretending.
package ecs

import (
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// Options configure the runtime. Launcher is required.
type Options struct {
	// Region and Account appear in every ARN; us-west-2 and 123456789012 if "".
	Region, Account string
	// Launcher runs the tasks.
	Launcher Launcher
	// Targets are the target groups with which services register their tasks.
	// If nil, the Launcher is used if it also implements Targets; otherwise
	// services with a load balancer are refused.
	Targets Targets
	// Images resolves an image reference to its current digest ("sha256:…");
	// its error becomes the reason why a task cannot pull its image. If nil,
	// every image exists: a reference with a digest keeps it, and one with a
	// tag gets a digest made from its text.
	Images func(reference string) (digest string, err error)
	// Execute opens a session in a container of a running task, for a command, and
	// returns how a client speaks on it; log is the log group of sessions, "" if there
	// is none. If nil, commands are not executed.
	Execute func(t Launch, container, command, log string) (types.Session, error)
	// Called is told of every call, under the model's lock. It may be nil.
	Called func(Call)
	// Pace is the timing; the zero value means AWSPace.
	Pace Pace
	// Consistency says how late reads may be.
	Consistency Consistency
}

// Pace is how long ECS's own steps take. The Launcher decides how long a task
// takes to start and stop, the target group how long it takes to be healthy.
type Pace struct {
	// Schedule is the time between a change and the service scheduler's
	// reaction.
	Schedule time.Duration
	// Provision is how long a task is PROVISIONING before the Launcher gets
	// it.
	Provision time.Duration
	// Activate is the time from the start of the containers to RUNNING.
	Activate time.Duration
	// Deprovision is the time from the end of the containers to STOPPED.
	Deprovision time.Duration
	// Steady is how long a deployment must look finished before it is
	// COMPLETED.
	Steady time.Duration
	// Backoff is the first wait before another start after three starts have
	// failed in a row; it doubles up to fifteen minutes.
	Backoff time.Duration
	// Visible is how long a new task of RunTask is MISSING for DescribeTasks
	// and absent from ListTasks.
	Visible time.Duration
	// Speed divides the grace periods that services ask for; 0 is 1.
	Speed int
}

// AWSPace is roughly the timing of Fargate.
func AWSPace() Pace {
	return Pace{
		Schedule: time.Second, Provision: 10 * time.Second, Activate: 5 * time.Second,
		Deprovision: 10 * time.Second, Steady: 5 * time.Second, Backoff: 10 * time.Second,
	}
}

// LocalPace is for real processes: each state lasts just long enough to be
// seen.
func LocalPace() Pace {
	return Pace{
		Schedule: 50 * time.Millisecond, Provision: 50 * time.Millisecond, Activate: 20 * time.Millisecond,
		Deprovision: 50 * time.Millisecond, Steady: 300 * time.Millisecond, Backoff: 500 * time.Millisecond,
	}
}

// Runtime is one account's ECS in one region: the API in front of a model, with the
// faults that tests inject. Its methods may be called from any goroutine.
type Runtime struct {
	*model
	operations map[string]operation

	faults []*fault // guarded by the model's lock
}

// model is how ECS behaves: what there is, and what happens to it in the course of
// time. It knows no calls; whoever uses it holds the clock's lock.
type model struct {
	clock
	options  Options
	clusters map[string]*cluster
	families map[string]*family
	services []*service // in the order of their creation
	tasks    []*task    // in the order of their creation, without those that are forgotten
	tokens   map[string]*tokenUse
	history  map[string]*serviceDeployment // by ARN
	shapes   map[string]*revision          // service revisions by ARN
	launched int                           // number of tasks so far, from which addresses are made
	marks    int                           // given to deployments so far; see settle
	reads    lagging
}

// New returns an account without any resources.
func New(o Options) *Runtime {
	if o.Region == "" {
		o.Region = "us-west-2"
	}
	if o.Account == "" {
		o.Account = "123456789012"
	}
	if o.Targets == nil {
		o.Targets, _ = o.Launcher.(Targets)
	}
	if o.Images == nil {
		o.Images = anyImage
	}
	if o.Called == nil {
		o.Called = func(Call) {}
	}
	if o.Pace == (Pace{}) {
		o.Pace = AWSPace()
	}
	m := &model{
		options:  o,
		clusters: map[string]*cluster{},
		families: map[string]*family{},
		tokens:   map[string]*tokenUse{},
		history:  map[string]*serviceDeployment{},
		shapes:   map[string]*revision{},
	}
	m.reads = newLagging(o.Consistency, &m.clock)
	r := &Runtime{model: m}
	r.operations = r.table()
	return r
}

// Close stops the model: nothing happens after it. The Launcher has to end its
// tasks itself.
func (r *Runtime) Close() {
	r.lock()
	defer r.unlock()
	r.closed = true
	r.agenda.clear()
}

// HTTPClient calls this runtime in process, without a connection, so that a
// real SDK client works in a bubble of testing/synctest:
//
//	ecs.NewFromConfig(cfg, func(o *ecs.Options) { o.HTTPClient = runtime.HTTPClient() })
//
// It also answers Elastic Load Balancing's DescribeTargetHealth.
func (r *Runtime) HTTPClient() *http.Client {
	return &http.Client{Transport: transport{r}}
}
