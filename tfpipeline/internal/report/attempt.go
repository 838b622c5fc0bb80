// Package report tells people and GitHub what the pipeline does: the webhook,
// deployments, step summaries and outputs, comments on pull requests, issues of
// drift, what an approver reads. Nothing that it does fails or delays a
// deployment.
package report

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/checkout"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/github"
	"github.com/specboard/platform/tfpipeline/internal/notify"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// within is the time limit for all messages at the beginning of an attempt,
// and for all at its end.
const within = 10 * time.Second

// Attempt reports one attempt to the webhook and to GitHub's deployments while
// it runs.
type Attempt struct {
	Platform    config.Platform
	Environment config.Environment
	Console     *console.Console
	Checkout    *checkout.Checkout
	// GitHub is nil outside a workflow, Webhook if no webhook is configured.
	GitHub  *github.Client
	Webhook *notify.Webhook
	// died: another process made the attempt, and died before it could report how the
	// attempt ended.
	died bool

	// begun is closed when the messages about the beginning have been sent; it
	// is nil if none were. failed holds their errors and is set before begun
	// is closed.
	begun  chan struct{}
	failed []error
	// deployment is the id of GitHub's deployment, set before begun is closed;
	// 0 if there is none.
	deployment int64
}

var _ deploy.Notifier = (*Attempt)(nil)

// NewAttempt returns a reporter for the webhook of NOTIFY_URL and, in a
// workflow, for GitHub.
func NewAttempt(c *console.Console, p config.Platform, e config.Environment, at *checkout.Checkout) (*Attempt, error) {
	t := &Attempt{Platform: p, Environment: e, Console: c, Checkout: at}
	if c.Actions() {
		t.GitHub = github.ReadRun(c.Getenv).Client()
	}
	if address := c.Getenv(webhook); address != "" {
		hook, err := notify.New(address, nil)
		if err != nil {
			return nil, console.Usage(webhook+": "+err.Error(), "unset "+webhook+", or set it to the webhook's address")
		}
		t.Webhook = hook
	}
	return t, nil
}

// Observe reports the beginning of an attempt as soon as the release is known.
// It does not wait for the answers.
func (t *Attempt) Observe(ctx context.Context, e deploy.Event) {
	r := e.Record
	if e.Step != deploy.StepResolve || e.Kind != deploy.EventDone || r == nil || r.SupersededBy != nil || t.begun != nil {
		return
	}
	t.begun = make(chan struct{})
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), within)
	go func() {
		defer cancel()
		defer close(t.begun)
		t.failed = together(
			func() error { return t.post(ctx, view.Started, *r) },
			func() error { return t.begin(ctx, *r) },
		)
	}()
}

// Notify reports how an attempt ended.
func (t *Attempt) Notify(ctx context.Context, r deploy.Record) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), within)
	defer cancel()
	if t.begun != nil {
		select {
		case <-t.begun:
			t.warn(t.failed...)
		case <-ctx.Done():
		}
	}
	t.warn(together(
		func() error { return t.post(ctx, view.Ended, r) },
		func() error { return t.end(ctx, r) },
	)...)
	return nil
}

// NotifyDied tells how an attempt of another process ended.
func (t *Attempt) NotifyDied(ctx context.Context, r deploy.Record) error {
	other := &Attempt{Platform: t.Platform, Environment: t.Environment, Console: t.Console, Checkout: t.Checkout, GitHub: t.GitHub, Webhook: t.Webhook, died: true}
	return other.Notify(ctx, r)
}

// together runs several functions at the same time and returns their errors.
func together(work ...func() error) []error {
	errs := make([]error, len(work))
	var g sync.WaitGroup
	for i, f := range work {
		g.Go(func() { errs[i] = f() })
	}
	g.Wait()
	return errs
}

func (t *Attempt) warn(errs ...error) {
	for _, err := range errs {
		if err != nil {
			t.Console.Progress("warning: %v", err)
		}
	}
}

// post sends a message to the webhook.
func (t *Attempt) post(ctx context.Context, m view.Moment, r deploy.Record) error {
	if t.Webhook == nil {
		return nil
	}
	a := view.Message{Platform: t.Platform.Name, Moment: m, Record: r}
	if !r.Previous.IsZero() && r.Kind == deploy.KindPromote && !r.Previous.Same(r.Release) && r.SupersededBy == nil {
		// A shallow clone cannot list the commits; the rest of the message is
		// still worth sending.
		a.Subjects, _ = t.Checkout.Subjects(ctx, r.Previous.Commit, r.Release.Commit)
	}
	return t.Webhook.Post(ctx, a.Text())
}

// begin creates a deployment of the release on GitHub.
func (t *Attempt) begin(ctx context.Context, r deploy.Record) error {
	if t.GitHub == nil || r.Release.Commit == "" {
		return nil
	}
	id, err := t.GitHub.Deploy(ctx, t.of(r))
	if err != nil {
		return err
	}
	t.deployment = id
	for _, state := range []github.DeploymentState{github.DeploymentQueued, github.DeploymentInProgress} {
		if err := t.status(ctx, state, r); err != nil {
			return err
		}
	}
	return nil
}

// of describes an attempt as a GitHub deployment.
func (t *Attempt) of(r deploy.Record) github.Deployment {
	return github.Deployment{
		Platform: t.Platform.Name, Commit: r.Release.Commit, Environment: r.Environment, Production: t.Environment.Protected,
		Description: fmt.Sprintf("%s %s", r.Kind, r.Release), Attempts: []string{r.ID, r.Resumes},
	}
}

// end sets how the deployment ended. An attempt that was rolled back, or that
// never changed anything, counts as failed: GitHub keeps the deployment before
// it active.
func (t *Attempt) end(ctx context.Context, r deploy.Record) (err error) {
	switch {
	case t.GitHub == nil || r.Release.Commit == "":
		return nil
	case t.died:
		if t.deployment, err = t.GitHub.UnfinishedDeployment(ctx, t.of(r)); err != nil {
			return err
		}
	case t.begun == nil:
		return nil
	default:
		select {
		case <-t.begun:
		default:
			return fmt.Errorf("tell GitHub of the deployment: no answer within %s", within)
		}
	}
	if t.deployment == 0 {
		return nil // there is none; if creating it failed, a warning has said so
	}
	state := github.DeploymentFailure
	if r.Outcome == deploy.Deployed {
		state = github.DeploymentSuccess
	}
	if err := t.status(ctx, state, r); err != nil || t.died {
		return err
	}
	return t.GitHub.EndEarlier(ctx, t.of(r), t.deployment)
}

func (t *Attempt) status(ctx context.Context, state github.DeploymentState, r deploy.Record) error {
	description := fmt.Sprintf("%s %s, by %s", r.Kind, r.Release, r.Actor)
	if r.Outcome != "" {
		description = fmt.Sprintf("%s, by %s", view.Result(r), r.Actor)
	}
	return t.GitHub.SetDeployment(ctx, t.deployment, github.DeploymentStatus{
		State: state, LogURL: r.RunURL, EnvironmentURL: t.Platform.URL(t.Environment), Description: description,
	})
}
