package iam_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/gen/gentest"
	"github.com/specboard/platform/tfpipeline/internal/localaws/iam"
	"github.com/specboard/platform/tfpipeline/internal/localaws/iam/iamtest"
)

const prefix = "doc-platform-"

// zone gives modules/github a hosted zone's id.
func zone() map[string]cty.Value {
	return map[string]cty.Value{"zone_id": cty.StringVal(iamtest.Zone)}
}

// TestRoles judges what the Terraform of Docs grants: all that was recorded,
// and nothing of what no role may do.
func TestRoles(t *testing.T) {
	roles := iamtest.Identities(t, iamtest.Rendered(t, gentest.Tree(t, configtest.Docs()), zone()))
	judge := func(a iamtest.Asked) iam.Verdict {
		i, ok := roles[prefix+a.Role]
		if !ok {
			t.Fatalf("nothing renders the role %s", a.Role)
		}
		return i.Judge(a.Question)
	}
	wanted := append(iamtest.Recorded(t), iamtest.Documented(t)...)
	for _, a := range wanted {
		if v := judge(a); !v.Allowed {
			t.Errorf("denied: %s: %s", iamtest.Pattern(a), v.Reason)
		}
	}
	forbidden, allowed := iamtest.Forbidden(t), 0
	for _, a := range forbidden {
		if v := judge(a); v.Allowed {
			allowed++
			t.Errorf("allowed by %s: %s", v.By, iamtest.Pattern(a))
		}
	}
	t.Logf("%d of %d forbidden questions are allowed; %d are wanted", allowed, len(forbidden), len(wanted))
	if len(wanted) < 1000 || len(forbidden) < 300 {
		t.Errorf("%d recorded and %d forbidden questions, want 1000 and 300", len(wanted), len(forbidden))
	}
}

// TestNothingIsGrantedInVain: each statement of the workflows' roles allows a wanted
// call. The deploy roles of all environments have the same ones, of which an
// environment may need none yet.
func TestNothingIsGrantedInVain(t *testing.T) {
	needed := map[string]bool{}
	roles := iamtest.Identities(t, iamtest.Workflows(t, gentest.Tree(t, configtest.Docs()), zone()))
	kind := func(role string) string {
		if strings.HasPrefix(role, prefix+"deploy-") {
			return "deploy"
		}
		return role
	}
	for _, a := range append(iamtest.Recorded(t), iamtest.Documented(t)...) {
		needed[kind(prefix+a.Role)+" "+roles[prefix+a.Role].Judge(a.Question).By] = true
	}
	for name, identity := range roles {
		for _, p := range identity.Policies {
			for _, s := range p.Statements {
				if !s.Deny && !needed[kind(name)+" "+s.Sid] {
					t.Errorf("%s: no wanted call needs %s", name, s.Sid)
				}
			}
		}
	}
}

// TestEveryActionIsAsked: no policy grants an action that no wanted call of its roles
// asks for. All environments have the same policies, and all containers.
func TestEveryActionIsAsked(t *testing.T) {
	asked := map[string]bool{}
	roles := iamtest.Rendered(t, gentest.Tree(t, configtest.Docs()), zone())
	identities := iamtest.Identities(t, roles)
	kind := strings.NewReplacer("staging", "env", "production", "env").Replace
	for _, a := range append(iamtest.Recorded(t), iamtest.Documented(t)...) {
		for policy := range roles[prefix+a.Role].Policies {
			asked[kind(policy)+" "+strings.ToLower(a.Action)] = true
		}
	}
	for name, identity := range identities {
		for i, policy := range slices.Sorted(maps.Keys(roles[name].Policies)) {
			for _, s := range identity.Policies[i].Statements {
				for _, action := range s.Actions {
					if !s.Deny && !asked[kind(policy)+" "+action] {
						t.Errorf("%s: %s of %s: no wanted call asks for %s", name, s.Sid, policy, action)
					}
				}
			}
		}
	}
}

