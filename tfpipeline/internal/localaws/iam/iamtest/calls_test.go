package iamtest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/specboard/platform/tfpipeline/internal/localaws/iam"
)

// outcome records what a test says.
type outcome struct {
	testing.TB
	errors, logs []string
}

func (o *outcome) Helper() {}
func (o *outcome) Errorf(format string, args ...any) {
	o.errors = append(o.errors, fmt.Sprintf(format, args...))
}
func (o *outcome) Logf(format string, args ...any) {
	o.logs = append(o.logs, fmt.Sprintf(format, args...))
}

// TestCompare: the end-to-end run fails on a question of a kind that the list lacks.
func TestCompare(t *testing.T) {
	ask := func(role, action, resource string, keys map[string][]string) Asked {
		if resource != "*" {
			resource = "arn:aws:" + resource
		}
		return Asked{Role: role, Question: iam.Question{Action: action, Resource: resource, Keys: keys}}
	}
	const here = "us-west-2:123456789012:"
	cluster := map[string][]string{"ecs:cluster": {"arn:aws:ecs:" + here + "cluster/doc-platform-staging"}}
	for _, c := range []struct {
		name         string
		asked        Asked
		errors, logs int
	}{
		{"as recorded", ask("deploy-staging", "ecs:RunTask", "ecs:"+here+"task-definition/doc-platform-staging-migrate:7", cluster), 0, 0},
		{"another resource", ask("deploy-staging", "ecs:RunTask", "ecs:"+here+"task-definition/doc-platform-staging-other:7", cluster), 0, 1},
		{"without a key", ask("deploy-staging", "ecs:RunTask", "ecs:"+here+"task-definition/doc-platform-staging-migrate:7", nil), 1, 0},
		{"another type", ask("deploy-staging", "ecs:RunTask", "ecs:"+here+"cluster/doc-platform-staging", cluster), 1, 0},
		{"another action", ask("deploy-staging", "ecs:StartTask", "ecs:"+here+"task-definition/doc-platform-staging-migrate:7", cluster), 1, 0},
		{"a change that only another environment's role asks for", ask("deploy-production", "rds:DeleteDBInstance", "rds:"+here+"db:doc-platform-production", nil), 1, 0},
		{"what another environment's role reads", ask("deploy-production", "ec2:DescribeNetworkInterfaces", "*", nil), 0, 1},
		{"another role", ask("plan", "ecs:RunTask", "ecs:"+here+"task-definition/doc-platform-staging-migrate:7", cluster), 1, 0},
		{"an object of a bucket", ask("deploy-staging", "s3:GetObject", "s3:::doc-platform-state-123456789012/terraform/staging.tfstate.new", nil), 0, 1},
	} {
		o := &outcome{}
		Compare(o, []Asked{c.asked}, false)
		if len(o.errors) != c.errors || len(o.logs) != c.logs {
			t.Errorf("%s: %s", c.name, strings.Join(append(o.errors, o.logs...), "\n"))
		}
	}
}
