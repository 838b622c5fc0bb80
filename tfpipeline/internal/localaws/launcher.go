package localaws

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	// motoVersion is the version whose gaps this package closes.
	motoVersion     = "5.2.1"
	motoRequirement = "moto[server]==" + motoVersion
	// MotoVariable names a moto_server program to use before any other.
	MotoVariable = "MOTO_SERVER"
)

// launcher is a command that starts moto_server, without moto's arguments.
type launcher []string

// findMoto returns a way to start moto_server: the program that MOTO_SERVER
// names, one on PATH, one installed by an earlier run, uv or pipx (which fetch
// it when it runs), else one that is installed now into a virtual environment
// below cacheDir.
func findMoto(ctx context.Context, env environment, cacheDir string, progress func(string)) (launcher, error) {
	if path := env.get(MotoVariable); path != "" {
		if !executable(path) {
			return nil, fmt.Errorf("find moto: %s=%s is not a program", MotoVariable, path)
		}
		return launcher{path}, nil
	}
	if path := env.lookPath("moto_server"); path != "" {
		return launcher{path}, nil
	}
	venv := filepath.Join(cacheDir, "moto-"+motoVersion)
	if path := installedMoto(venv); path != "" {
		return launcher{path}, nil
	}
	if path := env.lookPath("uv"); path != "" {
		return launcher{path, "tool", "run", "--from", motoRequirement, "moto_server"}, nil
	}
	if path := env.lookPath("uvx"); path != "" {
		return launcher{path, "--from", motoRequirement, "moto_server"}, nil
	}
	if path := env.lookPath("pipx"); path != "" {
		return launcher{path, "run", "--spec", motoRequirement, "moto_server"}, nil
	}
	python := env.lookPath("python3")
	if python == "" {
		return nil, fmt.Errorf("find moto: no moto_server, uv, pipx or python3 on PATH: install Python 3.10 or later and run: pip install '%s'", motoRequirement)
	}
	progress("installing " + motoRequirement + " into " + venv)
	if err := installMoto(ctx, env, python, venv); err != nil {
		return nil, fmt.Errorf("install moto: %w; or install it by hand and put moto_server on PATH: pip install '%s'", err, motoRequirement)
	}
	return launcher{installedMoto(venv)}, nil
}

// installedMoto returns the program of a finished virtual environment, or "".
// The version file is written last, so a half-made environment does not count.
func installedMoto(venv string) string {
	path := filepath.Join(venv, "bin", "moto_server")
	content, err := os.ReadFile(filepath.Join(venv, "installed"))
	if err != nil || string(content) != motoRequirement || !executable(path) {
		return ""
	}
	return path
}

// installMoto creates a virtual environment with the pinned version. If two
// processes want one, the second waits for the first.
func installMoto(ctx context.Context, env environment, python, venv string) error {
	if err := os.MkdirAll(filepath.Dir(venv), 0o755); err != nil {
		return err
	}
	lock, err := os.OpenFile(venv+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	if installedMoto(venv) != "" {
		return nil
	}
	for _, command := range [][]string{
		{python, "-m", "venv", "--clear", venv},
		{filepath.Join(venv, "bin", "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", motoRequirement},
	} {
		cmd := exec.CommandContext(ctx, command[0], command[1:]...)
		cmd.Env = env
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(command, " "), err, strings.TrimSpace(string(out)))
		}
	}
	return os.WriteFile(filepath.Join(venv, "installed"), []byte(motoRequirement), 0o644)
}

// environment is a list of NAME=value, as os.Environ gives it.
type environment []string

// get returns the last value of a variable, which is the one that counts.
func (e environment) get(name string) string {
	for i := len(e) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(e[i], name+"="); ok {
			return value
		}
	}
	return ""
}

// without leaves out the variables whose names have one of the prefixes.
func (e environment) without(prefixes ...string) environment {
	var kept environment
next:
	for _, kv := range e {
		for _, p := range prefixes {
			if strings.HasPrefix(kv, p) {
				continue next
			}
		}
		kept = append(kept, kv)
	}
	return kept
}

// lookPath finds a program on this environment's PATH; "" if there is none.
func (e environment) lookPath(name string) string {
	for _, dir := range filepath.SplitList(e.get("PATH")) {
		if path := filepath.Join(dir, name); dir != "" && executable(path) {
			return path
		}
	}
	return ""
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}
