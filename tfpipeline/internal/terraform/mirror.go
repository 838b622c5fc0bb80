package terraform

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// MirrorVariable names a folder that holds providers, in the layout of
// terraform providers mirror or unpacked.
const MirrorVariable = "TF_PLUGIN_MIRROR"

// LockedProvider is one provider of a .terraform.lock.hcl.
type LockedProvider struct {
	// Source is the full address, such as registry.terraform.io/hashicorp/aws.
	Source, Version string
}

// lockedProviders reads the providers and versions from a lock file.
func lockedProviders(content []byte) ([]LockedProvider, error) {
	file, diags := hclsyntax.ParseConfig(content, ".terraform.lock.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		return nil, fmt.Errorf("read the provider lock: %w", diags)
	}
	var locked []LockedProvider
	for _, b := range file.Body.(*hclsyntax.Body).Blocks {
		if b.Type != "provider" || len(b.Labels) != 1 {
			continue
		}
		p := LockedProvider{Source: b.Labels[0]}
		if a, ok := b.Body.Attributes["version"]; ok {
			if v, diags := a.Expr.Value(nil); !diags.HasErrors() && v.Type().FriendlyName() == "string" {
				p.Version = v.AsString()
			}
		}
		locked = append(locked, p)
	}
	return locked, nil
}

// FindMirror returns a folder with all locked providers for this platform, or
// "" if there is none and Terraform has to ask the registry. Terraform
// searches its own folders (~/.terraform.d/plugins and the like) anyway, so
// FindMirror looks only into the folder of TF_PLUGIN_MIRROR and into those
// where machine images put providers.
func FindMirror(locked []LockedProvider, getenv func(string) string) string {
	if len(locked) == 0 {
		return ""
	}
	candidates := []string{}
	if m := getenv(MirrorVariable); m != "" {
		candidates = append(candidates, m)
	}
	for _, parent := range []string{"/opt", "/usr/local", "/usr/local/share", "/var/lib"} {
		// A folder named like a registry is enough to recognize a mirror.
		found, _ := filepath.Glob(filepath.Join(parent, "*", "registry.terraform.io")) // the pattern is well-formed
		for _, f := range found {
			candidates = append(candidates, filepath.Dir(f))
		}
	}
	i := slices.IndexFunc(candidates, func(dir string) bool {
		return !slices.ContainsFunc(locked, func(p LockedProvider) bool { return !holds(dir, p) })
	})
	if i < 0 {
		return ""
	}
	return candidates[i]
}

// holds reports whether a mirror has a provider for this platform, packed or
// unpacked.
func holds(dir string, p LockedProvider) bool {
	platform := runtime.GOOS + "_" + runtime.GOARCH
	base := filepath.Join(dir, filepath.FromSlash(p.Source))
	name := p.Source[strings.LastIndex(p.Source, "/")+1:]
	for _, path := range []string{
		filepath.Join(base, p.Version, platform),
		filepath.Join(base, fmt.Sprintf("terraform-provider-%s_%s_%s.zip", name, p.Version, platform)),
	} {
		if _, err := os.Stat(path); err == nil {
			return true
		}
	}
	return false
}

// mirrorConfig is a CLI configuration with the mirror alone: with a direct {}
// block Terraform would also ask the registry.
func mirrorConfig(dir string) []byte {
	return fmt.Appendf(nil, "provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", dir)
}
