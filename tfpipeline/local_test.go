package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/localaws"
	"github.com/specboard/platform/tfpipeline/internal/localaws/iam/iamtest"
)

// TestLocalUsage: what does not go together is refused before anything starts.
func TestLocalUsage(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"-speed 0", "-speed 0: a divisor is 1 or more"},
		{"-shell -- make", "-shell and a command: one of them"},
		{"-only api", "-only is for -push, and -sample for -push and -bad"},
		{"-bad api -push v1", "-bad works on an endpoint that runs already"},
		{"-bad nobody", "-bad nobody: no service of that name has an image of its own"},
		{"-bad api", `make a bad release: AWS_ENDPOINT_URL="https://ecs.us-west-2.amazonaws.com" is no local endpoint`},
		{"-push v1 -json", "-push works on an endpoint that runs already"},
		{"-push v1", `AWS_ENDPOINT_URL="https://ecs.us-west-2.amazonaws.com" is no local endpoint`},
	} {
		var stdout, stderr bytes.Buffer
		env := []string{"AWS_ENDPOINT_URL=https://ecs.us-west-2.amazonaws.com"}
		code := run(t.Context(), configtest.Docs(), append([]string{"local"}, strings.Fields(c.args)...), env, strings.NewReader(""), &stdout, &stderr)
		if code != console.ExitFailed || !strings.Contains(stderr.String(), c.want) || !strings.Contains(stderr.String(), "next: tfpipeline") || stdout.Len() > 0 {
			t.Errorf("local %s: exit %d\n%s%s", c.args, code, stdout.String(), stderr.String())
		}
	}
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), configtest.Docs(), []string{"help", "local"}, nil, strings.NewReader(""), &stdout, &stderr); code != console.ExitOK || !strings.Contains(stdout.String(), "Examples:") {
		t.Errorf("exit %d\n%s%s", code, stdout.String(), stderr.String())
	}
}

// TestLocalCommand: a command has the endpoint for its environment, and its
// exit code is the program's.
func TestLocalCommand(t *testing.T) {
	e2e(t)
	cli := program{path: build(t), env: withoutAWS("AWS_PROFILE=work", "AWS_SESSION_TOKEN=work")}
	stdout, stderr, code := cli.run(t, "local", "-json", "--", "sh", "-c", `echo "$AWS_ENDPOINT_URL${AWS_PROFILE-}${AWS_SESSION_TOKEN-}"; exit 7`)
	document, url, _ := strings.Cut(strings.TrimSpace(stdout), "\n")
	var said struct {
		Endpoint    string
		Environment map[string]string
		Speed       int
	}
	if err := json.Unmarshal([]byte(document), &said); err != nil {
		t.Fatalf("%v\n%s%s", err, stdout, stderr)
	}
	if code != 7 || said.Endpoint != url || said.Environment["AWS_ENDPOINT_URL"] != url || said.Environment["AWS_REGION"] != config.Default().Region || said.Speed != localaws.DefaultSpeed {
		t.Errorf("exit %d, command saw %s\n%s", code, url, document)
	}
	if out, err := exec.Command("curl", "-fsS", "-m", "2", url+"/_localaws/balancers").CombinedOutput(); err == nil {
		t.Errorf("the endpoint still answers: %s", out)
	}
	if _, stderr, code := cli.run(t, "local", "--", "no-such-program"); code != console.ExitFailed || !strings.Contains(stderr, "no-such-program") {
		t.Errorf("exit %d\n%s", code, stderr)
	}
}

// localProcess is a running tfpipeline local.
type localProcess struct {
	*exec.Cmd
	env    []string // to work against it
	config aws.Config
	stderr bytes.Buffer
}

