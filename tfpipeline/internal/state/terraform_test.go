package state_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/state"
)

const stateKey = "terraform/staging.tfstate"

func TestOutputs(t *testing.T) {
	for name, test := range map[string]struct {
		content string
		want    deploy.Outputs
		// never is a part of the reason why the root counts as never applied,
		// fails one of any other error.
		never, fails string
	}{
		"all": {
			content: `{"version": 4, "outputs": {
				"services": {"value": {"api": {"template_arn": "arn:api:1"}}},
				"tasks": {"value": {"migrate": {"template_arn": "arn:migrate:1", "security_group_id": "sg-1"}}},
				"task_subnet_ids": {"value": ["subnet-1", "subnet-2"]}}, "resources": [1, "of any shape"]}`,
			want: deploy.Outputs{
				Templates:  map[string]string{"api": "arn:api:1", "migrate": "arn:migrate:1"},
				Placements: map[string]deploy.Placement{"migrate": {Subnets: []string{"subnet-1", "subnet-2"}, SecurityGroups: []string{"sg-1"}}},
			},
		},
		"no outputs":   {content: `{"version": 4}`, never: "no outputs"},
		"no state":     {never: "there is no state at"},
		"newer format": {content: `{"version": 5}`, fails: "its format is version 5"},
		"not JSON":     {content: `<html>`, fails: "read the state of staging: invalid"},
		"too large":    {content: strings.Repeat(" ", 64<<20+1), fails: "more than"},
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
				if test.content != "" {
					b.objects[stateKey] = test.content
				}
				got, err := state.New(b.config(), configtest.Docs()).Outputs(ctx, "staging")
				never, isNever := errors.AsType[*state.NeverAppliedError](err)
				switch {
				case test.never != "":
					if !isNever || !strings.Contains(never.Reason, test.never) {
						t.Errorf("Outputs = %v, want that it was never applied: %s", err, test.never)
					}
				case test.fails != "":
					if isNever || err == nil || !strings.Contains(err.Error(), test.fails) {
						t.Errorf("Outputs = %v, want %s", err, test.fails)
					}
				case err != nil || cmp.Diff(test.want, got) != "":
					t.Errorf("Outputs = %v\n%s", err, cmp.Diff(test.want, got))
				}
			})
		})
	}
}

func TestOutputsWithoutABucket(t *testing.T) {
	inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
		b.gone = true
		_, err := state.New(b.config(), configtest.Docs()).Outputs(ctx, "staging")
		if e, ok := errors.AsType[*state.NeverAppliedError](err); !ok || e.Root != "staging" {
			t.Errorf("Outputs = %v, want that staging was never applied", err)
		}
	})
}

// What passes by itself is waited for: an attempt must not fail for it.
func TestOutputsSurviveABadMinute(t *testing.T) {
	inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
		b.objects[stateKey] = `{"version": 4, "outputs": {"services": {"value": {"api": {"template_arn": "arn:api:1"}}}}}`
		b.faults = []fault{{request: "GET " + stateKey, status: 503, code: "SlowDown"}, {request: "GET " + stateKey}}
		got, err := state.New(b.config(), configtest.Docs()).Outputs(ctx, "staging")
		if err != nil || got.Templates["api"] != "arn:api:1" {
			t.Errorf("Outputs = %v, %v", got, err)
		}
	})
}
