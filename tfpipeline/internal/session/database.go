package session

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/ecs"
)

// connectWithin bounds the connection to the database.
const connectWithin = 30 * time.Second

// DatabaseOptions are the choices of the command that opens a console.
type DatabaseOptions struct {
	Env                string
	command, file, why string
	write, force, json bool
}

// Declare declares the flags.
func (o *DatabaseOptions) Declare(set *flag.FlagSet) {
	set.StringVar(&o.Env, "env", "", "environment")
	set.StringVar(&o.command, "command", "", "`SQL` to run, instead of a console")
	set.StringVar(&o.file, "file", "", "`file` with SQL to run; - is the standard input")
	set.BoolVar(&o.write, "write", false, "let statements change the database")
	set.BoolVar(&o.force, "force", false, "write although somebody works on the environment, or has frozen it")
	set.StringVar(&o.why, "why", "", "`reason`, which is recorded; a protected environment asks for one")
	set.BoolVar(&o.json, "json", false, "print one JSON object for each result")
}

// Check refuses what the platform does not have or allow.
func (o *DatabaseOptions) Check(p config.Platform) error {
	example := *o
	if e, _ := p.Environment(o.Env); e.Protected {
		example.why = cmp.Or(o.why, "REASON")
	}
	switch {
	case !p.HasDatabase() || len(databaseServices(p)) == 0:
		return console.Usage("this platform has no database that a service uses", "tfpipeline status -env "+o.Env)
	case o.command != "" && o.file != "":
		example.command = ""
		return console.Usage("db takes -command or -file", example.line())
	case o.force && !o.write:
		example.write = true
		return console.Usage("db reads without -force: it goes with -write", example.line())
	}
	return allowed(p, o.Env, "db", o.why != "", example.line())
}

// line is the command with these choices. A statement may hold a secret, and is left out.
func (o *DatabaseOptions) line() string {
	line := "tfpipeline db -env " + o.Env
	for _, f := range []struct {
		name string
		set  bool
	}{{" -write", o.write}, {" -force", o.force}, {" -json", o.json}, {" -command SQL", o.command != ""}} {
		if f.set {
			line += f.name
		}
	}
	for _, f := range [][2]string{{" -file ", o.file}, {" -why ", o.why}} {
		if f[1] != "" {
			line += f[0] + word(f[1])
		}
	}
	return line
}

// databaseServices are the services whose tasks can connect to the database.
func databaseServices(p config.Platform) (names []string) {
	for _, s := range p.Services {
		if s.Database {
			names = append(names, s.Name)
		}
	}
	return names
}

// Database runs statements in the environment's database.
func (n Entrance) Database(ctx context.Context, o DatabaseOptions) error {
	sql, err := n.statements(o)
	if err != nil {
		return err
	}
	if err := n.AtWork(ctx); err != nil {
		if o.write && !o.force {
			forced := o
			forced.force = true
			next := "if it must be now: " + forced.line()
			if first := console.NextOf(err); first != "" {
				next = first + "; " + next
			}
			return console.WithNext(err, "%s", next)
		}
		n.Console.Progress("warning: %v", err)
	}
	c, service, err := n.way(ctx)
	if err != nil {
		return err
	}
	r := n.record(ctx, "db", o.why)
	r.Service, r.Task, r.Container, r.Writes = service, c.ShortTask(), c.Name, o.write
	if err := r.begin(ctx); err != nil {
		return err
	}
	err = n.connected(ctx, o, c, r, sql)
	if ended := r.end(ctx, err); err == nil {
		err = ended
	}
	return err
}

// statements are those that were given; "" is none.
func (n Entrance) statements(o DatabaseOptions) (string, error) {
	switch o.file {
	case "":
		return o.command, nil
	case "-":
		var text bytes.Buffer
		if _, err := text.ReadFrom(n.Console.In); err != nil {
			return "", fmt.Errorf("read the statements: %w", err)
		}
		return text.String(), nil
	}
	text, err := os.ReadFile(o.file)
	if err != nil {
		return "", fmt.Errorf("read the statements: %w", err)
	}
	return string(text), nil
}

// way finds a container through which the database is reached.
func (n Entrance) way(ctx context.Context) (c ecs.Container, service string, err error) {
	var first error
	for _, service = range databaseServices(n.Platform) {
		c, err = n.choose(ctx, ExecOptions{Env: n.Environment.Name, service: service, container: service})
		if err == nil || ctx.Err() != nil {
			return c, service, err
		}
		if first == nil {
			first = err
		}
	}
	return c, service, first
}

