package report

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/github"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// Dossier writes everything that explains a failure to a folder (standard, if
// dir is "") and to the summary of the workflow's step, and prints where. An
// attempt that was refused before it got the lock, or that named nothing that could
// be deployed, has no dossier.
func Dossier(c *console.Console, failure *deploy.Error, dir, standard string) error {
	r := failure.Record
	if r.ID == "" || failure.Step == deploy.StepLock || failure.Step == deploy.StepResolve && failure.Outcome == deploy.Untouched {
		return nil
	}
	markdown := view.Dossier(failure.Evidence, r)
	var data bytes.Buffer
	if err := view.DossierJSON(&data, failure.Evidence, r); err != nil {
		return fmt.Errorf("keep the dossier: %w", err)
	}
	if dir == "" {
		dir = standard
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("keep the dossier: %w", err)
	}
	path := filepath.Join(dir, r.Environment+"-"+r.ID)
	if err := errors.Join(
		os.WriteFile(path+".md", []byte(markdown), 0o644),
		os.WriteFile(path+".json", data.Bytes(), 0o644),
	); err != nil {
		return fmt.Errorf("keep the dossier: %w", err)
	}
	c.Progress("dossier: %s.md and .json; from the record: tfpipeline history -env %s -id %s", path, r.Environment, r.ID)
	return summarize(c.Getenv(stepSummary), func(room int) string {
		if len(markdown) >= room {
			// Truncating it could end within a code fence.
			return fmt.Sprintf("The dossier of this failure is too long to be shown here: `tfpipeline history -env %s -id %s` shows it.\n\n", r.Environment, r.ID)
		}
		return markdown + "\n"
	})
}

// stepSummary names the file for the summary of a workflow's step.
const stepSummary = "GITHUB_STEP_SUMMARY"

// stepOutput names the file for the outputs of a step.
const stepOutput = "GITHUB_OUTPUT"

// summarize appends to the summary of a workflow's step, if there is one.
// write returns the text for the room that is left, in bytes.
func summarize(path string, write func(room int) string) error {
	if path == "" {
		return nil
	}
	room, err := github.SummaryRoom(path)
	if err != nil {
		return err
	}
	return github.AppendSummary(path, write(room))
}