// startLocalProcess starts the built program, and reads what it exports.
func startLocalProcess(t *testing.T, cli program) *localProcess {
	t.Helper()
	p := &localProcess{Cmd: exec.Command(cli.path, "local"), env: cli.env}
	p.Env, p.Stderr = cli.env, &p.stderr
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill() }) // gone already: fine
	p.config = aws.Config{Region: config.Default().Region, Credentials: credentials.NewStaticCredentialsProvider("id", "key", "")}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "unset ") { // the last one
			if lines.Text() != "unset AWS_DEFAULT_PROFILE AWS_PROFILE AWS_SESSION_TOKEN" {
				t.Error(lines.Text())
			}
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return p
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(lines.Text(), "export "), "=")
		if value = strings.Trim(value, "'"); !ok {
			t.Fatalf("not an export: %s", lines.Text())
		}
		p.env = append(p.env, name+"="+value)
		if name == "AWS_ENDPOINT_URL" {
			p.config.BaseEndpoint = &value
		}
	}
	t.Fatalf("it ended: %v\n%s", p.Wait(), p.stderr.String())
	return nil
}

// runSample pushes the sample application and starts one task of it, and a
// database.
func (p *localProcess) runSample(t *testing.T, cli program) {
	t.Helper()
	ctx, platform := t.Context(), config.Default()
	i := slices.IndexFunc(platform.Services, config.Service.Builds)
	if i < 0 {
		t.Fatalf("no service of %s has an image of its own", platform.Name)
	}
	service := platform.Services[i].Name
	repository := platform.RepositoryName(service)
	if _, err := ecr.NewFromConfig(p.config).CreateRepository(ctx, &ecr.CreateRepositoryInput{RepositoryName: &repository}); err != nil {
		t.Fatal(err)
	}
	out := program{path: cli.path, env: p.env}.must(t, console.ExitOK, "local", "-push", "v1", "-only", service, "-sample", "-ready-after 1s")
	reference, digest, _ := strings.Cut(strings.TrimSpace(out), "@")
	if reference != platform.RepositoryURL(service)+":v1" || !strings.HasPrefix(digest, "sha256:") {
		t.Fatalf("pushed %s", out)
	}
	subnet := regexp.MustCompile(`subnet-[0-9a-f]+`).FindString(p.ask(t, "ec2", "DescribeSubnets", ""))
	p.ask(t, "iam", "CreateRole", "RoleName=x&AssumeRolePolicyDocument="+url.QueryEscape(`{"Version": "2012-10-17", "Statement":
		[{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ecs-tasks.amazonaws.com"}}]}`))
	for _, service := range []string{"ecs", "rds"} {
		p.ask(t, "iam", "CreateServiceLinkedRole", "AWSServiceName="+service+".amazonaws.com")
	}
	client := ecs.NewFromConfig(p.config)
	if _, err := client.CreateCluster(ctx, &ecs.CreateClusterInput{ClusterName: new("main")}); err != nil {
		t.Fatal(err)
	}
	def, err := client.RegisterTaskDefinition(ctx, &ecs.RegisterTaskDefinitionInput{
		Family: new("api"), Cpu: new("256"), Memory: new("512"), NetworkMode: types.NetworkModeAwsvpc,
		RequiresCompatibilities: []types.Compatibility{types.CompatibilityFargate}, ExecutionRoleArn: new("arn:aws:iam::" + platform.Account + ":role/x"),
		ContainerDefinitions: []types.ContainerDefinition{{Name: new("api"), Image: new(platform.RepositoryURL(service) + "@" + digest),
			PortMappings: []types.PortMapping{{ContainerPort: new(int32(3001))}},
			Environment:  []types.KeyValuePair{{Name: new("PORT"), Value: new("3001")}}}}})
	if err != nil {
		t.Fatal(err)
	}
	run, err := client.RunTask(ctx, &ecs.RunTaskInput{Cluster: new("main"), TaskDefinition: def.TaskDefinition.TaskDefinitionArn, LaunchType: types.LaunchTypeFargate,
		NetworkConfiguration: &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: []string{subnet}}}})
	if err != nil {
		t.Fatal(err)
	}
	soon(t, "the task runs", func() bool {
		out, err := client.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: new("main"), Tasks: []string{*run.Tasks[0].TaskArn}})
		if err != nil {
			t.Fatal(err)
		}
		if *out.Tasks[0].LastStatus == "STOPPED" {
			t.Fatalf("it stopped: %s", aws.ToString(out.Tasks[0].StoppedReason))
		}
		return *out.Tasks[0].LastStatus == "RUNNING"
	})
	database := p.ask(t, "rds", "CreateDBInstance", "DBInstanceIdentifier=one&Engine=postgres&DBInstanceClass=db.t4g.micro&AllocatedStorage=20&MasterUsername=u&MasterUserPassword=0123456789&DBName=d")
	if !strings.Contains(database, "127.0.0.1") {
		t.Fatalf("%s\n%s", database, p.stderr.String())
	}
}

