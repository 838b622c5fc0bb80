// Package terraform drives the Terraform program: it finds or installs it,
// prepares a folder for it to work in, and runs init, plan, show and apply.
//
// Plans leave here as JSON; what they mean is package plan's business.
package terraform

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/go-version"
	install "github.com/hashicorp/hc-install"
	"github.com/hashicorp/hc-install/fs"
	"github.com/hashicorp/hc-install/product"
	"github.com/hashicorp/hc-install/releases"
	"github.com/hashicorp/hc-install/src"

	"github.com/specboard/platform/gen/config"
)

// Installation says where a Terraform program may come from.
type Installation struct {
	// Version is the version to find or install; Constraint says which others
	// are acceptable.
	Version, Constraint string
	// CacheDir is where a downloaded program is kept for the next run.
	CacheDir string
	// Download allows fetching it from releases.hashicorp.com.
	Download bool
}

// DefaultInstallation follows the version in gen/config.
func DefaultInstallation(cacheDir string) Installation {
	return Installation{
		Version:    config.TerraformVersion,
		Constraint: config.TerraformConstraint,
		CacheDir:   filepath.Join(cacheDir, "terraform-"+config.TerraformVersion),
		Download:   true,
	}
}

// finding bounds how long the programs on PATH may take to say their versions. The
// library's own 10 s are too short for a busy machine, which then found none.
const finding = 2 * time.Minute

// Find returns the path of a Terraform program: the exact version on PATH or
// in the cache, otherwise another one that satisfies the constraint, otherwise
// a download with verified checksum and signature. It calls progress before a
// download, which takes a while.
func (i Installation) Find(ctx context.Context, progress func(string)) (string, error) {
	exact, err := version.NewVersion(i.Version)
	if err != nil {
		return "", fmt.Errorf("find terraform: version %q: %w", i.Version, err)
	}
	admitted, err := version.NewConstraint(i.Constraint)
	if err != nil {
		return "", fmt.Errorf("find terraform: constraint %q: %w", i.Constraint, err)
	}
	installer := install.NewInstaller()
	path, err := installer.Ensure(ctx, []src.Source{
		&fs.ExactVersion{Product: product.Terraform, Version: exact, ExtraPaths: []string{i.CacheDir}, Timeout: finding},
		&fs.Version{Product: product.Terraform, Constraints: admitted, Timeout: finding},
	})
	if err == nil {
		return path, nil
	}
	if ctx.Err() != nil {
		return "", fmt.Errorf("find terraform: %w", context.Cause(ctx))
	}
	if !i.Download {
		// The library reports a program of another version as missing.
		return "", fmt.Errorf("find terraform: no version %s on PATH: install %s, for example from https://releases.hashicorp.com/terraform/%s/", i.Constraint, i.Version, i.Version)
	}
	if err := os.MkdirAll(i.CacheDir, 0o755); err != nil {
		return "", fmt.Errorf("install terraform: %w", err)
	}
	progress("installing Terraform " + i.Version + " (none of " + i.Constraint + " on PATH)")
	path, err = installer.Ensure(ctx, []src.Source{
		&releases.ExactVersion{
			Product:    product.Terraform,
			Version:    exact,
			InstallDir: i.CacheDir,
			Timeout:    5 * time.Minute,
		},
	})
	if err != nil {
		return "", fmt.Errorf("install terraform %s into %s: %w; or put one that satisfies %s on PATH", i.Version, i.CacheDir, firstLine(err), i.Constraint)
	}
	return path, nil
}

// lineError shortens an error to its first line and keeps its chain.
type lineError struct{ error }

func (e lineError) Error() string {
	first, _, _ := strings.Cut(strings.TrimSpace(e.error.Error()), "\n")
	return first
}

func (e lineError) Unwrap() error { return e.error }

func firstLine(err error) error { return lineError{err} }
