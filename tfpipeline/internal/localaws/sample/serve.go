package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// ends returns what ends the application: its crash by the flags, or SIGTERM.
func (b behaviour) ends(ctx context.Context) (crash <-chan time.Time, told <-chan struct{}) {
	if b.crash > 0 {
		crash = time.After(b.crash)
	}
	if !b.ignore {
		told = ctx.Done()
	}
	return crash, told
}

func (b behaviour) crashed(stderr io.Writer) int {
	fmt.Fprintf(stderr, "sample: told to crash after %v\n", b.crash)
	return b.exit
}

// beforeAnything reports whether it crashes before it does anything.
func (b behaviour) beforeAnything() bool { return b.crash > 0 && b.crash <= time.Microsecond }

// work does what a worker does until it gets SIGTERM, or crashes as its flags say.
func work(ctx context.Context, b behaviour, stdout, stderr io.Writer) int {
	if b.beforeAnything() {
		return b.crashed(stderr)
	}
	crash, told := b.ends(ctx)
	var asked chan struct{}
	done := make(chan struct{})
	receiving, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	if b.receive == "" {
		go func() {
			defer close(done)
			idle(receiving, aliveFile(b.get))
		}()
	} else {
		r, err := newReceiver(ctx, b, stdout)
		if err != nil {
			fmt.Fprintf(stderr, "sample: %v\n", err)
			return 1
		}
		asked = r.crashed
		go func() {
			defer close(done)
			r.work(receiving)
		}()
	}
	fmt.Fprintf(stdout, "release %s of %s works\n", b.release, b.service)
	select {
	case <-crash:
		return b.crashed(stderr)
	case <-asked:
		fmt.Fprintf(stderr, "sample: told to crash at message %d\n", b.crashAt)
		return b.exit
	case <-told:
	}
	end()
	<-done
	fmt.Fprintln(stdout, "finished")
	return 0
}

// serve answers requests until it gets SIGTERM, or crashes as its flags say.
func serve(ctx context.Context, b behaviour, stdout, stderr io.Writer) int {
	begin := time.Now()
	if b.beforeAnything() {
		return b.crashed(stderr)
	}
	crash, ended := b.ends(ctx)
	socket, err := net.Listen("tcp", b.address)
	if err != nil {
		fmt.Fprintf(stderr, "sample: %v\n", err)
		return 1
	}
	handler, asked := crashing(b.crashAt, b.asksHealth, b.handler(begin))
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(socket) }()
	fmt.Fprintf(stdout, "release %s of %s listens on %s\n", b.release, b.service, socket.Addr())
	select {
	case err := <-failed:
		fmt.Fprintf(stderr, "sample: %v\n", err)
		return 1
	case <-crash:
		return b.crashed(stderr)
	case <-asked:
		fmt.Fprintf(stderr, "sample: told to crash at request %d\n", b.crashAt)
		return b.exit
	case <-ended:
	}
	fmt.Fprintln(stdout, "told to end: finishing what has begun")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.drain)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		fmt.Fprintf(stderr, "sample: requests were cut off: %v\n", err)
		return 1
	}
	fmt.Fprintln(stdout, "finished")
	return 0
}

// crashing closes the channel at request number at, and answers neither that one nor
// any later one. It always answers spared requests, and does not count them. If at is
// 0, it answers all.
func crashing(at int, spared func(*http.Request) bool, next http.Handler) (http.Handler, <-chan struct{}) {
	reached := make(chan struct{})
	var requests atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := int64(0)
		if at > 0 && !spared(r) {
			n = requests.Add(1)
		}
		switch {
		case n < int64(at) || at == 0:
			next.ServeHTTP(w, r)
			return
		case n == int64(at):
			close(reached)
		}
		<-r.Context().Done()
	}), reached
}

// asksHealth reports whether a request is for the application's health.
func (b behaviour) asksHealth(r *http.Request) bool {
	path, _, _ := strings.Cut(b.health, "?")
	return r.URL.Path == path && (r.Method == http.MethodGet || r.Method == http.MethodHead)
}

func (b behaviour) handler(begin time.Time) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b.asksHealth(r) {
			if b.unhealthy || time.Since(begin) < b.ready {
				http.Error(w, "not ready", http.StatusServiceUnavailable)
				return
			}
			fmt.Fprintln(w, "ok")
			return
		}
		if err := wait(r.Context(), max(b.slow, duration(r.FormValue("slow")))); err != nil {
			return // the client has gone
		}
		if n, err := strconv.Atoi(r.FormValue("events")); err == nil {
			stream(w, r, n)
			return
		}
		if to := r.FormValue("call"); to != "" {
			call(w, r, to)
			return
		}
		if queue := r.FormValue("send"); queue != "" {
			if err := send(r.Context(), b.get, queue, r.Form["body"]); err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
				return
			}
		}
		status := http.StatusOK
		if asked, err := strconv.Atoi(r.FormValue("status")); err == nil && asked >= 200 && asked < 600 {
			status = asked
		}
		if b.fail {
			status = http.StatusInternalServerError
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(answer{b.service, b.release, r.URL.Path}) // the client has gone: nobody to tell
	})
}

// stream sends events, one every 20 ms.
func stream(w http.ResponseWriter, r *http.Request, n int) {
	w.Header().Set("Content-Type", "text/event-stream")
	for i := range n {
		fmt.Fprintf(w, "data: %d\n\n", i)
		if http.NewResponseController(w).Flush() != nil || wait(r.Context(), 20*time.Millisecond) != nil {
			return // the client has gone
		}
	}
}

// call passes on the answer of another service, or 502 if that fails.
func call(w http.ResponseWriter, r *http.Request, to string) {
	status, body, err := get(r.Context(), to)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client has gone: nobody to tell
}

func get(ctx context.Context, address string) (status int, body []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, nil, err
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	body, err = io.ReadAll(res.Body)
	return res.StatusCode, body, err
}

// answer is the answer to every path but /health.
type answer struct {
	Service string `json:"service"`
	Release string `json:"release"`
	Path    string `json:"path"`
}

func duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0
	}
	return d
}

func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return errors.New("the client has gone")
	case <-timer.C:
		return nil
	}
}
