package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// sample is a running application.
type sample struct {
	url  string
	stop context.CancelFunc
	code chan int

	mu     sync.Mutex
	output bytes.Buffer
}

func (s *sample) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.output.Write(p)
}

func (s *sample) said() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.output.String()
}

func start(t *testing.T, args ...string) *sample {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host, port, err := net.SplitHostPort(free.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	ctx, stop := context.WithCancel(t.Context())
	s := &sample{url: "http://" + host + ":" + port, stop: stop, code: make(chan int, 1)}
	go func() { s.code <- run(ctx, args, []string{"HOST=" + host, "PORT=" + port, "SAMPLE_SERVICE=api"}, s, s) }()
	for deadline := time.Now().Add(2 * time.Minute); !strings.Contains(s.said(), "listens on"); {
		select {
		case code := <-s.code:
			t.Fatalf("exit %d: %s", code, s.said())
		case <-time.After(time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatal("it does not listen")
		}
	}
	return s
}

func (s *sample) get(t *testing.T, path string) string {
	t.Helper()
	res, err := http.Get(s.url + path)
	if err != nil {
		return "no answer"
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Error(err)
	}
	return fmt.Sprint(res.StatusCode, " ", strings.TrimSpace(string(body)))
}

func TestServe(t *testing.T) {
	s := start(t, "-release", "v1")
	for path, want := range map[string]string{
		"/health":             "200 ok",
		"/api/users":          `200 {"service":"api","release":"v1","path":"/api/users"}`,
		"/x?status=418&slow=": `418 {"service":"api","release":"v1","path":"/x"}`,
	} {
		if got := s.get(t, path); got != want {
			t.Errorf("%s: %s", path, got)
		}
	}
	// It drains: what has begun is finished.
	slow := make(chan string)
	begin := time.Now()
	go func() { slow <- s.get(t, "/?slow=300ms") }()
	for time.Since(begin) < 50*time.Millisecond {
		<-time.After(time.Millisecond)
	}
	s.stop()
	if got := <-slow; !strings.HasPrefix(got, "200") {
		t.Errorf("cut off: %s", got)
	}
	if code := <-s.code; code != 0 || !strings.HasSuffix(s.said(), "finished\n") {
		t.Errorf("exit %d: %s", code, s.said())
	}
}

func TestMisbehave(t *testing.T) {
	for args, want := range map[string]string{
		"-unhealthy":                    "503 not ready",
		"-ready-after 1h":               "503 not ready",
		"-fail":                         "200 ok",
		"-drain 1ms -ignore-term=false": "200 ok",
	} {
		s := start(t, strings.Fields(args)...)
		if got := s.get(t, "/health"); got != want {
			t.Errorf("%s: %s", args, got)
		}
		if got := s.get(t, "/"); strings.HasPrefix(got, "500") != (args == "-fail") {
			t.Errorf("%s: %s", args, got)
		}
		s.stop()
		<-s.code
	}
	if s := start(t, "-crash-after", "20ms", "-exit-code", "9"); <-s.code != 9 || !strings.Contains(s.said(), "told to crash after 20ms") {
		t.Errorf("it said %s", s.said())
	}
	third := start(t, "-crash-at", "3", "-exit-code", "6")
	for path, want := range map[string]string{"/health": "200 ok", "/": "200 "} {
		for range 2 {
			if got := third.get(t, path); !strings.HasPrefix(got, want) {
				t.Errorf("before the third request: %s: %s", path, got)
			}
		}
	}
	go third.get(t, "/") // it is not answered
	if code := <-third.code; code != 6 || !strings.Contains(third.said(), "told to crash at request 3") {
		t.Errorf("exit %d: %s", code, third.said())
	}
	s := start(t, "-ignore-term")
	s.stop()
	select {
	case code := <-s.code:
		t.Errorf("exit %d", code)
	case <-time.After(50 * time.Millisecond):
	}
	for _, c := range []struct {
		args, env string
		code      int
		says      string
	}{
		{"-crash-after 1ns -exit-code 5", "", 5, "told to crash"},
		{"-crash-after 1ms -exit-code 7", "", 7, "release unknown of sample works\nsample: told to crash after 1ms"},
		{"-no-such", "", 2, "-no-such"},
		{"", "SAMPLE_SLOW=soon", 2, "SAMPLE_SLOW=soon"},
		{"fly", "", 2, `no command "fly"`},
		{"seed", "DB_HOST=h DB_PASSWORD=p SUPERADMIN_PASSWORD=canary", 0, "seeded"},
		{"seed", "DB_HOST=h DB_PASSWORD=p", 1, "SUPERADMIN_PASSWORD is not set"},
		{"seed", "DB_HOST=h DB_PASSWORD=p SUPERADMIN_PASSWORD=canary SAMPLE_CRASH_AFTER=1ns", 1, "told to fail"},
		{"-receive late-mail", "", 1, "LATE_MAIL_QUEUE_URL is not set"},
		{"report", "", 1, "DB_HOST is not set"},
		{"-help", "", 0, "usage: sample"},
	} {
		var out bytes.Buffer
		if code := run(t.Context(), strings.Fields(c.args), strings.Fields(c.env), &out, &out); code != c.code || !strings.Contains(out.String(), c.says) || strings.Contains(out.String(), "canary") {
			t.Errorf("%s %s: exit %d: %s", c.args, c.env, code, out.String())
		}
	}
}
