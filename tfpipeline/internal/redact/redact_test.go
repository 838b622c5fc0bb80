package redact

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
)

// readable holds errors as AWS, ECS, Terraform, GitHub and PostgreSQL word
// them, one a line. People need every word of them.
//
//go:embed testdata/readable.txt
var readable string

func TestErrorsStayReadable(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(readable), "\n")
	if len(lines) < 60 {
		t.Fatalf("the corpus has %d errors; it had at least 60", len(lines))
	}
	for _, text := range lines {
		if got := (Redactor{}).Hide(text); got != text {
			t.Errorf("%q\nbecame\n%q", text, got)
		}
	}
	whole := strings.Join(lines, "\n")
	if got := (Redactor{}).Hide(whole); got != whole {
		t.Error("the corpus as one text does not survive")
	}
}

// leaks are texts with one secret each. The secrets are made up; they are put
// together here so that no scanner takes this file for a leak.
func leaks() map[string]string {
	random := "q9Xv2LmZ8rTb4" + "KpW7nYc3HdF6sJg1AeU5oRi"
	jwt := "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N"
	hub := "ghp_16C7e42F292c" + "6912E7710c838347Ae178B4a"
	return map[string]string{
		"DB_PASSWORD=hunter2hunter2":                                                         "hunter2hunter2",
		"password: hunter2":                                                                  "hunter2",
		"password: swordfish":                                                                "swordfish",
		"password: swordfish user=app":                                                       "swordfish",
		"connect: db password: swordfish host=db sslmode=require":                            "swordfish",
		"password: swordfish\nnext line":                                                     "swordfish",
		"{\"password\": \"swordfish\"}":                                                      "swordfish",
		"{'password': 'swordfish'}":                                                          "swordfish",
		`{\"password\":\"swordfish\",\"x\":1}`:                                               "swordfish",
		`{"log":"{\\\"db_password\\\":\\\"swordfish\\\"}"}`:                                  "swordfish",
		`{"password":"sword\"fish"}`:                                                         `fish`,
		`"superadmin-password" => "correct horse battery"`:                                   "correct horse battery",
		"PGPASSWORD=swordfish psql":                                                          "swordfish",
		"pwd=swordfish;server=db":                                                            "swordfish",
		"host=db user=app password=swordfish sslmode=require":                                "swordfish",
		"postgres://app:s3cr3tpw@db:5432/app":                                                "s3cr3tpw",
		"rediss://:swordfish@cache:6379":                                                     "swordfish",
		"https://user:swordfish@example.com/x":                                               "swordfish",
		"AKIAIOSFODNN7" + "EXAMPLE is the key":                                               "AKIAIOSFODNN7" + "EXAMPLE",
		"ASIAIOSFODNN7" + "EXAMPLE":                                                          "ASIAIOSFODNN7" + "EXAMPLE",
		"aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCY" + "EXAMPLEKEY":              "bPxRfiCY",
		"the key is " + random + " and more":                                                 random,
		random:                                                                               random,
		"Authorization: Bearer " + jwt:                                                       "dozjgNryP4J3jVmNHl0w5N",
		"got " + jwt + " back":                                                               jwt,
		"Authorization: Basic YXBwOnN3b3JkZmlzaA==":                                          "YXBwOnN3b3JkZmlzaA==",
		"bearer abcdefgh12345678":                                                            "abcdefgh12345678",
		"token " + hub:                                                                       hub,
		"https://x-access-token:" + hub + "@github.com/o/r":                                  hub,
		"github_pat_11ABCDEFG0" + "abcdefghijklmnopqrstuv":                                   "abcdefghijklmnopqrstuv",
		"glpat-abcdefgh" + "ijklmnop1234":                                                    "ijklmnop1234",
		"xoxb-1234567890-" + "abcdefghij":                                                    "abcdefghij",
		"sk_live_abcdefgh" + "ijklmnop":                                                      "ijklmnop",
		"Post \"https://hooks.slack.com/services/T000/B000/" + "XXXXyyyyZZZZ\": EOF":         "XXXXyyyyZZZZ",
		"https://discord.com/api/webhooks/123/" + "abcDEF":                                   "abcDEF",
		"-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----":             "MIIEow",
		"-----BEGIN PRIVATE KEY-----\nMIIEow and cut":                                        "MIIEow",
		"Set-Cookie: session=abcd1234; Path=/":                                               "abcd1234",
		"GET /cb?access_token=abc123&state=x":                                                "abc123",
		"GET /x?X-Amz-Security-Token=IQoJb3JpZ2lu&X-Amz-Signature=0a1b2c":                    "0a1b2c",
		"X-Amz-Security-Token=IQoJb3JpZ2lu":                                                  "IQoJb3JpZ2lu",
		"body=password%3Dswordfish%26x":                                                      "swordfish",
		"<MasterUserPassword>swordfish</MasterUserPassword>":                                 "swordfish",
		"<SecretAccessKey>wJalrXUtnFEMI</SecretAccessKey>":                                   "wJalrXUtnFEMI",
		"ALTER ROLE app WITH PASSWORD 'sword''fish'":                                         "fish",
		"CREATE USER app IDENTIFIED BY 'swordfish'":                                          "swordfish",
		"mysql --password swordfish":                                                         "swordfish",
		"curl --token 'swordfish'":                                                           "swordfish",
		"run: --db-password=swordfish --verbose":                                             "swordfish",
		"session_secret: tops3cretkey is set":                                                "tops3cretkey",
		"invite-keys=one,two":                                                                "one",
		"api_key: 0123456789abcdef":                                                          "0123456789abcdef",
		"credentials: app:swordfish1":                                                        "swordfish1",
		"open \"secret\":\"swordfish\": no such file":                                        "swordfish",
		"AWS_SESSION_TOKEN=IQoJb3JpZ2luX2VjEJr//////////wEaCXVzLXdlc3QtMiJHMEUCIQDabc123XYZ": "IQoJb3JpZ2luX2VjEJr",
		"the value of DB_PASSWORD is plain words nobody would suspect":                       "plain words nobody would suspect",
	}
}