// connected opens the tunnel and a connection, and runs statements on it.
func (n Entrance) connected(ctx context.Context, o DatabaseOptions, c ecs.Container, r *record, sql string) error {
	host, port, err := n.address(ctx)
	if err != nil {
		return err
	}
	password, err := n.password(ctx)
	if err != nil {
		return err
	}
	opened, err := n.ECS.Tunnel(ctx, c, host, port)
	if err != nil {
		return err
	}
	r.Session = opened.ID
	local, end, err := tunnel(ctx, n.channel(c, opened), n.Console.Env)
	if err != nil {
		return err
	}
	defer end()
	conn, err := n.connect(ctx, host, local, password, o.write)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordWithin)
		defer cancel()
		_ = conn.Close(ctx) // the tunnel ends with it
		select {            // a statement that was interrupted is cancelled by then
		case <-conn.CleanupDone():
		case <-ctx.Done():
		}
	}()
	s := &statements{entrance: n, conn: conn, record: r, json: o.json}
	if err := s.begin(ctx, o.write); err != nil {
		return err
	}
	if o.command != "" || o.file != "" {
		return s.run(ctx, sql)
	}
	return s.converse(ctx)
}

// address is where RDS says that the database is.
func (n Entrance) address(ctx context.Context) (host string, port int32, err error) {
	name := n.Platform.Prefix(n.Environment.Name)
	out, err := rds.NewFromConfig(n.Config).DescribeDBInstances(ctx, &rds.DescribeDBInstancesInput{DBInstanceIdentifier: &name})
	if err != nil {
		return "", 0, fmt.Errorf("look for database %s: %w", name, err)
	}
	if len(out.DBInstances) != 1 || out.DBInstances[0].Endpoint == nil {
		return "", 0, fmt.Errorf("database %s has no address yet", name)
	}
	at := out.DBInstances[0].Endpoint
	return aws.ToString(at.Address), aws.ToInt32(at.Port), nil
}

// password is that of the database's user.
func (n Entrance) password(ctx context.Context) (string, error) {
	secret, _ := n.Platform.DatabaseSecret()
	name := n.Platform.SecretName(n.Environment.Name, secret.Name)
	out, err := secretsmanager.NewFromConfig(n.Config).GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &name})
	if err != nil {
		return "", fmt.Errorf("read secret %s: %w", name, err)
	}
	var credentials struct{ Password string }
	if err := json.Unmarshal([]byte(aws.ToString(out.SecretString)), &credentials); err != nil || credentials.Password == "" {
		return "", fmt.Errorf("secret %s holds no password", name) // the error may quote it
	}
	return credentials.Password, nil
}

// connect connects through the tunnel, whose end is a port of this machine.
func (n Entrance) connect(ctx context.Context, host, port, password string, write bool) (*pgconn.PgConn, error) {
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("connect through port %q: %w", port, err)
	}
	// Every setting of a user's own environment and files is replaced.
	cfg, err := pgconn.ParseConfig("host=127.0.0.1 sslmode=disable")
	if err != nil {
		return nil, fmt.Errorf("connect to the database: %w", err)
	}
	cfg.Port, cfg.Database, cfg.User, cfg.Password, cfg.Fallbacks = uint16(number), n.Platform.DatabaseName(), n.Platform.DatabaseUser(), password, nil
	// As the services connect: encrypted, and without RDS's certificates.
	cfg.TLSConfig = &tls.Config{ServerName: host, InsecureSkipVerify: true, MinVersion: tls.VersionTLS12} //nolint:gosec // AWS leads the tunnel there
	cfg.ConnectTimeout, cfg.ValidateConnect = connectWithin, nil
	cfg.RuntimeParams = map[string]string{
		"application_name": "tfpipeline db", "statement_timeout": "5min", "lock_timeout": "5s", "idle_in_transaction_session_timeout": "5min",
	}
	if n.Platform.PostgresVersion != "13" { // which does not know it: no statement outlives its connection
		cfg.RuntimeParams["client_connection_check_interval"] = "2s"
	}
	if !write {
		cfg.RuntimeParams["default_transaction_read_only"] = "on"
	}
	conn, err := pgconn.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to the database of %s through the tunnel: %w", n.Environment.Name, err)
	}
	return conn, nil
}
