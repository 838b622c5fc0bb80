package deploy

import (
	"context"
	"time"
)

// Services are the environment's ECS services.
type Services interface {
	// DescribeServices returns what the services run, in as few calls as the
	// API allows.
	DescribeServices(ctx context.Context, services []string) (map[string]Service, error)
	// UpdateService changes a service in one call, and returns the ARN of the
	// service deployment that this caused; "" if none did, or if ECS does not
	// show it yet.
	UpdateService(ctx context.Context, u Update) (deployment string, err error)
	// RunningDigests returns the digests of the images that the running tasks
	// of each service have, one a task.
	RunningDigests(ctx context.Context, services []string) (map[string][]string, error)
}

// Service is an ECS service as it is.
type Service struct {
	Name string
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
}

// Scaling is what autoscaling may do with services.
type Scaling interface {
	// Minimums returns the least number of tasks of each autoscaled service.
	Minimums(ctx context.Context, services []string) (map[string]int, error)
	// SetMinimum sets that of one.
	SetMinimum(ctx context.Context, service string, tasks int) error
}
