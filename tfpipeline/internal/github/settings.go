package github

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	rest "github.com/google/go-github/v74/github"
)

// Settings are the settings of a repository that deployments depend on.
type Settings struct {
	OwnerID, ID int64
	Private     bool
	// Limited: the plan of the repository's owner offers it no rules, neither of
	// environments nor of branches and tags.
	Limited bool
	// Environments are the environments of GitHub by name.
	Environments map[string]EnvironmentSettings
	// Secrets are the names of those secrets asked for that the repository
	// has.
	Secrets []string
	// Checks are the checks that the branch requires, sorted.
	Checks []string
	// TagRules are the rules, such as "creation", that active rulesets apply
	// to every tag of the pattern asked for; sorted.
	TagRules []string
}

// EnvironmentSettings are the settings of one environment.
type EnvironmentSettings struct {
	// Reviewed: somebody has to approve each job.
	Reviewed bool
	// Refs are the branches and tags that may deploy, as "branch main" and "tag
	// v*", sorted; nil is any.
	Refs []string
}

// ReadSettings reads the repository's settings: those of the named
// environments, whether the named secrets exist, which checks the branch
// requires, and which rules apply to all tags of a pattern such as "v*". It
// leaves out what does not exist.
func (c *Client) ReadSettings(ctx context.Context, environments, secrets []string, branch, tags string) (Settings, error) {
	s := Settings{Environments: map[string]EnvironmentSettings{}}
	err := c.do(ctx, http.MethodGet, "", func(ctx context.Context) error {
		r, _, err := c.rest.Repositories.Get(ctx, c.owner, c.repository)
		s.OwnerID, s.ID, s.Private = r.GetOwner().GetID(), r.GetID(), r.GetPrivate()
		return err
	})
	if err != nil {
		return s, wrap(err, "read the repository")
	}
	for _, name := range environments {
		e, found, err := c.readEnvironment(ctx, name)
		if err = s.limited(err); err != nil {
			return s, wrap(err, "read environment %s", name)
		}
		if found {
			s.Environments[name] = e
		}
	}
	for _, name := range secrets {
		found, err := c.exists(ctx, "/actions/secrets/"+name, func(ctx context.Context) error {
			_, _, err := c.rest.Actions.GetRepoSecret(ctx, c.owner, c.repository, name)
			return err
		})
		if err != nil {
			return s, wrap(err, "look for secret %s", name)
		}
		if found {
			s.Secrets = append(s.Secrets, name)
		}
	}
	_, err = c.exists(ctx, "/branches/"+branch+"/protection", func(ctx context.Context) error {
		p, _, err := c.rest.Repositories.GetBranchProtection(ctx, c.owner, c.repository, branch)
		if p.GetRequiredStatusChecks() != nil {
			if contexts := p.GetRequiredStatusChecks().Contexts; contexts != nil {
				s.Checks = slices.Sorted(slices.Values(*contexts))
			}
		}
		return err
	})
	if err = s.limited(err); err != nil {
		return s, wrap(err, "read the protection of branch %s", branch)
	}
	s.TagRules, err = c.readTagRules(ctx, tags)
	err = s.limited(err)
	return s, wrap(err, "read the rulesets")
}

// limited notes it if GitHub answers that the owner's plan does not offer what was
// asked for, and returns any other error.
func (s *Settings) limited(err error) error {
	if status(err) != http.StatusForbidden || !strings.Contains(err.Error(), "Upgrade to GitHub") {
		return err
	}
	s.Limited = true
	return nil
}

// readTagRules returns the rules that apply to all tags of a pattern, sorted.
// GitHub's list of rulesets lacks conditions and rules, so it reads each
// ruleset by its id.
func (c *Client) readTagRules(ctx context.Context, tags string) ([]string, error) {
	var list []*rest.RepositoryRuleset
	_, err := c.exists(ctx, "/rulesets", func(ctx context.Context) (err error) {
		list, _, err = c.rest.Repositories.GetAllRulesets(ctx, c.owner, c.repository, nil)
		return err
	})
	var rules []string
	for _, r := range list {
		if err != nil {
			break
		}
		if r.Target == nil || *r.Target != rest.RulesetTargetTag || r.Enforcement != rest.RulesetEnforcementActive {
			continue
		}
		err = c.do(ctx, http.MethodGet, fmt.Sprintf("/rulesets/%d", r.GetID()), func(ctx context.Context) error {
			x, _, err := c.rest.Repositories.GetRuleset(ctx, c.owner, c.repository, r.GetID(), true)
			if err != nil || !coversTags(x.GetConditions(), tags) || x.Rules == nil {
				return err
			}
			if x.Rules.Creation != nil {
				rules = append(rules, "creation")
			}
			if x.Rules.Update != nil {
				rules = append(rules, "update")
			}
			return nil
		})
	}
	slices.Sort(rules)
	return slices.Compact(rules), err
}

// coversTags reports whether a ruleset applies to all tags of a pattern: it
// includes all tags or exactly this pattern, and excludes only names that
// begin differently.
func coversTags(of *rest.RepositoryRulesetConditions, tags string) bool {
	if of == nil || of.RefName == nil {
		return false
	}
	const prefix = "refs/tags/"
	covers := []string{"~ALL", prefix + tags, prefix + "*", prefix + "**", prefix + "**/*"}
	return slices.ContainsFunc(of.RefName.Include, func(p string) bool { return slices.Contains(covers, p) }) &&
		!slices.ContainsFunc(of.RefName.Exclude, func(p string) bool {
			name, ok := strings.CutPrefix(p, prefix)
			return !ok || name == "" || strings.ContainsRune(tags[:1]+"*?[{\\", rune(name[0]))
		})
}

func (c *Client) readEnvironment(ctx context.Context, name string) (e EnvironmentSettings, found bool, err error) {
	limited := false
	found, err = c.exists(ctx, "/environments/"+name, func(ctx context.Context) error {
		x, _, err := c.rest.Repositories.GetEnvironment(ctx, c.owner, c.repository, name)
		if err != nil {
			return err
		}
		for _, r := range x.ProtectionRules {
			e.Reviewed = e.Reviewed || r.GetType() == "required_reviewers"
		}
		limited = x.DeploymentBranchPolicy != nil && x.DeploymentBranchPolicy.GetCustomBranchPolicies()
		return nil
	})
	if err != nil || !found || !limited {
		return e, found, err
	}
	e.Refs = []string{}
	err = c.do(ctx, http.MethodGet, "/environments/"+name+"/deployment-branch-policies", func(ctx context.Context) error {
		list, _, err := c.rest.Repositories.ListDeploymentBranchPolicies(ctx, c.owner, c.repository, name)
		if err != nil {
			return err
		}
		for _, p := range list.BranchPolicies {
			kind := p.GetType()
			if kind == "" {
				kind = "branch"
			}
			e.Refs = append(e.Refs, kind+" "+p.GetName())
		}
		return nil
	})
	slices.Sort(e.Refs)
	return e, true, err
}

// exists makes a call and reports whether what it asks for exists.
func (c *Client) exists(ctx context.Context, path string, call func(context.Context) error) (bool, error) {
	err := c.do(ctx, http.MethodGet, path, call)
	if status(err) == http.StatusNotFound {
		return false, nil
	}
	return err == nil, err
}
