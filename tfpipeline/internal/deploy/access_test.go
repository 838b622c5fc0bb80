package deploy

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestAccess(t *testing.T) {
	plain := errors.New("User: arn:aws:sts::123456789012:assumed-role/deploy is not authorized to perform: ecs:ListTasks on resource: arn:aws:ecs:us-west-2:123456789012:container-instance/x because no identity-based policy allows the action")
	for _, c := range []struct {
		err  error
		code string
		want string // at the end of the error; empty if it is another error
	}{
		{plain, "AccessDeniedException", ": the credentials lack ecs:ListTasks on arn:aws:ecs:us-west-2:123456789012:container-instance/x"},
		{errors.New("Access Denied"), "AccessDenied", ": the credentials lack s3:PutObject"},
		{errors.New("The security token included in the request is expired"), "ExpiredTokenException", ": the credentials do not last"},
		{errors.New("get identity: get credentials: failed to refresh cached credentials, no EC2 IMDS role found"), "", ": the credentials do not last"},
		{errors.New("Rate exceeded"), "ThrottlingException", ""},
		{errors.New("connection reset"), "", ""},
	} {
		err := Access(c.err, c.code, "s3:PutObject")
		_, access := errors.AsType[*AccessError](err)
		if access != (c.want != "") || !strings.HasSuffix(err.Error(), c.want) || !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %q", c.code, err, c.want)
		}
	}
}

// An attempt whose credentials end before its time is up does not begin.
func TestCredentialsThatEndTooSoon(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := w.start()
		q := Request{Tag: "v1.2", Timeout: 30 * time.Minute, CredentialsEnd: time.Now().Add(20 * time.Minute)}
		_, err := p.promote(t.Context(), q)
		e := wantError(t, err, Untouched, StepLock, "they are valid until", "the credentials do not last")
		if e.Next[0].Advice != AdviceRenew || len(p.calls) > 0 {
			t.Errorf("next %s after calls %q", advised(e.Next), p.calls)
		}
		q.Timeout = 10 * time.Minute
		if _, err := w.start().promote(t.Context(), q); err != nil {
			t.Errorf("in less time: %v", err)
		}
	})
}
