package github

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	rest "github.com/google/go-github/v74/github"
)

// Deployment is what GitHub's own pages show of a release in an environment.
type Deployment struct {
	// Commit is the commit of the release. For a rollback, it is not the commit of the
	// workflow's run.
	Commit, Environment string
	// Production marks an environment that users see.
	Production  bool
	Description string
	// Platform tells the deployments of several platforms in one repository apart.
	Platform string
	// Attempts are the id of the attempt, and then that of the attempt that it
	// continues, or "". They share one deployment.
	Attempts []string
}

// DeploymentState is one of GitHub's.
type DeploymentState string

// The states.
const (
	DeploymentQueued     DeploymentState = "queued"
	DeploymentInProgress DeploymentState = "in_progress"
	DeploymentSuccess    DeploymentState = "success"
	DeploymentFailure    DeploymentState = "failure"
)

// DeploymentStatus is a state, and where to read more. A success makes the
// deployments before it in that environment inactive; a failure leaves them.
type DeploymentStatus struct {
	State DeploymentState
	// LogURL is the run, EnvironmentURL the address that users know; either may
	// be "".
	LogURL, EnvironmentURL string
	// Description is cut to the 140 characters that GitHub keeps.
	Description string
}

// payload is what a deployment carries: which attempt began it, of which
// platform.
type payload struct {
	Attempt  string `json:"attempt"`
	Platform string `json:"platform"`
}

// Deploy returns the id of a deployment: the one of its attempts, or else one of the
// same release that has not ended, or else a new one.
func (c *Client) Deploy(ctx context.Context, d Deployment) (int64, error) {
	id, err := c.findDeployment(ctx, d, true)
	if err != nil || id != 0 {
		return id, err
	}
	request := &rest.DeploymentRequest{
		Ref: &d.Commit, Task: new("deploy"), Environment: &d.Environment, Description: &d.Description,
		// Otherwise GitHub could merge the default branch into it, or refuse it because
		// of a check: this program has already decided what is deployed.
		AutoMerge: new(false), RequiredContexts: &[]string{},
		Payload:              payload{d.Attempts[0], d.Platform},
		TransientEnvironment: new(false), ProductionEnvironment: &d.Production,
	}
	err = c.do(ctx, http.MethodPost, "/deployments", func(ctx context.Context) error {
		made, _, err := c.rest.Repositories.CreateDeployment(ctx, c.owner, c.repository, request)
		id = made.GetID()
		return err
	})
	return id, wrap(err, "create the deployment of %s to %s", d.Commit, d.Environment)
}

// UnfinishedDeployment returns the id of the deployment that an attempt, or one that it
// continues, began and that has not ended; 0 if there is none.
func (c *Client) UnfinishedDeployment(ctx context.Context, d Deployment) (int64, error) {
	return c.findDeployment(ctx, d, false)
}

// findDeployment returns the id of the last deployment of a release, unless it has
// ended. With ended, it returns one of d.Attempts even if that has ended. It leaves out
// deployments of later attempts, and returns 0 if there is none.
func (c *Client) findDeployment(ctx context.Context, d Deployment, ended bool) (int64, error) {
	list, err := c.deployments(ctx, rest.DeploymentsListOptions{SHA: d.Commit, Environment: d.Environment})
	last := int64(0)
	for _, x := range list { // the newest first
		attempt := d.attempt(x)
		if attempt == "" {
			continue
		}
		if ended && slices.Contains(d.Attempts, attempt) {
			return x.GetID(), nil
		}
		last = cmp.Or(last, x.GetID())
	}
	if last != 0 {
		var open bool
		if open, err = c.unfinished(ctx, last); !open {
			last = 0
		}
	}
	return last, wrap(err, "look for the deployment of %s to %s", d.Commit, d.Environment)
}

// EndEarlier says of deployments before that of d, whose id is given, that they failed:
// their runs died, with their machines, before they could say how they ended. It stops
// at the newest deployment that has ended, since that one's run has done this for those
// before it.
func (c *Client) EndEarlier(ctx context.Context, d Deployment, id int64) error {
	list, err := c.deployments(ctx, rest.DeploymentsListOptions{Environment: d.Environment})
	// The newest first: GitHub knows which are earlier. The ids of attempts do not
	// tell, since each has the time of its own machine.
	own := slices.IndexFunc(list, func(x *rest.Deployment) bool { return x.GetID() == id })
	if own < 0 {
		own = len(list) - 1
	}
	for _, x := range list[own+1:] {
		if d.ours(x).Attempt == "" {
			continue
		}
		var open bool
		if open, err = c.unfinished(ctx, x.GetID()); !open {
			break
		}
		if err = c.SetDeployment(ctx, x.GetID(), DeploymentStatus{State: DeploymentFailure, Description: "its run died before it could say how it ended"}); err != nil {
			break
		}
	}
	return wrap(err, "end earlier deployments to %s", d.Environment)
}

// attempt is the id of the attempt that began a deployment; "" if that was an attempt
// of another platform, or a later one.
func (d Deployment) attempt(x *rest.Deployment) string {
	if of := d.ours(x); of.Attempt <= d.Attempts[0] {
		return of.Attempt
	}
	return ""
}

// ours is what a deployment of the same platform carries; empty if it is another's.
func (d Deployment) ours(x *rest.Deployment) (of payload) {
	if json.Unmarshal(x.Payload, &of) != nil || cmp.Or(of.Platform, d.Platform) != d.Platform {
		return payload{}
	}
	return of
}

// deployments are the newest ones that options choose, the newest first.
func (c *Client) deployments(ctx context.Context, options rest.DeploymentsListOptions) (list []*rest.Deployment, err error) {
	options.PerPage = perPage
	err = c.do(ctx, http.MethodGet, "/deployments", func(ctx context.Context) (err error) {
		list, _, err = c.rest.Repositories.ListDeployments(ctx, c.owner, c.repository, &options)
		return err
	})
	return list, err
}

// unfinished reports whether nobody has said yet how a deployment ended.
func (c *Client) unfinished(ctx context.Context, id int64) (bool, error) {
	var list []*rest.DeploymentStatus
	err := c.do(ctx, http.MethodGet, fmt.Sprintf("/deployments/%d/statuses", id), func(ctx context.Context) (err error) {
		list, _, err = c.rest.Repositories.ListDeploymentStatuses(ctx, c.owner, c.repository, id, &rest.ListOptions{PerPage: 1})
		return err
	})
	if len(list) == 0 {
		return err == nil, err
	}
	state := DeploymentState(list[0].GetState())
	return state == DeploymentQueued || state == DeploymentInProgress, err
}

// SetDeployment gives a deployment a status.
func (c *Client) SetDeployment(ctx context.Context, id int64, s DeploymentStatus) error {
	const most = 140
	description := []rune(s.Description)
	request := &rest.DeploymentStatusRequest{
		State: new(string(s.State)), Description: new(string(description[:min(len(description), most)])), AutoInactive: new(true),
	}
	if s.LogURL != "" {
		request.LogURL = &s.LogURL
	}
	if s.EnvironmentURL != "" {
		request.EnvironmentURL = &s.EnvironmentURL
	}
	err := c.do(ctx, http.MethodPost, fmt.Sprintf("/deployments/%d/statuses", id), func(ctx context.Context) error {
		_, _, err := c.rest.Repositories.CreateDeploymentStatus(ctx, c.owner, c.repository, id, request)
		return err
	})
	return wrap(err, "say that deployment %d is %s", id, s.State)
}

// wrap says what a call was for; nil stays nil.
func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}
