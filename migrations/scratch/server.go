// Package scratch starts a PostgreSQL server that is thrown away: for tests,
// and for measuring what a migration does before it does so in earnest.
//
// The server waits for no disk, asks its superuser for no password, and is gone with
// the process that started it, however that ends.
package scratch

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// URLVariable names the environment variable that gives the URL of a running
// server to use instead, as a role that may create databases.
const URLVariable = "SCRATCH_POSTGRES_URL"

// startTimeout is how long initdb and the start of the server may take together.
const startTimeout = 60 * time.Second

// Server is a running PostgreSQL whose databases may all be lost.
type Server struct {
	config *pgx.ConnConfig // of the maintenance database
	prefix string          // of database names, on a server that is not ours

	mu   sync.Mutex
	made []string // databases to drop, on a server that is not ours

	dir   string
	lines io.WriteCloser // the server stops when it closes
	done  chan error
}

// Options is what a server may differ in.
type Options struct {
	// Role is the superuser; "scratch" if empty.
	Role string
	// TCP servers listen on a port of 127.0.0.1 of their own, others on a unix
	// socket only.
	TCP bool
	// Certificate and Key are PEM. With them a TCP server refuses connections
	// without TLS, as RDS does by rds.force_ssl, and roles other than Role need their
	// password.
	Certificate, Key []byte
	// Settings such as "autovacuum=off" are added to the server's.
	Settings []string
	// Restorable servers can be restored to any time since they began.
	Restorable bool

	origin string    // the folder of the server that this one is restored from
	until  time.Time // the time that it is restored to
}

// Start starts a server, or connects to the one that URLVariable names in the
// environment.
func Start(ctx context.Context, settings ...string) (*Server, error) {
	if url := os.Getenv(URLVariable); url != "" {
		return connect(ctx, url)
	}
	return New(ctx, Options{Settings: settings})
}

// New starts a server, whatever the environment names.
func New(ctx context.Context, o Options) (*Server, error) {
	bin, err := Programs()
	if err != nil {
		return nil, err
	}
	owner, err := unprivileged()
	if err != nil {
		return nil, err
	}
	dir, err := makeDir(owner)
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir}
	if err := s.start(ctx, bin, owner, o); err != nil {
		return nil, errors.Join(err, s.Close(context.WithoutCancel(ctx)))
	}
	return s, nil
}

// stopper runs the server and stops it when standard input ends, which also
// happens when the process at its other end is killed.
const stopper = `dir=$1; shift; exec 3<&0
"$@" </dev/null & pid=$!
(cat <&3; kill -QUIT "$pid") >/dev/null 2>&1 & watch=$!
wait "$pid"; kill "$watch" 2>/dev/null
rm -rf "$dir"`

func (s *Server) start(ctx context.Context, bin string, owner *syscall.Credential, o Options) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	role := cmp.Or(o.Role, "scratch")
	host, port, listen := s.dir, 5432, ""
	if o.TCP {
		var err error
		host, listen = "127.0.0.1", "127.0.0.1"
		if port, err = freePort(ctx); err != nil {
			return fmt.Errorf("start a scratch server: %w", err)
		}
	}
	data := filepath.Join(s.dir, "data")
	settings, err := o.cluster(ctx, bin, owner, s.dir, role)
	if err != nil {
		return err
	}
	var protection *tls.Config
	if o.Certificate != nil {
		if protection, err = o.requireTLS(data, role, owner); err != nil {
			return err
		}
		settings = append([]string{"ssl=on"}, settings...)
	}
	args := []string{"-c", stopper, "sh", s.dir, filepath.Join(bin, "postgres"), "-D", data, "-k", s.dir}
	for _, setting := range append([]string{
		"listen_addresses=" + listen, "port=" + strconv.Itoa(port), "fsync=off", "synchronous_commit=off", "full_page_writes=off",
		"max_connections=100", "shared_buffers=64MB", "wal_level=minimal", "max_wal_senders=0", "timezone=UTC",
	}, settings...) {
		args = append(args, "-c", setting)
	}
	log := new(bytes.Buffer)
	server := exec.Command("/bin/sh", args...)
	server.Dir = s.dir
	server.Stdout, server.Stderr = log, log
	// Its own process group: Ctrl-C is for the program at the terminal, which
	// stops the server in its own time.
	server.SysProcAttr = &syscall.SysProcAttr{Credential: owner, Setpgid: true}
	lines, err := server.StdinPipe()
	if err != nil {
		return fmt.Errorf("start a scratch server: %w", err)
	}
	if err := server.Start(); err != nil {
		return fmt.Errorf("start a scratch server: %w", err)
	}
	s.lines, s.done = lines, make(chan error, 1)
	go func() { s.done <- server.Wait() }()

	s.config, err = pgx.ParseConfig(fmt.Sprintf("host=%s port=%d user=%s dbname=postgres sslmode=disable", host, port, role))
	if err != nil {
		return fmt.Errorf("address a scratch server: %w", err)
	}
	s.config.TLSConfig = protection
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		conn, err := pgx.ConnectConfig(ctx, s.config)
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-s.done:
			s.done <- nil // for Close
			return fmt.Errorf("start a scratch server: it stopped by itself\n%s", log)
		case <-ctx.Done():
			return fmt.Errorf("start a scratch server: %w", err)
		case <-poll.C:
		}
	}
}

