package main

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// canary is a password; it may show up nowhere.
const canary = "c4nary'\\ p%w{rd"

func noFile(string) ([]byte, error) { return nil, fs.ErrNotExist }

func TestAddress(t *testing.T) {
	full := address{host: "127.0.0.1", port: "5433", name: "app", user: "admin", password: canary}
	document := `{"engine":"postgres","host":"127.0.0.1","port":5433,"dbname":"app","username":"admin","password":"c4nary'\\ p%w{rd"}`
	tests := []struct {
		name string
		env  map[string]string
		want address
	}{
		{"one by one", map[string]string{"DB_HOST": "127.0.0.1", "DB_PORT": "5433", "DB_NAME": "app", "DB_USER": "admin", "DB_PASSWORD": canary}, full},
		{"as the container gets them, with the whole secret as password", map[string]string{"DB_HOST": "127.0.0.1", "DB_PORT": "5433", "DB_NAME": "app", "DB_USER": "admin", "DB_PASSWORD": document}, full},
		{"secret alone", map[string]string{"DB_SECRET": document}, full},
		{"secret with its port as text", map[string]string{"DB_SECRET": strings.Replace(document, "5433", `"5433"`, 1)}, full},
		{"secret, and another host", map[string]string{"DB_SECRET": document, "DB_HOST": "::1"}, address{"::1", "5433", "app", "admin", canary, "", ""}},
		{"PG variables", map[string]string{"PGHOST": "127.0.0.1", "PGPORT": "5433", "PGDATABASE": "app", "PGUSER": "admin", "PGPASSWORD": canary, "PGSSLMODE": "verify-full", "PGSSLROOTCERT": "ca.pem"},
			address{"127.0.0.1", "5433", "app", "admin", canary, "verify-full", "ca.pem"}},
		{"the platform's TLS mode", map[string]string{"DB_HOST": "h", "DB_NAME": "app", "DB_USER": "admin", "DB_SSLMODE": "require"}, address{"h", "5432", "app", "admin", "", "require", ""}},
		{"URL", map[string]string{"DATABASE_URL": "postgres://admin:c4nary%27%5C%20p%25w%7Brd@127.0.0.1:5433/app", "DB_HOST": "elsewhere"}, full},
		{"URL of a socket", map[string]string{"DATABASE_URL": "postgresql:///app?host=/run/postgresql&user=admin&sslmode=disable", "PGPASSWORD": canary},
			address{"/run/postgresql", "5432", "app", "admin", canary, "disable", ""}},
		{"the usual port", map[string]string{"DB_HOST": "h", "DB_NAME": "app", "DB_USER": "admin"}, address{"h", "5432", "app", "admin", "", "", ""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := readAddress(tt.env)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(address{})); diff != "" {
				t.Error(diff)
			}
			if !local(got.host) {
				return
			}
			config, words, err := database(map[string]string{"DATABASE_URL": tt.env["DATABASE_URL"], "DB_HOST": got.host, "DB_PORT": got.port, "DB_NAME": got.name, "DB_USER": got.user, "DB_PASSWORD": got.password, "PGPASSWORD": got.password}, noFile)
			if err != nil || config.Password != canary || config.Host != got.host || config.Database != "app" || len(config.Fallbacks) > 0 {
				t.Errorf("config %+v, %v", config, err)
			}
			if strings.Contains(words, "c4nary") {
				t.Errorf("the password is in %q", words)
			}
		})
	}
}

// TestAddressRefused: all that is missing at once, and never the password.
func TestAddressRefused(t *testing.T) {
	tests := []struct {
		name string
		env  map[string]string
		want []string
	}{
		{"nothing", nil, []string{"DB_HOST is not set", "DB_NAME is not set", "DB_USER is not set"}},
		{"only a password", map[string]string{"DB_PASSWORD": canary}, []string{"DB_HOST is not set"}},
		{"secret is no JSON", map[string]string{"DB_SECRET": canary}, []string{"DB_SECRET is not a JSON document"}},
		{"secret of another engine", map[string]string{"DB_SECRET": `{"engine":"mysql","password":"c4nary"}`}, []string{`the engine "mysql"`}},
		{"URL that is none", map[string]string{"DATABASE_URL": "postgres://u:c4nary%zz@h/db"}, []string{"DATABASE_URL is not the URL"}},
		{"keywords in place of a URL", map[string]string{"DATABASE_URL": "host=h password=c4nary"}, []string{"DATABASE_URL is not the URL"}},
		{"URL without anything", map[string]string{"DATABASE_URL": "postgres://?options=c4nary"}, []string{"names no host", "names no database", "names no user", `sets "options"`}},
		{"several hosts", map[string]string{"DATABASE_URL": "postgres://u:c4nary@/db?host=a,b"}, []string{"names several hosts"}},
		{"port", map[string]string{"DB_HOST": "127.0.0.1", "DB_NAME": "a", "DB_USER": "u", "DB_PASSWORD": canary, "DB_PORT": "99999"}, []string{`port is "99999"`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var env []string
			for k, v := range tt.env {
				env = append(env, k+"="+v)
			}
			code, out, errs := invoke(t, env, "status")
			if code != exitFailed || out != "" {
				t.Errorf("exit %d, %q", code, out)
			}
			for _, w := range tt.want {
				if !strings.Contains(errs, w) {
					t.Errorf("missing %q in %q", w, errs)
				}
			}
			if strings.Contains(errs, "c4nary") {
				t.Errorf("the password is shown: %s", errs)
			}
		})
	}
}

