// Package redact takes secrets out of text and decides which values of a plan
// may be shown. It is the only place that knows what a secret looks like.
package redact

import (
	"cmp"
	"slices"
	"strings"
)

// Hidden stands where something was hidden.
const Hidden = "[hidden]"

// Redactor hides secrets in text that this program did not write: logs, the
// reasons that AWS gives, errors of Terraform. The zero value hides what looks
// like a secret.
type Redactor struct {
	values []string
}

// New returns a Redactor that also hides the given values, wherever they
// stand. It ignores values of fewer than four characters: hiding those would
// break ordinary words.
func New(values ...string) Redactor {
	var r Redactor
	for _, v := range values {
		if len(v) >= 4 {
			r.values = append(r.values, v)
		}
	}
	// A value that contains another one must be replaced first.
	slices.SortFunc(r.values, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	return r
}

// secretVariables are the environment variables whose values are secrets.
var secretVariables = []string{
	"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN", "NOTIFY_URL",
	"GITHUB_TOKEN", "GH_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_RUNTIME_TOKEN",
}

// FromEnvironment returns a Redactor that also hides the secrets that the
// program was given in environment variables.
func FromEnvironment(get func(name string) string) Redactor {
	var values []string
	for _, name := range secretVariables {
		if v := get(name); len(v) >= 12 { // shorter ones are words, such as "test"
			values = append(values, v)
		}
	}
	return New(values...)
}

// Hide returns text without secrets. What it hides becomes Hidden; everything
// else stays as it was, byte for byte.
func (r Redactor) Hide(text string) string {
	if len(text) < 4 {
		return text
	}
	for _, v := range r.values {
		text = strings.ReplaceAll(text, v, Hidden)
	}
	text = hideForms(text)
	text = hideAssigned(text)
	return hideRandom(text)
}

// Error returns an error with the same chain whose text holds no secret.
// It returns err itself if there is nothing to hide.
func (r Redactor) Error(err error) error {
	if err == nil {
		return nil
	}
	if text := r.Hide(err.Error()); text != err.Error() {
		return redacted{text, err}
	}
	return err
}

// redacted is an error whose text holds no secret.
type redacted struct {
	text string
	err  error
}

func (e redacted) Error() string { return e.text }
func (e redacted) Unwrap() error { return e.err }
