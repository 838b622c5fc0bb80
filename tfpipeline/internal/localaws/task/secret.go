package task

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// Secrets reads secrets from Secrets Manager, for Options.Secret. A reference
// is a secret's ARN, optionally followed by
// :JSON-KEY:VERSION-STAGE:VERSION-ID, each of which may be empty:
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html
func Secrets(client *secretsmanager.Client) func(context.Context, aws.Credentials, string) (string, error) {
	return func(ctx context.Context, as aws.Credentials, valueFrom string) (string, error) {
		parts := strings.Split(valueFrom, ":")
		if len(parts) < 7 || parts[2] != "secretsmanager" {
			return "", fmt.Errorf("%s is not the ARN of a secret in Secrets Manager; nothing else is modelled locally", valueFrom)
		}
		in := &secretsmanager.GetSecretValueInput{SecretId: new(strings.Join(parts[:7], ":"))}
		rest := append(parts[7:], "", "", "")
		if stage := rest[1]; stage != "" {
			in.VersionStage = &stage
		}
		if id := rest[2]; id != "" {
			in.VersionId = &id
		}
		out, err := client.GetSecretValue(ctx, in, func(o *secretsmanager.Options) { o.Credentials = provider(as, o.Credentials) })
		if err != nil {
			return "", fmt.Errorf("failed to fetch secret %s from secrets manager: %w", *in.SecretId, err)
		}
		text := string(out.SecretBinary)
		if out.SecretString != nil {
			text = *out.SecretString
		}
		if rest[0] == "" {
			return text, nil
		}
		return jsonKey(text, rest[0], *in.SecretId)
	}
}

// jsonKey returns one value of a JSON object; a value that is no string is
// returned as JSON. The error must not show the secret.
func jsonKey(document, key, secret string) (string, error) {
	var values map[string]json.RawMessage
	if json.Unmarshal([]byte(document), &values) != nil {
		return "", fmt.Errorf("invalid character in the JSON document of secret %s", secret)
	}
	raw, ok := values[key]
	if !ok {
		return "", fmt.Errorf("retrieved secret from Secrets Manager did not contain json key %s", key)
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text, nil
	}
	return string(raw), nil
}
