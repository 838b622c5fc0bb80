package session_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/calls"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/ecs"
	"github.com/specboard/platform/tfpipeline/internal/localaws"
	"github.com/specboard/platform/tfpipeline/internal/session"
)

// TestMain lets the test binary be AWS's plugin.
func TestMain(m *testing.M) {
	if code, ok := session.RunPlugin(os.Args[1:]); ok {
		os.Exit(code)
	}
	if verb := os.Getenv("SESSION"); verb != "" {
		os.Exit(person(verb, os.Args[1:]))
	}
	os.Exit(m.Run())
}

// person runs a session as the program does, in a process of its own.
func person(verb string, args []string) int {
	c := &console.Console{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.Environ()}
	ctx, stop := c.Interruptible(context.Background())
	defer stop()
	p := configtest.Docs()
	cfg, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithRegion(p.Region))
	if err != nil {
		return c.Fail(err)
	}
	cluster, err := ecs.New(cfg, p, "staging", nil)
	if err != nil {
		return c.Fail(err)
	}
	e, _ := p.Environment("staging")
	n := session.Entrance{
		Platform: p, Environment: e, Config: cfg, ECS: cluster, Console: c, Hide: func(text string) string { return text },
		AtWork:   func(context.Context) error { return nil },
		Identify: func(context.Context) (string, string) { return "ada", "arn:aws:iam::123456789012:user/ada" },
	}
	set := flag.NewFlagSet("", flag.ContinueOnError)
	if verb == "db" {
		var o session.DatabaseOptions
		o.Declare(set)
		if err := set.Parse(args); err != nil {
			return c.Fail(err)
		}
		return c.Fail(n.Database(ctx, o))
	}
	var o session.ExecOptions
	o.Declare(set)
	if err := errors.Join(set.Parse(args), o.Check(p, set.Args())); err != nil {
		return c.Fail(err)
	}
	return c.Fail(n.Exec(ctx, o))
}

const password = "canary-database-password"

// staging is an environment on the local endpoint, made by hand: a cluster that records
// sessions, two services of which one lets people in, and a database.
type staging struct {
	t        *testing.T
	platform config.Platform
	cloud    *localaws.Cloud
	cfg      aws.Config
}

// TestSessions goes into a task and through it to the database, by AWS's own client.
func TestSessions(t *testing.T) {
	if os.Getenv("E2E") == "" {
		t.Skip("needs moto and PostgreSQL: make e2e")
	}
	s := newStaging(t)
	t.Run("exec", s.exec)
	t.Run("db", s.db)
	t.Run("records", s.records)
	t.Run("ends", s.ends)
}

