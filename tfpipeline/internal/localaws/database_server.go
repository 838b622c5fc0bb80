package localaws

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/specboard/platform/migrations/scratch"
	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// instance is what a database server needs to know about its instance.
type instance struct {
	role, database string // master user and first database
	created        string // when, as the API prints it
}

// databaseServers are the PostgreSQL servers behind the database instances. One is
// started when its instance is first described, and ends when another instance
// takes the name, or with the Cloud.
//
// They stand in for Amazon RDS, with recovery to any time since the instance began:
// https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_PostgreSQL.html.
// An instance has its own server, master user and first database. The master user is
// a superuser and any password is right for it, other roles need their own, and the
// version is that of this machine's PostgreSQL. As by rds.force_ssl, the default since PostgreSQL 15, a
// connection without TLS is refused; PGSSLROOTCERT names the certificate to
// verify a server by, which is the same for all.
type databaseServers struct {
	certificate, key []byte // PEM
	root             string // the file that holds the certificate
	describe         func(ctx context.Context, identifier string) (instance, error)
	progress         func(string)

	mu        sync.Mutex
	running   map[string]*server          // by identifier
	addresses map[string]*databaseAddress // by identifier, also of instances that are gone
	restored  map[string]restored         // what instances without a server yet begin with
	snapshots map[string]snapshot         // by identifier
	closed    bool
}

// restored is the server that another one is restored from, and to which time.
type restored struct {
	from *scratch.Server
	at   time.Time
}

// server is one PostgreSQL server; postgres and end are nil if it could not be
// started.
type server struct {
	instance
	postgres  *scratch.Server
	end       func()
	unchecked bool // some instance, perhaps this one, has been deleted since the last look
}

func newDatabaseServers(describe func(context.Context, string) (instance, error), progress func(string)) (*databaseServers, error) {
	certificate, key, err := selfSigned(time.Now())
	if err != nil {
		return nil, fmt.Errorf("make the databases' certificate: %w", err)
	}
	file, err := os.CreateTemp("", "local-databases-*.pem")
	if err != nil {
		return nil, fmt.Errorf("keep the databases' certificate: %w", err)
	}
	if _, err := file.Write(certificate); err != nil {
		return nil, errors.Join(fmt.Errorf("keep the databases' certificate: %w", err), file.Close(), os.Remove(file.Name()))
	}
	return &databaseServers{certificate: certificate, key: key, root: file.Name(), describe: describe, progress: progress, running: map[string]*server{}, addresses: map[string]*databaseAddress{}, restored: map[string]restored{}, snapshots: map[string]snapshot{}}, file.Close()
}

// selfSigned creates a certificate for this machine, and its key.
func selfSigned(now time.Time) (certificate, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "local databases"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), nil
}

// address implements Options.Database.
func (s *databaseServers) address(identifier string) (host string, port int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return "", 0, false
	}
	known := s.running[identifier]
	if known == nil || known.unchecked {
		known = s.renew(identifier, known)
		s.running[identifier] = known
	}
	if known.postgres == nil {
		return "", 0, false
	}
	at := s.addresses[identifier]
	if at == nil {
		var err error
		if at, err = newDatabaseAddress(); err != nil {
			s.progress(fmt.Sprintf("local endpoint: database instance %s has no address: %v", identifier, err))
			return "", 0, false
		}
		s.addresses[identifier] = at
	}
	at.setPort(int(known.postgres.Config("").Port))
	host, port = at.hostPort()
	return host, port, true
}

// renew returns the server of an instance: the one that ran before, if it is
// still the same instance, or a new one.
func (s *databaseServers) renew(identifier string, before *server) *server {
	ctx := context.Background() // the server outlives the request
	now, err := s.describe(ctx, identifier)
	if before != nil {
		if err != nil || now.created == before.created {
			before.unchecked = err != nil
			return before
		}
		before.close()
	}
	started := &server{instance: now}
	if err == nil {
		started.postgres, err = s.serve(ctx, identifier, now)
	}
	if err == nil {
		// The server's files are in the system's temporary folder.
		started.end = func() { _ = started.postgres.Close(ctx) }
	} else {
		s.progress(fmt.Sprintf("local endpoint: database instance %s has no server: %v", identifier, err))
	}
	return started
}

