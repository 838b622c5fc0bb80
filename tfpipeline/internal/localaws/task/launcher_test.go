package task

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs"
)

// TestContainer: environment, secrets, logs and the exit code.
func TestContainer(t *testing.T) {
	f := newFixture(t)
	events := f.launch("1", `echo "$FROM_IMAGE $BOTH $EVERYWHERE $SECRET"; echo to stderr >&2; printf 'no end of line'; exit 3`, func(d *types.ContainerDefinition) {
		d.Environment = []types.KeyValuePair{{Name: new("BOTH"), Value: new("definition")}}
		d.Secrets = []types.Secret{{Name: new("SECRET"), ValueFrom: new("arn")}}
	})
	next[ecs.Started](t, events)
	if code := ended(t, events); code != 3 {
		t.Errorf("exit code %d", code)
	}
	// All lines are there before the end is reported.
	if got := joined(f.lines("prefix/main/1")); got != "image definition yes hush|to stderr|no end of line" {
		t.Errorf("log %q", got)
	}
}

// A container of a public registry's image stays up and healthy whatever it is told
// to run, and ends when it is asked to.
func TestStandIn(t *testing.T) {
	f := newFixture(t)
	events := f.launch("1", "", func(d *types.ContainerDefinition) {
		d.Image, d.EntryPoint, d.Command = new("public"), []string{"/no/such/program"}, []string{"--config=x"}
		d.HealthCheck = &types.HealthCheck{Command: []string{"CMD", "/no/such/check"}, Interval: new(int32(0))}
	})
	next[ecs.Started](t, events)
	if h := next[ecs.Health](t, events); !h.Healthy {
		t.Error("the stand-in is not healthy")
	}
	f.stop("1")
	// The signal ends it before its shell has read the trap, or after.
	if code := ended(t, events); code != 0 && code != 128+int32(syscall.SIGTERM) {
		t.Errorf("exit code %d", code)
	}
}

// What Fluent Bit routes to CloudWatch is in the stream that it would write; what it
// routes elsewhere is in none.
func TestRoutedLog(t *testing.T) {
	f := newFixture(t)
	for id, output := range map[string]string{"1": "cloudwatch_logs", "2": "datadog"} {
		events := f.launch(id, "echo hello", func(d *types.ContainerDefinition) {
			d.LogConfiguration = &types.LogConfiguration{LogDriver: types.LogDriverAwsfirelens, Options: map[string]string{
				"Name": output, "log_group_name": "group", "log_stream_prefix": "api/", "region": "us-west-2",
			}}
		})
		next[ecs.Started](t, events)
		if code := ended(t, events); code != 0 {
			t.Errorf("exit code %d", code)
		}
	}
	if got := joined(f.lines("api/main-firelens-1")); got != "hello" {
		t.Errorf("routed to CloudWatch: %q", got)
	}
	if got := joined(f.lines("api/main-firelens-2")); got != "" {
		t.Errorf("routed elsewhere: %q", got)
	}
}

// TestCommand: what a definition says replaces what the image says, as with
// Docker.
func TestCommand(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "bin", "greet")
	if err := os.MkdirAll(filepath.Dir(program), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	image := Image{Folder: dir, Entrypoint: []string{"greet"}, Command: []string{"world"}}
	for _, c := range []struct {
		image               Image
		entrypoint, command []string
		want                string
	}{
		{image, nil, nil, program + " world"},
		{image, nil, []string{"you"}, program + " you"},
		{image, []string{"sh"}, nil, "/usr/bin/sh"},
		{image, []string{"greet", "-x"}, []string{"y"}, program + " -x y"},
		{Image{Folder: dir}, nil, []string{"greet", "up"}, program + " up"},
		{Image{Folder: dir}, nil, []string{"bin/greet"}, program},
		{image, []string{"/none"}, nil, `CannotStartContainerError: failed to create task for container: exec: "/none": executable file not found in $PATH`},
		{Image{}, nil, nil, "CannotStartContainerError: no command specified"},
	} {
		line, err := c.image.commandLine(c.entrypoint, c.command)
		got := strings.Join(line, " ")
		if err != nil {
			got = err.Error()
		}
		if got != c.want && got != strings.Replace(c.want, "/usr/bin/", "/bin/", 1) {
			t.Errorf("%v %v: %q, want %q", c.entrypoint, c.command, got, c.want)
		}
	}
}

