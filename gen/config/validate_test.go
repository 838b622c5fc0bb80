package config_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
)

// invalid is a platform with something wrong in it, and all that Validate is
// to say about it.
type invalid struct {
	name  string
	spoil func(*config.Platform)
	want  string
}

// checkInvalid breaks a valid platform in one way after another.
func checkInvalid(t *testing.T, cases []invalid) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := configtest.Docs()
			c.spoil(&p)
			err := p.Validate()
			if err == nil {
				t.Fatal("the platform passes")
			}
			if diff := cmp.Diff(strings.TrimSpace(c.want), err.Error()); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

// wantProblems checks that a platform has these problems and no others, given how each
// begins.
func wantProblems(t *testing.T, name string, p config.Platform, want ...string) {
	t.Helper()
	err := p.Validate()
	problems, _ := errors.AsType[config.Problems](err)
	same := len(problems) == len(want)
	for i := 0; same && i < len(want); i++ {
		same = strings.HasPrefix(problems[i].String(), want[i])
	}
	if !same {
		t.Errorf("%s: problems\n%v\nwant\n%s", name, err, strings.Join(want, "\n"))
	}
}

func TestValid(t *testing.T) {
	t.Parallel()
	if err := config.Default().Validate(); err != nil {
		t.Errorf("the default platform: %v", err)
	}
	for name, p := range configtest.All() {
		if err := p.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What the design promises to be one literal is one literal.
func TestMoreIsValid(t *testing.T) {
	t.Parallel()
	p := configtest.Docs()
	p.Services = append(p.Services, config.Service{Name: "storage", Port: 3003, HealthCommand: []string{"CMD-SHELL", "wget -q -O- localhost:3003/health"}, Database: true, Calls: []string{"api"}})
	p.Environments = append(p.Environments, preview())
	if err := p.Validate(); err != nil {
		t.Error(err)
	}
}

// preview is a third environment.
func preview() config.Environment {
	e := configtest.Docs().Environments[0]
	e.Name, e.Subdomain, e.Network.CIDR = "preview", "preview", "10.30.0.0/20"
	return e
}

func TestProblemsAreReportedTogether(t *testing.T) {
	t.Parallel()
	p := configtest.Docs()
	p.Name = "Doc"
	p.Services[1].Port = 80000
	p.Services[2].Calls = []string{"apj"}
	p.Tasks[1].Memory = 600
	p.Environments[0].Network.CIDR = "10.10.0.0/8"
	p.Environments[1].Database.MultiAZ = false
	err := p.Validate()

	problems, ok := errors.AsType[config.Problems](err)
	if !ok {
		t.Fatalf("error is a %T, want Problems", err)
	}
	want := config.Problems{
		{"name", `"Doc"`, "is not lower-case letters, digits and single hyphens between them, beginning with a letter", `"shop"`},
		{`services["frontend"].port`, "80000", "is not a port, 1 to 65535", "3000"},
		{`services["mcp"].calls[0]`, `"apj"`, "is not a service", `"api"`},
		{`tasks["seed"].memory`, "600", "MiB is not what Fargate pairs with 256 CPU units: 512, 1024 or 2048", "1024"},
		{`environments["staging"].network.cidr`, `"10.10.0.0/8"`, "is not a /16 to /20 IPv4 block", `"10.10.0.0/16"`},
		{`environments["production"].database.multiAZ`, "false", "breaks a promise of protected environments: a standby of the database in a second zone", "true"},
	}
	if diff := cmp.Diff(want, problems); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	if got, want := len(strings.Split(err.Error(), "\n")), len(want); got != want {
		t.Errorf("the error has %d lines, want one for each of %d problems", got, want)
	}
	line := `environments["staging"].network.cidr: "10.10.0.0/8" is not a /16 to /20 IPv4 block; for example "10.10.0.0/16"`
	if !strings.Contains(err.Error(), line) {
		t.Errorf("error lacks the line %s", line)
	}
}

// An order that follows a map would differ from run to run.
func TestOrderIsStable(t *testing.T) {
	t.Parallel()
	broken := func() string {
		p := configtest.Docs()
		p.Services[0].Environment = map[string]string{"A B": "", "C D": "", "E F": "", "G H": "", "I J": ""}
		p.Environments[0].Sizes = map[string]config.Size{"x": {}, "y": {}, "z": {}}
		return p.Validate().Error()
	}
	first := broken()
	for range 20 {
		if diff := cmp.Diff(first, broken()); diff != "" {
			t.Fatalf("two runs differ:\n%s", diff)
		}
	}
}
