package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// Secrets are listed without a value, set from the input or a file, and rotated
// where nobody else has to learn the value; the services that read one restart if
// that is asked for.
func TestSecretsCommand(t *testing.T) {
	t.Parallel()
	w := newPromotions(t)
	p := w.cloud.platform
	const value = "canary-invite-keys"
	set := func(in string, args ...string) (stdout, stderr string, code int) {
		t.Helper()
		var out, errs bytes.Buffer
		code = w.app(strings.NewReader(in), &out, &errs).run(t.Context(), append([]string{"secrets", "set", "-env", "staging"}, args...))
		if printed := out.String() + errs.String(); strings.Contains(printed, "canary") {
			t.Errorf("a value is printed:\n%s", printed)
		}
		return out.String(), errs.String(), code
	}
	stored := func(name string) []string { return w.cloud.secrets[p.SecretName("staging", name)] }

	stdout, stderr, code := set(value+"\n", "-secret", "invite-keys")
	if code != console.ExitOK || !slices.Equal(stored("invite-keys"), []string{value}) || stdout != "staging: secret invite-keys has a new value\n" {
		t.Errorf("exit %d, stored %q, %s %s", code, stored("invite-keys"), stdout, stderr)
	}
	mentions(t, stderr, "nothing is deployed yet, so nothing has to restart")
	w.release("v1.0.0")
	w.must(console.ExitOK, "promote", "-env", "staging", "-release", "v1.0.0")
	file := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(file, []byte(value+"-2"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, stderr, code = set("", "-secret", "invite-keys", "-file", file)
	if code != console.ExitOK || !slices.Equal(stored("invite-keys"), []string{value, value + "-2"}) {
		t.Errorf("exit %d, stored %q, %s", code, stored("invite-keys"), stderr)
	}
	mentions(t, stderr, "staging: api will keep the previous value until restarted", "next: tfpipeline restart -env staging -service api")

	for _, refused := range []struct{ in, name, says string }{
		{"", "invite-keys", "the value is empty"},
		{strings.Repeat("x", 65537), "invite-keys", "longer than 65536 bytes"},
		{"\xff", "invite-keys", "no UTF-8 text"},
		{"x", "db-credentials", "next: raise Version of secret db-credentials in gen/config/default.go to 2, make gen, tfpipeline apply -env staging"},
		{"x", "nope", "no secret \"nope\"; there are db-credentials, session-secret"},
	} {
		if _, stderr, code := set(refused.in, "-secret", refused.name); code != console.ExitFailed || !strings.Contains(stderr, refused.says) {
			t.Errorf("%s: exit %d, %s", refused.name, code, stderr)
		}
	}
	_, stderr = w.must(console.ExitFailed, "secrets", "-env", "staging")
	mentions(t, stderr, "secrets takes one of list, set, rotate", "next: tfpipeline help secrets")
	_, stderr = w.must(console.ExitFailed, "secrets", "rotate", "-env", "staging", "-secret", "invite-keys")
	mentions(t, stderr, "is provided by a person", "next: tfpipeline secrets set -env staging -secret invite-keys -file FILE")

	// Who stored what, and when, stands in the history, also what AWS would not store;
	// it is no release, so a rollback passes it over.
	r := w.record()
	if r.Kind != deploy.KindSecret || r.Secret != "invite-keys" || r.Outcome != deploy.Untouched || !strings.Contains(r.Error, "no UTF-8 text") || r.Caller == "" {
		t.Errorf("record: %+v", r)
	}
	stdout, _ = w.must(console.ExitOK, "history", "-env", "staging")
	mentions(t, stdout, "change of a secret invite-keys  v1.0.0  done ")
	stdout, _ = w.must(console.ExitOK, "history", "-env", "staging", "-id", r.ID)
	mentions(t, stdout, "staging: change of secret invite-keys: untouched", "caller     arn:aws:iam::123456789012:user/ada")
	stdout, _ = w.must(console.ExitOK, "status", "-env", "staging")
	mentions(t, stdout, "v1.0.0", "last attempt: change of a secret invite-keys by ada at ")

	before := len(w.cloud.called.Of("UpdateService"))
	stdout, _ = w.must(console.ExitOK, "secrets", "rotate", "-env", "staging", "-secret", "session-secret", "-restart")
	secret, _ := p.Secret("session-secret")
	if got := stored("session-secret"); len(got) != 1 || len(got[0]) != secret.Length || secret.Kind != config.Generated {
		t.Errorf("stored %q", got)
	}
	mentions(t, stdout, "staging: secret session-secret has a new value\n", "staging: restart of ")
	if len(w.cloud.called.Of("UpdateService")) == before {
		t.Error("nothing was restarted")
	}

	stdout, _ = w.must(console.ExitOK, "secrets", "list", "-env", "staging")
	mentions(t, stdout, "SECRET", "db-credentials       database   no value", "invite-keys          provided   2026-09-21 14:14:20Z  2026-09-21 14:13:20Z  api\n")
	stdout, _ = w.must(console.ExitOK, "secrets", "list", "-env", "staging", "-json")
	mentions(t, stdout, `{"environment":"staging","secrets":[{"name":"db-credentials"`, `"stages":["AWSCURRENT"]`, `"services":["api"]`)
	stdout, stderr = w.must(console.ExitOK, "secrets", "set", "-env", "staging", "-secret", "invite-keys", "-file", file, "-restart")
	stdout += stderr
	mentions(t, stdout, "staging: restart of api is done")

	// A value that is stored but not recorded is no value that is not stored.
	w.cloud.refused = "history/staging/2"
	_, stderr = w.must(console.ExitFailed, "secrets", "set", "-env", "staging", "-secret", "invite-keys", "-file", file)
	w.cloud.refused = ""
	mentions(t, stderr, "secret invite-keys has its new value, and that could not be recorded: ", "next: tfpipeline restart -env staging -service api")

	for key, object := range w.cloud.objects {
		if strings.Contains(object, "canary-invite") {
			t.Errorf("a value is in %s", key)
		}
	}
	if strings.Contains(stdout, "canary") || w.keys("locks/") != nil {
		t.Errorf("%s, locks %v", stdout, w.keys("locks/"))
	}
}
