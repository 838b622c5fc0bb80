package endpoint

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"
)

// WithholdSecrets is Secrets Manager without the values of its secrets: it
// passes every request on, as the configuration's caller, but answers the
// reading of a value itself.
//
// Up to version 6.26 the AWS provider refreshes aws_secretsmanager_secret_version
// by GetSecretValue even where the value was write-only and is thrown away
// (hashicorp/terraform-provider-aws#42383). The role that plans pull requests
// may not read secrets, so such a request is answered from the list of the
// secret's versions, as later versions of the provider do by themselves.
func WithholdSecrets(ctx context.Context, cfg aws.Config) (http.Handler, error) {
	if err := checkProfile(ctx, cfg); err != nil {
		return nil, err
	}
	client := secretsmanager.NewFromConfig(cfg, func(o *secretsmanager.Options) {
		if o.BaseEndpoint != nil { // which the SDK takes for no FIPS or dual-stack one
			o.EndpointOptions.UseFIPSEndpoint = aws.FIPSEndpointStateDisabled
			o.EndpointOptions.UseDualStackEndpoint = aws.DualStackEndpointStateDisabled
		}
	})
	return Table{
		"secretsmanager.GetSecretValue": func(c *Call, _ Next) (*Reply, error) { //nolint:contextcheck // a call has its request's
			return secretVersion(c, client)
		},
		"secretsmanager.BatchGetSecretValue": func(*Call, Next) (*Reply, error) {
			return nil, Refuse("AccessDeniedException", "a plan reads no secret values")
		},
	}.Handler(cfg.Region, func(c *Call) (*Reply, error) { //nolint:contextcheck // a call has its request's
		if c.Service != "secretsmanager" {
			return nil, Refuse("InvalidRequestException", "not a request to Secrets Manager")
		}
		return sendOn(c, client.Options())
	}), nil
}

// checkProfile refuses a profile that names endpoints while they are to be
// ignored: the provider asks this endpoint only if it heeds configured ones,
// and then it would heed the profile's as well.
func checkProfile(ctx context.Context, cfg aws.Config) error {
	for _, source := range cfg.ConfigSources {
		p, ok := source.(awsconfig.SharedConfig)
		if ok && ignoresEndpoints(ctx, cfg) && (p.BaseEndpoint != "" || len(p.Services.ServiceValues) > 0) {
			return fmt.Errorf("keep secrets out of plans: profile %s names endpoint URLs, and configured endpoints are to be ignored: remove one of the two settings", p.Profile)
		}
	}
	return nil
}

// secretVersion answers GetSecretValue with everything but the value.
func secretVersion(c *Call, client *secretsmanager.Client) (*Reply, error) {
	var in struct{ SecretId, VersionId, VersionStage string }
	if err := json.Unmarshal(c.Body, &in); err != nil {
		return nil, Refuse("InvalidRequestException", "read GetSecretValue: %v", err)
	}
	if in.VersionId == "" && in.VersionStage == "" {
		in.VersionStage = "AWSCURRENT"
	}
	pages := secretsmanager.NewListSecretVersionIdsPaginator(client, &secretsmanager.ListSecretVersionIdsInput{
		SecretId:          &in.SecretId,
		IncludeDeprecated: aws.Bool(true),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(c.Request.Context())
		if api, ok := errors.AsType[smithy.APIError](err); ok {
			return nil, Refuse(api.ErrorCode(), "%s", api.ErrorMessage())
		}
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(page.Versions, func(v types.SecretVersionsListEntry) bool {
			if in.VersionId != "" {
				return aws.ToString(v.VersionId) == in.VersionId
			}
			return slices.Contains(v.VersionStages, in.VersionStage)
		})
		if i < 0 {
			continue
		}
		v := page.Versions[i]
		answer := map[string]any{
			"ARN":           aws.ToString(page.ARN),
			"Name":          aws.ToString(page.Name),
			"VersionId":     aws.ToString(v.VersionId),
			"VersionStages": v.VersionStages,
			"SecretString":  "",
		}
		if v.CreatedDate != nil {
			answer["CreatedDate"] = v.CreatedDate.Unix()
		}
		return JSON(answer)
	}
	return nil, Refuse("ResourceNotFoundException", "Secrets Manager can't find the specified secret version.")
}

// sendOn sends a call to the address that the SDK's client would use. It signs
// the call again, since the first signature names this host.
func sendOn(c *Call, o secretsmanager.Options) (*Reply, error) {
	ctx := c.Request.Context()
	to, err := o.EndpointResolverV2.ResolveEndpoint(ctx, secretsmanager.EndpointParameters{
		Region: &o.Region, Endpoint: o.BaseEndpoint,
		UseFIPS:      aws.Bool(o.EndpointOptions.UseFIPSEndpoint == aws.FIPSEndpointStateEnabled),
		UseDualStack: aws.Bool(o.EndpointOptions.UseDualStackEndpoint == aws.DualStackEndpointStateEnabled),
	})
	if err != nil {
		return nil, fmt.Errorf("find secrets manager: %w", err)
	}
	out, err := http.NewRequestWithContext(ctx, c.Request.Method, to.URI.String(), nil)
	if err != nil {
		return nil, err
	}
	SetBody(out, c.Body)
	for _, h := range []string{"Content-Type", "X-Amz-Target", "User-Agent", "Amz-Sdk-Invocation-Id", "Amz-Sdk-Request"} {
		if v := c.Request.Header.Get(h); v != "" {
			out.Header.Set(h, v)
		}
	}
	credentials, err := o.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, Refuse("UnrecognizedClientException", "no credentials: %v", err)
	}
	hash := sha256.Sum256(c.Body)
	if err := v4.NewSigner().SignHTTP(ctx, credentials, out, hex.EncodeToString(hash[:]), "secretsmanager", o.Region, time.Now()); err != nil {
		return nil, err
	}
	answer, err := o.HTTPClient.Do(out)
	if err != nil {
		return nil, fmt.Errorf("pass the request on: %w", err)
	}
	defer answer.Body.Close()
	rep := &Reply{Status: answer.StatusCode, Header: http.Header{}}
	for _, h := range []string{"Content-Type", "X-Amzn-Requestid"} {
		if v := answer.Header.Get(h); v != "" {
			rep.Header.Set(h, v)
		}
	}
	if rep.Body, err = io.ReadAll(io.LimitReader(answer.Body, MaxBody)); err != nil {
		return nil, fmt.Errorf("read the answer of secrets manager: %w", err)
	}
	return rep, nil
}