// TestOperators judges what people may do who go into tasks: in the environment whose
// policy they have, not in Service Connect's proxy, and nothing else.
func TestOperators(t *testing.T) {
	const tunnel = "AWS-StartPortForwardingSessionToRemoteHost"
	all := iamtest.Operators(t, gentest.Tree(t, configtest.Docs()))
	if len(all) != 1 {
		t.Fatalf("%d policies, want that of staging alone, whose Exec is set", len(all))
	}
	for _, c := range []struct {
		service, operation, body string
		allowed                  bool
	}{
		{"ecs", "ExecuteCommand", `{"cluster":"doc-platform-staging","task":"0","container":"api","command":"sh"}`, true},
		{"ecs", "ExecuteCommand", `{"cluster":"doc-platform-staging","task":"0","container":"ecs-service-connect-abc","command":"sh"}`, false},
		{"ecs", "ExecuteCommand", `{"cluster":"doc-platform-staging","task":"0","command":"sh"}`, true},
		{"ecs", "ExecuteCommand", `{"cluster":"doc-platform-production","task":"0","container":"api","command":"sh"}`, false},
		{"ecs", "UpdateService", `{"cluster":"doc-platform-staging","service":"api","enableExecuteCommand":true}`, false},
		{"ecs", "RunTask", `{"cluster":"doc-platform-staging","taskDefinition":"doc-platform-staging-api:1","enableExecuteCommand":true}`, false},
		{"ecs", "StopTask", `{"cluster":"doc-platform-staging","task":"0"}`, false},
		{"ssm", "StartSession", `{"Target":"ecs:doc-platform-staging_0_0-1","DocumentName":"` + tunnel + `"}`, true},
		{"ssm", "StartSession", `{"Target":"ecs:doc-platform-staging_0_0-1"}`, false},
		{"ssm", "StartSession", `{"Target":"ecs:doc-platform-production_0_0-1","DocumentName":"` + tunnel + `"}`, false},
		{"ssm", "TerminateSession", `{"SessionId":"ecs-execute-command-staging"}`, true},
		{"ssm", "ResumeSession", `{"SessionId":"ecs-execute-command-staging"}`, true},
		{"ssm", "TerminateSession", `{"SessionId":"ecs-execute-command-staging-2"}`, false},
		{"ssm", "TerminateSession", `{"SessionId":"ecs-execute-command-production"}`, false},
		{"ssm", "ResumeSession", `{"SessionId":"ecs-execute-command-production"}`, false},
		{"ssm", "ResumeSession", `{"SessionId":"ecs-execute-command-untagged"}`, false},
		{"ssm", "TerminateSession", `{"SessionId":"alice@example.com-staging"}`, true},
		{"ssm", "ResumeSession", `{"SessionId":"alice@example.com-staging"}`, true},
		{"ssm", "ResumeSession", `{"SessionId":"alice@example.com-production"}`, false},
		{"ssm", "TerminateSession", `{"SessionId":"bob@example.com-staging"}`, false},
		{"ssm", "ResumeSession", `{"SessionId":"bob@example.com-staging"}`, false},
		{"ssm", "ResumeSession", `{"SessionId":"untagged-4f1c"}`, false},
		{"logs", "PutLogEvents", `{"logGroupName":"/doc-platform/staging/exec/sessions","logStreamName":"x"}`, true},
		{"logs", "PutLogEvents", `{"logGroupName":"/doc-platform/staging/api","logStreamName":"x"}`, false},
		{"logs", "DeleteLogStream", `{"logGroupName":"/doc-platform/staging/exec/sessions","logStreamName":"x"}`, false},
		{"logs", "DeleteLogGroup", `{"logGroupName":"/doc-platform/staging/exec/sessions"}`, false},
		{"secretsmanager", "GetSecretValue", `{"SecretId":"arn:aws:secretsmanager:us-west-2:123456789012:secret:staging/doc-platform/db-credentials-AbCdEf"}`, true},
		{"secretsmanager", "GetSecretValue", `{"SecretId":"arn:aws:secretsmanager:us-west-2:123456789012:secret:production/doc-platform/db-credentials-AbCdEf"}`, false},
		{"secretsmanager", "GetSecretValue", `{"SecretId":"arn:aws:secretsmanager:us-west-2:123456789012:secret:staging/doc-platform/superadmin-password-AbCdEf"}`, false},
		{"secretsmanager", "GetSecretValue", `{"SecretId":"arn:aws:secretsmanager:us-west-2:123456789012:secret:staging/doc-platform/db-credentials-of-another-AbCdEf"}`, false},
		{"secretsmanager", "PutSecretValue", `{"SecretId":"arn:aws:secretsmanager:us-west-2:123456789012:secret:staging/doc-platform/db-credentials-AbCdEf"}`, false},
	} {
		t.Run(c.operation+" "+c.body, func(t *testing.T) {
			a := iamtest.Attempt{Service: c.service, Operation: c.operation, Parameters: c.body}
			questions, err := iam.Questions(iam.Read(c.service, c.operation, a.Request(t, "http://localhost", "key", ""), []byte(c.body)), "us-west-2", "123456789012", tagged{}, false)
			denied := err != nil // no role of the platform may, so the table does not know it
			for _, q := range questions {
				q.Keys["aws:userid"] = []string{operator}
				denied = denied || !all["staging"].Judge(q).Allowed
			}
			if denied == c.allowed {
				t.Errorf("allowed: %v, want %v: %v, %v", !denied, c.allowed, questions, err)
			}
		})
	}
}

