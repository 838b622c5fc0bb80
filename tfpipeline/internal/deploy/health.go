package deploy

import "context"

// Health is what users would notice.
type Health interface {
	// TargetHealth returns the health of each public service's targets.
	TargetHealth(ctx context.Context, services []string) (map[string]Targets, error)
	// Get requests a URL once, and returns the status. It follows no redirect.
	Get(ctx context.Context, url string) (status int, err error)
}

// Targets counts the targets of a service in its target group.
type Targets struct {
	Healthy int `json:"healthy"`
	// Draining targets are on their way out, and neither good nor bad.
	Draining int `json:"draining,omitempty"`
	// Unhealthy are all others, with what is wrong in Reasons.
	Unhealthy int      `json:"unhealthy"`
	Reasons   []string `json:"reasons,omitempty"`
}

// Notifier tells people how an attempt ended.
type Notifier interface {
	Notify(ctx context.Context, r Record) error
}
