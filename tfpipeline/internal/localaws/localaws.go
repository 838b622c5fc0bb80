package localaws

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
	"github.com/specboard/platform/tfpipeline/internal/localaws/balancer"
	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs"
	"github.com/specboard/platform/tfpipeline/internal/localaws/iam"
)

// accessKey is the access key with which clients sign, and also the secret
// key; nothing verifies it.
const accessKey = "localaws"

// DefaultAccount is the account that resources belong to unless Options names
// another.
const DefaultAccount = "123456789012"

// Options configure the endpoint. The zero value is usable.
type Options struct {
	// Region is the one for Environ and for requests whose signature names
	// none; Account is the number of the only account.
	Region, Account string
	// Listener is where the endpoint answers; nil means a random port of
	// 127.0.0.1. A caller that needs the URL before Start passes one. Start
	// and Close own it.
	Listener net.Listener
	// ECS answers every request of Amazon ECS, with X-Amz-Target
	// AmazonEC2ContainerServiceV20141113.*; if nil, moto does.
	ECS http.Handler
	// TargetHealth reports the targets of a target group for
	// DescribeTargetHealth; if ok is false, moto answers. It is called from
	// many goroutines.
	TargetHealth func(targetGroupARN string) (all []ecs.TargetHealth, ok bool)
	// Database says where the database instance of that identifier really
	// listens; instances are described with that address and port. If ok is
	// false or the function nil, they keep a name that does not resolve.
	Database func(identifier string) (host string, port int, ok bool)
	// Balancers says where load balancers answer on this machine, for
	// GET /_localaws/balancers; nil if none do.
	Balancers func(context.Context) ([]balancer.Address, error)
	// Environ is the environment in which moto is looked for and started; nil
	// means that of this process.
	Environ []string
	// CacheDir is where moto is installed if it is not found; "" means the
	// user's cache folder.
	CacheDir string
	// Upstream is the URL of a running moto_server; if "", Start starts one
	// and Close stops it.
	Upstream string
	// Log receives moto's output, Progress a message about everything that
	// takes long, and Trace every answered call, from many goroutines. Each
	// may be nil.
	Log      io.Writer
	Progress func(string)
	Trace    func(Call)

	// sessions are those in tasks; nil: none can be opened.
	sessions *sessions
	// schedules run; nil: they are only kept.
	schedules *schedules
	// instances are told which database instances are renamed or restored; may be nil.
	instances *databaseServers
}

// Call is one answered request.
type Call struct {
	Service, Operation string
	Status             int
	Begin              time.Time
	Duration           time.Duration
	// Role is the name of the calling role, "" for the administrator; Asked
	// are the IAM permissions that the call needed.
	Role  string
	Asked []iam.Question
	// Denied is why the role's call was refused, "" if it was not.
	Denied string
}

// Endpoint answers requests as AWS does until it is closed.
type Endpoint struct {
	region, account string
	*endpoint.Server
	control    *upstream
	moto       *motoProcess // nil with Options.Upstream
	operations endpoint.Table
	images     *images
	access     *access
	lookups    *lookups
	caches     *caches
	databases  *databases
	ecs        http.Handler
	sessions   *sessions
	balancers  func(context.Context) ([]balancer.Address, error)
	trace      func(Call)

	detach   func() bool
	closing  sync.Once
	finished sync.Once
	done     chan struct{} // closed by finish
	err      error         // why, unless Close ended it; set before done is closed
}

// Start starts moto and the endpoint, and returns when both answer. The
// endpoint runs until Close is called, ctx ends, or this process ends, even if
// it is killed; nothing is left running then.
func Start(ctx context.Context, o Options) (*Endpoint, error) {
	fillIn(&o)
	e := &Endpoint{
		region: o.Region, account: o.Account,
		ecs: o.ECS, sessions: o.sessions, balancers: o.Balancers, trace: o.Trace,
		done: make(chan struct{}),
	}
	abandon := func(err error) (*Endpoint, error) {
		if o.Listener != nil {
			o.Listener.Close()
		}
		return nil, fmt.Errorf("start the local endpoint: %w", err)
	}
	if err := e.connect(ctx, o); err != nil {
		return abandon(err)
	}
	e.images = newImages(e.account, e.control)
	e.access = newAccess(e.account, e.control, e.self)
	e.lookups = &lookups{account: e.account, control: e.control, access: e.access, self: e.self}
	e.caches, e.databases = newCaches(e.account, e.control), newDatabases(o.Database)
	if o.instances != nil {
		e.databases.renamed, e.databases.restored = o.instances.rename, o.instances.restore
		e.databases.snapshot, e.databases.fromSnapshot = o.instances.snapshot, o.instances.restoreSnapshot
	}
	e.operations = e.answers(o) //nolint:contextcheck // a table of functions, each called with its request's context
	var err error
	if e.Server, err = endpoint.Serve(ctx, o.Listener, e); err != nil {
		if e.moto != nil {
			e.moto.stop()
		}
		return abandon(err)
	}
	go e.watch()
	// Close by another goroutine must not wait for this one.
	e.detach = context.AfterFunc(ctx, func() { e.shut(context.Cause(ctx)) })
	return e, nil
}

