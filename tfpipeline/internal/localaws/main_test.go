package localaws

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	"github.com/beevik/etree"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
	"github.com/specboard/platform/tfpipeline/internal/process"
)

// TestMain lets the test binary play the programs that tests start: a relay, a
// moto_server, and a process that holds an endpoint until it is killed.
func TestMain(m *testing.M) {
	if code, ok := process.RunRelay(context.Background(), os.Args[1:], os.Environ(), os.Stdout, os.Stderr, os.Getppid); ok {
		os.Exit(code)
	}
	switch os.Getenv("LOCALAWS_TEST_ROLE") {
	case "moto":
		os.Exit(playMoto(os.Args[1:]))
	case "holder":
		os.Exit(playHolder())
	}
	os.Exit(m.Run())
}

// playMoto answers like a moto_server that knows nothing. It dies when asked
// for /die.
func playMoto(args []string) int {
	flags := flag.NewFlagSet("moto_server", flag.ContinueOnError)
	host, port := flags.String("H", "", ""), flags.String("p", "", "")
	if flags.Parse(args) != nil {
		return 2
	}
	fmt.Println("pretending to be moto", os.Getenv("MOTO_ACCOUNT_ID"), os.Getenv("AWS_ACCESS_KEY_ID"))
	err := http.ListenAndServe(*host+":"+*port, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/die":
			fmt.Println("RuntimeError: out of cheese")
			os.Exit(3)
		}
	}))
	fmt.Println(err)
	return 1
}

// playHolder starts an endpoint and waits to be killed.
func playHolder() int {
	e, err := Start(context.Background(), Options{Environ: append(os.Environ(), "LOCALAWS_TEST_ROLE=moto")})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(e.moto.cmd.Process.Pid)
	<-e.Done()
	return 1
}

// fakeControl is a control plane of canned answers, and what it was asked.
type fakeControl struct {
	*httptest.Server
	answers map[string]string // "service.Operation" → body
	status  map[string]int

	mu    sync.Mutex
	asked []*endpoint.Call
}

func newFakeControl(t *testing.T, answers map[string]string) *fakeControl {
	f := &fakeControl{answers: answers, status: map[string]int{}}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := endpoint.Read(r, "us-west-2")
		if err != nil {
			t.Error(err)
			return
		}
		if c.Body == nil {
			c.Body, _ = io.ReadAll(r.Body)
		}
		f.mu.Lock()
		f.asked = append(f.asked, c)
		f.mu.Unlock()
		name := c.Service + "." + c.Operation
		body, ok := f.answers[name]
		if !ok {
			t.Errorf("unexpected call %s", name)
			w.WriteHeader(http.StatusTeapot)
			return
		}
		if status := f.status[name]; status != 0 {
			w.WriteHeader(status)
		}
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(f.Close)
	return f
}

// last is the last call that the control plane got of that name.
func (f *fakeControl) last(t *testing.T, name string) *endpoint.Call {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := len(f.asked) - 1; i >= 0; i-- {
		if f.asked[i].Service+"."+f.asked[i].Operation == name {
			return f.asked[i]
		}
	}
	t.Fatalf("the control plane was never asked for %s", name)
	return nil
}

// start starts an endpoint before a fake control plane.
func start(t *testing.T, control *fakeControl, o Options) *Endpoint {
	t.Helper()
	o.Upstream = control.URL
	e, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// awsConfig leads the SDK's clients to an endpoint.
func awsConfig(e *Endpoint) aws.Config {
	cfg := e.Access().Config()
	cfg.RetryMaxAttempts = 2
	return cfg
}

// query calls an operation of the Query protocol, for which no SDK client is
// at hand, and returns the status and the answer.
func query(t *testing.T, e *Endpoint, service, operation string, parameters ...string) (int, *etree.Element) {
	t.Helper()
	form := url.Values{"Action": {operation}, "Version": {"2000-01-01"}}
	for _, p := range parameters {
		k, v, _ := strings.Cut(p, "=")
		form.Add(k, v)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.URL()+"/", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", signature(service, e.region))
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	root, err := endpoint.ParseXML(body)
	if err != nil {
		t.Fatalf("%s: %v in:\n%s", operation, err, body)
	}
	return res.StatusCode, root
}

// must is query for what has to succeed.
func must(t *testing.T, e *Endpoint, service, operation string, parameters ...string) *etree.Element {
	t.Helper()
	status, root := query(t, e, service, operation, parameters...)
	if status != http.StatusOK {
		t.Fatalf("%s: status %d:\n%s", operation, status, endpoint.Encode(root))
	}
	return root
}

// wantCode asserts the error code that AWS's API documents.
func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok || api.ErrorCode() != code {
		t.Errorf("error %v, want code %s", err, code)
	}
}
