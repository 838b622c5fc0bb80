package iam_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/specboard/platform/tfpipeline/internal/workflowtest"
)

// runs are the ways in which an event starts a workflow, by the ref.
var runs = map[string][]string{
	"pull_request":      {"refs/pull/7/merge"},
	"merge_group":       {"refs/heads/gh-readonly-queue/main/pr-7-0123"},
	"push":              {"refs/heads/main"},
	"workflow_call":     {"refs/heads/main"},
	"release":           {"refs/tags/v1.4.0"},
	"schedule":          {"refs/heads/main"},
	"workflow_dispatch": {"refs/heads/main", "refs/heads/feature", "refs/tags/v1.4.0"},
}

// intended is which roles each job can assume, by what starts it. A job says
// which one it wants; that it may have another one too is the trust's business:
// AWS sees the ref, not the job. Nor does it see that a job started by hand on a
// tag is skipped.
var intended = map[string]string{
	"binaries/attest release refs/tags/v1.4.0": "plan",

	"dashboard/dashboard schedule refs/heads/main":                                "build, plan",
	"dashboard/dashboard workflow_dispatch refs/heads/main":                       "build, plan",
	"dashboard/dashboard workflow_dispatch refs/heads/feature":                    "",
	"dashboard/dashboard workflow_dispatch refs/tags/v1.4.0":                      "plan",
	"drift/drift schedule refs/heads/main":                                        "build, plan",
	"drift/drift workflow_dispatch refs/heads/main":                               "build, plan",
	"drift/drift workflow_dispatch refs/heads/feature":                            "",
	"drift/drift workflow_dispatch refs/tags/v1.4.0":                              "plan",
	"plan/plan merge_group refs/heads/gh-readonly-queue/main/pr-7-0123":           "",
	"plan/plan pull_request refs/pull/7/merge":                                    "plan",
	"staging-deploy/shared push refs/heads/main":                                  "build, plan",
	"staging-deploy/build push refs/heads/main":                                   "build, plan",
	"staging-deploy/promote push refs/heads/main":                                 "deploy-staging",
	"prod-deploy/preview release refs/tags/v1.4.0":                                "plan",
	"prod-deploy/preview workflow_dispatch refs/heads/main":                       "build, plan",
	"prod-deploy/preview workflow_dispatch refs/heads/feature":                    "",
	"prod-deploy/preview workflow_dispatch refs/tags/v1.4.0":                      "plan",
	"prod-deploy/promote release refs/tags/v1.4.0":                                "deploy-production",
	"prod-deploy/promote workflow_dispatch refs/heads/main":                       "deploy-production",
	"prod-deploy/promote workflow_dispatch refs/heads/feature":                    "",
	"prod-deploy/promote workflow_dispatch refs/tags/v1.4.0":                      "deploy-production",
	"prod-rollback/preview workflow_dispatch refs/heads/main":                     "build, plan",
	"prod-rollback/preview workflow_dispatch refs/heads/feature":                  "",
	"prod-rollback/preview workflow_dispatch refs/tags/v1.4.0":                    "plan",
	"prod-rollback/rollback workflow_dispatch refs/heads/main":                    "deploy-production",
	"prod-rollback/rollback workflow_dispatch refs/heads/feature":                 "",
	"prod-rollback/rollback workflow_dispatch refs/tags/v1.4.0":                   "deploy-production",
	"operate/operate workflow_dispatch refs/heads/main environment staging":       "deploy-staging",
	"operate/operate workflow_dispatch refs/heads/main environment production":    "deploy-production",
	"operate/operate workflow_dispatch refs/heads/feature environment staging":    "",
	"operate/operate workflow_dispatch refs/heads/feature environment production": "",
	"operate/operate workflow_dispatch refs/tags/v1.4.0 environment staging":      "",
	"operate/operate workflow_dispatch refs/tags/v1.4.0 environment production":   "deploy-production",
}

// Every job of every workflow, however it is started, against every role, in
// both forms of the subject.
func TestTrustOfWorkflows(t *testing.T) {
	const owner, id = "1234567", "987654321"
	ids := cty.ObjectVal(map[string]cty.Value{"owner": cty.StringVal(owner), "repository": cty.StringVal(id)})
	for repository, changes := range map[string]map[string]cty.Value{
		"repo:specboard/doc-platform":                     nil,
		"repo:specboard@" + owner + "/doc-platform@" + id: {"repository_ids": ids},
	} {
		trust, got := trusts(t, changes), map[string]string{}
		for file, w := range workflowtest.Workflows(t) {
			for event, on := range w.On {
				for _, ref := range runs[event] {
					for name, j := range w.Jobs {
						if j.Permissions["id-token"] != "write" {
							continue // no token, no role
						}
						subject := ":ref:" + ref
						if event == "pull_request" {
							subject = ":pull_request"
						}
						for _, env := range environmentsOf(j, on) {
							key, subject := strings.Join([]string{file + "/" + name, event, ref}, " "), subject
							if env != "" {
								subject = ":environment:" + env
							}
							if strings.Contains(j.Environment.Name, "${{") {
								key += " environment " + env
							}
							roles := assumable(trust, claims(repository+subject, ref, id))
							got[key] = strings.Join(roles, ", ")
							if want := wantedRole(j, env); len(roles) > 0 && !slices.Contains(roles, want) {
								t.Errorf("%s: it wants %s, and AWS gives it %v", key, want, roles)
							}
						}
					}
				}
				if runs[event] == nil {
					t.Errorf("%s: nothing here knows the event %s", file, event)
				}
			}
		}
		if d := cmp.Diff(intended, got); d != "" {
			t.Errorf("%s (-intended +got):\n%s", repository, d)
		}
	}
}

// environmentsOf are the environments that a job may run in; "" is none.
func environmentsOf(j workflowtest.Job, on workflowtest.Trigger) []string {
	if input, ok := strings.CutPrefix(j.Environment.Name, "${{ inputs."); ok {
		return on.Inputs[strings.TrimSuffix(input, " }}")].Options
	}
	return []string{j.Environment.Name}
}

// wantedRole is the purpose of the role that a job assumes.
func wantedRole(j workflowtest.Job, env string) string {
	for _, s := range j.Steps {
		if strings.HasPrefix(s.Uses, "actions/attest-") {
			return "plan" // its token is for the attestation, and could read what a plan reads
		}
		if role := s.With["role"]; role != "" {
			return strings.ReplaceAll(role, "${{ inputs.environment }}", env)
		}
		if _, role, ok := strings.Cut(s.With["role-to-assume"], ".roles."); ok {
			return strings.Trim(role, " }")
		}
	}
	return fmt.Sprintf("no role, with %d steps", len(j.Steps))
}
