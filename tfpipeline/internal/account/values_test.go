package account

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// A secret is certain to be unchanged only if no request was made, or if AWS has refused
// each one.
func TestSecretIsUnchanged(t *testing.T) {
	type answer struct {
		status int
		body   string
	}
	const value = "canary-0123456789"
	denied := answer{http.StatusBadRequest, `{"__type":"AccessDeniedException","message":"no"}`}
	throttled := answer{http.StatusBadRequest, `{"__type":"ThrottlingException","message":"slower"}`}
	proxy := answer{http.StatusBadGateway, "<html>no</html>"}
	failure := answer{http.StatusInternalServerError, `{"__type":"InternalServiceError","message":"oops"}`}
	stored := answer{http.StatusOK, "{}"}
	for _, test := range []struct {
		name      string
		value     string
		answers   []answer // the last one goes on
		anonymous bool
		unchanged bool
		fails     bool
	}{
		{"empty", "", nil, false, true, true},
		{"no text", "\xff", nil, false, true, true},
		{"too long", strings.Repeat("x", maxSecret+1), nil, false, true, true},
		{"no credentials", value, nil, true, true, true},
		{"denied", value, []answer{denied}, false, true, true},
		{"throttled", value, []answer{throttled}, false, true, true},
		{"throttled, then denied", value, []answer{throttled, denied}, false, true, true},
		{"an error of AWS's own", value, []answer{failure}, false, false, true},
		{"a proxy's error", value, []answer{proxy}, false, false, true},
		{"no answer", value, []answer{{}}, false, false, true},
		{"no answer, then denied", value, []answer{{}, denied}, false, false, true},
		{"an error of AWS's own, then throttled", value, []answer{failure, throttled}, false, false, true},
		{"no answer, then stored", value, []answer{{}, stored}, false, false, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			n := 0
			a := answers(func(operation string, _ map[string]any) (int, string) {
				if operation != "PutSecretValue" {
					return http.StatusOK, "{}"
				}
				n++
				now := test.answers[min(n, len(test.answers))-1]
				return now.status, now.body
			}).account()
			if test.anonymous {
				a.cfg.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, errors.New("no session") })
			}
			secret, _ := a.platform.Secret("invite-keys")
			_, err := a.SetSecret(t.Context(), "staging", secret, test.value)
			if (err != nil) != test.fails || deploy.IsUnchanged(err) != test.unchanged {
				t.Errorf("%s: unchanged %v after %d requests: %v", test.name, deploy.IsUnchanged(err), n, err)
			}
			if err != nil && n > 0 && console.NextOf(err) != "tfpipeline secrets list -env staging" || err != nil && strings.Contains(err.Error(), value) {
				t.Errorf("%s: next %q: %v", test.name, console.NextOf(err), err)
			}
		})
	}
	a := answers(func(string, map[string]any) (int, string) { return denied.status, denied.body }).account()
	secret, _ := a.platform.Secret("session-secret")
	if _, err := a.RotateSecret(t.Context(), "staging", secret); !deploy.IsUnchanged(err) {
		t.Errorf("without a random value: %v", err)
	}
}
