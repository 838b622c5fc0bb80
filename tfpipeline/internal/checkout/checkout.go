// Package checkout is the git checkout at hand: which commit it is, what its
// tags mean, which migrations it has.
package checkout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/specboard/platform/migrations"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// Checkout is a repository, through git.
type Checkout struct {
	// Dir is its folder; where it is "", git looks for one from here upwards.
	Dir string
	// Env is git's environment.
	Env []string
	// ReleaseCommit asks GitHub for the commit of a release's tag, since the
	// clone of a workflow may lack tags; nil asks git.
	ReleaseCommit func(ctx context.Context, tag string) (string, error)
}

var _ deploy.Checkout = (*Checkout)(nil)

// gitError is git's failure in its own words.
type gitError struct {
	command string
	code    int
	said    string
}

func (e *gitError) Error() string {
	if e.said == "" {
		return fmt.Sprintf("git %s: exit %d", e.command, e.code)
	}
	return fmt.Sprintf("git %s: %s", e.command, e.said)
}

// git runs git in the repository and returns what it printed.
func (c *Checkout) git(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", c.Dir}, args...)...)
	// Words that do not depend on the language, and no lock for a mere look.
	cmd.Env = append(slices.Clone(c.Env), "LC_ALL=C", "GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	switch {
	case err == nil:
		return stdout.String(), nil
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return "", &gitError{args[0], exit.ExitCode(), strings.TrimSpace(strings.TrimPrefix(stderr.String(), "fatal: "))}
	}
	return "", fmt.Errorf("run git: %w", err)
}

// Head returns the commit that is checked out, and the paths that differ from
// it, those that git does not know included.
func (c *Checkout) Head(ctx context.Context) (commit string, changed []string, err error) {
	out, err := c.git(ctx, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
	if err != nil {
		return "", nil, fmt.Errorf("find the commit of the checkout: %w", err)
	}
	status, err := c.git(ctx, "status", "--porcelain", "-z", "--no-renames", "--untracked-files=normal")
	if err != nil {
		return "", nil, fmt.Errorf("find what differs from the commit: %w", err)
	}
	for entry := range strings.SplitSeq(status, "\x00") {
		if len(entry) > 3 {
			changed = append(changed, entry[3:])
		}
	}
	return strings.TrimSpace(out), changed, nil
}

// Peel returns the commit of a release's tag. An annotated tag points at a tag object,
// which names no image.
func (c *Checkout) Peel(ctx context.Context, tag string) (string, error) {
	if c.ReleaseCommit != nil {
		return c.ReleaseCommit(ctx, tag)
	}
	out, err := c.git(ctx, "rev-parse", "--verify", "--quiet", "refs/tags/"+tag+"^{commit}")
	if _, ok := errors.AsType[*gitError](err); ok {
		return "", console.WithNext(fmt.Errorf("there is no tag %q here, or it is not on a commit", tag), "git fetch --tags; git tag --list")
	}
	if err != nil {
		return "", fmt.Errorf("find the commit of tag %s: %w", tag, err)
	}
	return strings.TrimSpace(out), nil
}

// Expand returns the full commit that a name of it means.
func (c *Checkout) Expand(ctx context.Context, commit string) (string, error) {
	if !isHexadecimal(commit) || len(commit) < 7 || len(commit) > 40 {
		return "", console.Usage(fmt.Sprintf("-commit %s: not a commit (7 to 40 hexadecimal digits)", commit), "git log --oneline")
	}
	if len(commit) == 40 {
		return commit, nil
	}
	out, err := c.git(ctx, "rev-parse", "--verify", "--quiet", commit+"^{commit}")
	if _, ok := errors.AsType[*gitError](err); ok {
		return "", console.Usage(fmt.Sprintf("-commit %s: no such commit in this checkout, or several", commit), "git fetch; git log --oneline")
	}
	return strings.TrimSpace(out), err
}

func isHexadecimal(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return !strings.ContainsRune("0123456789abcdef", r) }) < 0
}

// Contains reports whether descendant descends from ancestor. A clone
// without the whole history cannot tell, and says so.
func (c *Checkout) Contains(ctx context.Context, descendant, ancestor string) (bool, error) {
	_, err := c.git(ctx, "merge-base", "--is-ancestor", ancestor, descendant)
	failure, ok := errors.AsType[*gitError](err)
	switch {
	case err == nil:
		return true, nil
	case !ok:
		return false, fmt.Errorf("compare %s and %s: %w", descendant, ancestor, err)
	}
	shallow, err := c.git(ctx, "rev-parse", "--is-shallow-repository")
	switch {
	case err != nil:
		return false, fmt.Errorf("compare %s and %s: %w", descendant, ancestor, err)
	case strings.TrimSpace(shallow) == "true":
		return false, console.WithNext(fmt.Errorf("compare %s and %s: this clone does not have the whole history", descendant, ancestor),
			"git fetch --unshallow; in a workflow: actions/checkout with fetch-depth: 0")
	case failure.code != 1: // which says no
		return false, console.WithNext(fmt.Errorf("compare %s and %s: %w", descendant, ancestor, failure), "git fetch")
	}
	return false, nil
}

// Schema returns the migrations of the checkout.
func (c *Checkout) Schema(context.Context) (deploy.Schema, error) {
	list, err := migrations.Load(os.DirFS(filepath.Join(c.Dir, "migrations")))
	if err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	return list, nil
}
