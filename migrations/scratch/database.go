package scratch

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
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
	sql := "CREATE DATABASE " + pgx.Identifier{s.prefix + database}.Sanitize()
	if template != "" {
		sql += " TEMPLATE " + pgx.Identifier{s.prefix + template}.Sanitize()
	}
	if err := s.exec(ctx, sql); err != nil {
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
	if err := s.exec(ctx, "DROP DATABASE IF EXISTS "+pgx.Identifier{s.prefix + database}.Sanitize()+" WITH (FORCE)"); err != nil {
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

func (s *Server) exec(ctx context.Context, sql string) error {
	conn, err := pgx.ConnectConfig(ctx, s.config)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, sql)
	return errors.Join(err, conn.Close(ctx))
}
