package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/endpoint"
	"github.com/specboard/platform/tfpipeline/internal/localaws"
	"github.com/specboard/platform/tfpipeline/internal/root"
)

// becomeRole assumes a workflow role at the endpoint in the environment, as a
// job of GitHub's does, and runs a command with its credentials or prints
// them.
func (a *app) becomeRole(ctx context.Context, o localOptions, args []string) error {
	url := a.console.Getenv("AWS_ENDPOINT_URL")
	if !root.IsLoopback(url) {
		return console.WithNext(fmt.Errorf("assume %s: AWS_ENDPOINT_URL=%q is no local endpoint", o.as, url), "tfpipeline local")
	}
	arn, token, err := localaws.Job(a.platform, o.as)
	if err != nil {
		return console.Usage("local: -as: "+err.Error(), "tfpipeline help local")
	}
	access := endpoint.Access{URL: url, Region: a.platform.Region, Key: "local"}
	c, err := localaws.Assume(ctx, access.Config(), arn, token)
	if err != nil {
		return console.WithNext(err, "tfpipeline bootstrap -env shared")
	}
	set := []string{"AWS_ACCESS_KEY_ID=" + c.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + c.SecretAccessKey, "AWS_SESSION_TOKEN=" + c.SessionToken}
	if len(args) > 0 {
		return localaws.RunIn(ctx, a.console, slices.Concat(a.console.Env, set), args)
	}
	for _, variable := range set {
		fmt.Fprintf(a.console.Out, "export %s\n", variable)
	}
	return nil
}