func fillIn(o *Options) {
	if o.Region == "" {
		o.Region = "us-west-2"
	}
	if o.Account == "" {
		o.Account = DefaultAccount
	}
	if o.Environ == nil {
		o.Environ = os.Environ()
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if o.Trace == nil {
		o.Trace = func(Call) {}
	}
	if o.CacheDir == "" {
		if dir, err := os.UserCacheDir(); err == nil {
			o.CacheDir = filepath.Join(dir, "tfpipeline")
		} else {
			o.CacheDir = filepath.Join(os.TempDir(), "tfpipeline")
		}
	}
}

// connect finds or starts the control plane.
func (e *Endpoint) connect(ctx context.Context, o Options) error {
	if o.Upstream != "" {
		base, err := url.Parse(o.Upstream)
		if err != nil {
			return err
		}
		e.control = newUpstream(base)
		return nil
	}
	env := environment(o.Environ)
	command, err := findMoto(ctx, env, o.CacheDir, o.Progress)
	if err != nil {
		return err
	}
	e.moto, err = startMoto(ctx, command, motoEnvironment(env, o.Account), o.Log)
	if err != nil {
		return err
	}
	e.control = newUpstream(e.moto.url)
	e.control.lacks = e.moto.log.lacks
	e.control.died = func() error {
		select {
		case <-e.moto.done:
			return e.moto.err
		default:
			return nil
		}
	}
	return nil
}

// motoEnvironment is moto's environment, which contains no real credentials.
func motoEnvironment(env environment, account string) environment {
	return append(env.without("MOTO_", "AWS_"),
		"AWS_ACCESS_KEY_ID="+accessKey,
		"AWS_SECRET_ACCESS_KEY="+accessKey,
		"MOTO_ACCOUNT_ID="+account,
		// Terraform attaches policies that AWS manages.
		"MOTO_IAM_LOAD_MANAGED_POLICIES=true",
		// Certificates are issued immediately instead of after a minute.
		"MOTO_ACM_VALIDATION_WAIT=0",
		// Nothing here starts a virtual machine, and loading images takes
		// seconds.
		"MOTO_EC2_LOAD_DEFAULT_AMIS=false",
		"PYTHONUNBUFFERED=1",
	)
}

// Access makes AWS calls go to this endpoint.
func (e *Endpoint) Access() endpoint.Access {
	return endpoint.Access{URL: e.URL(), Region: e.region, Key: accessKey}
}

// Environ returns the variables (NAME=value) that make a process's AWS calls
// go to this endpoint, if its environment has no other variables of AWS's.
func (e *Endpoint) Environ() []string { return e.Access().Environ(nil) }

// Done is closed when the endpoint no longer works: after Close, or when moto
// has died. Close must be called in either case.
func (e *Endpoint) Done() <-chan struct{} { return e.done }

// Err returns why Done is closed: nil before that, and nil after Close.
func (e *Endpoint) Err() error {
	select {
	case <-e.done:
		return e.err
	default:
		return nil
	}
}

// Close stops the endpoint and moto, and returns when both are gone. Requests
// in flight are cut off. It may be called more than once.
func (e *Endpoint) Close() error {
	e.detach()
	e.shut(nil)
	return nil
}

func (e *Endpoint) shut(cause error) {
	e.finish(cause)
	e.closing.Do(func() {
		_ = e.Server.Close() // its only possible error is that of closing a listener
		if e.moto != nil {
			e.moto.stop()
		}
	})
}

// finish records why the endpoint no longer works. The first reason counts.
func (e *Endpoint) finish(cause error) {
	e.finished.Do(func() {
		e.err = cause
		close(e.done)
	})
}

// watch waits for the end of the server or of moto. When moto dies, the
// endpoint stays open and its answers say so: clients would retry a closed
// port for minutes.
func (e *Endpoint) watch() {
	var died <-chan struct{}
	if e.moto != nil {
		died = e.moto.done
	}
	select {
	case <-died:
		e.finish(e.moto.err)
	case <-e.Server.Done():
		e.finish(e.Server.Err())
	}
}
