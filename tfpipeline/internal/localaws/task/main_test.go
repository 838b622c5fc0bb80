package task

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs"
)

// TestMain lets the test binary play what tests start: a program that serves,
// and a launcher that is killed.
func TestMain(m *testing.M) {
	switch os.Getenv("TASK_TEST_ROLE") {
	case "server":
		fmt.Println(http.ListenAndServe(net.JoinHostPort(os.Getenv("HOST"), os.Getenv("PORT")), http.HandlerFunc(
			func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Method, " ", r.URL.Path) })))
		os.Exit(1)
	case "launcher":
		os.Exit(playLauncher())
	}
	os.Exit(m.Run())
}

// memory keeps what containers print, by stream.
type memory struct {
	mu      sync.Mutex
	streams map[string][]string
}

type memoryStream struct {
	*memory
	name string
}

func (m *memory) open(_ context.Context, _ aws.Credentials, s Stream) (io.WriteCloser, error) {
	if s.Group != "group" {
		return nil, errors.New("ResourceNotFoundException: The specified log group does not exist.")
	}
	return &memoryStream{m, s.Name}, nil
}

func (s *memoryStream) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streams == nil {
		s.streams = map[string][]string{}
	}
	s.streams[s.name] = append(s.streams[s.name], string(line))
	return len(line), nil
}

func (s *memoryStream) Close() error { return nil }

func (m *memory) lines(stream string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.streams[stream])
}

// fixture is a launcher whose images are command lines of the shell, named by
// their digests.
type fixture struct {
	*Launcher
	memory
	connect *types.ServiceConnectConfiguration // of every task
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{}
	l, err := New(Options{
		Image: func(_ context.Context, reference, digest string) (Image, error) {
			if reference == "public" {
				return StandIn(), nil
			}
			if digest == "" {
				return Image{}, fmt.Errorf("%s: not found", reference)
			}
			return Image{Entrypoint: []string{"sh", "-c"}, Command: []string{digest}, Environ: []string{"FROM_IMAGE=image", "BOTH=image"}}, nil
		},
		Secret: func(_ context.Context, _ aws.Credentials, from string) (string, error) {
			if from != "arn" {
				return "", errors.New("failed to fetch secret " + from)
			}
			return "hush", nil
		},
		Log:       f.open,
		Environ:   []string{"EVERYWHERE=yes"},
		Endpoints: func(string, string, int) ([]ecs.Endpoint, bool) { return nil, false },
	})
	if err != nil {
		t.Fatal(err)
	}
	f.Launcher = l
	t.Cleanup(l.Close)
	return f
}

// event is what a task reported.
type event struct {
	ecs.Event
	at time.Time
}

// launch starts a task of one container that runs a script.
func (f *fixture) launch(id, script string, change func(*types.ContainerDefinition)) (events <-chan event) {
	d := types.ContainerDefinition{
		Name: new("main"), Image: new("image"),
		LogConfiguration: &types.LogConfiguration{LogDriver: types.LogDriverAwslogs, Options: map[string]string{
			"awslogs-group": "group", "awslogs-stream-prefix": "prefix"}},
	}
	if change != nil {
		change(&d)
	}
	all := make(chan event, 100)
	f.Launch(ecs.Launch{
		ARN: "arn:aws:ecs:us-west-2:123456789012:task/cluster/" + id, StopTimeout: time.Second,
		Definition: types.TaskDefinition{ContainerDefinitions: []types.ContainerDefinition{d}},
		Digests:    map[string]string{"main": script},
		Connect:    f.connect,
		Report:     func(at time.Time, e ecs.Event) { all <- event{e, at} },
	})
	return all
}

func (f *fixture) stop(id string) {
	f.Stop("arn:aws:ecs:us-west-2:123456789012:task/cluster/"+id, time.Now())
}

// next is the next event of a kind, which must be the next.
func next[E ecs.Event](t *testing.T, events <-chan event) E {
	t.Helper()
	select {
	case e := <-events:
		want, ok := e.Event.(E)
		if !ok {
			t.Fatalf("got %#v, want %T", e.Event, want)
		}
		return want
	case <-time.After(2 * time.Minute):
		var want E
		t.Fatalf("no %T in two minutes", want)
		return want
	}
}

func ended(t *testing.T, events <-chan event) int32 {
	t.Helper()
	e := next[ecs.Exited](t, events)
	if e.Code == nil {
		t.Fatal("no exit code")
	}
	return *e.Code
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	deadline := time.After(2 * time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-deadline:
			t.Fatalf("not in two minutes: %s", what)
		case <-tick.C:
		}
	}
}

func joined(lines []string) string { return strings.Join(lines, "|") }
