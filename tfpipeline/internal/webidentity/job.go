// Package webidentity gives a job of GitHub Actions, and the programs that it
// starts, credentials of an AWS role. The job asks GitHub for a token, and AWS
// exchanges the token for a session of one hour. Both happen again before the
// session ends, so that no step loses its rights half-way. It needs no third
// party's action and stores no long-lived secret.
package webidentity

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/cenkalti/backoff/v5"
)

const (
	// sessionTime is how long the credentials last: what every role allows.
	sessionTime = time.Hour
	// audience is the recipient that GitHub names in the token.
	audience = "sts.amazonaws.com"
	// tokenTime bounds one request for a token; tokenAttempts are made.
	tokenTime     = 5 * time.Second
	tokenAttempts = 3
	// assumeTime bounds one renewal. A call to AWS waits for it.
	assumeTime = 25 * time.Second
)

// Job is what a job's environment says. It holds a secret token.
type Job struct {
	// Role is the ARN of the role that is assumed.
	Role string
	// session is the name of the sessions in CloudTrail.
	session string
	// address and key are where, and with which key, the job asks GitHub for
	// tokens. They are empty if the job lacks the permission id-token: write.
	address, key string
}

// others are variables that provide other credentials, which take precedence.
var others = []string{
	"AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE",
	"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
}

// Find returns the job that runs this process, if AWS_ROLE_ARN names its role.
// It returns false on a laptop, in a job without a role, and if the
// environment provides other credentials.
func Find(getenv func(string) string) (Job, bool) {
	j := Job{
		Role:    getenv("AWS_ROLE_ARN"),
		session: "run-" + getenv("GITHUB_RUN_ID") + "-" + getenv("GITHUB_RUN_ATTEMPT"),
		address: getenv("ACTIONS_ID_TOKEN_REQUEST_URL"), key: getenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
	}
	if j.Role == "" || getenv("GITHUB_ACTIONS") != "true" {
		return Job{}, false
	}
	for _, name := range others {
		if getenv(name) != "" {
			return Job{}, false
		}
	}
	return j, true
}

// Assume returns credentials of the role for one hour. config says how to
// reach AWS; the credentials in it are not used.
func (j Job) Assume(ctx context.Context, config aws.Config) (aws.Credentials, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, assumeTime, fmt.Errorf("no answer within %s", assumeTime))
	defer cancel()
	token, err := j.token(ctx, config.HTTPClient)
	if err != nil {
		return aws.Credentials{}, err
	}
	config.Credentials = aws.AnonymousCredentials{}
	client := sts.NewFromConfig(config, func(o *sts.Options) {
		// AWS asks GitHub for its public keys, and answers with this error
		// while it has none.
		o.Retryer = retry.AddWithErrorCodes(retry.NewStandard(), "IDPCommunicationError")
	})
	out, err := client.AssumeRoleWithWebIdentity(ctx, &sts.AssumeRoleWithWebIdentityInput{
		RoleArn: &j.Role, RoleSessionName: &j.session, WebIdentityToken: &token, DurationSeconds: aws.Int32(int32(sessionTime / time.Second)),
	})
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return aws.Credentials{}, fmt.Errorf("assume %s as %s: %s: %s", j.Role, subject(token), e.ErrorCode(), e.ErrorMessage())
	}
	if err != nil {
		return aws.Credentials{}, fmt.Errorf("assume %s: %w", j.Role, err)
	}
	c := out.Credentials
	return aws.Credentials{
		AccessKeyID: aws.ToString(c.AccessKeyId), SecretAccessKey: aws.ToString(c.SecretAccessKey), SessionToken: aws.ToString(c.SessionToken),
		CanExpire: true, Expires: aws.ToTime(c.Expiration),
	}, nil
}

// token asks GitHub for a token, and tries again after errors that may pass.
func (j Job) token(ctx context.Context, client aws.HTTPClient) (string, error) {
	if j.address == "" || j.key == "" {
		return "", errors.New("ask GitHub for a token: the job has none to ask with: give it permissions: id-token: write, which pull requests of forks and of Dependabot never get")
	}
	address, err := url.Parse(j.address)
	if err != nil {
		return "", errors.New("ask GitHub for a token: ACTIONS_ID_TOKEN_REQUEST_URL is not a URL")
	}
	query := address.Query()
	query.Set("audience", audience)
	address.RawQuery = query.Encode()
	token, err := backoff.Retry(ctx, func() (string, error) { return j.request(ctx, client, address.String()) }, backoff.WithMaxTries(tokenAttempts))
	if err != nil {
		return "", fmt.Errorf("ask GitHub for a token: %w", err)
	}
	return token, nil
}

// request asks for a token one time. Its error holds neither the key nor the
// address nor the answer.
func (j Job) request(ctx context.Context, client aws.HTTPClient, address string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, tokenTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", backoff.Permanent(errors.New("ACTIONS_ID_TOKEN_REQUEST_URL is not a URL"))
	}
	r.Header.Set("Authorization", "bearer "+j.key)
	answer, err := client.Do(r)
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	var body struct{ Value string }
	err = json.NewDecoder(io.LimitReader(answer.Body, 1<<20)).Decode(&body)
	switch {
	case answer.StatusCode >= 500 || answer.StatusCode == http.StatusTooManyRequests:
		return "", fmt.Errorf("it answers %s", answer.Status)
	case answer.StatusCode != http.StatusOK:
		return "", backoff.Permanent(fmt.Errorf("it answers %s", answer.Status))
	case err != nil || body.Value == "":
		return "", errors.New("the answer holds none")
	}
	return body.Value, nil
}

// subject is the token's subject claim, which trust policies compare. It is
// not secret.
func subject(token string) string {
	parts := strings.Split(token, ".")
	var claims struct{ Sub string }
	if len(parts) == 3 {
		if payload, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil {
			_ = json.Unmarshal(payload, &claims) // without a subject it is unknown
		}
	}
	if claims.Sub == "" {
		return "an unknown subject"
	}
	return claims.Sub
}
