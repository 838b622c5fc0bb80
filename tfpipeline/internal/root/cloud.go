package root

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/calls"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// Target is what Terraform talks to.
type Target string

// The targets.
const (
	AWS     Target = "aws"
	Local   Target = "local"   // an endpoint on this machine
	Offline Target = "offline" // nothing: an empty state and a few fixed answers
)

// Cloud is a target with what its clients need.
type Cloud struct {
	Target Target
	// Config is the SDK's configuration; empty for Offline.
	Config aws.Config
}

// CredentialsEnd returns when the credentials in the environment expire, which
// a person's tool has set and nothing renews. It is zero if they are renewed,
// or if their end is unknown.
func CredentialsEnd(c *console.Console) time.Time {
	if c.Getenv("AWS_ACCESS_KEY_ID") == "" {
		return time.Time{}
	}
	for _, name := range []string{"AWS_CREDENTIAL_EXPIRATION", "AWS_SESSION_EXPIRATION"} {
		if end, err := time.Parse(time.RFC3339, c.Getenv(name)); err == nil {
			return end
		}
	}
	return time.Time{}
}

// callerWithin bounds the question whose the credentials are.
const callerWithin = 10 * time.Second

// Caller returns the ARN of whom the credentials are of, as AWS tells it. That it
// does not is a warning: nobody is kept from a rollback.
func (c Cloud) Caller(ctx context.Context, out *console.Console) string {
	ctx, cancel := context.WithTimeout(ctx, callerWithin)
	defer cancel()
	who, err := sts.NewFromConfig(c.Config).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		out.Progress("warning: ask AWS whose credentials these are: %v", err)
		return ""
	}
	return aws.ToString(who.Arn)
}

const (
	// answerWithin bounds one attempt of a call to AWS.
	answerWithin = 30 * time.Second
	// tellAfter is the time after which a person is told which call has no
	// answer yet.
	tellAfter = 10 * time.Second
)

// credentialVariables are set by people who mean to work on AWS.
var credentialVariables = []string{
	"AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE",
	"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
}

// unconfigured reports whether nothing names any credentials: the SDK then asks for the
// role of the instance, as its last resort.
func unconfigured(p aws.CredentialsProvider) bool {
	chain, ok := p.(aws.CredentialProviderSource)
	return ok && slices.Equal(chain.ProviderSources(), []aws.CredentialSource{aws.CredentialSourceIMDS})
}

// FindCloud decides what a plan talks to. Only a person's machine without
// credentials falls back to an offline plan; a workflow has to ask for it. Credentials
// that are configured and do not work, such as a sign-in that has expired, are an error.
// The SDK reads the environment of this process; more are options besides.
func FindCloud(ctx context.Context, p config.Platform, c *console.Console, offline bool, more ...func(*awsconfig.LoadOptions) error) (Cloud, error) {
	if offline {
		return Cloud{Target: Offline}, nil
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx, append([]func(*awsconfig.LoadOptions) error{
		awsconfig.WithRegion(p.Region),
		// A laptop has no instance role, and asking for one takes seconds.
		awsconfig.WithEC2IMDSClientEnableState(imds.ClientDisabled),
	}, more...)...)
	if err != nil {
		return Cloud{}, fmt.Errorf("read the AWS configuration: %w", err)
	}
	cfg.HTTPClient = calls.Bound(cfg.HTTPClient, answerWithin)
	calls.Tell(&cfg, tellAfter, func(line string) { c.Progress("%s", line) })
	retrieve, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	_, err = cfg.Credentials.Retrieve(retrieve)
	switch {
	case err == nil && endpoint.IsLoopback(aws.ToString(cfg.BaseEndpoint)):
		return Cloud{Local, cfg}, nil
	case err == nil:
		return Cloud{AWS, cfg}, nil
	case ctx.Err() != nil:
		return Cloud{}, context.Cause(ctx)
	case slices.ContainsFunc(credentialVariables, func(v string) bool { return c.Getenv(v) != "" }):
		return Cloud{}, fmt.Errorf("use the AWS credentials that the environment names: %w", err)
	case !unconfigured(cfg.Credentials):
		return Cloud{}, console.WithNext(fmt.Errorf("use the AWS credentials of the default profile: %w", err), "aws sso login; a plan alone: -offline")
	case c.CI():
		return Cloud{}, console.WithNext(errors.New("no AWS credentials: a workflow assumes a role before it plans"),
			"name the role in AWS_ROLE_ARN, with permissions: id-token: write; a plan alone: -offline")
	default:
		return Cloud{Target: Offline}, nil
	}
}

// RequireCloud is FindCloud for a command that changes things: without
// credentials there is nothing to change.
func RequireCloud(ctx context.Context, p config.Platform, c *console.Console, command string, more ...func(*awsconfig.LoadOptions) error) (Cloud, error) {
	cloud, err := FindCloud(ctx, p, c, false, more...)
	if err == nil && cloud.Target == Offline {
		err = console.WithNext(fmt.Errorf("%s needs AWS credentials, and there are none", command), "aws sso login, or export AWS_PROFILE")
	}
	return cloud, err
}

// Headline says how much plans of a root can be trusted, before they are
// shown. asked says that a person asked for an offline plan.
func (t Target) Headline(name string, asked bool) string {
	switch {
	case t == Offline && asked:
		return name + ": offline plan, as asked: real Terraform and provider, empty state, no AWS"
	case t == Offline:
		return name + ": offline plan, since there are no AWS credentials: real Terraform and provider, empty state"
	case t == Local:
		return name + ": plan against the local endpoint"
	default:
		return name + ": plan against AWS"
	}
}
