package checkout

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/specboard/platform/migrations"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// Subjects returns the subjects of the commits that are in one commit's past and
// not in another's, the newest first. A clone without the whole history cannot
// tell, and says so.
func (c *Checkout) Subjects(ctx context.Context, since, commit string) ([]string, error) {
	out, err := c.git(ctx, "log", "--format=%s", since+".."+commit, "--")
	if err != nil {
		return nil, console.WithNext(fmt.Errorf("list the commits since %s: %w", since, err), "git fetch; in a workflow: actions/checkout with fetch-depth: 0")
	}
	return lines(out), nil
}

// Migrations returns the checkout's migrations that are in commit and not in since. If
// since is "", it returns all that are in commit.
func (c *Checkout) Migrations(ctx context.Context, since, commit string) (deploy.Schema, error) {
	schema, err := c.Schema(ctx)
	if err != nil {
		return nil, err
	}
	has := map[string]map[string]bool{}
	for _, tree := range []string{since, commit} {
		if tree == "" {
			continue
		}
		out, err := c.git(ctx, "ls-tree", "-r", "--name-only", tree, "--", "migrations")
		if err != nil {
			return nil, fmt.Errorf("list the migrations of %s: %w", tree, err)
		}
		has[tree] = map[string]bool{}
		for _, name := range lines(out) {
			has[tree][path.Base(name)] = true
		}
	}
	return slices.DeleteFunc(schema, func(m migrations.Migration) bool { return has[since][m.File] || !has[commit][m.File] }), nil
}

func lines(out string) []string {
	return strings.FieldsFunc(out, func(r rune) bool { return r == '\n' })
}