// TestOperatorsBeyondCalls judges what AWS's client of sessions asks over a websocket,
// and the look at who is at work.
func TestOperatorsBeyondCalls(t *testing.T) {
	p := configtest.Docs()
	bucket := "arn:aws:s3:::" + p.StateBucket()
	staging := iamtest.Operators(t, gentest.Tree(t, p))["staging"]
	for _, c := range []struct {
		action, resource string
		allowed          bool
	}{
		{"ssm:StartSession", "arn:aws:ecs:us-west-2:123456789012:task/doc-platform-staging/0", true},
		{"ssm:StartSession", "arn:aws:ssm:us-west-2:123456789012:document/SSM-SessionManagerRunShell", false},
		// AWS's reference knows no resource of it, and its guide that of a session.
		{"ssmmessages:OpenDataChannel", "*", true},
		{"ssmmessages:OpenDataChannel", "arn:aws:ssm:us-west-2:123456789012:session/ecs-execute-command-4f1c", true},
		{"ssmmessages:OpenDataChannel", "arn:aws:ssm:us-west-2:123456789012:session/alice@example.com-4f1c", true},
		{"ssmmessages:CreateDataChannel", "*", false},
		{"s3:ListBucket", bucket, true},
		{"s3:GetObject", bucket + "/" + p.LockKey("staging"), true},
		{"s3:GetObject", bucket + "/" + p.HistoryPrefix("staging") + "freeze.journal.json", true},
		{"s3:GetObject", bucket + "/" + p.LockKey("production"), false},
		{"s3:GetObject", bucket + "/terraform/staging.tfstate", false},
		{"s3:PutObject", bucket + "/" + p.LockKey("staging"), false},
	} {
		if v := staging.Judge(iam.Question{Action: c.action, Resource: c.resource, Keys: map[string][]string{"aws:userid": {operator}}}); v.Allowed != c.allowed {
			t.Errorf("%s of %s: allowed %v, want %v", c.action, c.resource, v.Allowed, c.allowed)
		}
	}
	// Without a document in the request, AWS looks at it only if the policy says so.
	unchecked := iam.Question{Action: "ssm:StartSession", Resource: "arn:aws:ecs:us-west-2:123456789012:task/doc-platform-staging/0", Keys: map[string][]string{"ssm:SessionDocumentAccessCheck": {"false"}}}
	if staging.Judge(unchecked).Allowed {
		t.Error("a session needs no document that the policy names")
	}
}

// operator is the id of somebody with the policy: of a role, and the name of the session.
const operator = "AROAEXAMPLE:alice@example.com"

// tagged is an account with sessions: of alice, of bob, and those that ECS starts under
// its own role. Session Manager tags each with who started it, and with its target:
// https://docs.aws.amazon.com/systems-manager/latest/userguide/getting-started-restrict-access-examples.html
type tagged struct{}

