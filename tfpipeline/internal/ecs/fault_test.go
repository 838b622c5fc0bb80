package ecs_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/ecs"
	model "github.com/specboard/platform/tfpipeline/internal/localaws/ecs"
	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs/ecstest"
)

// A deployment is followed to its end through whatever goes wrong meanwhile.
func TestWatchSurvives(t *testing.T) {
	for _, c := range []struct {
		what  string
		fault model.Fault
	}{
		{"throttling bursts", ecstest.Throttle(40)},
		{"throttling for longer than the deployment takes", ecstest.ThrottleFor(5 * time.Minute)},
		{"every second call throttled", ecstest.Throttle(1)}, // repeated below
		{"5xx", ecstest.Unavailable(40)},
		{"5xx for longer than the deployment takes", model.Fault{For: 5 * time.Minute, Status: 500, Code: "ServerException", Message: "Service Unavailable. Please try again later."}},
		{"dropped connections", ecstest.Drop(40)},
		{"lost answers", ecstest.LoseAnswer(40)},
		{"connections on which nothing comes any more", model.Fault{Count: 3, Answered: true, Delay: time.Hour}},
	} {
		t.Run(c.what, func(t *testing.T) {
			inWorld(t, options{}, func(w *world) {
				caused := w.promote("two")
				begin := time.Now()
				w.runtime.Inject(c.fault)
				if strings.HasPrefix(c.what, "every second") {
					for i := range 100 {
						f := c.fault
						f.Skip = 2 * (i + 1)
						w.runtime.Inject(f)
					}
				}
				ctx, cancel := context.WithTimeout(w.ctx, 10*time.Minute)
				defer cancel()
				ends, err := w.watchIn(ctx, caused)
				if err != nil {
					t.Fatalf("after %s: %v", time.Since(begin), err)
				}
				for name, d := range ends {
					if d.ARN != caused[name] || d.State != deploy.DeploymentSuccessful {
						t.Errorf("%s: %+v", name, d)
					}
				}
			})
		})
	}
}

// The SDK's quota for retries would be used up by some hundred of them.
func TestAnHourOfThrottlingIsWaitedOut(t *testing.T) {
	inWorld(t, options{services: 1}, func(w *world) {
		caused := w.promote("two")
		w.runtime.Inject(ecstest.ThrottleFor(time.Hour))
		begin := time.Now()
		if d := w.watch(caused)["s01"]; d.State != deploy.DeploymentSuccessful {
			t.Errorf("%+v", d)
		}
		if late := time.Since(begin) - time.Hour; late > time.Minute {
			t.Errorf("noticed %s after the throttling", late)
		}
	})
}

// The retries of one call are not fewer because those before it were many.
func TestRetriesHaveNoQuota(t *testing.T) {
	inWorld(t, options{services: 1}, func(w *world) {
		w.runtime.Inject(ecstest.ThrottleFor(24 * time.Hour))
		for i := range 60 {
			_, err := w.env.DescribeServices(w.ctx, w.services)
			if said, isOurs := errors.AsType[*ecs.Error](err); !isOurs || said.Attempts != 5 {
				t.Fatalf("call %d: %v", i+1, err)
			}
		}
	})
}

// After throttling, calls are slower at first: fewer than without, and the
// pace comes back.
func TestPaceAdaptsToThrottling(t *testing.T) {
	inWorld(t, options{services: 1}, func(w *world) {
		looks := func(n int) time.Duration {
			begin := time.Now()
			for range n {
				ok(w.env.DescribeServices(w.ctx, w.services))(t)
			}
			return time.Since(begin)
		}
		if took := looks(20); took != 0 {
			t.Errorf("unthrottled calls took %s", took)
		}
		w.runtime.Inject(ecstest.Throttle(3))
		if took := looks(20); took < 2*time.Second {
			t.Errorf("calls after throttling took %s", took)
		}
	})
}

func TestCallsReturnWhenTheContextEnds(t *testing.T) {
	for what, faults := range map[string]model.Fault{
		"while AWS does not answer": {Delay: time.Hour, Answered: true},
		"while AWS throttles":       ecstest.ThrottleFor(time.Hour),
		"while connections drop":    {For: time.Hour, Drop: true},
	} {
		t.Run(what, func(t *testing.T) {
			inWorld(t, options{services: 30}, func(w *world) {
				w.runtime.Inject(faults)
				ctx, cancel := context.WithTimeout(w.ctx, 3*time.Second)
				defer cancel()
				begin := time.Now()
				// The attempts of one call may be over before the context is,
				// as the pauses between them are random: the last call counts.
				var err error
				for ctx.Err() == nil {
					_, err = w.env.DescribeServices(ctx, w.services)
				}
				if !errors.Is(err, context.DeadlineExceeded) || deploy.IsTransient(err) || !strings.HasSuffix(err.Error(), " of doc-platform-staging: context deadline exceeded") {
					t.Errorf("%v", err)
				}
				if took := time.Since(begin); took != 3*time.Second {
					t.Errorf("returned after %s", took)
				}
				before := len(w.calls())
				if _, err := w.env.UpdateService(ctx, deploy.Update{Service: "s01", Desired: new(1)}); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("with an ended context: %v", err)
				}
				if n := len(w.calls()); n != before {
					t.Errorf("%d calls with an ended context", n-before)
				}
			})
		})
	}
}

