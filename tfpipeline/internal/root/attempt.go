package root

import (
	"context"
	"flag"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/flags"
)

// Attempt holds the choices of a promotion or rollback.
type Attempt struct {
	Kind     deploy.Kind
	Env, Tag string
	// Commit is that of a release without a tag.
	Commit                 string
	DryRun, JSON, Markdown bool
	// Dossier is the folder for what explains a failure; "" is the standard one.
	Dossier string
	// Approved is the plan that somebody approved; nil accepts any plan.
	Approved *Review
	// Line is the command line that repeats the attempt.
	Line string

	reviewed, overrideProof string
	force                   flags.Reason
	withMigrations, forward bool
	timeout, lockWait       time.Duration
}

// Declare declares the flags of promotions, or of rollbacks.
func (o *Attempt) Declare(set *flag.FlagSet) {
	if o.Kind == deploy.KindRollback {
		set.StringVar(&o.Env, "env", "", "environment to roll back")
		set.StringVar(&o.Tag, "to", "", "`tag` or commit of the release to go to (default: the last good one before the current)")
		set.BoolVar(&o.withMigrations, "with-migrations", false, "first run that release's migrations")
		set.Var(&o.force, "force", "roll back although a contract migration has been applied since; -force=`REASON` records why")
	} else {
		set.StringVar(&o.Env, "env", "", "environment to promote to")
		set.StringVar(&o.Tag, "release", "", "`tag` of the release")
		set.StringVar(&o.Commit, "commit", "", "`SHA` of the commit, if it has no release")
		set.StringVar(&o.reviewed, "reviewed", "", "`fingerprint` of the plan that was approved, or the file that plan -json wrote; any other plan is refused")
		set.StringVar(&o.overrideProof, "override-proof", "", "promote without a proof, for this `reason`, which is recorded")
		set.Var(&o.force, "force", "promote a release that was rolled back from; -force=`REASON` records why")
		set.BoolVar(&o.forward, "forward", false, "if a newer release runs, change nothing and exit with 0")
	}
	set.BoolVar(&o.DryRun, "dry-run", false, "run every check, and stop before the first change")
	set.BoolVar(&o.Markdown, "markdown", false, "with -dry-run: print what an approver wants to know as Markdown; in a workflow the step's summary and outputs get it too")
	set.BoolVar(&o.JSON, "json", false, "print one JSON object for each event")
	set.DurationVar(&o.timeout, "timeout", deploy.DefaultLimits().Total, "time limit from the lock to the verification, not counting the health window")
	set.DurationVar(&o.lockWait, "lock-wait", deploy.DefaultLimits().LockWait, "how long to wait if somebody else holds the lock; 0: do not wait")
	set.StringVar(&o.Dossier, "dossier", "", "`folder` for what explains a failure (default: in the user's cache)")
}

// Complete refuses choices that exclude one another, reads the approved plan, and
// fills in Commit and Line. expand returns the full SHA of a commit.
func (o *Attempt) Complete(ctx context.Context, expand func(context.Context, string) (string, error)) (err error) {
	o.Line = "tfpipeline " + string(o.Kind) + " -env " + o.Env
	promote := o.Kind == deploy.KindPromote
	switch {
	case promote && o.Tag == "" && o.Commit == "":
		return console.Usage("which release? Name its tag, or a commit", o.Line+" -release TAG")
	case promote && o.Tag != "" && o.Commit != "":
		return console.Usage("-release and -commit both say what to promote; choose one", o.Line+" -release "+o.Tag)
	}
	switch {
	case o.Commit != "":
		if o.Commit, err = expand(ctx, o.Commit); err != nil {
			return err
		}
		o.Line += " -commit " + o.Commit
	case promote:
		o.Line += " -release " + o.Tag
	case o.Tag != "":
		o.Line += " -to " + o.Tag
	}
	switch {
	case o.timeout <= 0:
		return console.Usage("-timeout must be more than 0, such as 45m", o.Line+" -timeout 1h")
	case o.Markdown && !o.DryRun:
		return console.Usage("-markdown is for whoever approves, before anything is changed: it needs -dry-run", o.Line+" -dry-run -markdown")
	case o.Markdown && o.JSON:
		return console.Usage("-json and -markdown are two forms of the output; choose one", o.Line+" -dry-run -markdown")
	}
	if o.reviewed != "" {
		if o.Approved, err = ReadReview(o.reviewed, o.Env); err != nil {
			return err
		}
	}
	return nil
}

// Request returns the attempt as package deploy takes it, under an id.
func (o *Attempt) Request(ctx context.Context, l *Leases, id string) deploy.Request {
	q := deploy.Request{
		ID: id, Tag: o.Tag, Commit: o.Commit, RunURL: l.RunURL, Why: l.Why,
		OverrideProof: o.overrideProof, Force: o.force.Given, ForceReason: o.force.Text, Forward: o.forward, WithMigrations: o.withMigrations,
		DryRun: o.DryRun, Timeout: o.timeout, LockWait: o.lockWait, CredentialsEnd: CredentialsEnd(l.Console),
	}
	q.Actor, q.Caller = l.Identify(ctx)
	if q.LockWait == 0 {
		q.LockWait = -1
	}
	if o.Approved != nil {
		q.Reviewed = o.Approved.Fingerprint
	}
	return q
}
