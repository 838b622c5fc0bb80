package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// TestLintProject: the project's own migrations have no findings.
func TestLintProject(t *testing.T) {
	stdout, stderr, code := check(t, "lint")
	if code != exitClean || stdout != "16 files judged: 0 errors, 0 warnings\n" || stderr != "" {
		t.Errorf("exit %d\n%s\n%s", code, stdout, stderr)
	}
}

func TestLintFiles(t *testing.T) {
	schema := write(t, "deployed.sql", "CREATE TABLE users (id bigint PRIMARY KEY, email text);")
	bad := write(t, "0002_x.sql", "ALTER TABLE users\n  ADD COLUMN token uuid DEFAULT gen_random_uuid();\nALTER TABLE users DROP COLUMN email;\n")
	good := write(t, "0003_y.sql", "ALTER TABLE users ADD COLUMN name text;\n")
	warned := write(t, "0004_z.sql", "ALTER TABLE users ADD COLUMN settings json;\n")

	if stdout, _, code := check(t, "lint", "-schema", schema, good); code != exitClean || stdout != "1 file judged: 0 errors, 0 warnings\n" {
		t.Errorf("exit %d\n%s", code, stdout)
	}
	if stdout, _, code := check(t, "lint", "-schema", schema, warned); code != exitClean || !strings.Contains(stdout, "warning: json-column") {
		t.Errorf("a warning alone is no failure: exit %d\n%s", code, stdout)
	}

	stdout, _, code := check(t, "lint", "-schema", schema, good, bad)
	if code != exitFound {
		t.Errorf("exit %d", code)
	}
	for _, want := range []string{bad + ":2:14: error: add-column-volatile-default: ", "ACCESS EXCLUSIVE", "SET DEFAULT gen_random_uuid()", bad + ":3", "error: drop-column", "2 files judged: "} {
		if !strings.Contains(stdout, want) {
			t.Errorf("lacks %q:\n%s", want, stdout)
		}
	}

	stdout, _, code = check(t, "lint", "-json", "-schema", schema, bad)
	if code != exitFound {
		t.Errorf("exit %d", code)
	}
	rules := map[string]int{}
	for lines := bufio.NewScanner(strings.NewReader(stdout)); lines.Scan(); {
		var f struct {
			File, Rule, Severity, Message string
			Line                          int
		}
		d := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		if err := d.Decode(&f); err != nil || f.File != bad || f.Line == 0 || f.Message == "" || f.Severity != "error" && f.Severity != "warning" {
			t.Errorf("%v: %s", err, lines.Text())
		}
		rules[f.Rule] = f.Line
	}
	if rules["add-column-volatile-default"] != 2 || rules["drop-column"] != 3 {
		t.Errorf("%v", rules)
	}

	stdout, _, _ = check(t, "lint", "-github", "-schema", schema, bad)
	if !strings.Contains(stdout, "::error file="+bad+",line=2,col=14,title=add-column-volatile-default::") {
		t.Errorf("no annotation:\n%s", stdout)
	}
}

// TestLintStdin reads a migration from the standard input, as an editor gives
// it.
func TestLintStdin(t *testing.T) {
	var out, errout bytes.Buffer
	code := run(t.Context(), []string{"lint", "-"}, nil, strings.NewReader("DROP TABLE users;"), &out, &errout)
	if code != exitFound || !strings.Contains(out.String(), "drop-table") {
		t.Errorf("exit %d\n%s%s", code, &out, &errout)
	}
}

func TestLintUsage(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{nil, exitTrouble, "Usage: go run ./migrations/check COMMAND"},
		{[]string{"help"}, exitClean, "lint     read migrations"},
		{[]string{"help", "lint"}, exitClean, "go run ./migrations/check lint -schema deployed.sql new.sql"},
		{[]string{"lint", "--help"}, exitClean, "-postgres version"},
		{[]string{"lent"}, exitTrouble, `there is no command "lent"`},
		{[]string{"lint", "-json", "-github"}, exitTrouble, "exclude each other"},
		{[]string{"lint", "-postgres", "9"}, exitTrouble, "-postgres 9: known are 10 to 18"},
		{[]string{"lint", "absent.sql", "gone.sql"}, exitTrouble, "gone.sql"},
		{[]string{"lint", "-schema", "absent.sql"}, exitTrouble, "read the schema"},
		{[]string{"rules"}, exitClean, "set-not-null"},
		{[]string{"rules", "set-not-null"}, exitClean, "instead"},
		{[]string{"rules", "set-nothing"}, exitTrouble, `there is no rule "set-nothing"`},
	} {
		stdout, stderr, code := check(t, c.args...)
		if code != c.code || !strings.Contains(stdout+stderr, c.want) {
			t.Errorf("%v: exit %d\n%s%s", c.args, code, stdout, stderr)
		}
		if c.code == exitClean && stderr != "" {
			t.Errorf("%v: what was asked for goes to the standard output: %s", c.args, stderr)
		}
	}
}