func newStaging(t *testing.T) *staging {
	t.Helper()
	cloud, err := localaws.StartCloud(t.Context(), localaws.CloudOptions{Options: localaws.Options{Progress: func(line string) { t.Log(line) }}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cloud.Close() })
	s := &staging{t, configtest.Docs(), cloud, cloud.Access().Config()}
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, p, roles, tasks := t.Context(), s.platform, iam.NewFromConfig(s.cfg), sdk.NewFromConfig(s.cfg)
	for _, service := range []string{"ecs", "rds"} {
		must(roles.CreateServiceLinkedRole(ctx, &iam.CreateServiceLinkedRoleInput{AWSServiceName: new(service + ".amazonaws.com")}))
	}
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"ecs-tasks.amazonaws.com"}}]}`
	for name, actions := range map[string]string{
		"execution": `["logs:CreateLogStream","logs:PutLogEvents"]`,
		"task":      `["logs:DescribeLogGroups","logs:CreateLogStream","logs:PutLogEvents"]`,
	} {
		must(roles.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust}))
		must(roles.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: new("all"), PolicyDocument: new(
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":` + actions + `,"Resource":"*"}]}`)}))
	}
	subnet := s.subnet()
	group, cluster := p.SessionLog("staging"), p.Cluster("staging")
	must(cloudwatchlogs.NewFromConfig(s.cfg).CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &group}))
	must(tasks.CreateCluster(ctx, &sdk.CreateClusterInput{ClusterName: &cluster, Configuration: &types.ClusterConfiguration{
		ExecuteCommandConfiguration: &types.ExecuteCommandConfiguration{
			Logging: types.ExecuteCommandLoggingOverride, LogConfiguration: &types.ExecuteCommandLogConfiguration{CloudWatchLogGroupName: &group},
		},
	}}))
	must(ecr.NewFromConfig(s.cfg).CreateRepository(ctx, &ecr.CreateRepositoryInput{RepositoryName: new("doc-platform/api")}))
	digest, err := localaws.Push(ctx, s.cfg, "doc-platform/api", "v1", localaws.Image{Folder: t.TempDir(), Entrypoint: []string{"sh", "-c", "while sleep 1; do :; done"}})
	must(nil, err)
	for name, enabled := range map[string]bool{"api": true, "mcp": false} {
		def, err := tasks.RegisterTaskDefinition(ctx, &sdk.RegisterTaskDefinitionInput{
			Family: new(p.Family("staging", name)), Cpu: new("256"), Memory: new("512"), NetworkMode: types.NetworkModeAwsvpc,
			RequiresCompatibilities: []types.Compatibility{types.CompatibilityFargate},
			ExecutionRoleArn:        new("arn:aws:iam::123456789012:role/execution"), TaskRoleArn: new("arn:aws:iam::123456789012:role/task"),
			ContainerDefinitions: []types.ContainerDefinition{{
				Name: &name, Image: new(p.RepositoryURL("api") + "@" + digest), Environment: []types.KeyValuePair{{Name: new("APP_ENV"), Value: new("staging")}},
			}},
		})
		must(nil, err)
		must(tasks.CreateService(ctx, &sdk.CreateServiceInput{
			Cluster: &cluster, ServiceName: &name, TaskDefinition: def.TaskDefinition.TaskDefinitionArn, DesiredCount: new(int32(1)), LaunchType: types.LaunchTypeFargate,
			EnableExecuteCommand: enabled,
			NetworkConfiguration: &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: []string{subnet}}},
		}))
	}
	must(rds.NewFromConfig(s.cfg).CreateDBInstance(ctx, &rds.CreateDBInstanceInput{
		DBInstanceIdentifier: &cluster, Engine: new("postgres"), DBInstanceClass: new("db.t4g.micro"), AllocatedStorage: new(int32(20)),
		MasterUsername: new(p.DatabaseUser()), MasterUserPassword: new(password), DBName: new(p.DatabaseName()),
	}))
	must(secretsmanager.NewFromConfig(s.cfg).CreateSecret(ctx, &secretsmanager.CreateSecretInput{
		Name: new(p.SecretName("staging", "db-credentials")), SecretString: new(`{"username":"doc_platform","password":"` + password + `"}`),
	}))
	for _, name := range []string{"api", "mcp"} {
		for s.running(name) == 0 {
			if !calls.Pause(ctx, 50*time.Millisecond) {
				t.Fatal("no task runs")
			}
		}
	}
	return s
}

// subnet is one that the account has by default.
func (s *staging) subnet() string {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.cloud.URL(), strings.NewReader("Action=DescribeSubnets&Version=2016-11-15"))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=key/20260101/us-west-2/ec2/aws4_request, SignedHeaders=host, Signature=0")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	m := regexp.MustCompile(`<subnetId>(.*?)</subnetId>`).FindSubmatch(body)
	if err != nil || m == nil {
		s.t.Fatalf("no subnet: %v, %s", err, body)
	}
	return string(m[1])
}

