package ecs_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/smithy-go"

	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs"
	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs/ecstest"
)

func (w *world) code(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}

func TestFaults(t *testing.T) {
	inWorld(t, func(w *world) {
		w.create("api", w.register("api", "one"), 1)
		describe := func() error {
			_, err := w.client.DescribeServices(w.ctx, &sdk.DescribeServicesInput{Cluster: new("main"), Services: []string{"api"}})
			return err
		}
		list := func() error {
			_, err := w.client.ListServices(w.ctx, &sdk.ListServicesInput{Cluster: new("main")})
			return err
		}
		want := func(what string, err error, code string) {
			t.Helper()
			if got := w.code(err); got != code || (err == nil) != (code == "") {
				t.Errorf("%s: %v, want code %q", what, err, code)
			}
		}

		w.Inject(ecstest.Throttle(2, "DescribeServices"))
		want("another operation", list(), "")
		want("first", describe(), "ThrottlingException")
		want("second", describe(), "ThrottlingException")
		want("third", describe(), "")

		w.Inject(ecstest.ThrottleFor(time.Minute))
		w.sleep(59 * time.Second)
		want("within the minute", list(), "ThrottlingException")
		w.sleep(time.Second)
		want("after it", list(), "")

		w.Inject(ecs.Fault{Operations: []string{"ListServices"}, Skip: 1, Count: 1, Code: "ServerException", Status: 500})
		want("skipped", list(), "")
		want("hit", list(), "ServerException")
		want("over", list(), "")

		w.Inject(ecs.Fault{After: time.Minute, Count: 1, Code: "X"})
		want("before its time", list(), "")
		w.sleep(time.Minute)
		want("in its time", list(), "X")

		w.Inject(ecstest.Drop(1))
		if err := list(); !errors.Is(err, ecs.ErrDropped) {
			t.Errorf("dropped: %v", err)
		}
		begin := time.Now()
		w.Inject(ecs.Fault{Count: 1, Answered: true, Delay: 7 * time.Second})
		want("late", list(), "")
		if got := time.Since(begin); got != 7*time.Second {
			t.Errorf("answered after %s", got)
		}
		ctx, cancel := context.WithTimeout(w.ctx, time.Second)
		defer cancel()
		w.Inject(ecs.Fault{Count: 1, Answered: true, Delay: time.Hour})
		if _, err := w.client.ListServices(ctx, &sdk.ListServicesInput{Cluster: new("main")}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("given up: %v", err)
		}
		w.Inject(ecstest.Throttle(100))
		w.ClearFaults()
		want("cleared", list(), "")
	})
}

func TestLostAnswerHasEffect(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Inject(ecstest.LoseAnswer(1, "RunTask"))
		in := &sdk.RunTaskInput{Cluster: new("main"), TaskDefinition: new(w.migrate("one")), NetworkConfiguration: network, ClientToken: new("t")}
		if _, err := w.client.RunTask(w.ctx, in); !errors.Is(err, ecs.ErrDropped) {
			t.Fatalf("the answer was not lost: %v", err)
		}
		must(w.client.RunTask(w.ctx, in))(t)
		if n := len(w.Launches("migrate:1")); n != 1 {
			t.Errorf("%d tasks, want the same one twice", n)
		}
	})
}

func TestSDKRetriesAreSeen(t *testing.T) {
	inWorld(t, func(w *world) {
		patient := clientOf(w.Runtime, func(o *sdk.Options) { o.Retryer = retry.NewStandard() })
		w.called.Forget()
		w.Inject(ecstest.Throttle(1), ecstest.Unavailable(1))
		must(patient.ListServices(w.ctx, &sdk.ListServicesInput{Cluster: new("main")}))(t)
		var got []string
		for _, c := range w.called.Of() {
			got = append(got, ecstest.Describe(c))
		}
		same(t, "calls", got, "ListServices ThrottlingException", "ListServices ServiceUnavailableException", "ListServices")
	})
}

