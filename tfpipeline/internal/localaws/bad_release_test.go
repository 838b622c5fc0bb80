package localaws

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/console"
)

// One command makes a release that fails: a commit without a change, images of all
// services, and one of them crashes. What was staged stays so.
func TestPushBad(t *testing.T) {
	var mu sync.Mutex
	pushed := map[string]string{} // manifests by repository and tag
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct{ RepositoryName, ImageTag, ImageManifest string }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		pushed[in.RepositoryName+":"+in.ImageTag] = in.ImageManifest
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		fmt.Fprint(w, `{"image": {"imageId": {"imageDigest": "sha256:1"}}}`)
	}))
	t.Cleanup(server.Close)
	dir, env := t.TempDir(), append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
	for path, text := range map[string]string{
		"go.mod": "module example\n", "tfpipeline/internal/localaws/sample/main.go": "package main\nfunc main() {}\n", "migrations/migrate/main.go": "package main\nfunc main() {}\n",
	} {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	git := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", slices.Concat([]string{"-c", "user.name=ada", "-c", "user.email=ada@example.org"}, args)...)
		cmd.Dir, cmd.Env = dir, env
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("init", "-q")
	git("add", "-A")
	git("commit", "-q", "-m", "one")
	before := git("rev-parse", "HEAD")
	if err := os.WriteFile(filepath.Join(dir, "new"), []byte("new"), 0o644); err != nil {
		t.Fatal(err)
	}
	git("add", "new")

	var out, errs bytes.Buffer
	p := configtest.Docs()
	s := Sample{
		Platform: p, Repository: dir, Cache: t.TempDir(), Bad: "api",
		Console: &console.Console{Out: &out, Err: &errs, Env: append(env, "AWS_ENDPOINT_URL="+server.URL)},
	}
	if err := s.PushBad(t.Context()); err != nil {
		t.Fatal(err)
	}
	commit := git("rev-parse", "HEAD")
	if git("rev-parse", "HEAD~1") != before || git("diff", before, commit) != "" || git("diff", "--cached", "--name-only") != "new" {
		t.Errorf("the branch: %s", git("log", "--stat"))
	}
	for _, service := range p.Services {
		manifest, ok := pushed[p.RepositoryName(service.Name)+":"+commit]
		if crashes := strings.Contains(manifest, "-crash-after"); ok != service.Builds() || crashes != (service.Name == "api") {
			t.Errorf("%s: pushed %v, crashes %v", service.Name, ok, crashes)
		}
		if service.HealthPath != "" && !strings.Contains(manifest, service.HealthPath) {
			t.Errorf("%s does not learn its health path: %s", service.Name, manifest)
		}
	}
	if want := "next: tfpipeline promote -env staging -commit " + commit; !strings.Contains(errs.String(), want) {
		t.Errorf("it says\n%s, without %q", errs.String(), want)
	}
	if err := (Sample{Platform: p, Bad: "nobody", Console: s.Console}).PushBad(t.Context()); err == nil || !strings.Contains(err.Error(), "-bad nobody") {
		t.Errorf("a service that is not there: %v", err)
	}
}
