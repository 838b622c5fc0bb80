package scratch

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

func connect(ctx context.Context, url string) (*Server, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", URLVariable, err)
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect to the server of %s: %w", URLVariable, err)
	}
	prefix := "scratch_" + strings.ToLower(rand.Text()[:8]) + "_"
	return &Server{config: config, prefix: prefix}, conn.Close(ctx)
}

// Config returns how to reach a database that Create made.
func (s *Server) Config(database string) *pgx.ConnConfig {
	c := s.config.Copy()
	c.Database = s.prefix + database
	return c
}

// Create makes a database, as a copy of template if that is not empty. Nobody
// may be connected to the template.
func (s *Server) Create(ctx context.Context, database, template string) (*pgx.ConnConfig, error) {
	create := func(version int) string {
		sql := "CREATE DATABASE " + pgx.Identifier{s.prefix + database}.Sanitize()
		if template != "" {
			sql += " TEMPLATE " + pgx.Identifier{s.prefix + template}.Sanitize()
		}
		// FILE_COPY takes half the time of the default, which also writes each page to
		// the log. It makes two checkpoints, which cost nothing on a server without
		// fsync, but much on somebody else's server.
		if s.prefix == "" && version >= 15 {
			sql += " STRATEGY FILE_COPY"
		}
		return sql
	}
	if err := s.exec(ctx, create); err != nil {
		return nil, fmt.Errorf("create scratch database %s: %w", database, err)
	}
	if s.prefix != "" {
		s.mu.Lock()
		s.made = append(s.made, database)
		s.mu.Unlock()
	}
	return s.Config(database), nil
}

// Drop removes a database and whoever is connected to it.
func (s *Server) Drop(ctx context.Context, database string) error {
	drop := "DROP DATABASE IF EXISTS " + pgx.Identifier{s.prefix + database}.Sanitize() + " WITH (FORCE)"
	if err := s.exec(ctx, func(int) string { return drop }); err != nil {
		return fmt.Errorf("drop scratch database %s: %w", database, err)
	}
	return nil
}

func (s *Server) dropAll(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var problems []error
	for _, database := range s.made {
		problems = append(problems, s.Drop(ctx, database))
	}
	s.made = nil
	return errors.Join(problems...)
}

// exec runs the statement that sql returns for the server's major version, which
// is 0 if it cannot be told.
func (s *Server) exec(ctx context.Context, sql func(version int) string) error {
	conn, err := pgx.ConnectConfig(ctx, s.config)
	if err != nil {
		return err
	}
	major, _, _ := strings.Cut(conn.PgConn().ParameterStatus("server_version"), ".")
	version, _ := strconv.Atoi(major)
	_, err = conn.Exec(ctx, sql(version))
	return errors.Join(err, conn.Close(ctx))
}