// serve starts an instance's server with its first database, or with what another
// instance held.
func (s *databaseServers) serve(ctx context.Context, identifier string, i instance) (*scratch.Server, error) {
	o := scratch.Options{Role: i.role, TCP: true, Certificate: s.certificate, Key: s.key, Restorable: true}
	if from, ok := s.restored[identifier]; ok {
		delete(s.restored, identifier)
		return from.from.Restore(ctx, from.at, o)
	}
	server, err := scratch.New(ctx, o)
	if err != nil || i.database == "" || i.database == "postgres" {
		return server, err
	}
	if _, err := server.Create(ctx, i.database, ""); err != nil {
		return nil, errors.Join(err, server.Close(ctx))
	}
	return server, nil
}

// rename has an instance's server follow it to its new name.
func (s *databaseServers) rename(from, to string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.running[from]; known != nil {
		if old := s.running[to]; old != nil && old != known {
			old.close() // of an instance that was deleted
		}
		s.running[to] = known
		delete(s.running, from)
	}
	if at := s.addresses[from]; at != nil {
		at.setPort(0)
	}
}

// restore has an instance begin with what another one held at a time.
func (s *databaseServers) restore(from, to string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.running[from]; known != nil && known.postgres != nil {
		s.restored[to] = restored{known.postgres, at}
	}
}

// snapshot is a server that keeps what an instance held.
type snapshot struct {
	*scratch.Server
	end func()
}

// snapshot has another server keep what an instance holds now: the instance's own ends
// with it.
func (s *databaseServers) snapshot(identifier, id string) {
	if _, _, ok := s.address(identifier); !ok {
		return // said already
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.running[identifier]
	ctx := context.Background() // the server outlives the request
	kept, err := known.postgres.Restore(ctx, time.Now(), scratch.Options{Role: known.role, TCP: true, Certificate: s.certificate, Key: s.key})
	if err != nil {
		s.progress(fmt.Sprintf("local endpoint: snapshot %s holds nothing: %v", id, err))
		return
	}
	if old, ok := s.snapshots[id]; ok {
		old.end() // of a snapshot that was deleted
	}
	// Its files are in the system's temporary folder.
	s.snapshots[id] = snapshot{kept, func() { _ = kept.Close(ctx) }}
}

// restoreSnapshot has an instance begin with what a snapshot holds.
func (s *databaseServers) restoreSnapshot(id, to string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if kept, ok := s.snapshots[id]; ok {
		s.restored[to] = restored{kept.Server, time.Now()}
	}
}

// recheck makes the next description of each instance look whether it is still
// the same instance.
func (s *databaseServers) recheck() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, server := range s.running {
		server.unchecked = true
	}
}

func (s *databaseServers) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	_ = os.Remove(s.root) // it is in the system's temporary folder
	for _, server := range s.running {
		server.close()
	}
	for _, kept := range s.snapshots {
		kept.end()
	}
	for _, at := range s.addresses {
		at.close()
	}
}

func (s *server) close() {
	if s.end != nil {
		s.end()
	}
}

// describeInstance asks moto directly, since the endpoint calls it while it
// answers.
func (c *Cloud) describeInstance(ctx context.Context, identifier string) (instance, error) {
	e, err := c.endpoint(ctx)
	if err != nil {
		return instance{}, err
	}
	root, err := e.control.ask(ctx, "rds", e.region, "2014-10-31", "DescribeDBInstances", url.Values{"DBInstanceIdentifier": {identifier}})
	if err != nil {
		return instance{}, err
	}
	all := endpoint.Every(root, "DBInstance")
	if len(all) != 1 {
		return instance{}, fmt.Errorf("describe the instance: %d found", len(all))
	}
	return instance{endpoint.Text(all[0], "MasterUsername"), endpoint.Text(all[0], "DBName"), endpoint.Text(all[0], "InstanceCreateTime")}, nil
}