func (tagged) Resolve(string, string) []string { return nil }
func (tagged) Tags(arn string) map[string]string {
	_, id, ok := strings.Cut(arn, ":session/")
	for name, owner := range map[string]string{"alice@example.com": operator, "bob@example.com": "AROAEXAMPLE:bob@example.com", "ecs-execute-command": "AROAOFECS:ecs-execute-command"} {
		if env, its := strings.CutPrefix(id, name+"-"); ok && its && env != "untagged" {
			return map[string]string{"aws:ssmmessages:session-id": owner, "aws:ssmmessages:target-id": "ecs:doc-platform-" + env + "_0_0-1"}
		}
	}
	return nil
}

// TestNotHeld names what IAM cannot prevent within one account. Each is
// explained in the README of modules/github.
func TestNotHeld(t *testing.T) {
	roles := iamtest.Identities(t, iamtest.Rendered(t, gentest.Tree(t, configtest.Docs()), zone()))
	for _, a := range []iamtest.Asked{
		// Into subnets, security groups and target groups of production: ECS
		// attaches those under its own role.
		{Role: "deploy-staging", Question: iam.Question{Action: "ecs:CreateService", Resource: "arn:aws:ecs:us-west-2:123456789012:service/doc-platform-staging/x"}},
		// Any tag, such as another release's.
		{Role: "build", Question: iam.Question{Action: "ecr:PutImage", Resource: "arn:aws:ecr:us-west-2:123456789012:repository/doc-platform/api"}},
		// A namespace or an untagged certificate of somebody else.
		{Role: "deploy-staging", Question: iam.Question{Action: "servicediscovery:TagResource", Resource: "*", Keys: map[string][]string{"aws:RequestTag/Environment": {"staging"}}}},
		// A scalable target of somebody else that bears no tag.
		{Role: "deploy-staging", Question: iam.Question{Action: "application-autoscaling:TagResource", Resource: "arn:aws:application-autoscaling:us-west-2:123456789012:scalable-target/0", Keys: map[string][]string{"aws:RequestTag/Environment": {"staging"}}}},
		// With a policy or trust for a stranger.
		{Role: "deploy-staging", Question: iam.Question{Action: "sqs:SetQueueAttributes", Resource: "arn:aws:sqs:us-west-2:123456789012:doc-platform-staging-mail"}},
		{Role: "deploy-staging", Question: iam.Question{Action: "iam:UpdateAssumeRolePolicy", Resource: "arn:aws:iam::123456789012:role/doc-platform/staging/doc-platform-staging-api-task"}},
		// With retentionInDays=1.
		{Role: "deploy-staging", Question: iam.Question{Action: "logs:PutRetentionPolicy", Resource: "arn:aws:logs:us-west-2:123456789012:log-group:/doc-platform/staging/exec/sessions:*"}},
		// An underscore and what is as long as ACM's digits.
		{Role: "deploy-production", Question: iam.Question{Action: "route53:ChangeResourceRecordSets", Resource: "arn:aws:route53:::hostedzone/" + iamtest.Zone, Keys: map[string][]string{
			"route53:ChangeResourceRecordSetsNormalizedRecordNames": {"_acme-challenge.shop-newsletters1.specboard.io"}, "route53:ChangeResourceRecordSetsRecordTypes": {"CNAME"},
		}}},
		// With BackupRetentionPeriod=0.
		{Role: "deploy-production", Question: iam.Question{Action: "rds:ModifyDBInstance", Resource: "arn:aws:rds:us-west-2:123456789012:db:doc-platform-production"}},
	} {
		if v := roles[prefix+a.Role].Judge(a.Question); !v.Allowed {
			t.Errorf("held after all: %s: take it out of the README of modules/github: %s", iamtest.Pattern(a), v.Reason)
		}
	}
}

