package github

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	rest "github.com/google/go-github/v74/github"
)

// Deployment is what GitHub's own pages show of a release in an environment.
type Deployment struct {
	// Commit is the release's, which for a rollback is not the run's.
	Commit, Environment string
	// Production marks an environment of users.
	Production  bool
	Description string
	// Attempts are the ids of the attempt and of those that it continues: one
	// deployment is theirs together. The first is the attempt's own.
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

// DeploymentStatus is a state with where to read on. A success makes the
// deployments before it in that environment inactive; a failure leaves them.
type DeploymentStatus struct {
	State DeploymentState
	// LogURL is the run, EnvironmentURL the address that users know; either may
	// be "".
	LogURL, EnvironmentURL string
	// Description is cut to the 140 characters that GitHub keeps.
	Description string
}

// Deploy returns the id of a deployment: that of its attempts if there is one,
// else a new one.
func (c *Client) Deploy(ctx context.Context, d Deployment) (int64, error) {
	id, err := c.findDeployment(ctx, d)
	if err != nil || id != 0 {
		return id, wrap(err, "look for the deployment of %s to %s", d.Commit, d.Environment)
	}
	request := &rest.DeploymentRequest{
		Ref: &d.Commit, Task: new("deploy"), Environment: &d.Environment, Description: &d.Description,
		// GitHub would merge the default branch into it, or refuse it because of
		// a check: what is deployed was decided here.
		AutoMerge: new(false), RequiredContexts: &[]string{},
		Payload:              map[string]string{"attempt": d.Attempts[0]},
		TransientEnvironment: new(false), ProductionEnvironment: &d.Production,
	}
	err = c.do(ctx, http.MethodPost, "/deployments", func(ctx context.Context) error {
		made, _, err := c.rest.Repositories.CreateDeployment(ctx, c.owner, c.repository, request)
		id = made.GetID()
		return err
	})
	return id, wrap(err, "create the deployment of %s to %s", d.Commit, d.Environment)
}

// findDeployment is the id of the deployment of an attempt; 0 if there is none.
func (c *Client) findDeployment(ctx context.Context, d Deployment) (id int64, err error) {
	err = c.do(ctx, http.MethodGet, "/deployments", func(ctx context.Context) error {
		list, _, err := c.rest.Repositories.ListDeployments(ctx, c.owner, c.repository, &rest.DeploymentsListOptions{
			SHA: d.Commit, Environment: d.Environment, ListOptions: rest.ListOptions{PerPage: perPage},
		})
		for _, x := range list {
			if slices.ContainsFunc(d.Attempts, func(a string) bool { return a != "" && strings.Contains(string(x.Payload), a) }) {
				id = x.GetID()
			}
		}
		return err
	})
	return id, err
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
