package main

import (
	"context"
	"flag"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/github"
	"github.com/specboard/platform/tfpipeline/internal/report"
)

func annotateCommand() command {
	return command{
		name:    "annotate",
		summary: "write into a GitHub release when it was deployed",
		usage:   "-release TAG -result JSON",
		long: `
Writes when, by whom and after which release a release was deployed, its digests
and the run, into the text of the release on GitHub: between two markers, the
rest stays as it is. It asks nothing of AWS: the job that runs it needs
GITHUB_TOKEN with "contents: write", which no job with AWS credentials should
have. The result is an output of the step that ran promote. A release that was
not deployed, and a tag without a release, are left as they are.

Examples:
  tfpipeline annotate -release v1.4.0 -result "$RESULT"`,
		flags: func(set *flag.FlagSet) func(context.Context, *app, []string) error {
			tag := set.String("release", "", "`tag` of the release")
			result := set.String("result", "", "`JSON` of the promotion, from its step's output \"result\"")
			return func(ctx context.Context, a *app, _ []string) error {
				again := "tfpipeline annotate -release TAG -result \"$RESULT\""
				if *tag == "" || *result == "" {
					return console.Usage("which release, and with which result?", again)
				}
				client, err := a.gitHub(again)
				if err != nil {
					return err
				}
				return report.Release(ctx, a.console, client, a.platform.Name, *tag, *result)
			}
		},
	}
}

// gitHub is the repository on GitHub that the environment names.
func (a *app) gitHub(again string) (*github.Client, error) {
	if client := github.ReadRun(a.console.Getenv).Client(); client != nil {
		return client, nil
	}
	return nil, console.Usage("GITHUB_REPOSITORY and GITHUB_TOKEN say which repository, and with which rights",
		"GITHUB_REPOSITORY=owner/name GITHUB_TOKEN=$(gh auth token) "+again)
}
