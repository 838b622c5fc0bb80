package report

import (
	"context"
	"errors"
	"fmt"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/state"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// Current adds to a promotion's title what the environment runs before it. It
// adds nothing if the history cannot be read for now: the attempt itself fails
// later and says so.
func Current(ctx context.Context, h *state.History, p *view.Promotion) error {
	records, _, err := h.Recent(ctx)
	if err != nil && !deploy.IsTransient(err) {
		return err
	}
	current := deploy.LastDeployed(records)
	if current == nil {
		return nil
	}
	p.From, p.Before = current.Release.String(), map[string]string{}
	for name, s := range current.Services {
		p.Before[name] = s.After
	}
	return nil
}

// Adjust shows a restart or scale while it goes on, and prints how it ended. The
// dossier of a failure goes to a folder. The error says what to do next if the
// attempt had changed something.
func Adjust(c *console.Console, p config.Platform, title view.Promotion, json bool, dossiers string, run func(observe func(deploy.Event)) (deploy.Record, error)) error {
	live := NewLive(c, title, json)
	record, err := run(live.Observe)
	live.Close()
	if failure, ok := errors.AsType[*deploy.Error](err); ok {
		if err := Dossier(c, failure, "", dossiers); err != nil {
			c.Progress("warning: %v", err)
		}
		return WithNext(failure)
	}
	if err == nil {
		Result(c, p, record, false, json)
	}
	return err
}

// Result prints how an attempt ended that did not fail, where the environment
// answers, and the next command. json says that its last event has told that
// already.
func Result(c *console.Console, p config.Platform, r deploy.Record, dryRun, json bool) {
	if r.SupersededBy != nil {
		c.Annotate(console.Notice, fmt.Sprintf("superseded by %s", r.SupersededBy))
	}
	switch {
	case json:
	case r.SupersededBy != nil:
		c.Answer("%s: %s was not promoted: superseded by %s, which runs and is newer; nothing was changed", r.Environment, r.Release, r.SupersededBy)
	case dryRun:
		c.Answer("%s: %s of %s passes every check; nothing was changed", r.Environment, r.Kind, r.Release)
		c.Suggest("%s", view.Command(r.Environment, deploy.Move{Verb: deploy.Verb(r.Kind), Release: r.Release}))
	default:
		c.Answer("%s", view.Result(r))
		if e, ok := p.Environment(r.Environment); ok && p.HasLoadBalancer() && r.Outcome == deploy.Deployed {
			c.Answer("%s: %s", e.Name, p.URL(e))
		}
		c.Suggest("%s", afterSuccess(p, r))
	}
}

// afterSuccess is the command that follows: the promotion to the environment that
// asks for a proof from this one, or else a look at what runs.
func afterSuccess(p config.Platform, r deploy.Record) string {
	for _, e := range p.Environments {
		if e.Proof != nil && e.Proof.From == r.Environment && r.Kind == deploy.KindPromote {
			return fmt.Sprintf("%s -dry-run, once it has run here for %s", view.Command(e.Name, deploy.Move{Verb: deploy.VerbPromote, Release: r.Release}), e.Proof.MinimumBake)
		}
	}
	return "tfpipeline status -env " + r.Environment
}

// WithNext adds the next command to a failure. If nothing was changed and the
// cause already names a command, that one is better.
func WithNext(failure *deploy.Error) error {
	if len(failure.Next) == 0 || failure.Outcome == deploy.Untouched && console.NextOf(failure) != "" {
		return failure
	}
	return console.WithNext(failure, "%s", view.Next(failure.Record.Environment, failure.Next))
}
