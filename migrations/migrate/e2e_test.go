package main

import (
	"bufio"
	"bytes"
	"context"
	"debug/elf"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/specboard/platform/migrations"
	"github.com/specboard/platform/migrations/migrationstest"
	"github.com/specboard/platform/migrations/scratch"
)

// TestBinary runs the built binary against a real server: up, up again,
// status, a migration that fails, and SIGTERM inside a statement.
func TestBinary(t *testing.T) {
	if os.Getenv("E2E") != "1" {
		t.Skip("needs PostgreSQL; run with E2E=1")
	}
	binary := filepath.Join(t.TempDir(), "migrate")
	migrationstest.Build(t, binary)
	info, err := os.Stat(binary)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > 15<<20 {
		t.Errorf("the binary has %d MiB", info.Size()>>20)
	}
	if runtime.GOOS == "linux" {
		file, err := elf.Open(binary)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		for _, p := range file.Progs {
			if p.Type == elf.PT_INTERP {
				t.Error("the binary is linked dynamically")
			}
		}
	}
	server, err := scratch.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	config, err := server.Create(t.Context(), "app", "")
	if err != nil {
		t.Fatal(err)
	}
	command := func(args ...string) *exec.Cmd {
		cmd := exec.Command(binary, args...)
		document, err := json.Marshal(map[string]any{"username": config.User, "password": "c4nary", "host": config.Host, "port": config.Port, "dbname": config.Database})
		if err != nil {
			t.Fatal(err)
		}
		cmd.Env = []string{"DB_SECRET=" + string(document), "RELEASE=v1.2.3"}
		return cmd
	}
	do := func(want int, args ...string) (stdout, stderr string) {
		t.Helper()
		var out, errs bytes.Buffer
		cmd := command(args...)
		cmd.Stdout, cmd.Stderr = &out, &errs
		_ = cmd.Run() // the exit code is what counts
		if got := cmd.ProcessState.ExitCode(); got != want {
			t.Errorf("migrate %v: exit %d, want %d\n%s%s", args, got, want, &out, &errs)
		}
		if strings.Contains(out.String()+errs.String(), "c4nary") {
			t.Errorf("migrate %v shows the password", args)
		}
		return out.String(), errs.String()
	}
	contains := func(text string, parts ...string) {
		t.Helper()
		for _, part := range parts {
			if !strings.Contains(text, part) {
				t.Errorf("missing %q in:\n%s", part, text)
			}
		}
	}

	own, err := migrations.Load(migrationstest.Files(t))
	if err != nil {
		t.Fatal(err)
	}
	newest := own[len(own)-1].ID()
	out, _ := do(exitPending, "status", "-detailed-exitcode")
	contains(out, "0001_create_users", fmt.Sprintf("%d pending", len(own)))
	out, _ = do(exitDone, "up", "-dry-run")
	contains(out, "0008_add_document_slug (one transaction)", "ACCESS EXCLUSIVE on public.documents, about 0 rows", "0010_index_document_slug (statement by statement)")
	out, errs := do(exitDone, "up")
	contains(out, fmt.Sprintf("applied %d migrations: the schema is at %s", len(own), newest))
	contains(errs, "as "+config.User, "plain, since it is this machine", "0010_index_document_slug", "applied in")
	out, _ = do(exitDone, "up")
	contains(out, "nothing to do: the schema is at "+newest)
	out, _ = do(exitDone, "status", "-detailed-exitcode")
	contains(out, "contract (unused since v0.2.0)", "v1.2.3", "\n0 pending")
	out, _ = do(exitDone, "status", "-json")
	var status migrations.Status
	if err := json.Unmarshal([]byte(out), &status); err != nil {
		t.Fatal(err)
	}
	if status.Database != config.Database || len(status.Migrations) != len(own) {
		t.Errorf("%+v", status)
	}

	out, _ = do(exitDone, "drift")
	contains(out, "no drift")
	out, _ = do(exitDone, "baseline", "0016_drop_project_archived")
	contains(out, "nothing to record")

	dir := t.TempDir()
	next := fmt.Sprintf("%04d_add_x", len(own)+1)
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range own {
		write(m.File, m.SQL)
	}
	write(next+".sql", "ALTER TABLE users ADD COLUMN x int;\nSELECT 1 / 0;")
	out, errs = do(exitFailed, "up", "-dir", dir, "-json")
	contains(errs, next+" failed at statement 2 of 2 (line 2): division by zero", "left: nothing of it")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	contains(lines[0], `"event":"locked"`)
	contains(lines[len(lines)-1], `"event":"failed"`, `"failed":"`+next+`"`, `"statement":2`)
	out, _ = do(exitDone, "status", "-dir", dir)
	contains(out, next, "failed", "division by zero", "1 pending")

	write("0001_create_users.sql", "-- waive: none a comment\n"+own[0].SQL+"\n-- edited\n")
	out, _ = do(exitDone, "status", "-dir", dir)
	contains(out, "0001_create_users")
	write("0001_create_users.sql", own[0].SQL+"\nSELECT 'edited';\n")
	_, errs = do(exitFailed, "up", "-dir", dir)
	contains(errs, "0001_create_users.sql was edited after it was applied")
	do(exitFailed, "status", "-dir", dir)
	write("0001_create_users.sql", own[0].SQL)

	write(next+".sql", "ALTER TABLE users ADD COLUMN x int;\nSELECT pg_sleep(60);")
	cmd := command("up", "-dir", dir, "-json")
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var last string
	began := time.Time{}
	for scan := bufio.NewScanner(pipe); scan.Scan(); {
		last = scan.Text()
		if strings.Contains(last, `"executing"`) && strings.Contains(last, `"statement":2`) {
			began = time.Now()
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != exitInterrupted || began.IsZero() || time.Since(began) > 30*time.Second {
		t.Errorf("exit %d after %v", code, time.Since(began))
	}
	contains(said.String(), next+" interrupted at statement 2 of 2 (line 2)", "left: nothing of it", "next: run migrate up again")
	contains(last, `"event":"interrupted"`)
	write(next+".sql", "ALTER TABLE users ADD COLUMN x int;")
	do(exitDone, "up", "-dir", dir)
	_, errs = do(exitFailed, "up")
	contains(errs, "the database is ahead: "+next+" is applied by release v1.2.3")
	do(exitDone, "up", "-allow-ahead")
}
