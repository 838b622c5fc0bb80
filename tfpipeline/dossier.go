package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// summaryLimit is less than what GitHub takes as the summary of a step.
const summaryLimit = 900 << 10

// keepDossier writes what explains a failure to a folder, and to the summary of
// the workflow's step, and says where. An attempt that was refused before it
// held the lock has nothing to explain.
func (a *app) keepDossier(failure *deploy.Error, dir string) error {
	r := failure.Record
	if r.ID == "" || failure.Step == deploy.StepLock {
		return nil
	}
	d, err := deploy.NewDossier(failure.Evidence, r, a.redactor())
	if err != nil {
		return err
	}
	if dir == "" {
		dir = filepath.Join(a.cacheDir(), "dossiers")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("keep the dossier: %w", err)
	}
	path := filepath.Join(dir, r.Environment+"-"+r.ID)
	if err := errors.Join(
		os.WriteFile(path+".md", []byte(d.Markdown), 0o644),
		os.WriteFile(path+".json", d.JSON, 0o644),
	); err != nil {
		return fmt.Errorf("keep the dossier: %w", err)
	}
	a.progress("dossier: %s.md and .json", path)
	return a.summarize(d.Markdown)
}

// summarize appends to the summary of a workflow's step, if there is one.
func (a *app) summarize(markdown string) error {
	path := a.getenv("GITHUB_STEP_SUMMARY")
	if path == "" {
		return nil
	}
	if len(markdown) > summaryLimit {
		markdown = markdown[:summaryLimit] + "\n\n… the rest is in the dossier.\n"
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("write the step's summary: %w", err)
	}
	_, err = f.WriteString(markdown + "\n")
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write the step's summary: %w", err)
	}
	return nil
}
