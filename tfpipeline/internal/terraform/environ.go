package terraform

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// forbidden are variables that change what Terraform does behind the driver's
// back: arguments, variables, workspaces, logs with values in them, providers
// that bypass the lock.
var forbidden = []string{
	"TF_CLI_ARGS", "TF_VAR_", "TF_LOG", "TF_INPUT", "TF_WORKSPACE", "TF_DATA_DIR",
	"TF_REATTACH_PROVIDERS", "TF_SKIP_PROVIDER_VERIFY", "TF_DISABLE_PLUGIN_TLS",
	"TF_IN_AUTOMATION", "TF_APPEND_USER_AGENT",
}

// Environ is the environment that Terraform gets, and the names that were left
// out of it. Later additions win over what is inherited.
func Environ(inherited []string, additions map[string]string) (env map[string]string, dropped []string) {
	env = map[string]string{
		// No question to checkpoint.hashicorp.com: it delays every command.
		"CHECKPOINT_DISABLE": "1",
		// No hints on what to type next.
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

// cliConfig decides on TF_CLI_CONFIG_FILE: a configuration of the user's wins,
// else one that names the mirror is written to dir, else none is set. A
// variable that names a missing file is dropped, since Terraform would warn
// before every answer. mirrored reports whether the written one is in force.
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