// TestNotStarted: what keeps a task from starting is said in ECS's words.
func TestNotStarted(t *testing.T) {
	f := newFixture(t)
	for id, c := range map[string]struct {
		change func(*types.ContainerDefinition)
		script string
		want   string
	}{
		"image":   {nil, "", "CannotPullContainerError: image: not found"},
		"program": {func(d *types.ContainerDefinition) { d.EntryPoint = []string{"no-such"} }, "x", `CannotStartContainerError: failed to create task for container: exec: "no-such": executable file not found in $PATH`},
		"secret": {func(d *types.ContainerDefinition) {
			d.Secrets = []types.Secret{{Name: new("S"), ValueFrom: new("gone")}}
		}, "x", "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: service call has been retried 1 time(s): failed to fetch secret gone"},
		"log": {func(d *types.ContainerDefinition) { d.LogConfiguration.Options["awslogs-group"] = "none" }, "x",
			"ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not exist."},
		"driver": {func(d *types.ContainerDefinition) { d.LogConfiguration.LogDriver = types.LogDriverSplunk }, "x", "CannotStartContainerError: log driver splunk is not modelled locally"},
	} {
		events := f.launch(id, c.script, c.change)
		if got := next[ecs.NotStarted](t, events).Reason; got != c.want {
			t.Errorf("%s: %s", id, got)
		}
		// A stop that crossed with the report must not wait for ever.
		f.stop(id)
		if e := next[ecs.Exited](t, events); e.Code != nil {
			t.Errorf("%s: exit code %d of a container that never ran", id, *e.Code)
		}
	}
}

// TestStop: the signal, the end by force, and what a container has started.
func TestStop(t *testing.T) {
	f := newFixture(t)
	for id, c := range map[string]struct {
		script string
		code   int32
	}{
		"drains":  {`trap 'echo draining; exit 0' TERM; echo ready; while :; do sleep 0.02; done`, 0},
		"default": {`echo ready; exec sleep 100`, 143},
		"refuses": {`trap '' TERM; echo ready; while :; do sleep 0.02; done`, 137},
		"forks":   {`trap 'exit 4' TERM; sleep 123456& echo ready; wait`, 4},
	} {
		events := f.launch(id, c.script, nil)
		next[ecs.Started](t, events)
		eventually(t, id+" is ready", func() bool { return len(f.lines("prefix/main/"+id)) > 0 })
		f.stop(id)
		if code := ended(t, events); code != c.code {
			t.Errorf("%s: exit code %d, want %d", id, code, c.code)
		}
	}
	eventually(t, "nothing is left of the task that forks", func() bool { return running("sleep 123456 ") == 0 })
}

