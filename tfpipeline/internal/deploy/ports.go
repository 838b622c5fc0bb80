package deploy

import (
	"context"
	"time"
)

// Images are those in the registry, one repository a service.
type Images interface {
	// Digests returns what a tag means in the repository of each service. A
	// service without such an image is absent.
	Digests(ctx context.Context, tag string, services []string) (map[string]string, error)
	// Missing returns the services whose image the registry does not hold, given full
	// references by digest. It leaves out what other registries hold.
	Missing(ctx context.Context, images map[string]string) ([]string, error)
	// Tag gives the same manifests a further tag, without a rebuild. It is no error if
	// they have the tag already.
	Tag(ctx context.Context, digests map[string]string, tag string) error
}

// TaskDefinitions are the families of the environment's services and one-off
// tasks.
type TaskDefinitions interface {
	// Register registers a revision and returns its ARN.
	Register(ctx context.Context, r Revision) (string, error)
	// DescribeTaskDefinitions returns them by ARN; what ECS does not know is
	// absent.
	DescribeTaskDefinitions(ctx context.Context, arns []string) (map[string]TaskDefinition, error)
}

// Revision is a task definition to be registered: a copy of another one that
// runs a given image.
type Revision struct {
	// Name is the service or one-off task.
	Name string
	// Template is the ARN that is copied: the revision that Terraform last
	// applied, or, to bring back one that is INACTIVE, that one itself.
	Template string
	// Image is the full reference by digest that replaces the container's
	// image, such as "…/doc-platform/api@sha256:…".
	Image string
	// Tags are put on the revision.
	Tags map[string]string
}

// TaskDefinition is a registered revision.
type TaskDefinition struct {
	ARN string
	// Active: services and tasks can be started from it.
	Active bool
	// Image is the container's, as written in the revision.
	Image string
}

// Services are the environment's ECS services.
type Services interface {
	// DescribeServices returns what the services run, in as few calls as the
	// API allows.
	DescribeServices(ctx context.Context, services []string) (map[string]Service, error)
	// UpdateService changes a service in one call, and returns the ARN of the
	// service deployment that this caused; "" if none did, or if ECS does not
	// show it yet.
	UpdateService(ctx context.Context, u Update) (deployment string, err error)
	// StoppedTasks returns the services' tasks that stopped since a time of
	// AWS's clock, the newest first, without their logs. ECS forgets a task
	// within the hour.
	StoppedTasks(ctx context.Context, services []string, since time.Time) ([]StoppedTask, error)
	// RunningTasks returns the running tasks of each service; a service without any is
	// absent.
	RunningTasks(ctx context.Context, services []string) (map[string][]RunningTask, error)
}

// RunningTask is a task of a service that runs.
type RunningTask struct {
	// Digest is that of the image of the service's own container; "" if ECS does
	// not tell it.
	Digest string
	// Unhealthy: the health check of an essential container fails. ECS starts
	// another task, and stops this one once that is healthy.
	Unhealthy bool
}

// Digests are those of some tasks.
func Digests(tasks []RunningTask) []string {
	var all []string
	for _, t := range tasks {
		all = append(all, t.Digest)
	}
	return all
}

// Service is an ECS service as it is shown. A read may be older than the last
// write, and then shows the earlier state, or no service.
type Service struct {
	Name string
	// Gone: ECS shows it as deleted, or as being deleted.
	Gone bool
	// TaskDefinition is the ARN that the service is set to.
	TaskDefinition            string
	Desired, Running, Pending int
	// Deployment is the latest service deployment; nil if ECS shows none.
	Deployment *Deployment
	// Events are the latest, oldest first; as many as one call returns.
	Events []ServiceEvent
}

// ServiceEvent is one line of a service's event log.
type ServiceEvent struct {
	ID      string    `json:"id"`
	Time    time.Time `json:"time"`
	Message string    `json:"message"`
}

// Update is a change of a service.
type Update struct {
	Service string
	// TaskDefinition is an ARN; "" leaves it.
	TaskDefinition string
	// Desired is the number of tasks; nil leaves it.
	Desired *int
	// Restart begins a deployment even of the task definition that the service is
	// set to, which is given.
	Restart bool
}

// Scaling is what autoscaling may do with services.
type Scaling interface {
	// Minimums returns the least number of tasks of each autoscaled service.
	Minimums(ctx context.Context, services []string) (map[string]int, error)
	// SetMinimum sets it for one service.
	SetMinimum(ctx context.Context, service string, tasks int) error
}

