package terraform

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEnviron(t *testing.T) {
	env, dropped := Environ([]string{
		"HOME=/home/ada", "AWS_PROFILE=work", "TF_CLI_ARGS_plan=-target=x", "TF_VAR_name=x", "TF_LOG=trace",
		"TF_WORKSPACE=other", "TF_REATTACH_PROVIDERS={}", "TF_PLUGIN_CACHE_DIR=/cache", "malformed",
	}, map[string]string{"AWS_PROFILE": ""})
	want := map[string]string{"HOME": "/home/ada", "AWS_PROFILE": "", "TF_PLUGIN_CACHE_DIR": "/cache", "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
	if d := cmp.Diff(want, env); d != "" {
		t.Errorf("environment (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"TF_CLI_ARGS_plan", "TF_LOG", "TF_REATTACH_PROVIDERS", "TF_VAR_name", "TF_WORKSPACE"}, dropped); d != "" {
		t.Errorf("left out (-want +got):\n%s", d)
	}
}

func TestCLIConfiguration(t *testing.T) {
	locked := []LockedProvider{{"registry.terraform.io/hashicorp/aws", "5.100.0"}}
	mirror := t.TempDir()
	if err := os.MkdirAll(filepath.Join(mirror, "registry.terraform.io", "hashicorp", "aws", "5.100.0", runtime.GOOS+"_"+runtime.GOARCH), 0o755); err != nil {
		t.Fatal(err)
	}
	existing := filepath.Join(t.TempDir(), "mine.tfrc")
	if err := os.WriteFile(existing, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		env  map[string]string
		// want is the file's place; "mirror" stands for one that names it.
		want string
	}{
		{"the user's own wins", map[string]string{"TF_CLI_CONFIG_FILE": existing, MirrorVariable: mirror}, existing},
		{"a missing file is dropped", map[string]string{"TF_CLI_CONFIG_FILE": "/nowhere", MirrorVariable: mirror}, "mirror"},
		{"the named mirror", map[string]string{MirrorVariable: mirror}, "mirror"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.env["HOME"] = t.TempDir()
			dir := t.TempDir()
			if _, err := cliConfig(tt.env, locked, dir); err != nil {
				t.Fatal(err)
			}
			got := tt.env["TF_CLI_CONFIG_FILE"]
			if tt.want != "mirror" {
				if got != tt.want {
					t.Errorf("configuration %q, want %q", got, tt.want)
				}
				return
			}
			content, err := os.ReadFile(got)
			if err != nil {
				t.Fatal(err)
			}
			// With a direct block Terraform would ask the registry as well.
			if !strings.Contains(string(content), mirror) || strings.Contains(string(content), "direct") {
				t.Errorf("configuration:\n%s", content)
			}
		})
	}
	t.Run("a mirror without the locked version", func(t *testing.T) {
		other := []LockedProvider{{"registry.terraform.io/hashicorp/aws", "5.99.0"}}
		if got := FindMirror(other, func(string) string { return mirror }); got == mirror {
			t.Errorf("FindMirror = %q, which holds another version", got)
		}
	})
}

// The library reports a program of another version as one that is not there.
func TestFindSaysWhichVersionIsMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Installation{Version: "1.11.4", Constraint: ">= 1.11.0, < 2.0.0"}.Find(t.Context(), func(string) {})
	if err == nil || !strings.Contains(err.Error(), "no version >= 1.11.0, < 2.0.0 on PATH") {
		t.Errorf("Find = %v, want it to say what is missing", err)
	}
}
