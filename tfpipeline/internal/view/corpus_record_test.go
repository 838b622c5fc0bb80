package view_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/specboard/platform/tfpipeline/internal/terraform"
)

const corpus = "testdata/corpus"

// TestRecordCorpus makes the plans of the corpus again, by the real Terraform,
// from the sources beside them:
//
//	CORPUS=1 E2E=1 go test -run TestRecordCorpus ./tfpipeline/internal/view
//	go test -run TestCorpus ./tfpipeline/internal/view -update
//
// A source is a txtar archive: before.tf is applied, if there is one, or
// state.json taken as it is; after.tf is planned, with arguments. Only with
// refresh is the state compared with the world: a log group's retention in
// days, or "gone".
func TestRecordCorpus(t *testing.T) {
	if os.Getenv("CORPUS") == "" || os.Getenv("E2E") == "" {
		t.Skip("records the corpus anew: CORPUS=1 E2E=1, with Terraform and the AWS provider")
	}
	sources, err := filepath.Glob(filepath.Join(corpus, "*.txtar"))
	if err != nil || len(sources) == 0 {
		t.Fatalf("no sources: %v", err)
	}
	r := newRecorder(t)
	for _, path := range sources {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			document := reduce(t, r.record(t, archive))
			var b bytes.Buffer
			w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(document); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(strings.TrimSuffix(path, ".txtar")+".json.gz", b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// recorder runs Terraform. Its folder for AWS is initialised once.
type recorder struct {
	program, aws string
	env          []string
	// found is what the world says of a log group.
	found string
}

func newRecorder(t *testing.T) *recorder {
	t.Helper()
	program, err := exec.LookPath("terraform")
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{program: program, aws: t.TempDir()}
	world := httptest.NewServer(r)
	t.Cleanup(world.Close)
	r.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "CHECKPOINT_DISABLE=1",
		"AWS_ACCESS_KEY_ID=corpus", "AWS_SECRET_ACCESS_KEY=corpus", "AWS_ENDPOINT_URL=" + world.URL,
	}
	locked := []terraform.LockedProvider{{Source: "registry.terraform.io/hashicorp/aws", Version: "5.100.0"}}
	if mirror := terraform.FindMirror(locked, os.Getenv); mirror != "" {
		config := filepath.Join(t.TempDir(), "mirror.tfrc")
		write(t, config, fmt.Sprintf("provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", mirror))
		r.env = append(r.env, "TF_CLI_CONFIG_FILE="+config)
	}
	write(t, filepath.Join(r.aws, "versions.tf"), "terraform {\n  required_providers {\n    aws = {\n      source  = \"hashicorp/aws\"\n      version = \"5.100.0\"\n    }\n  }\n}\n")
	r.terraform(t, r.aws, "init", "-no-color", "-input=false")
	return r
}

// ServeHTTP is the world that a refresh asks: one log group.
func (r *recorder) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	switch {
	case strings.HasSuffix(q.Header.Get("X-Amz-Target"), ".ListTagsForResource"):
		fmt.Fprint(w, `{"tags":{}}`)
	case strings.HasSuffix(q.Header.Get("X-Amz-Target"), ".DescribeLogGroups") && r.found == "gone":
		fmt.Fprint(w, `{"logGroups":[]}`)
	case strings.HasSuffix(q.Header.Get("X-Amz-Target"), ".DescribeLogGroups"):
		fmt.Fprintf(w, `{"logGroups":[{"logGroupName":"api","retentionInDays":%s,"logGroupClass":"STANDARD","arn":"arn:aws:logs:us-west-2:123456789012:log-group:api:*"}]}`, r.found)
	default:
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"__type":"NotInCorpus","message":"the corpus answers only for log groups"}`)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// terraform runs a command that must succeed.
func (r *recorder) terraform(t *testing.T, dir string, args ...string) []byte {
	t.Helper()
	out, err := r.try(t, dir, args...)
	if err != nil {
		t.Fatalf("terraform %v: %v", args, err)
	}
	return out
}

func (r *recorder) try(t *testing.T, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(t.Context(), r.program, args...)
	cmd.Dir, cmd.Env = dir, r.env
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, stderr.Bytes())
	}
	return out, err
}

func (r *recorder) record(t *testing.T, source *txtar.Archive) []byte {
	files := map[string]string{}
	for _, f := range source.Files {
		files[f.Name] = string(f.Data)
	}
	dir := t.TempDir()
	aws := strings.Contains(files["after.tf"], `provider "aws"`)
	if aws {
		dir = r.aws
	}
	for name, content := range files {
		if strings.Contains(name, "/") {
			write(t, filepath.Join(dir, name), content)
		}
	}
	main := filepath.Join(dir, "main.tf")
	initialise := func() {
		if !aws {
			r.terraform(t, dir, "init", "-no-color", "-input=false")
		}
	}
	state := filepath.Join(dir, "terraform.tfstate")
	if err := os.RemoveAll(state); err != nil {
		t.Fatal(err)
	}
	if before, ok := files["before.tf"]; ok {
		write(t, main, before)
		initialise()
		r.terraform(t, dir, "apply", "-auto-approve", "-no-color", "-input=false")
	} else if s, ok := files["state.json"]; ok {
		write(t, state, s)
	}
	write(t, main, files["after.tf"])
	initialise()
	args := []string{"plan", "-no-color", "-input=false", "-out=plan"}
	if r.found = strings.TrimSpace(files["refresh"]); aws && r.found == "" {
		args = append(args, "-refresh=false")
	}
	// A plan that failed is part of the corpus if it was saved.
	_, planErr := r.try(t, dir, append(args, strings.Fields(files["arguments"])...)...)
	out, err := r.try(t, dir, "show", "-json", "plan")
	if err != nil {
		t.Fatalf("no plan: %v\n%v", planErr, err)
	}
	if err := os.Remove(filepath.Join(dir, "plan")); err != nil {
		t.Fatal(err)
	}
	return out
}

var uuid = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// reduce keeps what tells of changes, and makes it the same for every
// recording.
func reduce(t *testing.T, document []byte) []byte {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(document, &all); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"timestamp", "configuration", "prior_state", "planned_values", "variables"} {
		delete(all, name)
	}
	out, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	return uuid.ReplaceAllFunc(out, func(id []byte) []byte {
		if seen[string(id)] == "" {
			seen[string(id)] = fmt.Sprintf("00000000-0000-0000-0000-%012d", len(seen)+1)
		}
		return []byte(seen[string(id)])
	})
}

// recorded reads one plan of the corpus.
func recorded(t *testing.T, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
