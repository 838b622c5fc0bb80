package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	autoscaling "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/creack/pty"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/account"
	"github.com/specboard/platform/tfpipeline/internal/console"
)

// provided is the secret of the market that a person provides.
const provided = "carrier-key"

// operated is the market with what its operators change by hand: a secret that they
// provide, and services that autoscaling may give more tasks.
func operated() config.Platform {
	p := configtest.Market()
	p.Secrets = append(p.Secrets, config.Secret{Name: provided, Kind: config.Provided, Variable: "CARRIER_KEY", Hint: "the carrier's key"})
	for i := range p.Services {
		if s := &p.Services[i]; s.Name == "mail" {
			s.Secrets = append(s.Secrets, provided)
		}
	}
	size := &p.Environments[0].Size
	size.MaxTasks, size.TargetCPUPercent = 3, 60
	return p
}

// operates does by hand what operators do, as the role that deploys and while users
// ask: it stores and rotates secrets, freezes, restarts and scales. It leaves one
// service scaled, which the next promotion sets back.
func (m market) operates(env, release string) {
	m.t.Helper()
	// A stored value reaches those who read it, and only them, once they restart.
	mail, web := m.tasks(env, "mail"), m.tasks(env, "web")
	m.stores(env, "the second key", "-restart")
	if now := m.tasks(env, "mail"); len(now) == 0 || shares(now, mail) {
		m.t.Errorf("the tasks of mail were %v, and are %v: none has the new value", mail, now)
	}
	if now := m.tasks(env, "web"); !slices.Equal(now, web) {
		m.t.Errorf("web reads no such secret, and was restarted: %v, %v", web, now)
	}
	before := m.secret(env, "cookie-key")
	contains(m.t, "secrets rotate", m.does(env, console.ExitOK, "secrets", "rotate", "-secret", "cookie-key"), "secret cookie-key has a new value")
	if value := m.secret(env, "cookie-key"); value == before || len(value) != len(before) {
		m.t.Error("the rotated secret has the value of before, or one of another length")
	}
	var list account.Secrets
	if err := json.Unmarshal([]byte(m.does(env, console.ExitOK, "secrets", "list", "-json")), &list); err != nil || len(list.Secrets) != len(m.platform.Secrets) {
		m.t.Fatalf("%d secrets, %v", len(list.Secrets), err)
	}
	for _, s := range list.Secrets {
		want := 1 // Terraform stored it
		if s.Name == "cookie-key" || s.Name == provided {
			want = 2
		}
		if len(s.Versions) != want {
			m.t.Errorf("secret %s has %d versions, want %d: %v", s.Name, len(s.Versions), want, s.Versions)
		}
	}
	m.freezes(env, release)
	m.scales(env)
}

// freezes refuses what would change the environment, and asks before a rollback.
func (m market) freezes(env, release string) {
	m.t.Helper()
	const why = "the carrier counts parcels"
	m.does(env, console.ExitOK, "freeze", "-why", why)
	web := m.tasks(env, "web")
	for _, refused := range [][]string{{"promote", "-release", "v1.1.0"}, {"apply", "-yes"}, {"run", "-task", "migrate"}} {
		mentions(m.t, m.does(env, console.ExitFailed, refused...), env+" is frozen by ", why, "next: once it may be changed: tfpipeline unfreeze -env "+env)
	}
	for _, asks := range [][]string{{"rollback", "-to", "v1.1.0"}, {"restart", "-service", "web"}} {
		said, code := m.answers(env, "no", asks...)
		if code != console.ExitFailed {
			m.t.Errorf("%s in a frozen environment, declined: exit %d\n%s", asks[0], code, said)
		}
		mentions(m.t, said, env+" is frozen by ", why, "Go on with the "+asks[0]+" all the same?")
	}
	m.serves(env, release)
	if now := m.tasks(env, "web"); !slices.Equal(now, web) {
		m.t.Errorf("what was refused replaced the tasks %v by %v", web, now)
	}
	if said, code := m.answers(env, "yes", "restart", "-service", "web"); code != console.ExitOK {
		m.t.Errorf("a restart in a frozen environment, confirmed: exit %d\n%s", code, said)
	}
	if now := m.tasks(env, "web"); len(now) == 0 || shares(now, web) {
		m.t.Errorf("the tasks of web were %v, and are %v: they did not restart", web, now)
	}
	m.does(env, console.ExitOK, "unfreeze")
}

