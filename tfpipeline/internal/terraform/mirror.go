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

// lockedProviders reads which providers a root has selected.
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

// FindMirror returns a folder that holds all locked providers for this
// platform, or "" if there is none: then Terraform asks the registry.
// Terraform looks into its own folders by itself (~/.terraform.d/plugins and
// the like), so only others are looked into: the one named by TF_PLUGIN_MIRROR,
// and those in the places where machine images put such things.
func FindMirror(locked []LockedProvider, getenv func(string) string) string {
	if len(locked) == 0 {
		return ""
	}
	candidates := []string{}
	if m := getenv(MirrorVariable); m != "" {
		candidates = append(candidates, m)
	}
	for _, parent := range []string{"/opt", "/usr/local", "/usr/local/share", "/var/lib"} {
		// One registry folder is enough to know a mirror by.
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

// mirrorConfig is a CLI configuration that knows the mirror only: beside a
// direct {} block Terraform would ask the registry as well.
func mirrorConfig(dir string) []byte {
	return fmt.Appendf(nil, "provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", dir)
}
