package report

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/github"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// Setting is one thing that a repository on GitHub needs for its workflows.
type Setting struct {
	Name string `json:"name"`
	// Why says what depends on it.
	Why string `json:"why"`
	// Commands set it.
	Commands []string `json:"commands"`
	// Difference is how the repository differs; "" if it does not, or if nobody
	// has looked.
	Difference string `json:"difference,omitempty"`
}

// Repository is the platform's repository on GitHub, or the one that a workflow
// runs for. Without a token it returns an error that says how to give line one.
func Repository(c *console.Console, p config.Platform, line string) (*github.Client, error) {
	run := github.ReadRun(c.Getenv)
	if run.Repository == "" {
		run.Repository = p.Repository.Owner + "/" + p.Repository.Name
	}
	if client := run.Client(); client != nil {
		return client, nil
	}
	return nil, console.Usage("GITHUB_TOKEN says with which rights GitHub is asked", "GITHUB_TOKEN=$(gh auth token) "+line)
}

const (
	// webhook is the secret with the webhook's address.
	webhook = "NOTIFY_URL"
	// tagRule is the ruleset that says who makes releases, releaseTags the pattern
	// of their tags.
	tagRule, releaseTags = "releases", "v*"
)

// requiredChecks are the jobs that have to pass before a merge.
func requiredChecks() []string { return []string{"checks", "plan result"} }

// refsOf returns the branches and tags that may deploy to an environment. The
// environment's role trusts every job that names the environment, whatever its
// workflow, so GitHub has to restrict the refs. A tag may deploy where
// releases need a proof and, since a new release starts that by itself, where
// somebody approves.
func refsOf(p config.Platform, e config.Environment, approved bool) []string {
	refs := []string{"branch " + p.Repository.Branch}
	if e.Proof != nil && approved && !e.Proof.ByHand {
		refs = append(refs, "tag "+releaseTags)
	}
	return refs
}

// needsApproval reports whether somebody approves each deployment.
func needsApproval(e config.Environment) bool { return e.Proof != nil || e.Protected }

const (
	// byHand replaces the approval if GitHub offers no reviewers.
	byHand = "in a private repository reviewers need GitHub Enterprise: without it, leave out reviewers and tags, set ByHand of its Proof, and the approval is to run the workflow by hand, with the fingerprint typed in"
	// limited says why a repository cannot have a rule.
	limited = "; GitHub Free offers a private repository no rules: it needs GitHub Pro, Team or Enterprise, or to be public"
)

// environmentCommands returns the commands that create an environment and
// remove those refs among has that may not deploy it; approved says that it
// has reviewers.
func environmentCommands(p config.Platform, e config.Environment, approved bool, has []string) []string {
	path := "repos/" + p.Repository.Owner + "/" + p.Repository.Name + "/environments/" + e.Name
	want := refsOf(p, e, approved)
	reviewers := ""
	if needsApproval(e) && approved {
		reviewers = ` -F "reviewers[][type]=User" -F "reviewers[][id]=$(gh api user --jq .id)"`
	}
	commands := []string{"gh api -X PUT " + path + reviewers +
		` -F "deployment_branch_policy[protected_branches]=false" -F "deployment_branch_policy[custom_branch_policies]=true"`}
	path += "/deployment-branch-policies"
	for _, ref := range want {
		kind, name, _ := strings.Cut(ref, " ")
		commands = append(commands, fmt.Sprintf("gh api %s -f 'name=%s' -f type=%s", path, name, kind))
	}
	for _, ref := range has {
		if kind, name, _ := strings.Cut(ref, " "); !slices.Contains(want, ref) {
			commands = append(commands, fmt.Sprintf(`gh api %s --jq '.branch_policies[] | select(.name=="%s" and (.type // "branch")=="%s") | .id' | xargs -I{} gh api -X DELETE %[1]s/{}`, path, name, kind))
		}
	}
	return commands
}

