package ecs_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

func TestAutoscalingMinimums(t *testing.T) {
	inWorld(t, options{services: 1}, func(w *world) {
		minimums := map[string]int{"service/doc-platform-staging/api": 2, "service/doc-platform-staging/mcp": 0}
		w.wire.on("DescribeScalableTargets", func(in members) (int, any) {
			targets := []any{}
			for _, id := range in["ResourceIds"].([]any) {
				if n, ok := minimums[id.(string)]; ok && in["NextToken"] == nil == (id == "service/doc-platform-staging/api") {
					targets = append(targets, members{"ResourceId": id, "MinCapacity": n, "MaxCapacity": 6, "ServiceNamespace": "ecs"})
				}
			}
			if in["NextToken"] == nil {
				return http.StatusOK, members{"ScalableTargets": targets, "NextToken": "more"}
			}
			return http.StatusOK, members{"ScalableTargets": targets}
		})
		got := ok(w.env.Minimums(w.ctx, []string{"api", "frontend", "mcp"}))(t)
		if diff := cmp.Diff(map[string]int{"api": 2, "mcp": 0}, got); diff != "" {
			t.Errorf("minimums (- want, + got):\n%s", diff)
		}
		ids := `"ResourceIds":["service/doc-platform-staging/api","service/doc-platform-staging/frontend","service/doc-platform-staging/mcp"],` +
			`"ScalableDimension":"ecs:service:DesiredCount","ServiceNamespace":"ecs"}`
		want := []string{`DescribeScalableTargets {"NextToken":"more",` + ids, `DescribeScalableTargets {` + ids}
		if diff := cmp.Diff(want, w.wire.made()); diff != "" {
			t.Errorf("requests (- want, + got):\n%s", diff)
		}
	})
}

func TestSetMinimumChangesNothingElse(t *testing.T) {
	inWorld(t, options{services: 1}, func(w *world) {
		calls := 0
		w.wire.on("RegisterScalableTarget", func(members) (int, any) {
			if calls++; calls == 1 {
				return refusal("ConcurrentUpdateException", "already being updated")
			}
			return http.StatusOK, members{}
		})
		if err := w.env.SetMinimum(w.ctx, "api", 0); err != nil {
			t.Fatal(err)
		}
		request := `RegisterScalableTarget {"MinCapacity":0,"ResourceId":"service/doc-platform-staging/api",` +
			`"ScalableDimension":"ecs:service:DesiredCount","ServiceNamespace":"ecs"}`
		if diff := cmp.Diff([]string{request, request}, w.wire.made()); diff != "" {
			t.Errorf("requests (- want, + got):\n%s", diff)
		}
		w.wire.on("RegisterScalableTarget", func(members) (int, any) {
			return refusal("ValidationException", "You must specify a maximum capacity for a scalable target.")
		})
		if err := w.env.SetMinimum(w.ctx, "api", 2); err == nil || deploy.IsTransient(err) || !strings.Contains(err.Error(), "set the minimum of api to 2 tasks") {
			t.Errorf("not autoscaled: %v", err)
		}
	})
}
