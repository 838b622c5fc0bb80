package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// EnsureAudience adds AWS's audience to the account's identity provider for
// GitHub, if that exists without it: the shared root adopts the provider
// unchanged. It tells the console what it did, and reports whether it did
// anything.
func (a *Account) EnsureAudience(ctx context.Context) (changed bool, err error) {
	audience := "sts.amazonaws.com"
	arn := "arn:aws:iam::" + a.platform.Account + ":oidc-provider/token.actions.githubusercontent.com"
	client := iam.NewFromConfig(a.cfg)
	provider, err := client.GetOpenIDConnectProvider(ctx, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn})
	if _, missing := errors.AsType[*types.NoSuchEntityException](err); missing {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at GitHub's identity provider: %w", err)
	}
	if slices.Contains(provider.ClientIDList, audience) {
		return false, nil
	}
	if _, err := client.AddClientIDToOpenIDConnectProvider(ctx, &iam.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn, ClientID: &audience}); err != nil {
		return false, fmt.Errorf("add the audience %s to GitHub's identity provider: %w", audience, err)
	}
	a.console.Progress("GitHub's identity provider: it lacked the audience %s, without which no workflow can assume a role, and has it now beside %s",
		audience, strings.Join(provider.ClientIDList, ", "))
	return true, nil
}