func TestErrorsKeepWhatAWSSaid(t *testing.T) {
	for _, c := range []struct {
		what      string
		fault     model.Fault
		transient bool
		want      []string
		error     ecs.Error
	}{
		{"throttled", ecstest.ThrottleFor(time.Hour), true,
			[]string{"describe services s01 of doc-platform-staging: ECS DescribeServices: ThrottlingException: Rate exceeded (HTTP 400, request ", ", 5 attempts)"},
			ecs.Error{Code: "ThrottlingException", Message: "Rate exceeded", Status: 400, Attempts: 5}},
		{"unavailable", ecstest.Unavailable(9), true,
			[]string{"ServiceUnavailableException: Service Unavailable (HTTP 503, request ", ", 5 attempts)"},
			ecs.Error{Code: "ServiceUnavailableException", Message: "Service Unavailable", Status: 503, Attempts: 5}},
		{"dropped", ecstest.Drop(9), true,
			[]string{"ECS DescribeServices: ", "connection reset by peer (5 attempts)"},
			ecs.Error{Attempts: 5}},
		{"denied", model.Fault{Code: "AccessDeniedException", Message: "User: arn:aws:sts::1:assumed-role/x is not authorized to perform: ecs:DescribeServices"}, false,
			[]string{"AccessDeniedException: User: arn:aws:sts::1:assumed-role/x is not authorized to perform: ecs:DescribeServices (HTTP 400, request "},
			ecs.Error{Code: "AccessDeniedException", Message: "User: arn:aws:sts::1:assumed-role/x is not authorized to perform: ecs:DescribeServices", Status: 400}},
		{"expired", model.Fault{Code: "ExpiredTokenException", Message: "The security token included in the request is expired"}, false,
			[]string{"ExpiredTokenException: The security token included in the request is expired"},
			ecs.Error{Code: "ExpiredTokenException", Message: "The security token included in the request is expired", Status: 400}},
		{"quota", model.Fault{Code: "LimitExceededException", Message: "The limit for the resource was exceeded."}, false,
			[]string{"LimitExceededException: The limit for the resource was exceeded."},
			ecs.Error{Code: "LimitExceededException", Message: "The limit for the resource was exceeded.", Status: 400, Attempts: 5}},
		{"not there", model.Fault{Status: 501, Code: "NotModelledLocally", Message: "x is not modelled locally"}, false,
			[]string{"NotModelledLocally: x is not modelled locally (HTTP 501"},
			ecs.Error{Code: "NotModelledLocally", Message: "x is not modelled locally", Status: 501}},
	} {
		t.Run(c.what, func(t *testing.T) {
			inWorld(t, options{services: 1}, func(w *world) {
				w.runtime.Inject(c.fault)
				_, err := w.env.DescribeServices(w.ctx, w.services)
				if deploy.IsTransient(err) != c.transient {
					t.Errorf("transient is %v", !c.transient)
				}
				said, isOurs := errors.AsType[*ecs.Error](err)
				if !isOurs {
					t.Fatalf("%v", err)
				}
				if c.error.Code != "" && said.RequestID == "" || said.Service != "ECS" || said.Operation != "DescribeServices" || said.Err == nil ||
					said.Code != c.error.Code || c.error.Code != "" && said.Message != c.error.Message || said.Status != c.error.Status || said.Attempts != c.error.Attempts {
					t.Errorf("%+v", said)
				}
				for _, part := range c.want {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("%v\nlacks %q", err, part)
					}
				}
				if strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "\n") {
					t.Errorf("%v", err)
				}
			})
		})
	}
}

// Not every answer is AWS's.
func TestAnswersOfOthers(t *testing.T) {
	for _, c := range []struct {
		what      string
		status    int
		out       any
		transient bool
		want      string
	}{
		{"a proxy that fails", 502, "<html><body>502 Bad Gateway</body></html>", true, "HTTP 502"},
		{"a balancer without servers", 503, "", true, "HTTP 503"},
		{"a proxy that refuses", 403, "<html><body>403 Forbidden</body></html>", false,
			"Secrets Manager DescribeSecret: deserialization failed, failed to decode response body, invalid character '<' looking for beginning of value (HTTP 403, request request-1)"},
		{"half an answer", 200, `{"VersionIdsToStages": {"v1"`, true, "look at secret staging/doc-platform/a: Secrets Manager DescribeSecret: "},
		{"the end of the connection", 0, io.ErrUnexpectedEOF, true, "unexpected EOF"},
		{"a refused connection", 0, errors.New("dial tcp 127.0.0.1:443: connect: connection refused"), true, "connection refused"},
	} {
		t.Run(c.what, func(t *testing.T) {
			inWorld(t, options{services: 1}, func(w *world) {
				w.wire.on("DescribeSecret", func(members) (int, any) { return c.status, c.out })
				_, err := w.env.Empty(w.ctx, []string{"a"})
				if err == nil || deploy.IsTransient(err) != c.transient || !strings.Contains(err.Error(), c.want) {
					t.Errorf("transient %v: %v", deploy.IsTransient(err), err)
				}
				if attempts := len(w.wire.made()); c.transient != (attempts == 5) {
					t.Errorf("%d attempts", attempts)
				}
			})
		})
	}
}

func TestNoEnvironmentOfThatName(t *testing.T) {
	if _, err := ecs.New(aws.Config{}, configtest.Docs(), "preview", nil); err == nil || err.Error() != `open environment "preview": doc-platform has none of that name` {
		t.Errorf("%v", err)
	}
}