// Settings returns what the repository of a platform needs, with the commands
// that set it.
func Settings(p config.Platform) []Setting {
	repository := p.Repository.Owner + "/" + p.Repository.Name
	api := "gh api repos/" + repository
	list := []Setting{{
		Name: "ids", Why: "the roles trust the repository by its ids, which no rename changes: OwnerID and ID of Repository in gen/config/default.go",
		Commands: []string{api + " --jq '.owner.id,.id'"},
	}}
	for _, e := range p.Environments {
		s := Setting{
			Name: "environment " + e.Name, Why: "which refs deploy it is a part of what its role trusts", Commands: environmentCommands(p, e, true, nil),
		}
		if needsApproval(e) {
			s.Why += "; somebody approves each deployment (" + byHand + ")"
		}
		list = append(list, s)
	}
	var checks []string
	for _, c := range requiredChecks() {
		checks = append(checks, fmt.Sprintf(`-f "required_status_checks[contexts][]=%s"`, c))
	}
	return append(list,
		Setting{
			Name: "secret " + webhook, Why: "the webhook that is told of deployments; a secret of the repository, since no environment gates what announces that something awaits approval",
			Commands: []string{"gh secret set " + webhook + " --repo " + repository},
		},
		Setting{
			Name: "branch " + p.Repository.Branch, Why: "what is pushed there is deployed: it has passed the checks",
			Commands: []string{"gh api -X PUT repos/" + repository + "/branches/" + p.Repository.Branch + `/protection -F "required_status_checks[strict]=false" ` + strings.Join(checks, " ") +
				" -F enforce_admins=true -F 'required_pull_request_reviews[required_approving_review_count]=1' -F restrictions=null"},
		},
		Setting{
			Name: "ruleset " + tagRule, Why: "who makes or moves a tag " + releaseTags + " chooses what is released: those with the role of maintainer or above",
			Commands: []string{"gh api repos/" + repository + "/rulesets -f name=" + tagRule + " -f target=tag -f enforcement=active" +
				` -f "conditions[ref_name][include][]=refs/tags/` + releaseTags + `" -F "conditions[ref_name][exclude][]"` +
				` -f "rules[][type]=creation" -f "rules[][type]=update" -f "rules[][type]=deletion"` +
				` -F "bypass_actors[][actor_id]=2" -f "bypass_actors[][actor_type]=RepositoryRole" -f "bypass_actors[][bypass_mode]=always"`},
		},
	)
}

// CheckSettings asks GitHub for the settings and fills in how the repository
// differs in each. It reports whether any differs.
func CheckSettings(ctx context.Context, client *github.Client, p config.Platform, list []Setting) (differ bool, err error) {
	var names []string
	for _, e := range p.Environments {
		names = append(names, e.Name)
	}
	s, err := client.ReadSettings(ctx, names, []string{webhook}, p.Repository.Branch, releaseTags)
	if err != nil {
		return false, err
	}
	for i := range list {
		list[i].Difference = difference(p, s, list[i].Name)
		if name, ok := strings.CutPrefix(list[i].Name, "environment "); ok {
			e, _ := p.Environment(name)
			list[i].Commands = environmentCommands(p, e, !unreviewed(s, name), s.Environments[name].Refs)
		}
		differ = differ || list[i].Difference != ""
	}
	return differ, nil
}

// Unset lists what a person still has to set on GitHub for an environment: what differs
// there or, where nobody can ask, what it needs. For the shared root it lists nothing.
func Unset(ctx context.Context, c *console.Console, p config.Platform, env string) []string {
	e, ok := p.Environment(env)
	if !ok {
		return nil
	}
	needs := "branch policies"
	if needsApproval(e) {
		needs = "reviewers and branch policies"
	}
	needs = fmt.Sprintf("GitHub's environment %s needs its %s, or a job of any branch that names it may deploy: tfpipeline github prints the commands", env, needs)
	client, err := Repository(c, p, "")
	if err != nil {
		return []string{needs + "; nobody has checked: GITHUB_TOKEN=$(gh auth token) tfpipeline github -check does"}
	}
	list := slices.DeleteFunc(Settings(p), func(s Setting) bool { return s.Name != "ids" && s.Name != "environment "+env })
	if _, err := CheckSettings(ctx, client, p, list); err != nil {
		return []string{fmt.Sprintf("%s; it could not be checked: %v", needs, err)}
	}
	var todo []string
	for _, s := range list {
		if s.Difference != "" {
			todo = append(todo, fmt.Sprintf("GitHub's %s: %s\n%s", s.Name, s.Difference, strings.Join(s.Commands, "\n")))
		}
	}
	return todo
}

