package account

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/flags"
)

// SecretChoices are the choices of the command that lists secrets and stores
// values of them.
type SecretChoices struct {
	// Env is the environment, Secret the secret's name.
	Env, Secret   string
	Restart, JSON bool
	file          string
}

// Declare declares the flags.
func (o *SecretChoices) Declare(set *flag.FlagSet) {
	set.StringVar(&o.Env, "env", "", "environment")
	set.StringVar(&o.Secret, "secret", "", "`name` of the secret")
	set.StringVar(&o.file, "file", "", "`file` with the value; - is the standard input (default)")
	set.BoolVar(&o.Restart, "restart", false, "restart the services that read it, without a question")
	set.BoolVar(&o.JSON, "json", false, "print JSON, never a value; -restart adds an object for each event")
}

// Check refuses an action, "set" or "rotate", on a secret that the platform does
// not have, or that cannot be changed this way. Everything can be listed.
func (o SecretChoices) Check(p config.Platform, action string) error {
	if action == "list" {
		return nil
	}
	if err := flags.Named("secret", o.Secret, p.SecretNames(), "tfpipeline secrets "+action+" -env "+o.Env+" -secret"); err != nil {
		return err
	}
	secret, _ := p.Secret(o.Secret)
	if action == "rotate" {
		return Rotatable(o.Env, secret)
	}
	return Settable(o.Env, secret)
}

// SecretChange returns what stores the new value, after it has read that value if
// the action is "set".
func (a *Account) SecretChange(ctx context.Context, action string, o SecretChoices) (func(context.Context) (Secret, error), error) {
	secret, _ := a.platform.Secret(o.Secret)
	if action == "rotate" {
		return func(ctx context.Context) (Secret, error) { return a.RotateSecret(ctx, o.Env, secret) }, nil
	}
	value, err := a.console.Secret(ctx, o.Secret, o.file)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (Secret, error) { return a.SetSecret(ctx, o.Env, secret, value) }, nil
}

// ExplainNext adds the next command to an error that came after the value was stored.
func (s Secret) ExplainNext(env string, err error) error {
	if len(s.Services) == 0 || console.NextOf(err) != "" {
		return err
	}
	return console.WithNext(err, "tfpipeline restart -env %s -service %s", env, strings.Join(s.Services, " -service "))
}

// PrintStored says that a secret has a new value, for a person or as JSON.
func (s Secret) PrintStored(out io.Writer, env string, asJSON bool) error {
	if !asJSON {
		fmt.Fprintf(out, "%s: secret %s has a new value\n", env, s.Name)
		return nil
	}
	if err := json.NewEncoder(out).Encode(struct {
		Environment string `json:"environment"`
		Secret
	}{env, s}); err != nil {
		return fmt.Errorf("print the secret: %w", err)
	}
	return nil
}
