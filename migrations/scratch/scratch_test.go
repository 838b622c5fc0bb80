package scratch

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestMain lets the test binary be the process that starts a server and dies.
func TestMain(m *testing.M) {
	if os.Getenv("SCRATCH_CHILD") == "" {
		os.Exit(m.Run())
	}
	s, err := Start(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(s.dir)
	select {} // until killed
}

func TestMajor(t *testing.T) {
	for dir, want := range map[string]int{
		"/usr/lib/postgresql/16/bin":                          16,
		"/opt/homebrew/opt/postgresql@15/bin":                 15,
		"/usr/pgsql-17/bin":                                   17,
		"/Applications/Postgres.app/Contents/Versions/14/bin": 14,
		"/usr/libexec/postgresql18":                           18,
		"/usr/local/pgsql/bin":                                0,
		"/opt/homebrew/opt/postgresql@9.6/bin":                9,
	} {
		if got := major(dir); got != want {
			t.Errorf("major(%s) = %d, want %d", dir, got, want)
		}
	}
}

func needServer(t *testing.T) {
	t.Helper()
	if os.Getenv("E2E") != "1" {
		t.Skip("needs PostgreSQL; run with E2E=1")
	}
}

func TestServer(t *testing.T) {
	needServer(t)
	ctx := t.Context()
	s, err := Start(ctx, "autovacuum=off")
	if err != nil {
		t.Fatal(err)
	}
	first, err := s.Create(ctx, "first", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	})
	query := func(config *pgx.ConnConfig, sql string) string {
		t.Helper()
		conn, err := pgx.ConnectConfig(ctx, config)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(ctx)
		var text string
		if err := conn.QueryRow(ctx, sql).Scan(&text); err != nil {
			t.Fatal(err)
		}
		return text
	}
	made, err := pgx.ConnectConfig(ctx, first)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := made.Exec(ctx, "CREATE TABLE t AS SELECT 'kept' AS x"); err != nil {
		t.Fatal(err)
	}
	if err := made.Close(ctx); err != nil {
		t.Fatal(err)
	}
	second, err := s.Create(ctx, "second", "first")
	if err != nil {
		t.Fatal(err)
	}
	if got := query(second, "SELECT x FROM t"); got != "kept" {
		t.Errorf("the copy holds %q", got)
	}
	if got := query(second, "SHOW autovacuum"); os.Getenv(URLVariable) == "" && got != "off" {
		t.Errorf("autovacuum is %s", got)
	}
	if err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if conn, err := pgx.ConnectConfig(ctx, second); err == nil {
		conn.Close(ctx)
		t.Error("the database is still there after Close")
	}
}

// TestTLS: with a certificate, a server refuses what is not encrypted.
func TestTLS(t *testing.T) {
	needServer(t)
	own := httptest.NewUnstartedServer(nil) // for its certificate, of 127.0.0.1
	own.StartTLS()
	own.Close()
	key, err := x509.MarshalPKCS8PrivateKey(own.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own.Certificate().Raw})
	s, err := New(t.Context(), Options{Role: "doc_platform", TCP: true, Certificate: certificate, Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	root := filepath.Join(t.TempDir(), "root.pem")
	if err := os.WriteFile(root, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[string]string{
		"disable":                         "no encryption",
		"require":                         "",
		"verify-full sslrootcert=" + root: "",
	} {
		conn, err := pgx.Connect(t.Context(), fmt.Sprintf("host=127.0.0.1 port=%d user=doc_platform dbname=postgres sslmode=%s", s.Config("").Port, mode))
		if err == nil {
			conn.Close(t.Context())
		}
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("sslmode=%s: %v, want %q", mode, err, want)
		}
	}
}

// TestPorts: two servers with ports know nothing of each other.
func TestPorts(t *testing.T) {
	needServer(t)
	for range 2 {
		s, err := New(t.Context(), Options{Role: "doc_platform", TCP: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(s.dir); !os.IsNotExist(err) {
				t.Errorf("%s is still there: %v", s.dir, err)
			}
		})
		config, err := s.Create(t.Context(), "platform", "")
		if err != nil {
			t.Fatal(err)
		}
		conn, err := pgx.Connect(t.Context(), fmt.Sprintf("host=127.0.0.1 port=%d user=doc_platform password=any dbname=platform sslmode=disable", config.Port))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(t.Context(), "CREATE TABLE only_here ()"); err != nil {
			t.Error(err)
		}
		if err := conn.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// TestRefusedSetting: a server that does not come up is reported at once, with
// what it said.
func TestRefusedSetting(t *testing.T) {
	needServer(t)
	t.Setenv(URLVariable, "")
	began := time.Now()
	_, err := Start(t.Context(), "no_such_setting=1")
	if err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("error: %v", err)
	}
	if took := time.Since(began); took > startTimeout/2 {
		t.Errorf("reported after %v", took)
	}
}

// TestKilled kills the process that started a server: the server must go too.
func TestKilled(t *testing.T) {
	needServer(t)
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "SCRATCH_CHILD=1", URLVariable+"=")
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line := bufio.NewScanner(out)
	if !line.Scan() {
		t.Fatal("the child started no server")
	}
	dir := line.Text()
	if _, err := os.Stat(dir); err != nil {
		t.Fatal(err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it was killed
	deadline := time.Now().Add(20 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		if _, err := os.Stat(dir); os.IsNotExist(err) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is still there", dir)
		}
	}
}
