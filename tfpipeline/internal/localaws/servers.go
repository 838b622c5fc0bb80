package localaws

import (
	"context"
	"fmt"
	"net/url"
	"sync"

	"github.com/specboard/platform/tfpipeline/internal/localaws/postgres"
)

// servers are the PostgreSQL servers behind the database instances. One is
// started when its instance is first described, and lives as long as the
// Cloud: a deleted instance's data is out of reach, and goes in the end.
type servers struct {
	// master gives an instance's master user and first database.
	master   func(ctx context.Context, identifier string) (role, database string, err error)
	progress func(string)

	mu      sync.Mutex
	started map[string]*postgres.Server // nil: it could not be
	closed  bool
}

func newServers(master func(context.Context, string) (string, string, error), progress func(string)) *servers {
	return &servers{master: master, progress: progress, started: map[string]*postgres.Server{}}
}

// address is for Options.Database.
func (s *servers) address(identifier string) (host string, port int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	server, known := s.started[identifier]
	if !known && !s.closed {
		var err error
		if server, err = s.start(identifier); err != nil {
			s.progress(fmt.Sprintf("local endpoint: database instance %s has no server: %v", identifier, err))
		}
		s.started[identifier] = server
	}
	if server == nil {
		return "", 0, false
	}
	return "127.0.0.1", server.Port(), true
}

func (s *servers) start(identifier string) (*postgres.Server, error) {
	ctx := context.Background() // the server outlives the request
	role, database, err := s.master(ctx, identifier)
	if err != nil {
		return nil, err
	}
	return postgres.Start(ctx, role, database)
}

func (s *servers) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, server := range s.started {
		if server != nil {
			server.Close()
		}
	}
}

// masterUser asks moto itself, since the endpoint asks this while it answers.
func (c *Cloud) masterUser(ctx context.Context, identifier string) (role, database string, err error) {
	e, err := c.endpoint(ctx)
	if err != nil {
		return "", "", err
	}
	root, err := e.control.ask(ctx, "rds", e.region, "2014-10-31", "DescribeDBInstances", url.Values{"DBInstanceIdentifier": {identifier}})
	if err != nil {
		return "", "", err
	}
	all := root.every("DBInstance")
	if len(all) != 1 {
		return "", "", fmt.Errorf("describe the instance: %d found", len(all))
	}
	return all[0].value("MasterUsername"), all[0].value("DBName"), nil
}
