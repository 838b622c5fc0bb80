package deploy

import (
	"context"
	"time"
)

// Tasks are one-off tasks, such as migrate.
type Tasks interface {
	// RunTask starts a task and returns its ARN. Two calls with one token are
	// one task.
	RunTask(ctx context.Context, t TaskRun) (arn string, err error)
	// DescribeTask looks at it.
	DescribeTask(ctx context.Context, arn string) (Task, error)
	// StopTask asks it to end. That it has ended already is no error.
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
