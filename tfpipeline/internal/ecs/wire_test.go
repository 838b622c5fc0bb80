package ecs_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
)

// wire answers for the services beside ECS. An answer is prepared for an
// operation; one that is not fails the test by name.
type wire struct {
	t        *testing.T
	mu       sync.Mutex
	answers  map[string]func(in map[string]any) (status int, out any)
	requests []string
}

func newWire(t *testing.T) *wire {
	return &wire{t: t, answers: map[string]func(map[string]any) (int, any){}}
}

// on answers an operation. It gets the request's members, and gives the
// status and the answer's members: for an error "__type" and "message", and
// for status 0 an error of the connection.
func (w *wire) on(operation string, answer func(in map[string]any) (int, any)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers[operation] = answer
}

type members = map[string]any

func refusal(code, message string) (int, any) {
	return http.StatusBadRequest, members{"__type": code, "message": message}
}

// made are the requests so far: the operation and its body.
func (w *wire) made() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	made := slices.Clone(w.requests)
	slices.Sort(made)
	return made
}

func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	body := []byte{}
	if req.Body != nil {
		body, _ = io.ReadAll(req.Body)
		req.Body.Close()
	}
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	target := req.Header.Get("X-Amz-Target")
	name := target[strings.LastIndex(target, ".")+1:]
	if target == "" {
		name = req.Method + " " + req.URL.String()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests = append(w.requests, strings.TrimSpace(name+" "+string(body)))
	answer := w.answers[name]
	if answer == nil {
		w.t.Errorf("nobody answers %s %s", name, body)
		return nil, fmt.Errorf("nobody answers %s", name)
	}
	in := members{}
	if len(body) > 0 {
		if err := json.Unmarshal(body, &in); err != nil {
			w.t.Errorf("%s: %v", name, err)
		}
	}
	status, out := answer(in)
	if status == 0 {
		return nil, out.(error)
	}
	content, isText := out.(string)
	if !isText {
		encoded, err := json.Marshal(out)
		if err != nil {
			return nil, err
		}
		content = string(encoded)
	}
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:  http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amzn-Requestid": {"request-1"}},
		Body:    io.NopCloser(bytes.NewReader([]byte(content))),
		Request: req, ContentLength: int64(len(content)),
	}, nil
}
