package account

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go/middleware"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/state"
)

// maxSecret is how long a secret of Secrets Manager may be, in bytes.
const maxSecret = 65536

// Secret is what is known of a secret in an environment. Its value is not.
type Secret struct {
	Name string            `json:"name"`
	Path string            `json:"path"`
	Kind config.SecretKind `json:"kind"`
	// Versions are those with a stage, the newest first; none if no value is
	// stored.
	Versions []SecretVersion `json:"versions"`
	// Services and Tasks receive it when they start.
	Services []string `json:"services"`
	Tasks    []string `json:"tasks"`
}

// SecretVersion is one stored value.
type SecretVersion struct {
	ID      string    `json:"id"`
	Stages  []string  `json:"stages"`
	Created time.Time `json:"created"`
}

// Secrets are an environment's secrets, in the platform's order.
type Secrets struct {
	Environment string   `json:"environment"`
	Secrets     []Secret `json:"secrets"`
}

// Print prints the secrets, for a person or as JSON.
func (s Secrets) Print(out io.Writer, asJSON bool) error {
	if asJSON {
		if err := json.NewEncoder(out).Encode(s); err != nil {
			return fmt.Errorf("print the secrets: %w", err)
		}
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SECRET\tKIND\tCURRENT SINCE\tPREVIOUS\tREAD BY")
	for _, secret := range s.Secrets {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", secret.Name, secret.Kind, secret.since("AWSCURRENT"), secret.since("AWSPREVIOUS"),
			cmp.Or(strings.Join(slices.Concat(secret.Services, secret.Tasks), ", "), "-"))
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the secrets: %w", err)
	}
	return nil
}

// since is when the version at a stage was stored.
func (s Secret) since(stage string) string {
	for _, v := range s.Versions {
		if slices.Contains(v.Stages, stage) {
			return v.Created.UTC().Format("2006-01-02 15:04:05Z")
		}
	}
	if stage == "AWSCURRENT" {
		return "no value"
	}
	return "-"
}

// Secrets looks at the secrets of an environment, and never at their values.
func (a *Account) Secrets(ctx context.Context, env string) (Secrets, error) {
	all := Secrets{Environment: env, Secrets: []Secret{}}
	for _, s := range a.platform.Secrets {
		secret, err := a.secret(ctx, env, s)
		if err != nil {
			return all, err
		}
		all.Secrets = append(all.Secrets, secret)
	}
	return all, nil
}

func (a *Account) secret(ctx context.Context, env string, s config.Secret) (Secret, error) {
	secret := Secret{Name: s.Name, Path: a.platform.SecretName(env, s.Name), Kind: s.Kind, Versions: []SecretVersion{}, Services: []string{}, Tasks: []string{}}
	reads := func(secrets []string, database bool) bool {
		if login, ok := a.platform.LoginSecret(secrets); ok && database && login.Name == s.Name {
			return true
		}
		return s.Kind != config.DatabaseRole && slices.Contains(secrets, s.Name)
	}
	for _, service := range a.platform.Services {
		if reads(service.AllSecrets(), service.Database) {
			secret.Services = append(secret.Services, service.Name)
		}
	}
	for _, task := range a.platform.Tasks {
		if reads(task.Secrets, task.Database) || s.Kind == config.DatabaseRole && task.Name == config.MigrateTask {
			secret.Tasks = append(secret.Tasks, task.Name)
		}
	}
	pages := secretsmanager.NewListSecretVersionIdsPaginator(secretsmanager.NewFromConfig(a.cfg), &secretsmanager.ListSecretVersionIdsInput{SecretId: &secret.Path})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return secret, console.WithNext(fmt.Errorf("look at the versions of secret %s: %w", secret.Path, err), "tfpipeline apply -env %s, which makes the secrets", env)
		}
		for _, v := range page.Versions {
			if len(v.VersionStages) > 0 {
				secret.Versions = append(secret.Versions, SecretVersion{ID: aws.ToString(v.VersionId), Stages: v.VersionStages, Created: aws.ToTime(v.CreatedDate)})
			}
		}
	}
	slices.SortFunc(secret.Versions, func(a, b SecretVersion) int { return cmp.Or(b.Created.Compare(a.Created), strings.Compare(a.ID, b.ID)) })
	return secret, nil
}

