package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/specboard/platform/migrations"
)

// invoke runs the program in process, with nothing in its environment but env.
func invoke(t *testing.T, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = run(t.Context(), args, env, strings.NewReader(""), &out, &err)
	return code, out.String(), err.String()
}

func TestHelp(t *testing.T) {
	code, out, _ := invoke(t, nil, "-help")
	for _, part := range []string{"up ", "status ", "version ", "new ", "DATABASE_URL", "DB_SECRET", "PGHOST", "RDS_CA_BUNDLE", "Exit codes"} {
		if !strings.Contains(out, part) {
			t.Errorf("help lacks %q", part)
		}
	}
	if code != exitDone {
		t.Errorf("exit %d", code)
	}
	for _, c := range commands() {
		code, out, errs := invoke(t, nil, c.name, "-help")
		if code != exitDone || errs != "" || !strings.Contains(out, "migrate "+c.name) || !strings.Contains(out, "Flags:") {
			t.Errorf("%s -help: exit %d, %q, %q", c.name, code, out, errs)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "Usage: migrate COMMAND"},
		{[]string{"down"}, `no command "down"; see migrate -help`},
		{[]string{"up", "-colour"}, "flag provided but not defined: -colour; see migrate up -help"},
		{[]string{"up", "now"}, `"now" is not a flag; see migrate up -help`},
		{[]string{"baseline"}, `baseline "": give the number of the last file`},
		{[]string{"baseline", "v1", "-dir", "x"}, `baseline "v1": give the number of the last file`},
		{[]string{"new"}, "name the migration"},
		{[]string{"new", "-name", "2nd größe"}, "is not a migration's name"},
		{[]string{"up", "-dir", "testdata"}, "DB_HOST is not set"},
	} {
		code, out, errs := invoke(t, nil, tt.args...)
		if code != exitFailed || out != "" || !strings.Contains(errs, tt.want) {
			t.Errorf("%v: exit %d, %q, %q", tt.args, code, out, errs)
		}
	}
}

func TestVersion(t *testing.T) {
	code, out, errs := invoke(t, []string{"RELEASE=v1.2.3"}, "version", "-json")
	var b build
	if err := json.Unmarshal([]byte(out), &b); err != nil || code != exitDone {
		t.Fatalf("exit %d, %v: %s%s", code, err, out, errs)
	}
	own, err := migrations.Load(migrations.Files())
	if err != nil {
		t.Fatal(err)
	}
	if b.Release != "v1.2.3" || b.Migrations != len(own) || len(b.Checksum) != 64 || b.Newest == "" {
		t.Errorf("%+v", b)
	}
	if _, out, _ := invoke(t, nil, "version"); !strings.Contains(out, b.Newest) {
		t.Errorf("text %q", out)
	}
}

func TestNew(t *testing.T) {
	dir := t.TempDir()
	for i, args := range [][]string{{"-name", " Create: a! "}, {"-name", "drop_a", "-unused-since", "v1.4.0"}} {
		code, out, errs := invoke(t, nil, append([]string{"new", "-dir", dir}, args...)...)
		want := filepath.Join(dir, []string{"0001_create_a.sql", "0002_drop_a.sql"}[i])
		if code != exitDone || out != want+"\n" {
			t.Fatalf("exit %d, %q, %q", code, out, errs)
		}
	}
	second, err := os.ReadFile(filepath.Join(dir, "0002_drop_a.sql"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(second), "-- phase: contract\n-- unused-since: v1.4.0\n") {
		t.Errorf("%s", second)
	}
	if code, _, errs := invoke(t, nil, "new", "-dir", dir, "-name", "x", "-unused-since", "two words"); code != exitFailed || !strings.Contains(errs, "is no release") {
		t.Errorf("exit %d, %q", code, errs)
	}
	if code, _, errs := invoke(t, nil, "version", "-dir", dir); code != 0 {
		t.Errorf("an empty migration is harmless: %q", errs)
	}
}

// TestSmall: the binary needs no C compiler and carries neither the SQL parser
// nor the AWS SDK.
func TestSmall(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if !slices.Contains(deps, "github.com/jackc/pgx/v5") {
		t.Fatal("go list shows nothing")
	}
	for _, dep := range deps {
		for _, banned := range []string{"pganalyze", "aws-sdk-go", "hashicorp", "google.golang.org", "runtime/cgo", "specboard/platform/gen", "testing"} {
			if strings.Contains(dep, banned) {
				t.Errorf("migrate imports %s", dep)
			}
		}
	}
}

func TestInterruptedBeforeAnything(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs bytes.Buffer
	env := []string{"DB_HOST=127.0.0.1", "DB_PORT=1", "DB_NAME=x", "DB_USER=x"}
	if code := run(ctx, []string{"up"}, env, nil, &out, &errs); code != exitInterrupted {
		t.Errorf("exit %d: %s", code, &errs)
	}
}