// scales gives the website another number of tasks, and no service more than its
// bounds.
func (m market) scales(env string) {
	m.t.Helper()
	mentions(m.t, m.does(env, console.ExitFailed, "scale", "-service", "web", "-tasks", "4"), "its Size in "+env+" allows 1 to 3")
	m.does(env, console.ExitOK, "scale", "-service", "web", "-tasks", "2")
	m.minimum(env, "web", 2)
	m.minimum(env, "search", 1)
	for service, want := range map[string]int{"web": 2, "search": 1} {
		if got := m.tasks(env, service); len(got) != want {
			m.t.Errorf("%d tasks of %s run, want %d", len(got), service, want)
		}
	}
}

// minimum checks below how many tasks of a service autoscaling does not go. How many
// there are above it is autoscaling's choice, which the local AWS does not make.
func (m market) minimum(env, service string, want int) {
	m.t.Helper()
	id := "service/" + m.platform.Cluster(env) + "/" + service
	out, err := applicationautoscaling.NewFromConfig(m.cfg).DescribeScalableTargets(m.t.Context(), &applicationautoscaling.DescribeScalableTargetsInput{
		ServiceNamespace: autoscaling.ServiceNamespaceEcs, ResourceIds: []string{id},
	})
	if err != nil || len(out.ScalableTargets) != 1 || aws.ToInt32(out.ScalableTargets[0].MinCapacity) != int32(want) {
		m.t.Errorf("autoscaling of %s: %+v, %v; want a minimum of %d tasks", service, out, err, want)
	}
}

// stores stores a value of the secret that a person provides.
func (m market) stores(env, value string, args ...string) {
	m.t.Helper()
	file := filepath.Join(m.t.TempDir(), "value")
	if err := os.WriteFile(file, []byte(value), 0o600); err != nil {
		m.t.Fatal(err)
	}
	if said := m.does(env, console.ExitOK, append([]string{"secrets", "set", "-secret", provided, "-file", file}, args...)...); strings.Contains(said, value) {
		m.t.Errorf("the value is printed:\n%s", said)
	}
	if got := m.secret(env, provided); got != value {
		m.t.Errorf("stored is %q, want %q", got, value)
	}
}

// secret is the current value of a secret.
func (m market) secret(env, name string) string {
	m.t.Helper()
	out, err := secretsmanager.NewFromConfig(m.cfg).GetSecretValue(m.t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String(m.platform.SecretName(env, name))})
	if err != nil {
		m.t.Fatal(err)
	}
	return aws.ToString(out.SecretString)
}

// tasks are those of a service that are meant to run, in the order of their names.
func (m market) tasks(env, service string) []string {
	m.t.Helper()
	out, err := ecs.NewFromConfig(m.cfg).ListTasks(m.t.Context(), &ecs.ListTasksInput{Cluster: aws.String(m.platform.Cluster(env)), ServiceName: &service})
	if err != nil {
		m.t.Fatal(err)
	}
	slices.Sort(out.TaskArns)
	return out.TaskArns
}

func shares(a, b []string) bool {
	return slices.ContainsFunc(a, func(task string) bool { return slices.Contains(b, task) })
}

// does runs a command in an environment as the role that deploys there, and returns
// all that it printed.
func (m market) does(env string, want int, args ...string) string {
	m.t.Helper()
	stdout, stderr, code := m.deployer(env).run(m.t, m.in(env, args)...)
	if code != want {
		m.t.Fatalf("tfpipeline %s: exit %d, want %d\n%s\n%s", strings.Join(args, " "), code, want, stdout, stderr)
	}
	if slices.Contains(args, "-json") {
		return stdout
	}
	return stdout + stderr
}

func (m market) in(env string, args []string) []string {
	return append(slices.Clone(args), "-C", m.repository, "-env", env)
}

// answers runs a command on a terminal on which a person has typed an answer.
func (m market) answers(env, answer string, args ...string) (said string, code int) {
	m.t.Helper()
	person, terminal, err := pty.Open()
	if err != nil {
		m.t.Fatal(err)
	}
	defer func() { _, _ = person.Close(), terminal.Close() }()
	cmd := m.deployer(env).command(m.t, m.in(env, args)...)
	var out bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, &out, &out
	if _, err := fmt.Fprintln(person, answer); err != nil {
		m.t.Fatal(err)
	}
	_ = cmd.Run() // the code says it
	return out.String(), cmd.ProcessState.ExitCode()
}