// TestLoosePolicies shows that the evaluator finds faults that policies here
// once had.
func TestLoosePolicies(t *testing.T) {
	documents := iamtest.Loose(t)
	roles := iamtest.Identities(t, documents)
	denied := func(a iamtest.Asked) bool { return !roles[prefix+a.Role].Judge(a.Question).Allowed }
	found := map[string]bool{}
	for _, a := range iamtest.Recorded(t) {
		if strings.HasPrefix(a.Role, "deploy-") && denied(a) {
			found[a.Action+" "+a.Resource] = true
		}
	}
	const region = "us-west-2:123456789012:"
	for _, want := range []string{
		"elasticache:CreateReplicationGroup arn:aws:elasticache:" + region + "parametergroup:default.redis7",
		"rds:CreateDBInstance arn:aws:rds:" + region + "og:default:postgres-16",
		"cloudwatch:PutMetricAlarm arn:aws:cloudwatch:" + region + "alarm:TargetTracking-service/doc-platform-production/api-*",
		"cloudwatch:DeleteAlarms arn:aws:cloudwatch:" + region + "alarm:TargetTracking-service/doc-platform-production/api-*",
		// A wildcard in the place of a resource's type.
		"ecs:UpdateService arn:aws:ecs:" + region + "service/doc-platform-staging/api",
		"rds:CreateDBInstance arn:aws:rds:" + region + "db:doc-platform-staging",
	} {
		if !found[want] {
			t.Errorf("not denied: %s", want)
		}
	}
	allowed := 0
	for _, a := range iamtest.Forbidden(t) {
		if i, ok := roles[prefix+a.Role]; ok && i.Judge(a.Question).Allowed {
			allowed++
		}
	}
	if allowed < 40 {
		t.Errorf("%d forbidden questions are allowed, want 40 or more", allowed)
	}
	trust, err := iam.Parse(documents["doc-platform-deploy-production"].Trust)
	if err != nil {
		t.Fatal(err)
	}
	if trust.Trusts(iamtest.GitHub, claims("repo:specboard@1234567/doc-platform@987654321:environment:production", "refs/tags/v1", "987654321")) {
		t.Error("the old trust knows immutable subjects")
	}
}

func claims(subject, ref, id string) map[string][]string {
	const claim = "token.actions.githubusercontent.com:"
	return map[string][]string{claim + "sub": {subject}, claim + "aud": {"sts.amazonaws.com"}, claim + "ref": {ref}, claim + "repository_id": {id}}
}

