// Package postgres runs the PostgreSQL server behind a database instance: a
// real one, on a loopback port, whose data is thrown away in the end.
//
// It stands in for Amazon RDS:
// https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_PostgreSQL.html.
// An instance has its own server, master user and first database. Any password
// is right, there is no TLS (programs must allow that on the loopback
// address), the master user is a superuser, and the version is that of this
// machine's PostgreSQL. The server is gone with the process that started it,
// however that ends.
package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// startTimeout is how long initdb, and then the server, may take to start.
const startTimeout = 60 * time.Second

// Server is a running PostgreSQL.
type Server struct {
	dir   string
	port  int
	log   bytes.Buffer
	lines io.WriteCloser // the server stops when it closes
	done  chan struct{}  // closed when it has stopped
}

// Start starts a server with one role, a superuser, and one database; none if
// database is "".
func Start(ctx context.Context, role, database string) (*Server, error) {
	bin, err := programs()
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
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	err = s.create(ctx, bin, owner, role)
	if err == nil {
		err = s.start(bin, owner)
	}
	if err == nil {
		err = s.open(ctx, role, database)
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("start a PostgreSQL server: %w", err)
	}
	return s, nil
}

// Port is where the server listens on 127.0.0.1.
func (s *Server) Port() int { return s.port }

// Close stops the server and removes its data.
func (s *Server) Close() {
	if s.lines != nil {
		s.lines.Close()
		<-s.done
	}
	_ = os.RemoveAll(s.dir) // in the system's folder for what is thrown away
}

func (s *Server) create(ctx context.Context, bin string, owner *syscall.Credential, role string) error {
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "--pgdata="+filepath.Join(s.dir, "data"),
		"--username="+role, "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C")
	initdb.Dir = s.dir
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: owner}
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

// stopper runs the server, and stops it and removes its data when standard
// input ends, which also happens when the process at its other end is killed.
const stopper = `dir=$1; shift; exec 3<&0
"$@" </dev/null & pid=$!
(cat <&3; kill -QUIT "$pid") >/dev/null 2>&1 & watch=$!
wait "$pid"; kill "$watch" 2>/dev/null
rm -rf "$dir"`

func (s *Server) start(bin string, owner *syscall.Credential) error {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.port = free.Addr().(*net.TCPAddr).Port
	free.Close()
	args := []string{"-c", stopper, "sh", s.dir, filepath.Join(bin, "postgres"), "-D", filepath.Join(s.dir, "data")}
	for _, setting := range []string{
		"listen_addresses=127.0.0.1", "port=" + strconv.Itoa(s.port), "unix_socket_directories=" + s.dir,
		// The data is lost with the machine's power anyway.
		"fsync=off", "synchronous_commit=off", "full_page_writes=off",
		"max_connections=100", "shared_buffers=32MB", "wal_level=minimal", "max_wal_senders=0", "timezone=UTC",
	} {
		args = append(args, "-c", setting)
	}
	cmd := exec.Command("/bin/sh", args...)
	cmd.Dir = s.dir
	cmd.Stdout, cmd.Stderr = &s.log, &s.log
	// A group of its own: Ctrl-C on the terminal is for us.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner, Setpgid: true}
	lines, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.lines, s.done = lines, make(chan struct{})
	go func() {
		_ = cmd.Wait() // what it exits with after SIGQUIT says nothing
		close(s.done)
	}()
	return nil
}

// open waits for the first connection, and makes the database.
func (s *Server) open(ctx context.Context, role, database string) error {
	config, err := pgx.ParseConfig(fmt.Sprintf("host=127.0.0.1 port=%d user=%s dbname=postgres sslmode=disable", s.port, role))
	if err != nil {
		return err
	}
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		conn, err := pgx.ConnectConfig(ctx, config)
		if err == nil {
			if database != "" && database != "postgres" {
				_, err = conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{database}.Sanitize())
			}
			return errors.Join(err, conn.Close(ctx))
		}
		select {
		case <-s.done:
			return fmt.Errorf("it stopped by itself\n%s", s.log.String())
		case <-ctx.Done():
			return err
		case <-poll.C:
		}
	}
}

// unprivileged returns whom to run the server as if this is root, which
// PostgreSQL refuses; else nil.
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
	return nil, errors.New("PostgreSQL refuses to run as root, and there is no user postgres or nobody to run it as; run this as another user")
}

// makeDir makes a folder whose path is short enough for a socket and that its
// owner can reach.
func makeDir(owner *syscall.Credential) (string, error) {
	parent := os.TempDir()
	if owner != nil || len(parent) > 60 {
		parent = "/tmp"
	}
	dir, err := os.MkdirTemp(parent, "localaws-postgres-")
	if err != nil {
		return "", fmt.Errorf("make a folder for a database: %w", err)
	}
	if owner != nil {
		if err := os.Chown(dir, int(owner.Uid), int(owner.Gid)); err != nil {
			return "", errors.Join(fmt.Errorf("make a folder for a database: %w", err), os.Remove(dir))
		}
	}
	return dir, nil
}