func TestCallsNameWhatTheyAreAbout(t *testing.T) {
	inWorld(t, func(w *world) {
		w.called.Forget()
		def := w.register("api", "one")
		w.create("api", def, 0)
		w.update("api", def)
		w.describe("api")
		_, err := w.client.DescribeServices(w.ctx, &sdk.DescribeServicesInput{Cluster: new("no"), Services: []string{"api", "mcp"}})
		if w.code(err) != "ClusterNotFoundException" {
			t.Errorf("services of no cluster: %v", err)
		}
		w.sleep(3 * time.Second)
		w.Inject(ecstest.Drop(1))
		_, _ = w.client.ListClusters(w.ctx, nil)
		var got []string
		for _, c := range w.called.Of() {
			got = append(got, ecstest.Describe(c))
		}
		same(t, "calls", got,
			"RegisterTaskDefinition api",
			"CreateService api api:1",
			"UpdateService api api:1",
			"DescribeServices api",
			"DescribeServices api mcp ClusterNotFoundException",
			"ListClusters",
		)
		last := w.called.Of("ListClusters")[0]
		if last.Status != 0 || !last.Fault || last.At.Sub(w.begin) != 3*time.Second {
			t.Errorf("dropped call: %+v", last)
		}
		update := w.called.Of("UpdateService")[0].Input.(*sdk.UpdateServiceInput)
		if *update.TaskDefinition != def {
			t.Errorf("input: %+v", update)
		}
	})
}

func TestUnknownOperationsFailByName(t *testing.T) {
	inWorld(t, func(w *world) {
		_, err := w.client.ListContainerInstances(w.ctx, &sdk.ListContainerInstancesInput{})
		if w.code(err) != "NotModelledLocally" || !strings.Contains(err.Error(), `"ListContainerInstances"`) {
			t.Errorf("unknown operation: %v", err)
		}
	})
}

// Over a socket it is the same.
func TestServeHTTP(t *testing.T) {
	script := ecstest.NewScript()
	r := ecs.New(ecs.Options{Launcher: script})
	defer r.Close()
	server := httptest.NewServer(r)
	defer server.Close()
	client := clientOf(r, func(o *sdk.Options) { o.HTTPClient, o.BaseEndpoint = server.Client(), &server.URL })
	must(client.CreateCluster(t.Context(), &sdk.CreateClusterInput{ClusterName: new("main")}))(t)
	out := must(client.DescribeClusters(t.Context(), &sdk.DescribeClustersInput{Clusters: []string{"main", "no"}}))(t)
	if len(out.Clusters) != 1 || len(out.Failures) != 1 {
		t.Errorf("clusters %d, failures %d", len(out.Clusters), len(out.Failures))
	}
	r.Inject(ecstest.Drop(1))
	_, err := client.ListClusters(t.Context(), nil)
	if !errors.Is(err, io.EOF) {
		t.Errorf("dropped: %v", err)
	}

	for _, c := range []struct{ target, body, code string }{
		{ecs.TargetPrefix + "DescribeServices", `{"servicse": []}`, "SerializationException"},
		{ecs.TargetPrefix + "DescribeServices", `{"services": "api"}`, "SerializationException"},
		{ecs.TargetPrefix + "DescribeServices", `{`, "SerializationException"},
		{"", `{}`, "NotModelledLocally"},
	} {
		req := must(http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, bytes.NewReader([]byte(c.body))))(t)
		req.Header.Set("X-Amz-Target", c.target)
		resp := must(server.Client().Do(req))(t)
		body := must(io.ReadAll(resp.Body))(t)
		resp.Body.Close()
		if !strings.Contains(string(body), `"__type":"`+c.code+`"`) || resp.StatusCode < 400 || slices.Contains([]int{500, 502, 503, 504}, resp.StatusCode) {
			t.Errorf("%s %s: %d %s", c.target, c.body, resp.StatusCode, body)
		}
	}
}
