package ecs_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/ecs"
	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs/ecstest"
)

func TestUpdateReturnsOnlyTheDeploymentItCaused(t *testing.T) {
	inWorld(t, options{services: 1}, func(w *world) {
		first := w.current()["s01"]
		service := ok(w.env.DescribeServices(w.ctx, w.services))(t)["s01"]
		pause(w.ctx, time.Minute)
		for _, c := range []struct {
			what   string
			update deploy.Update
		}{
			{"another number of tasks", deploy.Update{Service: "s01", Desired: new(3)}},
			{"what runs already", deploy.Update{Service: "s01", TaskDefinition: service.TaskDefinition}},
			{"both", deploy.Update{Service: "s01", TaskDefinition: service.TaskDefinition, Desired: new(2)}},
			{"nothing", deploy.Update{Service: "s01"}},
		} {
			if arn := ok(w.env.UpdateService(w.ctx, c.update))(t); arn != "" {
				t.Errorf("%s: caused %s", c.what, arn)
			}
		}
		if now := w.current()["s01"]; now != first {
			t.Errorf("deployment %s after %s", now, first)
		}
		arn := ok(w.env.UpdateService(w.ctx, deploy.Update{Service: "s01", TaskDefinition: w.register("s01", "two"), Desired: new(4)}))(t)
		if arn == "" || arn != w.current()["s01"] {
			t.Errorf("caused %q, latest is %s", arn, w.current()["s01"])
		}
		if d := w.watch(map[string]string{"s01": arn})["s01"]; d.State != deploy.DeploymentSuccessful || d.Running != 4 {
			t.Errorf("%+v", d)
		}
	})
}

// The SDK repeats an update whose answer was lost. The second one changes
// nothing, and yet the deployment is the caller's.
func TestUpdateWithLostAnswer(t *testing.T) {
	inWorld(t, options{services: 1}, func(w *world) {
		definition := w.register("s01", "two")
		w.called.Forget()
		w.runtime.Inject(ecstest.LoseAnswer(2, "UpdateService"))
		arn := ok(w.env.UpdateService(w.ctx, deploy.Update{Service: "s01", TaskDefinition: definition}))(t)
		if arn == "" || arn != w.current()["s01"] {
			t.Errorf("caused %q, latest is %s", arn, w.current()["s01"])
		}
		if n := len(w.calls("UpdateService")); n != 3 {
			t.Errorf("%d updates", n)
		}
		if n := len(ok(w.env.FormerDeployments(w.ctx, w.services))(t)["s01"]); n != 3 { // creation, "one", "two"
			t.Errorf("%d deployments", n)
		}
	})
}

// That the deployment cannot be looked at does not make the update fail: it was
// made, and whoever waits finds its deployment.
func TestUpdateWhoseDeploymentCannotBeSeen(t *testing.T) {
	inWorld(t, options{services: 1}, func(w *world) {
		definition := w.register("s01", "two")
		w.runtime.Inject(ecstest.ThrottleFor(10*time.Minute, "DescribeServiceDeployments"))
		if arn := ok(w.env.UpdateService(w.ctx, deploy.Update{Service: "s01", TaskDefinition: definition}))(t); arn != "" {
			t.Errorf("caused %s, which nobody has seen", arn)
		}
		w.runtime.ClearFaults()
		if s := ok(w.env.DescribeServices(w.ctx, w.services))(t)["s01"]; s.Deployment.TaskDefinition != definition {
			t.Errorf("latest: %+v", s.Deployment)
		}
	})
}

// An update says what it changes and nothing else.
func TestUpdateChangesOneThingInOneCall(t *testing.T) {
	inWorld(t, options{services: 1}, func(w *world) {
		definition := w.register("s01", "two")
		w.called.Forget()
		ok(w.env.UpdateService(w.ctx, deploy.Update{Service: "s01", TaskDefinition: definition, Desired: new(5)}))(t)
		calls := w.called.Of("UpdateService")
		want := &sdk.UpdateServiceInput{
			Cluster: new("doc-platform-staging"), Service: new("s01"), TaskDefinition: &definition, DesiredCount: new(int32(5)),
		}
		got, err := json.Marshal(calls[0].Input)
		if err != nil {
			t.Fatal(err)
		}
		wanted, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(wanted), string(got)); diff != "" || len(calls) != 1 {
			t.Errorf("%d calls, input (- want, + got):\n%s", len(calls), diff)
		}
	})
}

// canned answers for ECS with a clock that is years from ours.
type canned struct {
	date    time.Time
	answers map[string]any
}

func (c canned) RoundTrip(req *http.Request) (*http.Response, error) {
	rec := newWire(nil)
	for operation, answer := range c.answers {
		rec.on(operation, func(members) (int, any) { return http.StatusOK, answer })
	}
	resp, err := rec.RoundTrip(req)
	if err == nil {
		resp.Header.Set("Date", c.date.UTC().Format(http.TimeFormat))
	}
	return resp, err
}

// Whether a deployment is newer than the call is told by AWS's clock.
func TestUpdateTrustsTheClockOfAWS(t *testing.T) {
	const arn = "arn:aws:ecs:us-west-2:123456789012:service-deployment/doc-platform-staging/api/new"
	server := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		what    string
		created time.Time
		brings  string
		want    string
	}{
		{"began with the call", server, "td:2", arn},
		{"began by a clock that is a little behind", server.Add(-900 * time.Millisecond), "td:2", arn},
		{"is an earlier one of the same task definition", server.Add(-time.Minute), "td:2", ""},
		{"is somebody else's", server, "td:3", ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // where it is the year 2000
				transport := canned{server, map[string]any{
					"UpdateService": members{"service": members{"currentServiceDeployment": arn}},
					"DescribeServiceDeployments": members{"serviceDeployments": []any{members{
						"serviceDeploymentArn": arn, "createdAt": float64(c.created.UnixMilli()) / 1000, "status": "PENDING",
						"targetServiceRevision": members{"arn": "revision/1"},
					}}},
					"DescribeServiceRevisions": members{"serviceRevisions": []any{members{"serviceRevisionArn": "revision/1", "taskDefinition": c.brings}}},
				}}
				env := ok(ecs.New(aws.Config{
					Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""), HTTPClient: &http.Client{Transport: transport},
				}, configtest.Docs(), "staging", nil))(t)
				got := ok(env.UpdateService(t.Context(), deploy.Update{Service: "api", TaskDefinition: "td:2"}))(t)
				if got != c.want {
					t.Errorf("caused %q, want %q", got, c.want)
				}
			})
		})
	}
}

// A service revision never changes: it is asked for once.
func TestRevisionsAreAskedForASingleTime(t *testing.T) {
	inWorld(t, options{services: 3}, func(w *world) {
		caused := w.promote("two")
		w.called.Forget()
		w.watch(caused)
		if calls := w.calls("DescribeServiceRevisions"); len(calls) != 0 {
			t.Errorf("asked again: %v", calls)
		}
		looks := w.calls("DescribeServiceDeployments")
		if len(looks) < 30 || len(looks) != len(w.calls()) || slices.ContainsFunc(looks, func(c string) bool { return c != looks[0] }) {
			t.Errorf("%d looks of %d calls", len(looks), len(w.calls()))
		}
	})
}