func (s *staging) environment() *ecs.Environment {
	s.t.Helper()
	e, err := ecs.New(s.cfg, s.platform, "staging", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return e
}

func (s *staging) running(service string) int {
	s.t.Helper()
	all, err := s.environment().Containers(s.t.Context(), service, service)
	if err != nil {
		s.t.Fatal(err)
	}
	return len(all)
}

// entrance is the environment with a console of strings.
func (s *staging) entrance(in string, out, errs *bytes.Buffer) session.Entrance {
	e, _ := s.platform.Environment("staging")
	env := append(s.cloud.Environ(), "PATH="+os.Getenv("PATH"), "HOME="+s.t.TempDir())
	return session.Entrance{
		Platform: s.platform, Environment: e, Config: s.cfg, ECS: s.environment(),
		Console:  &console.Console{In: strings.NewReader(in), Out: out, Err: errs, Env: env},
		Identify: func(context.Context) (string, string) { return "ada", "arn:aws:iam::123456789012:user/ada" },
		AtWork:   func(context.Context) error { return nil },
		Hide:     func(text string) string { return strings.ReplaceAll(text, "hush", "(hidden)") },
	}
}

// parse reads flags as the command line does.
func parse(t *testing.T, declare func(*flag.FlagSet), args []string) []string {
	t.Helper()
	set := flag.NewFlagSet("", flag.ContinueOnError)
	declare(set)
	if err := set.Parse(append([]string{"-env", "staging"}, args...)); err != nil {
		t.Fatal(err)
	}
	return set.Args()
}

func (s *staging) exec(t *testing.T) {
	for _, c := range []struct {
		name, in string
		args     []string
		out, err string
	}{
		{"script", "", []string{"-service", "api", "--", "sh", "-c", `echo "it's $APP_ENV"; exit 3`}, "it's staging\r\n", "exit code 3"},
		{"script that ends well", "", []string{"-service", "api", "-why", "hush", "--", "sh", "-c", "test -t 0 && echo a terminal"}, "a terminal\r\n", ""},
		{"script where hangups are ignored", "", []string{"-service", "api", "--", "sh", "-c", "echo as under nohup"}, "as under nohup\r\n", ""},
		{"program", "", []string{"-service", "api", "--", "printenv", "APP_ENV"}, "staging\r\n", ""},
		{"shell", "echo $((20+1))x\nexit\n", []string{"-service", "api"}, "21x", ""},
		{"input without an end of line", "abc", []string{"-service", "api", "--", "cat"}, "abcabc", ""},
		{"input of two programs", "abc\n", []string{"-service", "api", "--", "sh", "-c", "cat; cat; echo both"}, "both\r\n", ""},
		{"script whose end nobody tells", "", []string{"-service", "api", "--", "sh", "-c", "exec true"}, "", "how the script ended is not known"},
		{"much output", "", []string{"-service", "api", "--", "sh", "-c", "seq 20000"}, "19999\r\n20000\r\n", ""},
		{"no such program", "", []string{"-service", "api", "--", "no-such-program"}, "no-such-program: not found", ""},
		{"task of before", "", []string{"-service", "mcp", "--", "true"}, "", "it started before sessions were allowed here"},
		{"no such task", "", []string{"-service", "api", "-task", "zzz", "--", "true"}, "", `no running task of api begins with "zzz"; there are `},
		{"nothing runs", "", []string{"-service", "frontend", "--", "true"}, "", "ServiceNotFoundException"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var o session.ExecOptions
			var out, errs bytes.Buffer
			command := parse(t, o.Declare, c.args)
			if err := o.Check(s.platform, command); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(c.name, "hangups") {
				signal.Ignore(syscall.SIGHUP) // inherited by the command
				defer signal.Reset(syscall.SIGHUP)
			}
			err := s.entrance(c.in, &out, &errs).Exec(t.Context(), o)
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("%v, want %q\n%s", err, c.err, errs.String())
			}
			if !strings.Contains(out.String(), c.out) || strings.Contains(out.String(), "SessionId") || strings.Contains(out.String(), "\x1e") {
				t.Errorf("printed %q\n%s", out.String(), errs.String())
			}
			if c.name == "much output" && strings.Count(out.String(), "\n") != 20000 {
				t.Errorf("%d lines", strings.Count(out.String(), "\n"))
			}
		})
	}
}

