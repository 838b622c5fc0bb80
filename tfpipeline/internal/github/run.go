package github

import (
	"cmp"
	"strconv"
)

// Run describes a run of GitHub Actions; it is zero outside of one.
type Run struct {
	// API, Repository (owner/name) and Token give access to GitHub's API.
	API, Repository, Token string
	// Actor is who started this attempt of the run: "A, re-run by B" if B
	// re-ran what A started.
	Actor string
	// URL is where the log of this attempt is.
	URL string
	// Workflow is the workflow's name.
	Workflow string
}

// ReadRun reads the environment of a run.
func ReadRun(getenv func(string) string) Run {
	r := Run{
		API: getenv("GITHUB_API_URL"), Repository: getenv("GITHUB_REPOSITORY"), Token: getenv("GITHUB_TOKEN"),
		Workflow: getenv("GITHUB_WORKFLOW"),
	}
	first, trigger := getenv("GITHUB_ACTOR"), getenv("GITHUB_TRIGGERING_ACTOR")
	r.Actor = cmp.Or(trigger, first)
	if first != "" && trigger != "" && first != trigger {
		r.Actor = first + ", re-run by " + trigger
	}
	if server, id := getenv("GITHUB_SERVER_URL"), getenv("GITHUB_RUN_ID"); server != "" && r.Repository != "" && id != "" {
		r.URL = server + "/" + r.Repository + "/actions/runs/" + id
		if attempt := getenv("GITHUB_RUN_ATTEMPT"); attempt != "" {
			r.URL += "/attempts/" + attempt
		}
	}
	return r
}

// RunNumber returns the run's id, which grows from run to run; 0 outside of a
// run.
func RunNumber(getenv func(string) string) int64 {
	n, err := strconv.ParseInt(getenv("GITHUB_RUN_ID"), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// Client returns a client for the run's repository; nil if the run has no
// token.
func (r Run) Client() *Client {
	if r.Token == "" || r.Repository == "" {
		return nil
	}
	return New(r.API, r.Repository, r.Token)
}
