package localaws

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestFindMoto(t *testing.T) {
	dir := t.TempDir()
	bin := filepath.Join(dir, "bin")
	script(t, filepath.Join(bin, "python3"), "exit 1")
	quiet := func(string) {}
	env := environment{"PATH=" + filepath.Join(dir, "none") + ":" + bin}
	cache := filepath.Join(dir, "cache")

	// From the last resort to the first, each wins over those before it.
	for _, step := range []struct{ program, want string }{
		{filepath.Join(bin, "pipx"), bin + "/pipx run --spec moto[server]==5.2.1 moto_server"},
		{filepath.Join(bin, "uvx"), bin + "/uvx --from moto[server]==5.2.1 moto_server"},
		{filepath.Join(bin, "uv"), bin + "/uv tool run --from moto[server]==5.2.1 moto_server"},
		{filepath.Join(bin, "moto_server"), bin + "/moto_server"},
	} {
		script(t, step.program, "exit 1")
		got, err := findMoto(t.Context(), env, cache, quiet)
		if err != nil || strings.Join(got, " ") != step.want {
			t.Errorf("got %q, %v, want %q", got, err, step.want)
		}
	}
	named := filepath.Join(dir, "my moto")
	if _, err := findMoto(t.Context(), append(env, MotoVariable+"="+named), cache, quiet); err == nil {
		t.Error("a program that is not there was taken")
	}
	script(t, named, "exit 1")
	if got, err := findMoto(t.Context(), append(env, MotoVariable+"="+named), cache, quiet); err != nil || got[0] != named {
		t.Errorf("got %q, %v", got, err)
	}
	_, err := findMoto(t.Context(), environment{"PATH="}, cache, quiet)
	if err == nil || !strings.Contains(err.Error(), "pip install 'moto[server]==5.2.1'") {
		t.Errorf("error %v: wants the way out", err)
	}
}

// TestInstallMoto: two processes that need it at once install it once.
func TestInstallMoto(t *testing.T) {
	dir := t.TempDir()
	bin, cache, log := filepath.Join(dir, "bin"), filepath.Join(dir, "cache"), filepath.Join(dir, "log")
	// python3 -m venv --clear DIR makes a python, which "installs" moto.
	script(t, filepath.Join(bin, "python3"), `echo "$@" >> `+log+`
mkdir -p "$4/bin"
cat > "$4/bin/python" <<END
#!/bin/sh
echo "\$@" >> `+log+`
echo '#!/bin/sh' > "$4/bin/moto_server"
chmod +x "$4/bin/moto_server"
END
chmod +x "$4/bin/python"`)
	env := environment{"PATH=" + bin + ":" + os.Getenv("PATH")}
	var wait sync.WaitGroup
	for range 2 {
		wait.Go(func() {
			got, err := findMoto(t.Context(), onlyPython(env), cache, func(string) {})
			if want := filepath.Join(cache, "moto-5.2.1", "bin", "moto_server"); err != nil || got[0] != want {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	wait.Wait()
	content, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(content), "\n"); n != 2 || !strings.Contains(string(content), "pip install --quiet --disable-pip-version-check moto[server]==5.2.1") {
		t.Errorf("ran:\n%s", content)
	}

	// What was cut off in the middle does not count as installed.
	if err := os.Remove(filepath.Join(cache, "moto-5.2.1", "installed")); err != nil {
		t.Fatal(err)
	}
	if path := installedMoto(filepath.Join(cache, "moto-5.2.1")); path != "" {
		t.Errorf("found %s", path)
	}
	script(t, filepath.Join(bin, "python3"), "echo no network; exit 1")
	_, err = findMoto(t.Context(), onlyPython(env), cache, func(string) {})
	if err == nil || !strings.Contains(err.Error(), "no network") || !strings.Contains(err.Error(), "pip install 'moto[server]==5.2.1'") {
		t.Errorf("error %v", err)
	}
}

// onlyPython is an environment whose PATH has python3 and what a script needs,
// and no other way to get moto.
func onlyPython(env environment) environment {
	var dirs []string
	for _, dir := range filepath.SplitList(env.get("PATH")) {
		keep := true
		for _, other := range []string{"moto_server", "uv", "uvx", "pipx"} {
			keep = keep && !executable(filepath.Join(dir, other))
		}
		if keep {
			dirs = append(dirs, dir)
		}
	}
	return environment{"PATH=" + strings.Join(dirs, ":")}
}
