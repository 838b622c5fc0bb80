package render

import (
	"strings"
	"testing"

	"github.com/specboard/platform/gen/config/configtest"
)

// A service logs in as its role, migrate knows all roles, and others stay as they were.
func TestDatabaseRolesAreRendered(t *testing.T) {
	tree := renderTree(t, configtest.Shop())
	module := func(path, name string) string {
		_, text, _ := strings.Cut(string(tree[path]), `module "`+name+`" {`)
		text, _, _ = strings.Cut(text, "\n}\n")
		return text
	}
	for _, tt := range []struct {
		path, module string
		want, none   []string
	}{
		{"envs/qa/services.tf", "stock", []string{
			`DB_USER    = "${module.secrets.stored_arns["stock-login"]}:username::"`,
			`PGPASSWORD = "${module.secrets.stored_arns["stock-login"]}:password::"`,
		}, []string{`["postgres"]`, "DB_ROLE"}},
		{"envs/qa/services.tf", "orders", []string{`DB_USER    = "shop"`, `["postgres"]}:password::`}, []string{"login", "DB_ROLE"}},
		{"envs/qa/tasks.tf", "report", []string{`["report-login"]}:username::`}, []string{`["postgres"]`}},
		{"envs/qa/tasks.tf", "migrate", []string{
			`DB_ROLES   = "{\"report_login\":\"read\",\"stock_login\":\"write\"}"`, `DB_USER    = "shop"`, `["postgres"]}:password::`,
			`DB_ROLE_REPORT_LOGIN = module.secrets.stored_arns["report-login"]`, `DB_ROLE_STOCK_LOGIN  = module.secrets.stored_arns["stock-login"]`,
		}, nil},
		{"envs/qa/secrets.tf", "secrets", []string{
			`username = "stock_login_v2"`, `username = "report_login_v1"`,
			"stock-login = {\n      description = \"User and password of a role in the database that may write\"\n      version     = 2\n    }",
		}, nil},
	} {
		text := module(tt.path, tt.module)
		for _, want := range tt.want {
			if !strings.Contains(text, want) {
				t.Errorf("module %s of %s lacks %s:\n%s", tt.module, tt.path, want, text)
			}
		}
		for _, none := range tt.none {
			if strings.Contains(text, none) {
				t.Errorf("module %s of %s has %s:\n%s", tt.module, tt.path, none, text)
			}
		}
	}
}