// TestTrust goes through every kind of job and every role, with and without
// the repository's ids.
func TestTrust(t *testing.T) {
	const owner, id = "1234567", "987654321"
	ids := cty.ObjectVal(map[string]cty.Value{"owner": cty.StringVal(owner), "repository": cty.StringVal(id)})
	forms := map[string]struct {
		repository string
		trust      map[string]iam.Policy
	}{
		"names": {"repo:specboard/doc-platform", trusts(t, nil)},
		"ids":   {"repo:specboard@" + owner + "/doc-platform@" + id, trusts(t, map[string]cty.Value{"repository_ids": ids})},
	}
	const main = "refs/heads/main"
	for name, form := range forms {
		other := forms[map[string]string{"names": "ids", "ids": "names"}[name]].repository
		for _, job := range []struct {
			subject, ref string
			roles        []string
		}{
			{":pull_request", "refs/pull/7/merge", []string{"plan"}},
			{":ref:refs/heads/main", main, []string{"build", "plan"}},
			{":ref:refs/tags/v1.4.0", "refs/tags/v1.4.0", []string{"plan"}},
			{":ref:refs/tags/main", "refs/tags/main", []string{"plan"}},
			{":ref:refs/tags/x/environment:production", "refs/tags/x/environment:production", []string{"plan"}},
			{":environment:staging", main, []string{"deploy-staging"}},
			{":environment:production", main, []string{"deploy-production"}},
			{":environment:production", "refs/tags/v1.4.0", []string{"deploy-production"}},
			{":environment:staging", "refs/pull/7/merge", nil},
			{":environment:staging", "refs/tags/v1.4.0", nil},
			{":environment:staging", "refs/heads/feature", nil},
			{":environment:production", "refs/pull/7/merge", nil},
			{":environment:production", "refs/heads/feature", nil},
			{":ref:refs/heads/feature", "refs/heads/feature", nil},
			{":ref:refs/heads/main2", "refs/heads/main2", nil},
			{":ref:refs/heads/main/x", "refs/heads/main/x", nil},
			{":ref:refs/heads/environment:production", "refs/heads/environment:production", nil},
			{":ref:refs/heads/gh-readonly-queue/main/pr-7", "refs/heads/gh-readonly-queue/main/pr-7", nil},
			{":environment:plan", main, nil},
			{":environment:Production", main, nil},
			{":environment:production2", main, nil},
			{":environment:production/x", main, nil},
			{":environment:staging-production", main, nil},
			{"x:environment:production", main, nil},
			{"", main, nil},
			{":*", main, nil},
		} {
			c := claims(form.repository+job.subject, job.ref, id)
			if got := assumable(form.trust, c); !slices.Equal(got, job.roles) {
				t.Errorf("%s: %s on %s may assume %v, want %v", name, job.subject, job.ref, got, job.roles)
			}
			for kind, c := range map[string]map[string][]string{
				"the other form":     claims(other+job.subject, job.ref, id),
				"another owner":      claims(strings.Replace(form.repository, "specboard", "specboards", 1)+job.subject, job.ref, id),
				"another repository": claims(strings.Replace(form.repository, "doc-platform", "doc-platform2", 1)+job.subject, job.ref, id),
				"upper case":         claims(strings.Replace(form.repository, "specboard", "Specboard", 1)+job.subject, job.ref, id),
				"no audience":        without(c, "aud"),
				"another audience":   with(c, "aud", "https://github.com/specboard"),
				"no subject":         without(c, "sub"),
			} {
				if got := assumable(form.trust, c); got != nil {
					t.Errorf("%s: %s with %s may assume %v", name, job.subject, kind, got)
				}
			}
			if name == "ids" {
				for kind, c := range map[string]map[string][]string{"another id": with(c, "repository_id", "1"), "no id": without(c, "repository_id")} {
					if got := assumable(form.trust, c); got != nil {
						t.Errorf("%s: %s with %s may assume %v", name, job.subject, kind, got)
					}
				}
			}
		}
	}
}

