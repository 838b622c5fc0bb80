// Package account does what Terraform cannot: it checks whose credentials are
// in use, makes the bucket that holds the states and the roles by which AWS's
// services act, asks whether the domain leads to its zone, lists the secrets
// that a person provides, and removes what Terraform leaves behind in a
// destroyed environment.
package account

import (
	"context"
	"fmt"
	"net"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/console"
)

// Account is the AWS account of a platform, seen with one set of credentials.
type Account struct {
	// LookupNS asks DNS for the name servers of a domain; nil on a local endpoint,
	// whose zones DNS does not know.
	LookupNS func(context.Context, string) ([]*net.NS, error)

	platform config.Platform
	cfg      aws.Config
	console  *console.Console
}

// New returns the account of a platform. It makes no call.
func New(p config.Platform, cfg aws.Config, c *console.Console) *Account {
	return &Account{platform: p, cfg: cfg, console: c}
}

// Check refuses credentials of another account before anything is made with
// them.
func (a *Account) Check(ctx context.Context) error {
	who, err := sts.NewFromConfig(a.cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return console.WithNext(fmt.Errorf("ask AWS whose credentials these are: %w", err), "aws sso login")
	}
	if got := aws.ToString(who.Account); got != a.platform.Account {
		return console.WithNext(fmt.Errorf("these credentials are of account %s, and the platform is in %s", got, a.platform.Account),
			"export AWS_PROFILE, or set Account in gen/config/default.go and make gen")
	}
	return nil
}