// Deployments are the service deployments of ECS in this environment.
type Deployments interface {
	// DescribeDeployments returns them by ARN, in as few calls as the API
	// allows; what ECS does not know (yet) is absent.
	DescribeDeployments(ctx context.Context, arns []string) (map[string]Deployment, error)
	// StopDeployment asks for the rollback of a deployment. It is no error if the
	// deployment has already ended.
	StopDeployment(ctx context.Context, arn string) error
}

// Deployment is a service deployment of ECS.
type Deployment struct {
	ARN     string
	Service string
	// TaskDefinition and Revision are the ARNs of what it brings.
	TaskDefinition, Revision string
	State                    DeploymentState
	// Reason is ECS's, if it gives one.
	Reason string
	// Failures is the circuit breaker's count, Threshold where it trips.
	Failures, Threshold int
	// Desired, Running and Pending count the tasks of what it brings.
	Desired, Running, Pending int
	Created, Finished         time.Time
}

// DeploymentState is one of ECS's states. A state in which something is only requested
// counts as the state that it leads to.
type DeploymentState string

const (
	// DeploymentPending and DeploymentInProgress are at work.
	DeploymentPending    DeploymentState = "pending"
	DeploymentInProgress DeploymentState = "in progress"
	// DeploymentSuccessful has ended well.
	DeploymentSuccessful DeploymentState = "successful"
	// DeploymentStopped has ended without a rollback: a circuit breaker that rolls
	// nothing back, or a later deployment, has ended it.
	DeploymentStopped DeploymentState = "stopped"
	// DeploymentRollingBack has failed, and ECS brings back what ran before.
	DeploymentRollingBack DeploymentState = "rolling back"
	// DeploymentRolledBack has failed, and what ran before runs again.
	DeploymentRolledBack DeploymentState = "rolled back"
	// DeploymentRollbackFailed has failed in both directions.
	DeploymentRollbackFailed DeploymentState = "rollback failed"
)

// Ended reports whether ECS does nothing more.
func (s DeploymentState) Ended() bool {
	switch s {
	case DeploymentSuccessful, DeploymentStopped, DeploymentRolledBack, DeploymentRollbackFailed:
		return true
	default:
		return false
	}
}

// Failed reports whether it has failed, even if its rollback goes on.
func (s DeploymentState) Failed() bool {
	return s == DeploymentRollingBack || s != DeploymentSuccessful && s.Ended()
}

// Tasks are one-off tasks, such as migrate.
type Tasks interface {
	// RunTask starts a task and returns its ARN. Two calls with one token are
	// one task.
	RunTask(ctx context.Context, t TaskRun) (arn string, err error)
	// DescribeTask returns the task as it is now.
	DescribeTask(ctx context.Context, arn string) (Task, error)
	// StopTask asks a task to end. It is no error if the task has already ended.
	StopTask(ctx context.Context, arn, reason string) error
	// TaskLog returns what the task has logged since cursor, and the cursor to
	// go on from; "" begins at the beginning.
	TaskLog(ctx context.Context, t Task, cursor string) (lines []LogLine, next string, err error)
}

// TaskRun is a one-off task to be started.
type TaskRun struct {
	// Name is that of the task in the platform, and of its container.
	Name string
	// TaskDefinition is the ARN.
	TaskDefinition string
	// Token makes the start idempotent: at most 64 characters of ASCII.
	Token string
	// Command replaces the task definition's; nil leaves it.
	Command []string
	// Environment adds variables. They are public.
	Environment map[string]string
	// Placement is where it runs.
	Placement Placement
	// StartedBy is shown by ECS: at most 128 letters, digits, - and _.
	StartedBy string
}

// Placement is the network of a one-off task.
type Placement struct {
	Subnets        []string `json:"subnets"`
	SecurityGroups []string `json:"security_groups"`
}

// Task is a one-off task as it is.
type Task struct {
	ARN, Name string
	// Known is false if ECS does not know the task: it was started just now,
	// or ended over an hour ago.
	Known bool
	State TaskState
	// StopCode and Reason are ECS's words on why it ended; Reason holds the
	// container's reason too.
	StopCode, Reason string
	// ExitCode is the container's; nil if it has none, as when it never began.
	ExitCode *int
	// Capacity: it never began because there was no room for it.
	Capacity         bool
	Started, Stopped time.Time
}

// TaskState is as much of a task's state as anybody waits for.
type TaskState string

const (
	TaskStarting TaskState = "starting"
	TaskRunning  TaskState = "running"
	TaskStopped  TaskState = "stopped"
)

// LogLine is one line that a container wrote.
type LogLine struct {
	Time    time.Time `json:"time"`
	Message string    `json:"message"`
}

// Health is what users would notice.
type Health interface {
	// TargetHealth returns the health of each public service's targets; one that
	// no load balancer finds is absent.
	TargetHealth(ctx context.Context, services []string) (map[string]Targets, error)
	// Get requests a URL once, and returns the status. It follows no redirect.
	Get(ctx context.Context, url string) (status int, err error)
}