// TestHostileSubjects: no subject or ref that a fork, a branch, a tag, an environment
// or an organization's own template of claims can make opens a role that it should
// not. What follows refs/tags/ is a tag whatever it says, so plan reads there.
func TestHostileSubjects(t *testing.T) {
	const owner, id = "1234567", "987654321"
	ids := cty.ObjectVal(map[string]cty.Value{"owner": cty.StringVal(owner), "repository": cty.StringVal(id)})
	const names, immutable = "repo:specboard/doc-platform", "repo:specboard@" + owner + "/doc-platform@" + id
	const main, tag = "refs/heads/main", "refs/tags/v1"
	subjects := []string{
		// Of this repository, said otherwise.
		":environment:production ", " :environment:production", ":environment:production\n", "::environment:production", ":environment::production",
		":ENVIRONMENT:production", ":environment:PRODUCTION", ":environment:producti?n", ":environment:*", ":environment:production%20", "%3Aenvironment%3Aproduction",
		":environment:production:ref:refs/heads/main", ":ref:refs/heads/main:environment:production", ":environment:production:job_workflow_ref:x", ":environment:prоduction",
		":environment:production\x00", ":environment:", ":environment", ":environment:staging,production", ":environment:staging/../production",
		":environment:deploy-production", ":environment:build", ":environment:pull_request", ":environment:ref:refs/heads/main", ":environment:production-preview",
		":pull_request:ref:refs/heads/main", ":pull_request ", ":pull_request_target", ":pull_requests", ":Pull_Request", ":pull_request/7", "pull_request",
		":ref:refs/heads/main ", ":ref:refs/heads/MAIN", ":ref:refs/heads/main:x", ":ref:refs/heads/mai", ":ref:refs/heads/*", ":ref:refs/heads/", ":ref:refs/heads/refs/heads/main",
		":ref:refs/heads/refs/tags/v1", ":ref:refs/remotes/origin/main", ":ref:refs/pull/7/head", ":ref:refs/pull/7/merge", ":ref:main", ":ref:/refs/heads/main", ":ref:refs/tag/v1", ":ref:refs/Tags/v1",
		":ref_type:branch:ref:refs/heads/main", ":repository_owner:specboard", ":job_workflow_ref:specboard/doc-platform/.github/workflows/prod-deploy.yml@refs/heads/main",
		":workflow:prod-deploy", ":actor:octocat", ":context:main", ":repository_visibility:public", ":runner_environment:github-hosted", ":head_ref:main", ":base_ref:main",
		"-fork:environment:production", "/x:environment:production", ".git:environment:production", "*:environment:production", "@" + id + "9:environment:production",
	}
	whole := []string{
		"", "*", "repo:*", "repo:specboard/*:environment:production", "repo:*/doc-platform:environment:production", "repo:/doc-platform:environment:production",
		"repo:specboard:environment:production", "repo:octocat/doc-platform:environment:production", "repo:specboard-io/doc-platform:environment:production",
		"repo:specboard@1234568/doc-platform@987654321:environment:production", "repo:specboard@1234567/doc-platform@987654322:environment:production",
		"repo:specboard@1234567/doc-platform:environment:production", "repo:specboard/doc-platform@987654321:environment:production",
		"repo:specboard@/doc-platform@:environment:production", "repo:specboard@1234567/doc-platform@987654321@1:environment:production",
		"repo:SPECBOARD/DOC-PLATFORM:environment:production", "Repo:specboard/doc-platform:environment:production", "repository:specboard/doc-platform:environment:production",
		"repo:octocat/x:ref:refs/heads/repo:specboard/doc-platform:environment:production", "enterprise:acme:repo:specboard/doc-platform:environment:production",
		"repo:specboard/doc-platform/doc-platform:environment:production", "repo:specboard%2Fdoc-platform:environment:production",
	}
	tried := 0
	for repository, trust := range map[string]map[string]iam.Policy{names: trusts(t, nil), immutable: trusts(t, map[string]cty.Value{"repository_ids": ids})} {
		all := slices.Clone(whole)
		for _, s := range subjects {
			all = append(all, repository+s)
		}
		for _, subject := range all {
			for _, ref := range []string{main, tag, "refs/pull/7/merge", "refs/heads/feature", ""} {
				tried++
				if got := assumable(trust, claims(subject, ref, id)); got != nil {
					t.Errorf("%q on %q may assume %v", subject, ref, got)
				}
			}
		}
		// Right subjects with refs that only look like those which are deployed.
		for _, ref := range []string{"refs/heads/main ", "refs/heads/MAIN", "refs/heads/main/x", "heads/main", "main", "*", "refs/*", "refs/heads/*", "refs/tag/v1", "refs/heads/refs/tags/v1", "/refs/tags/v1", " refs/tags/v1", "refs/pull/7/merge", ""} {
			for _, env := range []string{"staging", "production"} {
				tried++
				if got := assumable(trust, claims(repository+":environment:"+env, ref, id)); got != nil {
					t.Errorf("%s on %q may assume %v", env, ref, got)
				}
			}
		}
		for _, ref := range []string{"refs/tags/refs/heads/main", "refs/tags/*", "refs/tags/v1:environment:production", "refs/tags/"} {
			if got := assumable(trust, claims(repository+":ref:"+ref, ref, id)); !slices.Equal(got, []string{"plan"}) {
				t.Errorf("the tag %q may assume %v, want plan", ref, got)
			}
		}
	}
	if tried < 800 {
		t.Errorf("tried %d tokens, want 800", tried)
	}
}

func trusts(t *testing.T, changes map[string]cty.Value) map[string]iam.Policy {
	t.Helper()
	all := map[string]iam.Policy{}
	for name, d := range iamtest.Workflows(t, gentest.Tree(t, configtest.Docs()), changes) {
		p, err := iam.Parse(d.Trust)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all[strings.TrimPrefix(name, prefix)] = p
	}
	return all
}