// unreviewed reports whether an environment exists in a private repository, and
// has no reviewers there.
func unreviewed(s github.Settings, environment string) bool {
	has, ok := s.Environments[environment]
	return ok && s.Private && !has.Reviewed
}

// difference is how a repository differs in one setting; "" if it does not. It says
// so where GitHub does not offer the setting.
func difference(p config.Platform, s github.Settings, name string) string {
	d := differs(p, s, name)
	if kind, _, _ := strings.Cut(name, " "); d != "" && s.Limited && slices.Contains([]string{"environment", "branch", "ruleset"}, kind) {
		d += limited
	}
	return d
}

func differs(p config.Platform, s github.Settings, name string) string {
	kind, name, _ := strings.Cut(name, " ")
	switch kind {
	case "ids":
		if p.Repository.ID == 0 && p.Repository.OwnerID == 0 {
			return fmt.Sprintf("only if it was created, renamed or transferred since 15 July 2026: OwnerID %d and ID %d", s.OwnerID, s.ID)
		}
		if p.Repository.OwnerID != s.OwnerID || p.Repository.ID != s.ID {
			return fmt.Sprintf("GitHub says OwnerID %d and ID %d, the struct %d and %d", s.OwnerID, s.ID, p.Repository.OwnerID, p.Repository.ID)
		}
	case "environment":
		e, _ := p.Environment(name)
		has, ok := s.Environments[name]
		want := refsOf(p, e, !unreviewed(s, name))
		slices.Sort(want)
		why := ""
		if unreviewed(s, name) && needsApproval(e) {
			why = "; nobody has to approve: " + byHand
		}
		switch {
		case !ok:
			return "there is no such environment"
		case has.Refs == nil:
			return "any branch and tag may deploy it, want " + strings.Join(want, ", ") + why
		case !slices.Equal(has.Refs, want):
			return fmt.Sprintf("%s may deploy it, want %s%s", strings.Join(has.Refs, ", "), strings.Join(want, ", "), why)
		case unreviewed(s, name) && e.Proof != nil && !e.Proof.ByHand:
			return "its role trusts tags, and nobody has to approve: " + byHand
		case needsApproval(e) && !has.Reviewed && !s.Private && (e.Proof == nil || !e.Proof.ByHand):
			return "nobody has to approve"
		}
	case "secret":
		if !slices.Contains(s.Secrets, name) {
			return "there is no such secret: nobody is told of deployments"
		}
	case "branch":
		for _, c := range requiredChecks() {
			if !slices.Contains(s.Checks, c) {
				return fmt.Sprintf("the check %q is not required", c)
			}
		}
	case "ruleset":
		for _, rule := range []string{"creation", "update"} {
			if !slices.Contains(s.TagRules, rule) {
				return fmt.Sprintf("no active ruleset has the rule %q for all tags %s: whoever may push chooses what is released", rule, releaseTags)
			}
		}
	}
	return ""
}

// WriteSettings prints settings: all as commands to copy, or, if they were
// checked, those that differ.
func WriteSettings(w io.Writer, list []Setting, checked, asJSON bool) error {
	if asJSON {
		return view.WriteJSON(w, map[string]any{"checked": checked, "settings": list})
	}
	var b strings.Builder
	for _, s := range list {
		if checked && s.Difference == "" {
			continue
		}
		fmt.Fprintf(&b, "# %s: %s\n", s.Name, s.Why)
		if s.Difference != "" {
			fmt.Fprintf(&b, "# differs: %s\n", s.Difference)
		}
		b.WriteString(strings.Join(s.Commands, "\n") + "\n\n")
	}
	if b.Len() == 0 {
		b.WriteString("the repository has all that its workflows need\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}
