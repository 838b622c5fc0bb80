package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/specboard/platform/gen/config"
)

// lockFile is what Terraform calls the file with the versions and checksums of a
// root's providers.
const lockFile = ".terraform.lock.hcl"

// unlocked are the lock files that roots lack, relative to dir, and the content
// that each gets: that of the shared root, since all roots use the same provider.
// There are none while the shared root has no lock file either.
func unlocked(p config.Platform, dir string) (missing []string, content []byte, err error) {
	content, err = os.ReadFile(filepath.Join(dir, "envs", config.SharedRoot, lockFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read the providers' lock file: %w", err)
	}
	for _, root := range p.Roots() {
		path := filepath.Join("envs", root, lockFile)
		switch _, err := os.Stat(filepath.Join(dir, path)); {
		case errors.Is(err, fs.ErrNotExist):
			missing = append(missing, path)
		case err != nil:
			return nil, nil, fmt.Errorf("look for the providers' lock file: %w", err)
		}
	}
	return missing, content, nil
}

// lock writes the lock files that roots lack, so that a new environment can be
// promoted from the commit that adds it: Terraform's own init would write the file
// after it. It returns their paths.
func lock(p config.Platform, dir string) ([]string, error) {
	missing, content, err := unlocked(p, dir)
	if err != nil {
		return nil, err
	}
	for _, path := range missing {
		if err := os.WriteFile(filepath.Join(dir, path), content, 0o644); err != nil {
			return nil, fmt.Errorf("write the providers' lock file of a new root: %w", err)
		}
	}
	return missing, nil
}
