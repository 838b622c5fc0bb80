package report

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/github"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// result returns the fields of a record that the annotation needs, which one
// job passes to another.
func result(r deploy.Record) deploy.Record {
	return deploy.Record{
		Version: r.Version, ID: r.ID, Kind: r.Kind, Environment: r.Environment, Actor: r.Actor, RunURL: r.RunURL,
		Started: r.Started, Ended: r.Ended, Release: r.Release, Previous: r.Previous, Outcome: r.Outcome,
	}
}

// Release writes into a GitHub release when and by whom it was deployed.
// content is the output "result" of the step that promoted it.
func Release(ctx context.Context, c *console.Console, client *github.Client, platform, tag, content string) error {
	var r deploy.Record
	if err := json.Unmarshal([]byte(content), &r); err != nil {
		return console.WithNext(fmt.Errorf("read the result: %w", err), `give it the output of the promoting step: -result "$RESULT"`)
	}
	switch {
	case r.Outcome != deploy.Deployed:
		c.Progress("%s was not deployed (%s): its release stays as it is", tag, r.Outcome)
		return nil
	case r.Release.Tag != tag:
		return fmt.Errorf("the result is of release %q, not %q", r.Release.Tag, tag)
	}
	begin, end, text := view.Deployed(platform, r)
	address, err := client.Annotate(ctx, tag, begin, end, text)
	if errors.Is(err, github.ErrNoRelease) {
		c.Progress("tag %s has no release on GitHub: nothing to write into", tag)
		return nil
	}
	if e, ok := errors.AsType[*github.Error](err); ok && e.Refusal() == github.ReadOnly {
		return console.WithNext(err, "give the job permissions: contents: write")
	}
	if err == nil {
		c.Progress("release: %s", address)
	}
	return err
}
