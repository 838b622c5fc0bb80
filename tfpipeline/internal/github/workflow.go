package github

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// Workflow describes a run of GitHub Actions for a pull request.
type Workflow struct {
	API, Repository string
	Token           string
	// Pull is the number of the pull request.
	Pull int
	// Fork says that the pull request comes from a fork, whose token may only
	// read.
	Fork bool
	// Head is the pull request's commit; the checkout is its merge into the
	// base branch.
	Head string
	// SummaryPath is the file for the step's summary; empty if there is none.
	SummaryPath string
}

// MissingError lists what a run lacks for writing a comment.
type MissingError struct{ Missing []string }

func (e *MissingError) Error() string {
	return "comment on the pull request: this is not a run of GitHub Actions for one; missing: " + strings.Join(e.Missing, ", ")
}

// ReadWorkflow reads the environment of a run for a pull request. Its error
// names everything that is missing.
func ReadWorkflow(getenv func(string) string) (Workflow, error) {
	w := Workflow{
		API: getenv("GITHUB_API_URL"), Repository: getenv("GITHUB_REPOSITORY"),
		Token: getenv("GITHUB_TOKEN"), SummaryPath: getenv("GITHUB_STEP_SUMMARY"),
	}
	var missing []string
	tokenless := w.Token == ""
	if tokenless {
		missing = append(missing, "GITHUB_TOKEN (env: GITHUB_TOKEN: ${{ github.token }})")
	}
	if w.Repository == "" {
		missing = append(missing, "GITHUB_REPOSITORY (owner/name)")
	}
	if path := getenv("GITHUB_EVENT_PATH"); path == "" {
		missing = append(missing, "GITHUB_EVENT_PATH (the event, with the number of the pull request)")
	} else if err := w.readEvent(path); errors.Is(err, errNoPull) {
		missing = append(missing, "a pull request (the event in GITHUB_EVENT_PATH has none: on: pull_request)")
	} else if err != nil {
		return w, err
	}
	if tokenless && w.Fork {
		missing = missing[1:] // its token could not comment
	}
	if len(missing) > 0 {
		return w, &MissingError{missing}
	}
	return w, nil
}

var errNoPull = errors.New("the event is of no pull request")

func (w *Workflow) readEvent(path string) error {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the event: GITHUB_EVENT_PATH names no file: %w", err)
	}
	if err != nil {
		return fmt.Errorf("read the event: %w", err)
	}
	var event struct {
		PullRequest *struct {
			Number int `json:"number"`
			Head   struct {
				SHA  string `json:"sha"`
				Repo struct {
					FullName string `json:"full_name"`
				} `json:"repo"`
			} `json:"head"`
		} `json:"pull_request"`
		// The event of a comment describes the pull request as an issue.
		Issue *struct {
			Number      int              `json:"number"`
			PullRequest *json.RawMessage `json:"pull_request"`
		} `json:"issue"`
	}
	if err := json.Unmarshal(content, &event); err != nil {
		return fmt.Errorf("read the event in %s: %w", path, err)
	}
	switch {
	case event.PullRequest != nil && event.PullRequest.Number > 0:
		w.Pull, w.Head = event.PullRequest.Number, event.PullRequest.Head.SHA
		// The repository of a fork that was deleted has no name.
		w.Fork = !strings.EqualFold(event.PullRequest.Head.Repo.FullName, w.Repository)
	case event.Issue != nil && event.Issue.PullRequest != nil:
		w.Pull = event.Issue.Number
	default:
		return errNoPull
	}
	return nil
}
