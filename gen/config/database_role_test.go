package config_test

import (
	"strings"
	"testing"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
)

func TestDatabaseRoles(t *testing.T) {
	p := configtest.Shop()
	if got := p.RoleGrants(); got != `{"report_login":"read","stock_login":"write"}` {
		t.Errorf("grants %s", got)
	}
	for service, want := range map[string]string{"stock": "stock-login", "orders": "postgres"} {
		s, _ := p.Service(service)
		if login, _ := p.LoginSecret(s.Secrets); login.Name != want {
			t.Errorf("%s logs in with %s, want %s", service, login.Name, want)
		}
	}
	s, _ := p.Secret("stock-login")
	if s.RoleName() != "stock_login" || s.LoginName() != "stock_login_v2" || s.RoleVariable() != "DB_ROLE_STOCK_LOGIN" {
		t.Errorf("%s, %s, %s", s.RoleName(), s.LoginName(), s.RoleVariable())
	}
}

func TestValidateDatabaseRoles(t *testing.T) {
	const stock = 3 // the secret stock-login
	rename := func(name string) func(p *config.Platform) {
		return func(p *config.Platform) {
			p.Secrets[stock].Name, p.Services[2].Secrets = name, []string{name}
		}
	}
	for _, c := range []struct {
		name  string
		spoil func(p *config.Platform)
		want  []string // the problems, and no others
	}{
		{"no grants", func(p *config.Platform) { p.Secrets[stock].Grants = "" }, []string{`secrets["stock-login"].grants: "" is not what a role may do in the database: "read" or "write"; for example "read"`}},
		{"unknown grants", func(p *config.Platform) { p.Secrets[stock].Grants = "all" }, []string{`secrets["stock-login"].grants: "all" is not what a role may do`}},
		{"grants of another kind", func(p *config.Platform) { p.Secrets[0].Grants = config.GrantRead }, []string{`secrets["cookie-key"].grants: "read" has no effect: the secret is no role of the database; for example ""`}},
		{"a variable", func(p *config.Platform) { p.Secrets[stock].Variable = "STOCK_PASSWORD" }, []string{`secrets["stock-login"].variable: "STOCK_PASSWORD" has no effect: a container finds its password where the database's own would be; for example ""`}},
		{"a hint", func(p *config.Platform) { p.Secrets[stock].Hint = "x" }, []string{`secrets["stock-login"].hint: "x" has no effect: nobody has to provide the value`}},
		{"too long a password", func(p *config.Platform) { p.Secrets[stock].Length = 200 }, []string{`secrets["stock-login"].length: 200 is not the length of a PostgreSQL password on RDS, 8 to 128 characters`}},
		{"name of RDS", rename("rds-login"), []string{`secrets["rds-login"].name: "rds-login" is what PostgreSQL or RDS calls a role of its own; for example "reports-login"`}},
		{"name of PostgreSQL", rename("pg-monitor"), []string{`secrets["pg-monitor"].name: "pg-monitor" is what PostgreSQL or RDS calls a role of its own`}},
		{"a reserved word", rename("user"), []string{`secrets["user"].name: "user" is what PostgreSQL or RDS calls a role of its own`}},
		{"name of the owner", rename("shop"), []string{`secrets["shop"].name: "shop" is what PostgreSQL or RDS calls a role of its own`}},
		{"name of a login", rename("report-login-v1"), []string{`secrets["report-login-v1"].name: "report-login-v1" ends as the login of another role could, with its version; for example "reports-login"`}},
		{"long name", rename(strings.Repeat("l", 51)), []string{`secrets["` + strings.Repeat("l", 51) + `"].name: "` + strings.Repeat("l", 51) + `" is longer than 50 characters, and PostgreSQL names a role by it`}},
		{"no way to the database", func(p *config.Platform) { p.Services[0].Secrets = []string{"stock-login"} }, []string{`services["store"].secrets[0]: "stock-login" is a role of the database, to which the container has no way: it lacks the field database`}},
		{"two roles", func(p *config.Platform) { p.Services[2].Secrets = []string{"stock-login", "report-login"} }, []string{`services["stock"].secrets[1]: "report-login" is a second role of the database, and a container logs in with one: "stock-login"`}},
		{"sidecar", func(p *config.Platform) {
			p.Services[2].Sidecars = []config.Sidecar{{Name: "otel", Image: "public.ecr.aws/otel/otel:v1", Secrets: []string{"stock-login"}}}
		}, []string{`services["stock"].sidecars["otel"].secrets[0]: "stock-login" is a role of the database, to which the container has no way`}},
		{"migrate", func(p *config.Platform) { p.Tasks[0].Secrets = []string{"stock-login"} }, []string{`tasks["migrate"].secrets: "stock-login" is a role of the database, and only the owner of the tables changes them`}},
		{"its user is set", func(p *config.Platform) { p.Services[2].Environment = map[string]string{"DB_USER": "x"} }, []string{`services["stock"].environment["DB_USER"]: "DB_USER" is a variable that the platform sets`}},
		{"its variable is set", func(p *config.Platform) {
			p.Tasks[0].Environment = map[string]string{"DB_ROLE_STOCK_LOGIN": "x", "DB_ROLES": "y"}
		}, []string{
			`tasks["migrate"].environment["DB_ROLES"]: "DB_ROLES" is a variable that the platform sets`,
			`tasks["migrate"].environment["DB_ROLE_STOCK_LOGIN"]: "DB_ROLE_STOCK_LOGIN" is a variable that database role "stock-login" sets`,
		}},
	} {
		p := configtest.Shop()
		c.spoil(&p)
		wantProblems(t, c.name, p, c.want...)
	}
}