// Settable returns an error if no value may be stored by hand; it says what to do
// instead.
func Settable(env string, s config.Secret) error {
	if s.Kind == config.DatabaseCredentials || s.Kind == config.DatabaseRole {
		return databaseSecret(env, s)
	}
	return nil
}

// Rotatable returns an error if no random value may be stored; it says what to do
// instead.
func Rotatable(env string, s config.Secret) error {
	switch s.Kind {
	case config.DatabaseCredentials, config.DatabaseRole:
		return databaseSecret(env, s)
	case config.Provided:
		return console.Usage(fmt.Sprintf("secret %s is provided by a person (%s), so nothing here can draw a new value", s.Name, s.Hint),
			fmt.Sprintf("tfpipeline secrets set -env %s -secret %s -file FILE", env, s.Name))
	}
	return nil
}

func databaseSecret(env string, s config.Secret) error {
	return console.Usage(fmt.Sprintf("secret %s holds a password of the database, which the database has to get together with it: an apply does both", s.Name),
		fmt.Sprintf("raise Version of secret %s in gen/config/default.go to %d, make gen, tfpipeline apply -env %s", s.Name, max(1, s.Version)+1, env))
}

// SetSecret stores a value, which becomes the current one, and returns what is known of
// the secret then. Running containers keep the previous value.
func (a *Account) SetSecret(ctx context.Context, env string, s config.Secret, value string) (Secret, error) {
	path := a.platform.SecretName(env, s.Name)
	reason := ""
	switch {
	case value == "":
		reason = "the value is empty"
	case len(value) > maxSecret:
		reason = fmt.Sprintf("the value is longer than %d bytes, which Secrets Manager does not take", maxSecret)
	case !utf8.ValidString(value):
		reason = "the value is no UTF-8 text, which an environment variable has to be"
	}
	if reason != "" {
		return Secret{}, deploy.Unchanged(fmt.Errorf("store secret %s: %s", path, reason))
	}
	unanswered := false
	_, err := secretsmanager.NewFromConfig(a.cfg).PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: &path, SecretString: &value}, func(o *secretsmanager.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Deserialize.Add(noteUnanswered(&unanswered), middleware.Before)
		})
	})
	if err != nil {
		err = fmt.Errorf("store secret %s: %w", path, err)
		if !unanswered {
			err = deploy.Unchanged(err)
		}
		return Secret{}, console.WithNext(err, "tfpipeline secrets list -env %s", env)
	}
	known, err := a.secret(ctx, env, s)
	if err != nil {
		a.console.Progress("warning: secret %s has its new value; %v", path, err)
	}
	return known, nil
}

// noteUnanswered notes that a request was sent which AWS has not refused: it may have
// had its effect. It sees each attempt, since a later one may be refused.
func noteUnanswered(unanswered *bool) middleware.DeserializeMiddleware {
	return middleware.DeserializeMiddlewareFunc("NoteUnanswered", func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleDeserialize(ctx, in)
		answer, answered := errors.AsType[*awshttp.ResponseError](err)
		refused := answered && state.Code(err) != "" && answer.HTTPStatusCode()/100 == 4
		*unanswered = *unanswered || !refused
		return out, metadata, err
	})
}

// RotateSecret stores a random value as Terraform would, and returns what is known
// of the secret then.
func (a *Account) RotateSecret(ctx context.Context, env string, s config.Secret) (Secret, error) {
	out, err := secretsmanager.NewFromConfig(a.cfg).GetRandomPassword(ctx, &secretsmanager.GetRandomPasswordInput{
		PasswordLength: aws.Int64(int64(s.Length)), ExcludePunctuation: aws.Bool(true),
	})
	if err != nil {
		return Secret{}, deploy.Unchanged(fmt.Errorf("draw a random value: %w", err))
	}
	return a.SetSecret(ctx, env, s, aws.ToString(out.RandomPassword))
}