// cluster makes the files of a server, and returns the settings that it needs.
func (o Options) cluster(ctx context.Context, bin string, owner *syscall.Credential, dir, role string) (settings []string, err error) {
	data := filepath.Join(dir, "data")
	if o.origin == "" {
		initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "--pgdata="+data, "--username="+role,
			"--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C")
		initdb.Dir = dir
		initdb.SysProcAttr = &syscall.SysProcAttr{Credential: owner}
		if out, err := initdb.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("create a scratch database cluster: %w\n%s", err, out)
		}
	}
	settings = o.Settings
	switch {
	case o.origin != "":
		err = shell(ctx, owner, `cp -a "$1/base" "$2/base"; cp -a "$1/archive" "$2/archive"; cp -a "$2/base" "$2/data"; touch "$2/data/recovery.signal"`, o.origin, dir)
		settings = slices.Concat(archived(dir), []string{
			"restore_command=cp " + filepath.Join(dir, "archive", "%f") + " %p",
			"recovery_target_time=" + o.until.UTC().Format("2006-01-02 15:04:05.999999+00"), "recovery_target_action=promote",
			"hot_standby=off", // nobody connects before it is restored
		}, settings)
	case o.Restorable:
		err = shell(ctx, owner, `mkdir "$1/archive"; cp -a "$1/data" "$1/base"`, dir)
		settings = slices.Concat(archived(dir), settings)
	}
	if err != nil {
		return nil, fmt.Errorf("keep a scratch database cluster: %w", err)
	}
	return settings, nil
}

// requireTLS has a server, not yet started, speak TLS alone on its port, and
// returns how to reach it.
func (o Options) requireTLS(data, role string, owner *syscall.Credential) (*tls.Config, error) {
	for name, content := range map[string][]byte{
		"server.crt": o.Certificate, "server.key": o.Key,
		"pg_hba.conf": []byte("local all all trust\nhostssl all \"" + role + "\" 127.0.0.1/32 trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n"),
	} {
		path := filepath.Join(data, name)
		err := os.WriteFile(path, content, 0o600)
		if err == nil && owner != nil {
			err = os.Chown(path, int(owner.Uid), int(owner.Gid))
		}
		if err != nil {
			return nil, fmt.Errorf("give a scratch server its certificate: %w", err)
		}
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(o.Certificate) {
		return nil, errors.New("give a scratch server its certificate: it is not in PEM form")
	}
	return &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}, nil
}

// Close stops the server and removes what it wrote. On a server that is not
// ours it drops the databases that were made.
func (s *Server) Close(ctx context.Context) error {
	if s.dir == "" {
		return s.dropAll(ctx)
	}
	if s.lines != nil {
		if err := s.lines.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			return fmt.Errorf("stop the scratch server: %w", err)
		}
		<-s.done // what it exits with after SIGQUIT says nothing
		s.lines = nil
	}
	return os.RemoveAll(s.dir)
}

// freePort finds a port that nobody listens on.
func freePort(ctx context.Context) (int, error) {
	var listen net.ListenConfig
	l, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// unprivileged returns the user to run the server as if this process is root, since
// PostgreSQL refuses to run as root; otherwise nil.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uerr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gerr := strconv.ParseUint(u.Gid, 10, 32)
		if uerr == nil && gerr == nil && uid != 0 {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, errors.New("start a scratch server: PostgreSQL refuses to run as root, and there is no user postgres or nobody to run it as; run this as another user")
}

// makeDir makes a folder whose path is short enough for a socket and that its
// owner can reach.
func makeDir(owner *syscall.Credential) (string, error) {
	parent := os.TempDir()
	if owner != nil || len(parent) > 60 {
		parent = "/tmp"
	}
	dir, err := os.MkdirTemp(parent, "scratch-postgres-")
	if err != nil {
		return "", fmt.Errorf("make a scratch folder: %w", err)
	}
	if owner != nil {
		if err := os.Chown(dir, int(owner.Uid), int(owner.Gid)); err != nil {
			return "", errors.Join(fmt.Errorf("make a scratch folder: %w", err), os.Remove(dir))
		}
	}
	return dir, nil
}