// ask calls an operation of the Query protocol.
func (p *localProcess) ask(t *testing.T, service, operation, parameters string) string {
	t.Helper()
	a := iamtest.Attempt{Service: service, Operation: operation, Parameters: parameters}
	status, body := send(t, a.Request(t, *p.config.BaseEndpoint, "administrator", ""))
	if status != http.StatusOK {
		t.Fatalf("%s: status %d: %s\n%s", operation, status, body, p.stderr.String())
	}
	return body
}

// TestLocalEnds: on Ctrl-C as on kill -9 nothing is left of moto, tasks and
// databases.
func TestLocalEnds(t *testing.T) {
	e2e(t)
	// Releases go into a cache of the test's own, but Go's is the usual one.
	built, err := exec.CommandContext(t.Context(), "go", "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	cli := program{path: build(t), env: append(withoutAWS(), "GOCACHE="+strings.TrimSpace(string(built)), "XDG_CACHE_HOME="+filepath.Join(t.TempDir(), "cache"))}
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
		t.Run(signal.String(), func(t *testing.T) {
			p := startLocalProcess(t, cli)
			p.runSample(t, cli)
			all := descendants(t, p.Process.Pid)
			for _, name := range []string{"moto_server", "sample -service ", "postgres"} {
				if !strings.Contains(strings.Join(all, "\n"), name) {
					t.Errorf("no %s among\n%s", name, strings.Join(all, "\n"))
				}
			}
			if err := p.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			_ = p.Wait() // the code says how
			if code := p.ProcessState.ExitCode(); signal == syscall.SIGINT && code != console.ExitOK {
				t.Errorf("exit %d\n%s", code, p.stderr.String())
			}
			soon(t, "everything has gone", func() bool {
				left := snapshot(t)
				for _, line := range all {
					pid, _, _ := strings.Cut(line, " ")
					if at, ok := left[pid]; ok && at.args == strings.SplitN(line, " ", 2)[1] {
						return false
					}
				}
				return true
			})
		})
	}
}

// listed is a process in the list of all.
type listed struct{ parent, args string }

// snapshot lists the processes that run, by id.
func snapshot(t *testing.T) map[string]listed {
	t.Helper()
	out, err := exec.Command("ps", "-A", "-ww", "-o", "pid=,ppid=,stat=,args=").Output()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]listed{}
	for line := range strings.SplitSeq(string(out), "\n") {
		f := strings.Fields(line)
		if len(f) > 3 && !strings.HasPrefix(f[2], "Z") {
			all[f[0]] = listed{f[1], strings.Join(f[3:], " ")}
		}
	}
	return all
}

// descendants are "PID COMMAND LINE" of everything below a process.
func descendants(t *testing.T, pid int) []string {
	t.Helper()
	all := snapshot(t)
	var found []string
	for open := []string{strconv.Itoa(pid)}; len(open) > 0; open = open[1:] {
		for id, p := range all {
			if p.parent == open[0] {
				found = append(found, id+" "+p.args)
				open = append(open, id)
			}
		}
	}
	return found
}

// soon waits up to two minutes until something is so.
func soon(t *testing.T, what string, so func() bool) {
	t.Helper()
	deadline := time.After(2 * time.Minute)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-deadline:
			t.Fatalf("not in two minutes: %s", what)
		case <-tick.C:
		}
	}
}
