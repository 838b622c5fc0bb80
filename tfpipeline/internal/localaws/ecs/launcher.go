package ecs

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// Launcher runs tasks: ecstest.Script as a test wants it, task.Launcher as programs. Its
// methods must not block. They are called one at a time, and may report at
// once, before they return.
type Launcher interface {
	// Place says whether there is room for a task; if not, the error's text is
	// what ECS gives as the reason.
	Place(t Launch) error
	// Launch starts the containers of a task, and reports Started or
	// NotStarted; later Health, if they have health checks, and Exited for
	// each.
	Launch(t Launch)
	// Stop ends a task that was launched, as a stop of its containers does:
	// a signal, and after the stop timeout the end. Exited must be reported
	// for every container that has not yet exited.
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
	// Address is an IP address that the task may take for its own.
	Address string
	// StopTimeout is the time from the signal to the end.
	StopTimeout time.Duration
	// At is now.
	At time.Time
	// Report tells what has become of the task, and when: now, or a time that
	// is still to come. It may be called from any goroutine.
	Report func(at time.Time, e Event)
}

// Event is something that happens to a task: Started, NotStarted, Health or
// Exited.
type Event interface{ event() }

// Started says that all containers run.
type Started struct {
	// Address is where the task is reached, if not at Launch.Address, and
	// Ports on which port, by container port, if not on that.
	Address string
	Ports   map[int32]int
	// Digests replace those of the Launch, for images that are not what they
	// should be.
	Digests map[string]string
}

// NotStarted says that the task could not start, and why, in ECS's words:
// "CannotPullContainerError: …".
type NotStarted struct{ Reason string }

// Health is the result of a container's health check; it is reported when it
// changes.
type Health struct {
	Container string
	Healthy   bool
}

// Exited says that a container has ended. Code is nil if it never started or
// its code is not known; Reason is of the container, such as
// "OutOfMemoryError: container killed due to memory usage", or "".
type Exited struct {
	Container string
	Code      *int32
	Reason    string
}

func (Started) event()    {}
func (NotStarted) event() {}
func (Health) event()     {}
func (Exited) event()     {}

// Targets are target groups of a load balancer. The methods must not block.
type Targets interface {
	// Register adds a target; report is called on every change of its state,
	// with the time of it, until it is unused.
	Register(group string, t Target, at time.Time, report func(at time.Time, s TargetState))
	// Deregister has a target drained; it is unused in the end.
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
