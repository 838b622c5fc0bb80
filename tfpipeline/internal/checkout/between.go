package checkout

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
)

// Ahead is what one commit has and another has not.
type Ahead struct {
	// Count is how many commits, Commits the newest of them.
	Count   int
	Commits []Commit
	// Migrations are the files that are new, by name.
	Migrations []string
}

// Commit is one of git's: its short hash, and the first line of its message.
type Commit struct{ Hash, Subject string }

// Between returns what to has that from has not, with at most limit commits.
func (c *Checkout) Between(ctx context.Context, from, to string, limit int) (a Ahead, err error) {
	for _, commit := range []string{from, to} {
		if !isHexadecimal(commit) || len(commit) < 7 {
			return a, fmt.Errorf("compare releases: %q is no commit", commit)
		}
		if _, err := c.git(ctx, "rev-parse", "--verify", "--quiet", commit+"^{commit}"); err != nil {
			if _, ok := errors.AsType[*gitError](err); ok {
				return a, fmt.Errorf("compare releases: no commit %.12s in this checkout: git fetch", commit)
			}
			return a, err
		}
	}
	count, err := c.git(ctx, "rev-list", "--count", from+".."+to)
	if err != nil {
		return a, fmt.Errorf("compare releases: %w", err)
	}
	if a.Count, err = strconv.Atoi(strings.TrimSpace(count)); err != nil {
		return a, fmt.Errorf("compare releases: %w", err)
	}
	log, err := c.git(ctx, "log", "--format=%h%x00%s", "--max-count", strconv.Itoa(limit), from+".."+to)
	if err != nil {
		return a, fmt.Errorf("compare releases: %w", err)
	}
	for line := range strings.Lines(log) {
		hash, subject, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\x00")
		a.Commits = append(a.Commits, Commit{hash, subject})
	}
	files, err := c.git(ctx, "diff", "--name-only", "-z", "--no-renames", "--diff-filter=A", from, to, "--", ":(top,glob)migrations/*.sql")
	if err != nil {
		return a, fmt.Errorf("compare releases: %w", err)
	}
	for name := range strings.SplitSeq(files, "\x00") {
		if name != "" {
			a.Migrations = append(a.Migrations, path.Base(name))
		}
	}
	return a, nil
}
