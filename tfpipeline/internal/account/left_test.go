package account

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/console"
)

// answers is AWS: it answers an operation with a status and a body. With status 0 the
// answer is lost.
type answers func(operation string, in map[string]any) (status int, body string)

func (f answers) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	in := map[string]any{}
	_, operation, isJSON := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if isJSON {
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, err
		}
	} else if form, err := url.ParseQuery(string(body)); err == nil {
		operation = form.Get("Action")
	}
	status, answer := f(operation, in)
	if status == 0 {
		return nil, fmt.Errorf("read the answer: %w", syscall.ECONNRESET)
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(answer)), Request: r}, nil
}

func (f answers) account() *Account {
	cfg := aws.Config{Region: "us-west-2", HTTPClient: f, Credentials: aws.AnonymousCredentials{}}
	return New(configtest.Docs(), cfg, &console.Console{Out: io.Discard, Err: io.Discard})
}

// TestDeregisterIsThrottled: ECS lets one call a second through, and one family that
// cannot be listed does not keep the others.
func TestDeregisterIsThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := families(configtest.Docs(), "staging")
		gone, next := 0, time.Now()
		err := answers(func(operation string, in map[string]any) (int, string) {
			switch {
			case operation == "ListTaskDefinitions" && in["familyPrefix"] == all[0]:
				return http.StatusBadRequest, `{"__type":"AccessDeniedException"}`
			case operation == "ListTaskDefinitions":
				var arns []string
				for i := range 50 {
					arns = append(arns, fmt.Sprintf("%q", fmt.Sprintf("%s:%d", in["familyPrefix"], i+1)))
				}
				return http.StatusOK, `{"taskDefinitionArns":[` + strings.Join(arns, ",") + `]}`
			case time.Now().Before(next):
				return http.StatusBadRequest, `{"__type":"ThrottlingException","message":"Rate exceeded"}`
			}
			gone, next = gone+1, time.Now().Add(time.Second)
			return http.StatusOK, `{"taskDefinition":{}}`
		}).account().Deregister(t.Context(), "staging")
		if want := 50 * (len(all) - 1); gone != want {
			t.Errorf("%d revisions are deregistered, want %d", gone, want)
		}
		if err == nil || !strings.Contains(err.Error(), "list the revisions of "+all[0]) || strings.Contains(err.Error(), "deregister ") {
			t.Errorf("Deregister = %v", err)
		}
	})
}

// TestDeleteSecrets: the list of AWS lags behind what was just destroyed.
func TestDeleteSecrets(t *testing.T) {
	p := configtest.Docs()
	listed, fresh := p.SecretPrefix("staging")+"/earlier", p.SecretName("staging", p.Secrets[0].Name)
	var deleted []string
	err := answers(func(operation string, in map[string]any) (int, string) {
		switch name := fmt.Sprint(in["SecretId"]); {
		case operation == "ListSecrets":
			return http.StatusOK, fmt.Sprintf(`{"SecretList":[{"Name":%q,"DeletedDate":1.7e9},{"Name":"another/x","DeletedDate":1.7e9}]}`, listed)
		case operation == "DescribeSecret" && name == fresh:
			return http.StatusOK, `{"DeletedDate":1.7e9}`
		case operation == "DescribeSecret":
			return http.StatusBadRequest, `{"__type":"ResourceNotFoundException"}`
		default:
			deleted = append(deleted, name)
			return http.StatusOK, `{}`
		}
	}).account().DeleteSecrets(t.Context(), "staging")
	want := []string{listed, fresh}
	slices.Sort(want)
	if diff := cmp.Diff(want, deleted); err != nil || diff != "" {
		t.Errorf("%v, deleted (-want +got):\n%s", err, diff)
	}
}

// TestUnconfirmed: who has no subscription with an ARN hears no alarm, whether SNS says
// so or not.
func TestUnconfirmed(t *testing.T) {
	const address, pending = "on-call@specboard.io", "PendingConfirmation"
	for _, c := range []struct {
		arns map[string]string // by address
		want []string
	}{
		{map[string]string{address: "arn:aws:sns:us-west-2:123456789012:t:x"}, nil},
		{map[string]string{address: pending}, []string{"confirm that " + address + " shall"}},
		{nil, []string{address + " get no alarms of production"}},
		{map[string]string{address: "Deleted"}, []string{address + " get no alarms of production"}},
		{map[string]string{"by-hand@specboard.io": pending}, []string{"confirm that by-hand@specboard.io shall", address + " get no"}},
	} {
		todo, err := answers(func(string, map[string]any) (int, string) {
			members := ""
			for address, arn := range c.arns {
				members += "<member><SubscriptionArn>" + arn + "</SubscriptionArn><Endpoint>" + address + "</Endpoint></member>"
			}
			return http.StatusOK, "<R><ListSubscriptionsByTopicResult><Subscriptions>" + members + "</Subscriptions></ListSubscriptionsByTopicResult></R>"
		}).account().Unconfirmed(t.Context(), "production")
		if err != nil || (todo == "") != (len(c.want) == 0) {
			t.Errorf("%v: %q, %v", c.arns, todo, err)
		}
		for i, line := range strings.Split(todo, "\n") {
			if i < len(c.want) && !strings.HasPrefix(line, c.want[i]) {
				t.Errorf("%v: %q, want %q", c.arns, line, c.want[i])
			}
		}
	}
}