func TestSecure(t *testing.T) {
	const onRDS = "production.abc.us-west-2.rds.amazonaws.com"
	bundle := func(paths ...string) func(string) ([]byte, error) {
		return func(name string) ([]byte, error) {
			for _, p := range paths {
				if p == name {
					return certificate(t).pem, nil
				}
			}
			return nil, errors.Join(errors.New(name), fs.ErrNotExist)
		}
	}
	tests := []struct {
		name, host, mode, root string
		env                    map[string]string
		read                   func(string) ([]byte, error)
		words, problem         string
		pool                   bool
	}{
		{name: "socket", host: "/run/postgresql", words: "plain"},
		{name: "loopback", host: "127.0.0.1", words: "plain"},
		{name: "loopback 6", host: "::1", mode: "prefer", words: "plain"},
		{name: "localhost", host: "localhost", mode: "disable", words: "plain"},
		{name: "loopback, asked for", host: "localhost", mode: "require", words: "TLS verified by the system"},
		{name: "not loopback", host: "10.20.0.5", words: "TLS verified by the system"},
		{name: "looks like loopback", host: "127.0.0.1.example.com", words: "TLS verified by the system"},
		{name: "prefer is verify-full", host: "db.example.com", mode: "prefer", words: "TLS verified by the system"},
		{name: "own authority", host: "db.example.com", root: "ca.pem", read: bundle("ca.pem"), words: "TLS verified by ca.pem", pool: true},
		{name: "own authority is gone", host: "db.example.com", root: "ca.pem", problem: "read the certificates"},
		{name: "plain over the network", host: "db.example.com", mode: "disable", problem: "take sslmode=disable out"},
		{name: "plain to RDS", host: onRDS, mode: "disable", problem: "take sslmode=disable out"},
		{name: "unknown mode", host: "localhost", mode: "on", problem: `sslmode "on"`},
		{name: "RDS, usual place", host: onRDS, read: bundle("/etc/ssl/certs/rds-global-bundle.pem"), words: "TLS verified by /etc/ssl/certs/rds-global-bundle.pem", pool: true},
		{name: "RDS, in capitals with a dot", host: strings.ToUpper(onRDS) + ".", read: bundle("/global-bundle.pem"), words: "TLS verified by /global-bundle.pem", pool: true},
		{name: "RDS, named", host: onRDS, env: map[string]string{"RDS_CA_BUNDLE": "b.pem"}, read: bundle("b.pem"), words: "TLS verified by b.pem", pool: true},
		{name: "RDS, PGSSLROOTCERT first", host: onRDS, root: "r.pem", env: map[string]string{"RDS_CA_BUNDLE": "b.pem"}, read: bundle("r.pem"), words: "TLS verified by r.pem", pool: true},
		{name: "RDS without certificates", host: onRDS, problem: "ADD https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem"},
		{name: "RDS with rubbish", host: onRDS, read: func(string) ([]byte, error) { return []byte("rubbish"), nil }, problem: "holds no certificate"},
		{name: "RDS Proxy", host: "x.proxy-abc.us-west-2.rds.amazonaws.com", problem: "is an RDS Proxy"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			read := tt.read
			if read == nil {
				read = noFile
			}
			config, words, err := secure(address{host: tt.host, sslMode: tt.mode, rootCert: tt.root}, tt.env, read)
			if tt.problem != "" {
				if err == nil || !strings.Contains(err.Error(), tt.problem) {
					t.Fatalf("error %v, want %q", err, tt.problem)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(words, tt.words) {
				t.Errorf("words %q, want %q", words, tt.words)
			}
			if plain := strings.HasPrefix(tt.words, "plain"); plain != (config == nil) {
				t.Fatalf("config %v", config)
			}
			if config != nil && (config.InsecureSkipVerify || config.ServerName != strings.TrimSuffix(tt.host, ".") || (config.RootCAs != nil) != tt.pool) {
				t.Errorf("config %+v", config)
			}
		})
	}
}