// Targets counts the targets of a service in its target group.
type Targets struct {
	Healthy int `json:"healthy"`
	// Draining targets are on their way out, and neither good nor bad.
	Draining int `json:"draining,omitempty"`
	// Initial targets are new, and their first checks are not over.
	Initial int `json:"initial,omitempty"`
	// Unhealthy are all others.
	Unhealthy int `json:"unhealthy"`
	// Reasons say what is known of the initial and the unhealthy ones.
	Reasons []string `json:"reasons,omitempty"`
}

// Notifier tells people how an attempt ended.
type Notifier interface {
	Notify(ctx context.Context, r Record) error
	// NotifyDied tells people of an attempt of another process, which died before it
	// could tell them.
	NotifyDied(ctx context.Context, r Record) error
}

// Infrastructure is the environment's Terraform root in the checkout.
type Infrastructure interface {
	// Plan plans and judges. A plan that the guard refuses is an error.
	Plan(ctx context.Context) (Plan, error)
	// Apply applies the very plan that Plan made. attempt is the id by which
	// whoever finds the attempt dead knows the apply's state lock.
	Apply(ctx context.Context, attempt string) error
	// Outputs reads those of the state: what was applied last.
	Outputs(ctx context.Context) (Outputs, error)
	// ForgetDead removes the state lock of an attempt that died. While the lock may
	// still be renewed, it returns how long to wait until the attempt is known to be
	// dead.
	ForgetDead(ctx context.Context, attempt string) (after time.Duration, err error)
}

// Plan is what an apply would do.
type Plan struct {
	// Fingerprint stands for what changes.
	Fingerprint string `json:"fingerprint"`
	// Empty: nothing changes.
	Empty bool `json:"empty"`
	// Summary is a line such as "2 to add, 1 to change, 0 to destroy".
	Summary string `json:"summary,omitempty"`
	// Unreviewed says how it differs from the plan that was reviewed; nil if it
	// does not, or if none was.
	Unreviewed error `json:"-"`
}

// Outputs are what a promotion needs of the infrastructure.
type Outputs struct {
	// Templates are ARNs of task definitions, by service and one-off task.
	Templates map[string]string
	// Placements are where one-off tasks run, by task.
	Placements map[string]Placement
}

// Secrets are those of the environment.
type Secrets interface {
	// Empty returns which of the named secrets have no value.
	Empty(ctx context.Context, names []string) ([]string, error)
}

// Checkout is the repository at hand.
type Checkout interface {
	// Head returns the commit that is checked out, and the paths that differ
	// from it.
	Head(ctx context.Context) (commit string, changed []string, err error)
	// Peel returns the commit that a release's tag means.
	Peel(ctx context.Context, tag string) (commit string, err error)
	// Contains reports whether descendant has ancestor in its past; a commit
	// contains itself.
	Contains(ctx context.Context, descendant, ancestor string) (bool, error)
	// Schema returns the checkout's migrations.
	Schema(ctx context.Context) (Schema, error)
}

// Origin is the environment where a release proves itself.
type Origin interface {
	// FormerDeployments returns the service deployments of each service, the oldest first,
	// as far back as ECS remembers.
	FormerDeployments(ctx context.Context, services []string) (map[string][]FormerDeployment, error)
}

// FormerDeployment is a service deployment in the origin. Digest is from ECS's
// own record of the service revision, not from a tag or a task definition.
type FormerDeployment struct {
	ARN, Revision, Digest string
	State                 DeploymentState
	Created, Finished     time.Time
	// Crashed is when a task of what it brought last stopped by itself, as far
	// as ECS remembers: an hour. Zero: none did.
	Crashed time.Time
}

// Proof is the evidence that a release ran elsewhere.
type Proof struct {
	// Environment is where it ran.
	Environment string `json:"environment"`
	// MinimumBake is what was asked for, Baked how long the whole release ran.
	MinimumBake time.Duration `json:"minimum_bake_ns"`
	Baked       time.Duration `json:"baked_ns"`
	// Since and Until are when it ran; Until is when it was replaced, or when
	// the proof was taken.
	Since    time.Time               `json:"since"`
	Until    time.Time               `json:"until"`
	Services map[string]ServiceProof `json:"services"`
}

// ServiceProof is the deployment that proves one service's image.
type ServiceProof struct {
	Digest     string    `json:"digest"`
	Deployment string    `json:"deployment"`
	Revision   string    `json:"service_revision"`
	Since      time.Time `json:"since"`
	Until      time.Time `json:"until"`
}
