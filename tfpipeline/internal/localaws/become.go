package localaws

import (
	"context"
	"fmt"
	"slices"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// Become assumes a workflow role at the endpoint in the environment, as a
// job of GitHub's does, and runs a command with its credentials or prints
// them.
func Become(ctx context.Context, p config.Platform, out *console.Console, role string, args []string) error {
	url := out.Getenv("AWS_ENDPOINT_URL")
	if !endpoint.IsLoopback(url) {
		return console.WithNext(fmt.Errorf("assume %s: AWS_ENDPOINT_URL=%q is no local endpoint", role, url), "tfpipeline local")
	}
	arn, token, err := Job(p, role)
	if err != nil {
		return console.Usage("local: -as: "+err.Error(), "tfpipeline help local")
	}
	access := endpoint.Access{URL: url, Region: p.Region, Key: "local"}
	c, err := Assume(ctx, access.Config(), arn, token)
	if err != nil {
		return console.WithNext(err, "tfpipeline bootstrap -env shared")
	}
	set := []string{"AWS_ACCESS_KEY_ID=" + c.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + c.SecretAccessKey, "AWS_SESSION_TOKEN=" + c.SessionToken}
	if len(args) > 0 {
		return RunIn(ctx, out, slices.Concat(out.Env, set), args)
	}
	for _, variable := range set {
		fmt.Fprintf(out.Out, "export %s\n", variable)
	}
	return nil
}
