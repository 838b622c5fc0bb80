package scratch

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// folders is where packages put PostgreSQL's server programs.
func folders() []string {
	return []string{
		"/usr/lib/postgresql/*/bin",                          // Debian, Ubuntu
		"/usr/pgsql-*/bin",                                   // PGDG on Fedora and RHEL
		"/usr/libexec/postgresql*",                           // Alpine
		"/opt/homebrew/opt/postgresql*/bin",                  // Homebrew on Apple silicon
		"/usr/local/opt/postgresql*/bin",                     // Homebrew on Intel
		"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",     // Homebrew on Linux
		"/Applications/Postgres.app/Contents/Versions/*/bin", // Postgres.app
		"/opt/local/lib/postgresql*/bin",                     // MacPorts
		"/usr/local/pgsql/bin",                               // from source
	}
}

// Programs returns the folder that holds initdb and postgres: that of PATH,
// else the newest of the usual ones.
func Programs() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		if real, err := filepath.EvalSymlinks(path); err == nil && complete(filepath.Dir(real)) {
			return filepath.Dir(real), nil
		}
	}
	var found []string
	for _, pattern := range folders() {
		matches, err := filepath.Glob(pattern)
		if err != nil {
			return "", fmt.Errorf("look for PostgreSQL in %s: %w", pattern, err)
		}
		for _, dir := range matches {
			if complete(dir) {
				found = append(found, dir)
			}
		}
	}
	if len(found) == 0 {
		return "", fmt.Errorf("find PostgreSQL: no initdb and postgres on PATH or in the usual folders; install the server (apt-get install postgresql, brew install postgresql@16), or, for migrations, name a running one in %s", URLVariable)
	}
	slices.SortStableFunc(found, func(a, b string) int { return major(b) - major(a) })
	return found[0], nil
}

func complete(dir string) bool {
	for _, name := range []string{"initdb", "postgres"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.IsDir() {
			return false
		}
	}
	return true
}

// major reads the version out of a folder such as /usr/lib/postgresql/16/bin;
// 0 if it says none.
func major(dir string) int {
	for part := range strings.SplitSeq(filepath.ToSlash(dir), "/") {
		digits := strings.TrimLeft(part, "abcdefghijklmnopqrstuvwxyz@-")
		digits, _, _ = strings.Cut(digits, ".")
		if n, err := strconv.Atoi(digits); err == nil {
			return n
		}
	}
	return 0
}
