package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// lintWith runs a command with just this environment, not the machine's.
func lintWith(t *testing.T, env []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errout bytes.Buffer
	code = run(t.Context(), args, env, strings.NewReader(""), &out, &errout)
	return out.String(), errout.String(), code
}

// TestLintProject: the project's own migrations have no findings.
func TestLintProject(t *testing.T) {
	stdout, stderr, code := lintWith(t, nil, "lint")
	if code != exitClean || !strings.HasSuffix(stdout, " judged: 0 errors, 0 warnings\n") || strings.Count(stdout, "\n") != 1 || stderr != "" {
		t.Errorf("exit %d\n%s\n%s", code, stdout, stderr)
	}
}

func TestLintFiles(t *testing.T) {
	schema := write(t, "deployed.sql", "CREATE TABLE users (id bigint PRIMARY KEY, email text);")
	bad := write(t, "0002_x.sql", "ALTER TABLE users\n  ADD COLUMN token uuid DEFAULT gen_random_uuid();\nALTER TABLE users DROP COLUMN email;\n")
	good := write(t, "0003_y.sql", "ALTER TABLE users ADD COLUMN name text;\n")
	warned := write(t, "0004_z.sql", "ALTER TABLE users ADD COLUMN settings json;\n")

	if stdout, _, code := lintWith(t, nil, "lint", "-schema", schema, good); code != exitClean || stdout != "1 file judged: 0 errors, 0 warnings\n" {
		t.Errorf("exit %d\n%s", code, stdout)
	}
	if stdout, _, code := lintWith(t, nil, "lint", "-schema", schema, warned); code != exitClean || !strings.Contains(stdout, "warning: json-column") {
		t.Errorf("a warning alone is no failure: exit %d\n%s", code, stdout)
	}

	stdout, _, code := lintWith(t, nil, "lint", "-schema", schema, good, bad)
	if code != exitFound {
		t.Errorf("exit %d", code)
	}
	for _, want := range []string{bad + ":2:14: error: add-column-volatile-default: ", "ACCESS EXCLUSIVE", "SET DEFAULT gen_random_uuid()", bad + ":3", "error: drop-column", "2 files judged: "} {
		if !strings.Contains(stdout, want) {
			t.Errorf("lacks %q:\n%s", want, stdout)
		}
	}

	stdout, _, code = lintWith(t, nil, "lint", "-json", "-schema", schema, bad)
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

	stdout, _, _ = lintWith(t, nil, "lint", "-github", "-schema", schema, bad)
	if !strings.Contains(stdout, "::error file="+bad+",line=2,col=14,title=add-column-volatile-default::") {
		t.Errorf("no annotation:\n%s", stdout)
	}
}

// TestLintInGitHub: a workflow's findings are annotations without asking, but
// not for who asks for something else.
func TestLintInGitHub(t *testing.T) {
	bad := write(t, "0002_x.sql", "DROP TABLE users;\n")
	workflow := []string{"GITHUB_ACTIONS=true"}
	stdout, _, code := lintWith(t, workflow, "lint", bad)
	if code != exitFound || !strings.HasPrefix(stdout, "::error file="+bad+",line=1,") || !strings.HasSuffix(stdout, "\n1 file judged: 1 error, 0 warnings\n") {
		t.Errorf("exit %d\n%s", code, stdout)
	}
	if strings.Count(stdout, "\n") != 2 {
		t.Errorf("an annotation is one line:\n%s", stdout)
	}
	stdout, _, code = lintWith(t, workflow, "lint", "-github=false", bad)
	if code != exitFound || strings.Contains(stdout, "::error") || !strings.Contains(stdout, ": error: drop-table: ") {
		t.Errorf("exit %d\n%s", code, stdout)
	}
	stdout, stderr, code := lintWith(t, workflow, "lint", "-json", bad)
	if code != exitFound || !strings.HasPrefix(stdout, "{") || strings.Count(stdout, "\n") != 1 {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
}

// TestLintWindows: a byte-order mark and CRLF are no findings, and lines count
// on.
func TestLintWindows(t *testing.T) {
	file := write(t, "0002_x.sql", "\ufeff-- a header\r\n\r\nSELECT 1;\r\nDROP TABLE users;\r\n")
	stdout, _, code := lintWith(t, nil, "lint", "-json", file)
	if code != exitFound || strings.Count(stdout, "\n") != 1 || !strings.Contains(stdout, `"line":4,`) {
		t.Errorf("exit %d\n%s", code, stdout)
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
		stdout, stderr, code := lintWith(t, nil, c.args...)
		if code != c.code || !strings.Contains(stdout+stderr, c.want) {
			t.Errorf("%v: exit %d\n%s%s", c.args, code, stdout, stderr)
		}
		if c.code == exitClean && stderr != "" {
			t.Errorf("%v: what was asked for goes to the standard output: %s", c.args, stderr)
		}
	}
}
