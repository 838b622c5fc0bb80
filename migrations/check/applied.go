package main

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"os/exec"
	"path"
	"strings"

	"github.com/specboard/platform/migrations/check/internal/lint"
)

// applied returns the contents of the files in a commit, without those that the commit
// lacks. Names are relative to dir.
func applied(ctx context.Context, dir, commit string, files []lint.File) (map[string][]byte, error) {
	if commit == "" || strings.HasPrefix(commit, "-") {
		return nil, fmt.Errorf("read what is applied: -base %q is no commit", commit)
	}
	list, err := git(ctx, dir, "ls-tree", "-r", "-z", commit)
	if err != nil {
		return nil, err
	}
	blobs := map[string]string{}
	for entry := range strings.SplitSeq(string(list), "\x00") {
		about, name, ok := strings.Cut(entry, "\t")
		if fields := strings.Fields(about); ok && len(fields) == 3 {
			blobs[name] = fields[2]
		}
	}
	all := map[string][]byte{}
	for _, f := range files {
		name := path.Clean(f.Name)
		blob, there := blobs[name]
		switch {
		case !there:
		case blob == blobName(f.Data):
			all[f.Name] = f.Data
		default:
			if all[f.Name], err = git(ctx, dir, "cat-file", "blob", blob); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// blobName is Git's name for a file's content.
func blobName(data []byte) string {
	sum := sha1.New() //nolint:gosec // Git's choice; nothing is trusted for it
	fmt.Fprintf(sum, "blob %d\x00", len(data))
	sum.Write(data)
	return hex.EncodeToString(sum.Sum(nil))
}

func git(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("read what is applied: git %s: %w", strings.Join(args, " "), errors.Join(err, errors.New(strings.TrimSpace(stderr.String()))))
	}
	return out, nil
}