func TestSecretsAreHidden(t *testing.T) {
	r := New("plain words nobody would suspect", "abc")
	texts := leaks()
	if len(texts) < 40 {
		t.Fatalf("%d secrets are tried; there were at least 40", len(texts))
	}
	for text, secret := range texts {
		for _, where := range []string{"%s", "ERROR app failed: %s, retrying", `level=error msg="%s"`, "before\n%s\nafter"} {
			got := r.Hide(fmt.Sprintf(where, text))
			if strings.Contains(got, secret) {
				t.Errorf("%q\nbecame\n%q,\nwhich holds %q", fmt.Sprintf(where, text), got, secret)
			}
			if !strings.Contains(got, Hidden) {
				t.Errorf("%q says nowhere that something was hidden", got)
			}
		}
	}
}

// TestNothingElseIsHidden holds that what stands around a secret stays.
func TestNothingElseIsHidden(t *testing.T) {
	for text, want := range map[string]string{
		"login failed: DB_PASSWORD=hunter2 user=app":                   "login failed: DB_PASSWORD=[hidden] user=app",
		`{"user":"app","password":"x1y2","port":5432}`:                 `{"user":"app","password":[hidden],"port":5432}`,
		"dial postgres://app:s3cr3tpw@db:5432/app: connection refused": "dial postgres://app:[hidden]@db:5432/app: connection refused",
	} {
		if got := (Redactor{}).Hide(text); got != want {
			t.Errorf("%q became\n%q, not\n%q", text, got, want)
		}
		if again := (Redactor{}).Hide(want); again != want {
			t.Errorf("hiding twice changes %q into %q", want, again)
		}
	}
}

func TestErrorKeepsItsChain(t *testing.T) {
	if err := New("swordfish").Error(nil); err != nil {
		t.Errorf("no error became %v", err)
	}
	plain := fmt.Errorf("open: %w", fs.ErrNotExist)
	if got := New("swordfish").Error(plain); got != plain {
		t.Errorf("an error without a secret became another one: %v", got)
	}
	err := New("swordfish").Error(fmt.Errorf("open swordfish: %w", fs.ErrNotExist))
	if err.Error() != "open [hidden]: file does not exist" || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %q, which is fs.ErrNotExist: %t", err, errors.Is(err, fs.ErrNotExist))
	}
}