// TestPorts: tasks of one definition do not get into each other's way.
func TestPorts(t *testing.T) {
	f := newFixture(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, id := range []string{"1", "2"} {
		events := f.launch(id, "TASK_TEST_ROLE=server exec "+self, func(d *types.ContainerDefinition) {
			d.PortMappings = []types.PortMapping{{ContainerPort: new(int32(3001))}}
			d.Environment = []types.KeyValuePair{{Name: new("PORT"), Value: new("3001")}}
		})
		s := next[ecs.Started](t, events)
		address := net.JoinHostPort(s.Address, strconv.Itoa(s.Ports[3001]))
		if seen[address] || !net.ParseIP(s.Address).IsLoopback() || s.Ports[3001] < firstPort || s.Ports[3001] >= lastPort {
			t.Errorf("task %s is at %s", id, address)
		}
		seen[address] = true
		eventually(t, "the task answers", func() bool {
			res, err := http.Get("http://" + address + "/path")
			if err != nil {
				return false
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			return err == nil && string(body) == "GET /path"
		})
	}
}

// TestConnection: the proxy stands before a port that Service Connect has, and
// is passed by if it has a port of its own. It refuses HTTP/1.0.
func TestConnection(t *testing.T) {
	f := newFixture(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for override, want := range map[int32]string{0: "HTTP/1.0 426", 3001: "HTTP/1.0 426", 3101: "HTTP/1.0 200"} {
		service := types.ServiceConnectService{PortName: new("main")}
		if override != 0 {
			service.IngressPortOverride = &override
		}
		f.connect = &types.ServiceConnectConfiguration{Enabled: true, Services: []types.ServiceConnectService{service}}
		s := next[ecs.Started](t, f.launch(fmt.Sprint(override), "TASK_TEST_ROLE=server exec "+self, func(d *types.ContainerDefinition) {
			d.PortMappings = []types.PortMapping{{ContainerPort: new(int32(3001)), Name: new("main"), AppProtocol: types.ApplicationProtocolHttp}}
			d.Environment = []types.KeyValuePair{{Name: new("PORT"), Value: new("3001")}}
		}))
		eventually(t, "the port answers", func() bool {
			c, err := net.Dial("tcp", net.JoinHostPort(s.Address, strconv.Itoa(s.Ports[3001])))
			if err != nil {
				return false
			}
			defer c.Close()
			fmt.Fprint(c, "GET / HTTP/1.0\r\n\r\n")
			answer, err := io.ReadAll(c)
			return err == nil && strings.HasPrefix(string(answer), want)
		})
	}
}

// TestClose ends tasks at once, also those that refuse.
func TestClose(t *testing.T) {
	f := newFixture(t)
	events := f.launch("1", `trap '' TERM; echo ready; while :; do sleep 0.02; done`, nil)
	next[ecs.Started](t, events)
	eventually(t, "it is ready", func() bool { return len(f.lines("prefix/main/1")) > 0 })
	f.Close()
	if code := ended(t, events); code != 137 {
		t.Errorf("exit code %d", code)
	}
	f.launch("2", "echo no", nil) // nothing happens
}

// playLauncher starts a task with children, and waits to be killed.
func playLauncher() int {
	l, err := New(Options{Image: func(context.Context, string, string) (Image, error) {
		return Image{Command: []string{"sh", "-c", os.Getenv("SCRIPT")}}, nil
	}})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	l.Launch(ecs.Launch{ARN: "1", Definition: types.TaskDefinition{ContainerDefinitions: []types.ContainerDefinition{{Name: new("main")}}},
		Report: func(_ time.Time, e ecs.Event) { fmt.Printf("%T\n", e) }})
	select {}
}

// TestKilled: tasks end with the process that started them, also by SIGKILL.
func TestKilled(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "TASK_TEST_ROLE=launcher", `SCRIPT=trap "" TERM; sleep 234567& sleep 345678& wait`)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	eventually(t, "the task runs", func() bool { return running(" sleep 234567 ") == 1 && running(" sleep 345678 ") == 1 })
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	eventually(t, "everything is gone", func() bool {
		return running("sleep 234567")+running("sleep 345678") == 0
	})
}

// running counts the processes whose command line contains a text. A space
// stands at both its ends.
func running(text string) int {
	out, err := exec.Command("ps", "-A", "-ww", "-o", "stat=,args=").Output()
	if err != nil {
		panic(err)
	}
	n := 0
	for line := range strings.SplitSeq(string(out), "\n") {
		state, args, ok := strings.Cut(line, " ")
		if ok && !strings.HasPrefix(state, "Z") && strings.Contains(" "+strings.TrimSpace(args)+" ", text) {
			n++
		}
	}
	return n
}
