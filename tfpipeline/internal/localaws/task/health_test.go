package task

import (
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs"
)

func TestHealth(t *testing.T) {
	f := newFixture(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for id, c := range map[string]struct {
		command []string
		want    []bool // what is reported, in this order
	}{
		"url":       {[]string{"CMD-SHELL", "curl -fs http://localhost:3001/health || exit 1"}, []bool{true}},
		"no scheme": {[]string{"CMD-SHELL", "wget -q -O- localhost:3001/health"}, []bool{true}},
		"command":   {[]string{"CMD", "true"}, []bool{true}},
		"unhealthy": {[]string{"CMD-SHELL", "exit 1"}, []bool{false}},
		"changes":   {[]string{"CMD-SHELL", "test -e " + dir + "/once || { touch " + dir + "/once; exit 0; }; exit 1"}, []bool{true, false}},
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			events := f.launch(id, "TASK_TEST_ROLE=server exec "+self, func(d *types.ContainerDefinition) {
				d.PortMappings = []types.PortMapping{{ContainerPort: new(int32(3001))}}
				d.Environment = []types.KeyValuePair{{Name: new("PORT"), Value: new("3001")}}
				d.HealthCheck = &types.HealthCheck{Command: c.command, Interval: new(int32(1)), Retries: new(int32(2))}
			})
			next[ecs.Started](t, events)
			for _, want := range c.want {
				if got := next[ecs.Health](t, events); got != (ecs.Health{Container: "main", Healthy: want}) {
					t.Errorf("reported %+v, want %v", got, want)
				}
			}
			f.stop(id)
			ended(t, events)
		})
	}
}

// TestOutside: a URL of the container's own network is one of the task's
// address and port.
func TestOutside(t *testing.T) {
	k := &task{address: "127.1.2.3", ports: map[int32]int{3001: 20001}}
	for in, want := range map[string]string{
		"http://localhost:3001/health": "http://127.1.2.3:20001/health",
		"http://127.0.0.1:9/":          "http://127.1.2.3:9/",
		"http://0.0.0.0/x":             "http://127.1.2.3:80/x",
		"https://example.com/":         "",
	} {
		if got := k.outside(in); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

// TestStartPeriod: failures of a slow start do not count.
func TestStartPeriod(t *testing.T) {
	l := newFixture(t)
	c := &container{name: "c", ended: make(chan struct{})}
	k := newCheck(c, &task{}, &types.HealthCheck{Command: []string{"CMD", "/bin/false"}, Retries: new(int32(2))}, l.watched)
	if k.interval != 30*time.Second || k.timeout != 5*time.Second || k.retries != 2 || k.start != 0 {
		t.Errorf("%+v", k)
	}
	k.interval, k.start = 10*time.Millisecond, 300*time.Millisecond
	begin := time.Now()
	reported := make(chan bool, 1)
	var watching sync.WaitGroup
	watching.Go(func() { k.watch(c.ended, func(healthy bool) { reported <- healthy }) })
	if <-reported {
		t.Error("reported healthy")
	}
	if took := time.Since(begin); took < k.start {
		t.Errorf("reported after %v", took)
	}
	close(c.ended)
	watching.Wait()
}

func TestManifest(t *testing.T) {
	image := Image{Folder: "/release", Entrypoint: []string{"a"}, Command: []string{"b", "c"}, Environ: []string{"D=e"}}
	text, err := image.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseManifest(text)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := again.Manifest(); err != nil || second != text {
		t.Errorf("%v\n%s\n%s", err, text, second)
	}
	if _, err := ParseManifest(`{"schemaVersion":2}`); err == nil || !strings.Contains(err.Error(), Annotation) {
		t.Errorf("error %v", err)
	}
	if other, err := (Image{Folder: "/other"}).Manifest(); err != nil || other == text {
		t.Errorf("another image has the same manifest: %v", err)
	}
}

// TestJSONKey: and the error does not show the secret.
func TestJSONKey(t *testing.T) {
	for _, c := range []struct{ document, key, want, err string }{
		{`{"password":"p","port":5432}`, "password", "p", ""},
		{`{"password":"p","port":5432}`, "port", "5432", ""},
		{`{"password":"p"}`, "user", "", "retrieved secret from Secrets Manager did not contain json key user"},
		{`canary`, "user", "", "invalid character in the JSON document of secret name"},
	} {
		got, err := jsonKey(c.document, c.key, "name")
		if got != c.want || (err != nil) != (c.err != "") || err != nil && err.Error() != c.err {
			t.Errorf("%s of %s: %q, %v", c.key, c.document, got, err)
		}
	}
}
