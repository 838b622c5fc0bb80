package terraform

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// forbidden are variables that change what Terraform does without the driver's
// knowledge: arguments, input variables, workspaces, logs with values in them,
// providers that bypass the lock file.
var forbidden = []string{
	"TF_CLI_ARGS", "TF_VAR_", "TF_LOG", "TF_INPUT", "TF_WORKSPACE", "TF_DATA_DIR",
	"TF_REATTACH_PROVIDERS", "TF_SKIP_PROVIDER_VERIFY", "TF_DISABLE_PLUGIN_TLS",
	"TF_IN_AUTOMATION", "TF_APPEND_USER_AGENT",
}

// Environ returns Terraform's environment, and the names of the variables that
// it left out. Later additions replace inherited values.
func Environ(inherited []string, additions map[string]string) (env map[string]string, dropped []string) {
	env = map[string]string{
		// No version check at checkpoint.hashicorp.com: it delays every
		// command.
		"CHECKPOINT_DISABLE": "1",
		// No hints about the next command.
		"TF_IN_AUTOMATION": "1",
	}
	for _, kv := range inherited {
		k, v, ok := strings.Cut(kv, "=")
		switch {
		case !ok || k == "":
		case slices.ContainsFunc(forbidden, func(p string) bool { return strings.HasPrefix(k, p) }):
			dropped = append(dropped, k)
		default:
			env[k] = v
		}
	}
	for k, v := range additions {
		env[k] = v
	}
	slices.Sort(dropped)
	return env, dropped
}

// list turns an environment into NAME=value lines, sorted.
func list(env map[string]string) []string {
	out := make([]string, 0, len(env))
	for k, v := range env {
		out = append(out, k+"="+v)
	}
	slices.Sort(out)
	return out
}

// cliConfig chooses the file for TF_CLI_CONFIG_FILE: the user's own, if set;
// otherwise one that it writes to dir and that names the mirror, if there is
// one; otherwise none. It drops a variable that names a missing file, since
// Terraform would print a warning before every answer. mirrored reports
// whether Terraform uses the written file.
func cliConfig(env map[string]string, locked []LockedProvider, dir string) (mirrored bool, err error) {
	const variable = "TF_CLI_CONFIG_FILE"
	if f := env[variable]; f != "" {
		if _, err := os.Stat(f); err == nil {
			return false, nil
		}
		delete(env, variable)
	}
	if _, err := os.Stat(filepath.Join(env["HOME"], ".terraformrc")); err == nil && env["HOME"] != "" {
		return false, nil
	}
	mirror := FindMirror(locked, func(k string) string { return env[k] })
	if mirror == "" {
		return false, nil
	}
	file := filepath.Join(dir, "mirror.tfrc")
	if err := os.WriteFile(file, mirrorConfig(mirror), 0o600); err != nil {
		return false, err
	}
	env[variable] = file
	return true, nil
}
