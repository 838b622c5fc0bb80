package report

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/notify"
)

// hangs is a receiver that takes a request and never answers.
type hangs struct{}

func (hangs) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// A webhook that hangs from the first message on keeps nobody waiting while the
// attempt works, which is while it holds its lock, and ten seconds after that.
func TestWebhookThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hook, err := notify.New("https://example.com/canary", hangs{})
		if err != nil {
			t.Fatal(err)
		}
		var said bytes.Buffer
		p := configtest.Docs()
		a := &Attempt{Platform: p, Environment: p.Environments[0], Console: &console.Console{Err: &said}, Webhook: hook}
		record := deploy.Record{Kind: deploy.KindPromote, Environment: "staging", Release: deploy.Release{Tag: "v1"}}
		began := time.Now()
		for _, step := range []deploy.StepName{deploy.StepLock, deploy.StepResolve, deploy.StepPlan, deploy.StepVerify} {
			a.Observe(t.Context(), deploy.Event{Step: step, Kind: deploy.EventDone, Record: &record})
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("the attempt waited %s", took)
		}
		if err := a.Notify(t.Context(), record); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > within {
			t.Errorf("telling of the end took %s", took)
		}
		if !strings.Contains(said.String(), "warning: ") || strings.Contains(said.String(), "canary") {
			t.Errorf("said %q", said.String())
		}
	})
}