func assumable(trust map[string]iam.Policy, claims map[string][]string) []string {
	var roles []string
	for name, p := range trust {
		if p.Trusts(iamtest.GitHub, claims) {
			roles = append(roles, name)
		}
	}
	slices.Sort(roles)
	return roles
}

func with(claims map[string][]string, name, value string) map[string][]string {
	c := without(claims, name)
	c["token.actions.githubusercontent.com:"+name] = []string{value}
	return c
}

func without(claims map[string][]string, name string) map[string][]string {
	c := map[string][]string{}
	for k, v := range claims {
		if k != "token.actions.githubusercontent.com:"+name {
			c[k] = v
		}
	}
	return c
}

// TestSizes holds what IAM bounds: 6,144 characters for a managed policy,
// 10,240 for a role's inline policies together, ten managed policies a role.
// No policy lists services, so none grows with them.
func TestSizes(t *testing.T) {
	for name, d := range iamtest.Rendered(t, gentest.Tree(t, configtest.Docs()), zone()) {
		inline, managed := 0, 0
		for policy, document := range d.Policies {
			size := characters(t, longest(document))
			if strings.HasPrefix(policy, "arn:") {
				managed++
			} else {
				inline += size
			}
			if size > 6144 {
				t.Errorf("%s: %s has %d characters, IAM takes 6144", name, policy, size)
			}
			if strings.HasPrefix(name, prefix+"deploy-") && strings.Contains(string(document), "/doc-platform/api") {
				t.Errorf("%s: %s names a service, so it grows with them", name, policy)
			}
		}
		if inline > 10240 || managed > 10 {
			t.Errorf("%s: %d characters of inline policies and %d managed ones, IAM takes 10240 and 10", name, inline, managed)
		}
		if d.Boundary != nil {
			if size := characters(t, d.Boundary); size > 6144 {
				t.Errorf("%s: the boundary has %d characters", name, size)
			}
		}
	}
}

// TestSizesOfManyServices: the roles of a platform with 300 services are as large as
// those of one with three, and what modules/github is given is the same.
func TestSizesOfManyServices(t *testing.T) {
	p := configtest.Docs()
	few := gentest.Tree(t, p)
	api := p.Services[slices.IndexFunc(p.Services, func(s config.Service) bool { return s.Name == "api" })]
	for len(p.Services) < 300 {
		api.Name = fmt.Sprintf("api%d", len(p.Services))
		p.Services = append(p.Services, api)
	}
	many := gentest.Tree(t, p)
	given := func(tree string) string {
		b, err := os.ReadFile(filepath.Join(tree, "envs", "shared", "github.tf"))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if given(many) != given(few) {
		t.Errorf("modules/github is given\n%s\nand with three services\n%s", given(many), given(few))
	}
	want := iamtest.Workflows(t, few, zone())
	for name, d := range iamtest.Workflows(t, many, zone()) {
		if len(d.Policies) == 0 || len(d.Policies) != len(want[name].Policies) {
			t.Errorf("%s has %d policies, and %d with three services", name, len(d.Policies), len(want[name].Policies))
		}
		for policy, document := range d.Policies {
			if got, of := characters(t, document), characters(t, want[name].Policies[policy]); got != of || got > 6144 {
				t.Errorf("%s: %s has %d characters, and %d with three services", name, policy, got, of)
			}
		}
	}
}

// longest is a policy of the same platform under the longest names that are valid,
// in the region with the longest: an environment's name occurs most often.
func longest(document json.RawMessage) json.RawMessage {
	return json.RawMessage(strings.NewReplacer(
		"production", strings.Repeat("e", 36), "staging", strings.Repeat("e", 36), "us-west-2", "ap-southeast-2",
	).Replace(string(document)))
}

// characters are those that IAM counts: white space is none.
func characters(t *testing.T, document json.RawMessage) int {
	t.Helper()
	var v any
	if err := json.Unmarshal(document, &v); err != nil {
		t.Fatal(fmt.Errorf("%w in %s", err, document))
	}
	compact, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return len(compact)
}
