package render

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	version "github.com/hashicorp/go-version"
	install "github.com/hashicorp/hc-install"
	"github.com/hashicorp/hc-install/fs"
	"github.com/hashicorp/hc-install/product"
	"github.com/hashicorp/hc-install/releases"
	"github.com/hashicorp/hc-install/src"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
)

// Terraform itself, with the real AWS provider's schema, accepts what another
// platform and random valid ones render to.
func TestTerraformValidates(t *testing.T) {
	if os.Getenv("E2E") != "1" {
		t.Skip("needs Terraform and the AWS provider; E2E=1 runs it")
	}
	wanted := version.Must(version.NewVersion(config.TerraformVersion))
	terraform, err := install.NewInstaller().Ensure(t.Context(), []src.Source{
		&fs.ExactVersion{Product: product.Terraform, Version: wanted},
		&releases.ExactVersion{Product: product.Terraform, Version: wanted, InstallDir: t.TempDir()},
	})
	if err != nil {
		t.Fatal(err)
	}
	env := terraformEnvironment(t)
	platforms := []config.Platform{configtest.Shop(), configtest.Mill(), randomPlatform(0), randomPlatform(1)}
	for i, p := range platforms {
		dir := t.TempDir()
		if err := p.Validate(); err != nil {
			t.Fatal(err)
		}
		for name, content := range renderTree(t, p) {
			file := filepath.Join(dir, filepath.FromSlash(name))
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		command := func(root string, args ...string) error {
			cmd := exec.CommandContext(t.Context(), terraform, args...)
			cmd.Dir, cmd.Env = filepath.Join(dir, "envs", root), env
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("platform %d, %s: terraform %s: %w\n%s", i, root, strings.Join(args, " "), err, bytes.TrimSpace(out))
			}
			return nil
		}
		if err := command("..", "fmt", "-check", "-recursive", ".."); err != nil {
			t.Error(err)
		}
		// Environments of one platform have the same shape: one says enough.
		for _, root := range p.Roots()[:min(2, len(p.Roots()))] {
			if err := command(root, "init", "-backend=false", "-input=false", "-no-color"); err != nil {
				t.Fatal(err)
			}
			if err := command(root, "validate", "-no-color"); err != nil {
				t.Error(err)
			}
		}
	}
}

// terraformEnvironment is the environment for Terraform. A CLI configuration
// of the user's wins, then a folder of providers: one named by
// TF_PLUGIN_MIRROR, or one where machine images put such things. Otherwise
// Terraform looks into its own folders and asks the registry.
func terraformEnvironment(t *testing.T) []string {
	t.Helper()
	const variable = "TF_CLI_CONFIG_FILE"
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, variable+"=") {
			env = append(env, e)
		}
	}
	file := os.Getenv(variable)
	if _, err := os.Stat(file); err == nil {
		return append(env, variable+"="+file)
	}
	mirror := os.Getenv("TF_PLUGIN_MIRROR")
	for _, parent := range []string{"/opt", "/usr/local", "/usr/local/share", "/var/lib"} {
		found, err := filepath.Glob(filepath.Join(parent, "*", "registry.terraform.io", "hashicorp", "aws"))
		if err != nil {
			t.Fatal(err)
		}
		if mirror == "" && len(found) > 0 {
			mirror = filepath.Dir(filepath.Dir(filepath.Dir(found[0])))
		}
	}
	if mirror == "" {
		return env
	}
	file = filepath.Join(t.TempDir(), "terraform.rc")
	settings := fmt.Sprintf("provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", mirror)
	if err := os.WriteFile(file, []byte(settings), 0o644); err != nil {
		t.Fatal(err)
	}
	return append(env, variable+"="+file)
}
