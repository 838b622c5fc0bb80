package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// connectTimeout bounds one attempt to reach the server.
const connectTimeout = 15 * time.Second

// address is where the database is, and who asks.
type address struct {
	host, port, name, user, password string
	// sslMode and rootCert are as in libpq, empty if nothing was said.
	sslMode, rootCert string
}

// database reads from the environment how to reach the database. It also
// returns that in words, without the password.
func database(env map[string]string, readFile func(string) ([]byte, error)) (*pgx.ConnConfig, string, error) {
	a, err := readAddress(env)
	if err != nil {
		return nil, "", err
	}
	port, err := strconv.ParseUint(a.port, 10, 16)
	if err != nil || port == 0 {
		return nil, "", fmt.Errorf("the database's port is %q; it must be a number from 1 to 65535, such as 5432", a.port)
	}
	transport, words, err := secure(a, env, readFile)
	if err != nil {
		return nil, "", err
	}
	// Everything is set below; the text only keeps pgx from asking elsewhere.
	config, err := pgx.ParseConfig("host=localhost port=5432 user=nobody dbname=none password=none sslmode=disable target_session_attrs=any")
	if err != nil {
		return nil, "", fmt.Errorf("prepare the connection: %w", err)
	}
	config.Host, config.Port, config.Database, config.User, config.Password = a.host, uint16(port), a.name, a.user, a.password
	config.TLSConfig, config.Fallbacks, config.ConnectTimeout = transport, nil, connectTimeout
	return config, fmt.Sprintf("database %s on %s as %s, %s", a.name, a.host, a.user, words), nil
}

// readAddress puts the address together, each part from the first place that
// has it, and reports all that is missing at once.
func readAddress(env map[string]string) (address, error) {
	if text := env["DATABASE_URL"]; text != "" {
		return parseURL(text, env)
	}
	document, err := readSecret("DB_SECRET", env["DB_SECRET"])
	if err != nil {
		return address{}, err
	}
	password := env["DB_PASSWORD"]
	// A container that is given the whole secret instead of its password.
	if inside, err := readSecret("DB_PASSWORD", password); err == nil && inside.Password != "" {
		password = inside.Password
		document = document.or(inside)
	}
	a := address{
		host:     cmp.Or(env["DB_HOST"], document.Host, env["PGHOST"]),
		port:     cmp.Or(env["DB_PORT"], string(document.Port), env["PGPORT"], "5432"),
		name:     cmp.Or(env["DB_NAME"], document.name(), env["PGDATABASE"]),
		user:     cmp.Or(env["DB_USER"], document.Username, env["PGUSER"]),
		password: cmp.Or(password, document.Password, env["PGPASSWORD"]),
		sslMode:  cmp.Or(env["PGSSLMODE"], env["DB_SSLMODE"]),
		rootCert: env["PGSSLROOTCERT"],
	}
	var problems []error
	for _, part := range []struct{ value, name string }{{a.host, "DB_HOST"}, {a.name, "DB_NAME"}, {a.user, "DB_USER"}} {
		if part.value == "" {
			problems = append(problems, fmt.Errorf("%s is not set", part.name))
		}
	}
	if len(problems) > 0 {
		return address{}, fmt.Errorf("find the database: %w\nset them, or DATABASE_URL; migrate -help lists the choices", errors.Join(problems...))
	}
	return a, nil
}

// parseURL reads DATABASE_URL. Its errors never show the text, which holds a
// password.
func parseURL(text string, env map[string]string) (address, error) {
	const example = "write postgres://user:password@host:5432/name"
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return address{}, fmt.Errorf("DATABASE_URL is not the URL of a PostgreSQL database (its text is not shown, since it may hold a password); %s", example)
	}
	a := address{host: u.Hostname(), port: cmp.Or(u.Port(), "5432"), name: strings.TrimPrefix(u.Path, "/"), user: u.User.Username(),
		sslMode: env["PGSSLMODE"], rootCert: env["PGSSLROOTCERT"]}
	a.password, _ = u.User.Password()
	var problems []error
	for key, values := range u.Query() {
		switch value := values[len(values)-1]; key {
		case "host":
			a.host = value
		case "port":
			a.port = value
		case "user":
			a.user = value
		case "password":
			a.password = value
		case "dbname":
			a.name = value
		case "sslmode":
			a.sslMode = value
		case "sslrootcert":
			a.rootCert = value
		case "application_name", "connect_timeout": // the runner sets its own
		default:
			problems = append(problems, fmt.Errorf("DATABASE_URL sets %q, which migrate does not know", key))
		}
	}
	if a.host == "" {
		problems = append(problems, errors.New("DATABASE_URL names no host"))
	}
	if strings.Contains(a.host, ",") {
		problems = append(problems, errors.New("DATABASE_URL names several hosts; migrations run on the one that is written to"))
	}
	if a.name == "" {
		problems = append(problems, errors.New("DATABASE_URL names no database"))
	}
	if a.user == "" {
		problems = append(problems, errors.New("DATABASE_URL names no user"))
	}
	if len(problems) > 0 {
		return address{}, fmt.Errorf("%w; %s", errors.Join(problems...), example)
	}
	a.password = cmp.Or(a.password, env["PGPASSWORD"])
	return a, nil
}

// secret is the JSON document that Secrets Manager keeps for a database.
type secret struct {
	Engine, Host, Username, Password, DBName, Database string
	Port                                               number
}

func (s secret) name() string { return cmp.Or(s.DBName, s.Database) }

// or fills in from another document what this one lacks.
func (s secret) or(o secret) secret {
	return secret{Engine: cmp.Or(s.Engine, o.Engine), Host: cmp.Or(s.Host, o.Host), Username: cmp.Or(s.Username, o.Username),
		Password: cmp.Or(s.Password, o.Password), DBName: cmp.Or(s.DBName, o.DBName), Database: cmp.Or(s.Database, o.Database), Port: cmp.Or(s.Port, o.Port)}
}

// number is written as 5432 or "5432".
type number string

func (n *number) UnmarshalJSON(data []byte) error {
	if string(data) != "null" {
		*n = number(strings.Trim(string(data), `"`))
	}
	return nil
}

// readSecret reads the document in a variable, empty for an empty one. Its
// errors never show the text.
func readSecret(variable, text string) (secret, error) {
	var s secret
	if text == "" {
		return s, nil
	}
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return s, fmt.Errorf(`%s is not a JSON document (its text is not shown); it must be as {"username": …, "password": …, "host": …, "port": 5432, "dbname": …}`, variable)
	}
	if s.Engine != "" && !strings.Contains(s.Engine, "postgres") {
		return s, fmt.Errorf("%s is for the engine %q, not for PostgreSQL", variable, s.Engine)
	}
	return s, nil
}
