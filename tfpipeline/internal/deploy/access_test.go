package deploy

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// Each of AWS's protocols says in its own way what is denied, some services in none
// that others use, and some answers have no body.
func TestAccess(t *testing.T) {
	denied := func(action, resource string) error {
		return errors.New("User: arn:aws:sts::123456789012:assumed-role/deploy/x is not authorized to perform: " + action + " on resource: " + resource + " because no identity-based policy allows the " + action + " action")
	}
	const cluster = "arn:aws:ecs:us-west-2:123456789012:cluster/x"
	for _, c := range []struct {
		protocol string
		err      error
		code     string
		want     string // at the end of the error; empty if it is another error
	}{
		{"JSON", denied("ecs:ListTasks", cluster), "AccessDeniedException", ": the credentials lack ecs:ListTasks on " + cluster},
		{"REST JSON", denied("scheduler:GetSchedule", "*"), "AccessDeniedException", ": the credentials lack scheduler:GetSchedule on *"},
		{"Query", denied("rds:DeleteDBInstance", "arn:aws:rds:us-west-2:123456789012:db:x"), "AccessDenied", ": the credentials lack rds:DeleteDBInstance on arn:aws:rds:us-west-2:123456789012:db:x"},
		{"Query of EC2", denied("ec2:DeleteVpc", "*"), "UnauthorizedOperation", ": the credentials lack ec2:DeleteVpc on *"},
		{"Query of SNS", denied("SNS:Subscribe", "arn:aws:sns:us-west-2:123456789012:t"), "AuthorizationError", ": the credentials lack sns:Subscribe on arn:aws:sns:us-west-2:123456789012:t"},
		{"REST XML", denied("route53:GetHostedZone", "arn:aws:route53:::hostedzone/Z1"), "AccessDenied", ": the credentials lack route53:GetHostedZone on arn:aws:route53:::hostedzone/Z1"},
		{"REST XML of S3", denied("s3:PutObject", `"arn:aws:s3:::b/k"`), "AccessDenied", ": the credentials lack s3:PutObject on arn:aws:s3:::b/k"},
		{"S3 to a stranger", errors.New("Access Denied"), "AccessDenied", ": the credentials lack s3:PutObject"},
		{"HEAD", errors.New("Forbidden"), "Forbidden", ": the credentials lack s3:PutObject"},
		{"errors common to all", errors.New("no"), "NotAuthorized", ": the credentials lack s3:PutObject"},
		{"JSON", errors.New("The security token included in the request is expired"), "ExpiredTokenException", ": the credentials are not valid, or not for long enough"},
		{"Query of EC2", errors.New("AWS was not able to validate the provided access credentials"), "AuthFailure", ": the credentials are not valid, or not for long enough"},
		{"no answer", errors.New("get identity: get credentials: failed to refresh cached credentials, no EC2 IMDS role found"), "", ": the credentials are not valid, or not for long enough"},
		{"JSON", errors.New("Rate exceeded"), "ThrottlingException", ""},
		{"no answer", errors.New("connection reset"), "", ""},
	} {
		err := Access(c.err, c.code, "s3:PutObject")
		_, access := errors.AsType[*AccessError](err)
		if access != (c.want != "") || !strings.HasSuffix(err.Error(), c.want) || !errors.Is(err, c.err) {
			t.Errorf("%s: %s: %v, want %q", c.protocol, c.code, err, c.want)
		}
	}
}

// An attempt whose credentials end before its time is up does not begin.
func TestCredentialsThatEndTooSoon(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := w.start()
		q := Request{Tag: "v1.2", Timeout: 30 * time.Minute, CredentialsEnd: time.Now().Add(20 * time.Minute)}
		_, err := p.promote(t.Context(), q)
		e := wantError(t, err, Untouched, StepLock, "they are valid until", "the credentials are not valid, or not for long enough")
		if e.Next[0].Advice != AdviceRenew || len(p.calls) > 0 {
			t.Errorf("next %s after calls %q", advised(e.Next), p.calls)
		}
		q.Timeout = 10 * time.Minute
		if _, err := w.start().promote(t.Context(), q); err != nil {
			t.Errorf("in less time: %v", err)
		}
	})
}
