package report

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/checkout"
	"github.com/specboard/platform/tfpipeline/internal/ecs"
	"github.com/specboard/platform/tfpipeline/internal/state"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// Source is where one environment is looked at.
type Source struct {
	config.Environment
	ECS     *ecs.Environment
	History *state.History
	Lock    *state.Lock
}

// Status looks at it.
func (s Source) Status(ctx context.Context, p config.Platform) (view.Status, error) {
	return Status(ctx, p, s.Environment, s.ECS, s.History, s.Lock)
}

// shownAttempts is how many attempts of an environment the dashboard shows, and
// shownCommits how many commits it is behind.
const (
	shownAttempts = 50
	shownCommits  = 50
)

// Dashboard looks at all sources at the same time. What cannot be read is named in its
// environment's panel, and hides nothing of the others. drift is by root.
func Dashboard(ctx context.Context, p config.Platform, at *checkout.Checkout, sources []Source, drift map[string]view.DriftSummary) view.Dashboard {
	d := view.Dashboard{
		Platform: p.Name, Repository: "https://github.com/" + p.Repository.Owner + "/" + p.Repository.Name,
		Time: time.Now().UTC(), Panels: make([]view.Panel, len(sources)),
	}
	var g errgroup.Group // no error ends the others
	for i, s := range sources {
		g.Go(func() error { d.Panels[i] = s.panel(ctx, p); return nil })
	}
	_ = g.Wait() // there is none
	if found, ok := drift[config.SharedRoot]; ok {
		d.Shared = &found
	}
	for i, s := range sources {
		panel := &d.Panels[i]
		if found, ok := drift[s.Name]; ok {
			panel.Drift = &found
		}
		if s.Proof == nil {
			continue
		}
		from := slices.IndexFunc(d.Panels, func(o view.Panel) bool { return o.Environment == s.Proof.From })
		if from >= 0 && d.Panels[from].Release != nil && panel.Release != nil {
			panel.Behind = behind(ctx, at, panel.Release.Commit, d.Panels[from].Release.Commit)
			panel.Behind.From = s.Proof.From
		}
	}
	return d
}

// panel looks at one environment.
func (s Source) panel(ctx context.Context, p config.Platform) view.Panel {
	panel := view.Panel{History: view.History{Environment: s.Name}}
	var err error
	panel.Status, err = s.Status(ctx, p)
	switch {
	case errors.Is(err, state.ErrNoBucket):
		panel.Problems = []string{"there is nothing yet: tfpipeline bootstrap -env " + s.Name}
		return panel
	case err != nil:
		panel.Unread = true
		panel.Problems = append(panel.Problems, "could not be read: "+err.Error())
	}
	list, err := s.History.Attempts(ctx, shownAttempts)
	if err != nil && !errors.Is(err, state.ErrNoBucket) {
		panel.Problems = append(panel.Problems, "the history could not be read: "+err.Error())
	}
	slices.Reverse(list.Records)
	panel.History = view.History{Environment: s.Name, Records: list.Records, Unfinished: list.Unfinished, Skipped: list.Skipped, More: list.Older}
	return panel
}

// behind asks the checkout what lies between two releases.
func behind(ctx context.Context, at *checkout.Checkout, from, to string) *view.Behind {
	ahead, err := at.Between(ctx, from, to, shownCommits)
	if err != nil {
		return &view.Behind{Unknown: err.Error()}
	}
	b := &view.Behind{Count: ahead.Count, Migrations: ahead.Migrations}
	for _, c := range ahead.Commits {
		b.Commits = append(b.Commits, view.Commit{Hash: c.Hash, Subject: c.Subject})
	}
	return b
}

// ReadDrift reads the file that tfpipeline drift -json wrote; "" names none.
func ReadDrift(path string) (map[string]view.DriftSummary, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the drift: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read the drift: %w", err)
	}
	return view.ReadDrift(f, info.ModTime())
}
