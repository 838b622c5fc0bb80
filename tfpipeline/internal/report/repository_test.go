package report

import (
	"strings"
	"testing"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/github"
)

// Production is deployed from main and from releases that somebody approves.
// Where GitHub has no reviewers no release may deploy it by itself.
func TestDifferenceOfAnEnvironment(t *testing.T) {
	const (
		main = "branch main"
		tags = "tag v*"
	)
	for name, c := range map[string]struct {
		private, reviewed bool
		refs              []string
		want              string
	}{
		"public, reviewed":            {false, true, []string{main, tags}, ""},
		"public, not reviewed":        {false, false, []string{main, tags}, "nobody has to approve"},
		"public, no tags":             {false, true, []string{main}, "branch main may deploy it, want branch main, tag v*"},
		"private, reviewed":           {true, true, []string{main, tags}, ""},
		"private, reviewed, no tags":  {true, true, []string{main}, "branch main may deploy it, want branch main, tag v*"},
		"private, not by hand":        {true, false, []string{main}, "its role trusts tags, and nobody has to approve: " + byHand},
		"private, nobody approves":    {true, false, []string{main, tags}, "branch main, tag v* may deploy it, want branch main; nobody has to approve: " + byHand},
		"private, anything by anyone": {true, false, nil, "any branch and tag may deploy it, want branch main; nobody has to approve: " + byHand},
	} {
		s := github.Settings{Private: c.private, Environments: map[string]github.EnvironmentSettings{"production": {Reviewed: c.reviewed, Refs: c.refs}}}
		if got := difference(configtest.Docs(), s, "environment production"); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// Where nobody reviews, the commands ask for no reviewers, let no tag deploy, and
// take away the one that may.
func TestCommandsWithoutReviewers(t *testing.T) {
	p := configtest.Docs()
	e, _ := p.Environment("production")
	got := strings.Join(environmentCommands(p, e, false, []string{"branch main", "tag v*"}), "\n")
	const path = "gh api repos/specboard/doc-platform/environments/production/deployment-branch-policies"
	want := `gh api -X PUT repos/specboard/doc-platform/environments/production -F "deployment_branch_policy[protected_branches]=false" -F "deployment_branch_policy[custom_branch_policies]=true"
` + path + ` -f 'name=main' -f type=branch
` + path + ` --jq '.branch_policies[] | select(.name=="v*" and (.type // "branch")=="tag") | .id' | xargs -I{} gh api -X DELETE repos/specboard/doc-platform/environments/production/deployment-branch-policies/{}`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// An environment that is deployed by hand has no tags, whoever approves; and what
// GitHub's plan does not offer differs, and says why.
func TestDifferenceByHandAndOnAPlanWithoutRules(t *testing.T) {
	p := configtest.Docs()
	p.Environments[1].Proof.ByHand = true
	for _, private := range []bool{false, true} {
		s := github.Settings{Private: private, Environments: map[string]github.EnvironmentSettings{"production": {Refs: []string{"branch main"}}}}
		if got := difference(p, s, "environment production"); got != "" {
			t.Errorf("private %v: %s", private, got)
		}
	}
	for name, want := range map[string]string{
		"environment production": "there is no such environment" + limited,
		"branch main":            `the check "checks" is not required` + limited,
		"ruleset " + tagRule:     "whoever may push chooses what is released" + limited,
		"secret " + webhook:      "nobody is told of deployments",
	} {
		if got := difference(p, github.Settings{Private: true, Limited: true}, name); !strings.HasSuffix(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// A repository from before GitHub told ids has none in the struct.
func TestDifferenceOfIDs(t *testing.T) {
	for want, p := range map[string]config.Repository{"": {OwnerID: 7, ID: 8}, "only if it was created": {}, "the struct 7 and 9": {OwnerID: 7, ID: 9}} {
		got := difference(config.Platform{Repository: p}, github.Settings{OwnerID: 7, ID: 8}, "ids")
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%+v: %q", p, got)
		}
	}
}

// Who may push may neither make nor move a release's tag.
func TestDifferenceOfTheRuleset(t *testing.T) {
	for want, rules := range map[string][]string{"": {"creation", "update"}, `"update"`: {"creation"}, `"creation"`: nil} {
		got := difference(configtest.Docs(), github.Settings{TagRules: rules}, "ruleset "+tagRule)
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%v: %q", rules, got)
		}
	}
}
