package ecs

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// Launcher runs tasks: ecstest.Script as a test describes, task.Launcher as
// processes. Its methods must not block. They are called one at a time, and
// may call Report before they return.
type Launcher interface {
	// Place says whether there is room for a task; if not, the error's text is
	// what ECS gives as the reason.
	Place(t Launch) error
	// Launch starts the containers of a task, and reports Started or
	// NotStarted; later Health for those that have health checks, and Exited
	// for each.
	Launch(t Launch)
	// Stop ends a task that was launched: its containers get a signal, and are
	// killed after the stop timeout. Exited must be reported for every
	// container that has not yet exited.
	Stop(taskARN string, at time.Time)
}

// Launch is a task to be run.
type Launch struct {
	ARN, Cluster, StartedBy string
	// Service is "" for a task of RunTask.
	Service string
	// Definition has the task's overrides applied.
	Definition types.TaskDefinition
	// Connect is the Service Connect configuration of the service, nil if it has
	// none.
	Connect *types.ServiceConnectConfiguration
	// Digests are those of the images, by container; nil for Place.
	Digests map[string]string
	// Address is an IP address that the task may use as its own.
	Address string
	// StopTimeout is the time from the signal to the kill.
	StopTimeout time.Duration
	// At is now.
	At time.Time
	// Report says what has happened to the task, and when: now, or at a later
	// time. It may be called from any goroutine.
	Report func(at time.Time, e Event)
}

// Event is something that happens to a task: Started, NotStarted, Health, Exited or
// Interrupted.
type Event interface{ event() }

// Started says that all containers run.
type Started struct {
	// Address is the task's address if it is not Launch.Address; Ports maps
	// container ports to the task's ports where they differ.
	Address string
	Ports   map[int32]int
	// Digests replace those of the Launch, for tests in which another image
	// runs than the one asked for.
	Digests map[string]string
}

// NotStarted says that the task could not start, and why, in ECS's words:
// "CannotPullContainerError: …".
type NotStarted struct{ Reason string }

// Health is the result of a container's health check, reported when it
// changes.
type Health struct {
	Container string
	Healthy   bool
}

// Exited says that a container has ended. Code is nil if it never started or
// if its code is unknown. Reason is the container's own, such as
// "OutOfMemoryError: container killed due to memory usage", or "".
type Exited struct {
	Container string
	Code      *int32
	Reason    string
}

// Interrupted says that Fargate Spot takes the task away, which is to be stopped.
type Interrupted struct{}

func (Started) event()     {}
func (NotStarted) event()  {}
func (Health) event()      {}
func (Exited) event()      {}
func (Interrupted) event() {}

// Targets are target groups of a load balancer. The methods must not block.
type Targets interface {
	// Register adds a target; report is called with each change of its state
	// and the time of that change, until it is unused.
	Register(group string, t Target, at time.Time, report func(at time.Time, s TargetState))
	// Deregister drains a target, after which it is unused.
	Deregister(group string, t Target, at time.Time)
	// Health is the state of all targets of a group, ok is false if the group
	// is not known.
	Health(group string) (all []TargetHealth, ok bool)
}

// Target is one address of a service.
type Target struct {
	ID               string // an IP address
	Port             int
	AvailabilityZone string
}

// TargetState is what DescribeTargetHealth shows of a target. State is initial,
// healthy, unhealthy, draining or unused; Reason is a code like
// Target.FailedHealthChecks, and Description is for people.
type TargetState struct{ State, Reason, Description string }

// States of a target that no health check decides.
var (
	TargetInitial  = TargetState{State: "initial", Reason: "Elb.RegistrationInProgress", Description: "Target registration is in progress"}
	TargetDraining = TargetState{State: "draining", Reason: "Target.DeregistrationInProgress", Description: "Target deregistration is in progress"}
	TargetUnused   = TargetState{State: "unused", Reason: "Target.NotRegistered", Description: "Target is not registered to the target group"}
)

// TargetHealth is a target with its state.
type TargetHealth struct {
	Target
	TargetState
}