func (s *staging) db(t *testing.T) {
	file := filepath.Join(t.TempDir(), "fix.sql")
	if err := os.WriteFile(file, []byte("insert into notes values (2, null); select count(*) from notes;"), 0o600); err != nil {
		t.Fatal(err)
	}
	long := filepath.Join(t.TempDir(), "long.sql")
	if err := os.WriteFile(long, []byte("select length('"+strings.Repeat("x", 1_500_000)+"')"), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(t.TempDir(), "empty.sql")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, in string
		args     []string
		out, err string
	}{
		{"rows", "", []string{"-command", "select 1 as one, 'a' || E'\\n' as two"}, "one  two\n1    a\\n\nSELECT 1\n", ""},
		{"encrypted", "", []string{"-write", "-command", "select ssl from pg_stat_ssl where pid = pg_backend_pid()"}, "ssl\nt\n", ""},
		{"no write", "", []string{"-command", "create table notes (id int, text text)"}, "", "SQLSTATE 25006"},
		{"no write by the role either", "set default_transaction_read_only = off;\ncreate table notes (id int);\n", nil, "SET\n", "permission denied"},
		{"write", "", []string{"-write", "-command", "create table notes (id int, text text); insert into notes values (1, 'hush')"}, "CREATE TABLE\nINSERT 0 1\n", ""},
		{"file", "", []string{"-write", "-file", file}, "INSERT 0 1\ncount\n2\nSELECT 1\n", ""},
		{"long file", "", []string{"-file", long}, "length\n1500000\nSELECT 1\n", ""},
		{"empty file", "select 'never'", []string{"-file", empty}, "", ""},
		{"last statement", "select 7 as seven", nil, "seven\n7\nSELECT 1\n", ""},
		{"line that is too long", "delete from notes\nwhere text = '" + strings.Repeat("x", 1<<20) + "'", []string{"-write"}, "", "a line has more than 1048576 bytes"},
		{"what acts on a terminal", "", []string{"-command", `select E'\x1b[2J' as "a` + "\x1b" + `b"`}, `a\x1bb` + "\n" + `\x1b[2J` + "\nSELECT 1\n", ""},
		{"twice", "", []string{"-write", "-command", "create unique index on notes (id); insert into notes values (1, 'hush')"}, "CREATE INDEX\n", "Key (id)=(1) already exists"},
		{"dump", "", []string{"-write", "-command", "-- Data; for\nCOPY notes (id) FROM stdin;"}, "", "COPY from or to the client is not spoken here"},
		{"json", "", []string{"-json", "-command", "select * from notes order by id"}, `{"columns":["id","text"],"rows":[["1","hush"],["2",null]],"done":"SELECT 2"}` + "\n", ""},
		{"console", "\\d\nselect id\n from notes;\n\\q\nselect 'never'", nil, "public  notes  BASE TABLE\nSELECT 1\nid\n1\n2\nSELECT 2\n", ""},
		{"wrong", "", []string{"-command", "selekt"}, "", `syntax error at or near "selekt"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var o session.DatabaseOptions
			var out, errs bytes.Buffer
			parse(t, o.Declare, c.args)
			if err := o.Check(s.platform); err != nil {
				t.Fatal(err)
			}
			err := s.entrance(c.in, &out, &errs).Database(t.Context(), o)
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("%v, want %q\n%s", err, c.err, errs.String())
			}
			if !strings.Contains(out.String(), c.out) || strings.Contains(out.String(), "never") {
				t.Errorf("printed %q\n%s", out.String(), errs.String())
			}
			if strings.Contains(out.String()+errs.String(), password) {
				t.Error("the password is printed")
			}
		})
	}
}

// records says who did what, and what was seen.
func (s *staging) records(t *testing.T) {
	out, err := cloudwatchlogs.NewFromConfig(s.cfg).FilterLogEvents(t.Context(), &cloudwatchlogs.FilterLogEventsInput{LogGroupName: new(s.platform.SessionLog("staging"))})
	if err != nil {
		t.Fatal(err)
	}
	events, transcripts := map[string]int{}, ""
	for _, e := range out.Events {
		var r struct {
			Event, Verb, Caller, Why, Command, Statement, Session, Error string
			ExitCode                                                     *int
		}
		if strings.HasPrefix(*e.LogStreamName, "ecs-execute-command-") {
			transcripts += *e.Message
			continue
		}
		if err := json.Unmarshal([]byte(*e.Message), &r); err != nil || r.Caller != "arn:aws:iam::123456789012:user/ada" {
			t.Errorf("%v: %s", err, *e.Message)
		}
		events[r.Verb+" "+r.Event]++
		events[r.Error]++
		if strings.Contains(*e.Message, "hush") || strings.Contains(*e.Message, password) {
			t.Errorf("a secret is recorded: %s", *e.Message)
		}
		if strings.Contains(r.Command, "exit 3") && r.Event == "end" && (r.ExitCode == nil || *r.ExitCode != 3 || r.Session == "") {
			t.Errorf("%s", *e.Message)
		}
	}
	if events["SQLSTATE 23505"] != 1 {
		t.Errorf("a violation is recorded %d times by its code alone", events["SQLSTATE 23505"])
	}
	for event, want := range map[string]int{"exec begin": 10, "exec end": 10, "db begin": 16, "db statement": 23, "db end": 16} {
		if events[event] != want {
			t.Errorf("%d records %q, want %d", events[event], event, want)
		}
	}
	if !strings.Contains(transcripts, "it's staging") || !strings.Contains(transcripts, "21x") {
		t.Errorf("ECS recorded %q", transcripts)
	}
}

// ends has the terminal close, and the program be killed, in the middle of a session:
// nothing of it goes on.
func (s *staging) ends(t *testing.T) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP) // what is handled here, a child does not ignore
	defer signal.Stop(hangups)
	const sleeping = "select pg_sleep(500)"
	asleep := func(t *testing.T) bool {
		var o session.DatabaseOptions
		var out, errs bytes.Buffer
		parse(t, o.Declare, []string{"-write", "-command", "select count(*) from pg_stat_activity where query = '" + sleeping + ";\n' and state = 'active'"})
		if err := s.entrance("", &out, &errs).Database(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		return strings.HasPrefix(out.String(), "count\n1\n")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	until := func(t *testing.T, what string, done func() bool) {
		for !done() {
			if !calls.Pause(ctx, 50*time.Millisecond) {
				t.Fatal(what)
			}
		}
	}
	for name, how := range map[string]syscall.Signal{"interrupt": syscall.SIGINT, "terminal closes": syscall.SIGHUP, "kill": syscall.SIGKILL} {
		t.Run(name, func(t *testing.T) {
			// Not t.TempDir: the name of a socket is short.
			folder, err := os.MkdirTemp("", "s")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(folder) })
			beat := filepath.Join(t.TempDir(), "beat")
			start := func(verb, in string, args ...string) (*exec.Cmd, *bytes.Buffer) {
				cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
				cmd.Env = append(s.cloud.Environ(), "PATH="+os.Getenv("PATH"), "HOME="+t.TempDir(), "TMPDIR="+folder, "SESSION="+verb)
				typed, err := cmd.StdinPipe()
				var errs bytes.Buffer
				cmd.Stderr = &errs
				if err = errors.Join(err, cmd.Start()); err == nil {
					_, err = io.WriteString(typed, in) // it stays open
				}
				if err != nil {
					t.Fatal(err)
				}
				return cmd, &errs
			}
			database, said := start("db", sleeping+";\n", "-env", "staging", "-write")
			command, _ := start("exec", "", "-env", "staging", "-service", "api", "--", "sh", "-c", "while date +%N >"+beat+"; do sleep 0.05; done")
			until(t, "no statement runs", func() bool { return asleep(t) })
			until(t, "no command runs", func() bool { _, err := os.Stat(beat); return err == nil })
			for _, p := range []*exec.Cmd{database, command} {
				if err := p.Process.Signal(how); err != nil {
					t.Fatal(err)
				}
				if err := p.Wait(); err == nil {
					t.Errorf("%s: it ended well", p)
				}
			}
			until(t, "the tunnel is left", func() bool {
				left, err := filepath.Glob(filepath.Join(folder, "tfpipeline-tunnel-*"))
				return err == nil && left == nil
			})
			until(t, "the command goes on", func() bool {
				before, err := os.ReadFile(beat)
				calls.Pause(t.Context(), time.Second)
				after, again := os.ReadFile(beat)
				return err == nil && again == nil && bytes.Equal(before, after)
			})
			until(t, "the statement goes on", func() bool { return !asleep(t) })
			if how == syscall.SIGKILL {
				return // it cannot remove its folder
			}
			if left, err := os.ReadDir(folder); err != nil || len(left) > 0 || !strings.Contains(said.String(), "interrupted") {
				t.Errorf("%v, %v: %s", left, err, said)
			}
		})
	}
}
