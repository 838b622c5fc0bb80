package ecs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// errDropped is the error that a client gets for a dropped connection.
var errDropped = errors.New("read: connection reset by peer")

// reply is the answer to a call.
type reply struct {
	status int
	code   string // of an error
	body   []byte
	delay  time.Duration
	drop   bool // the connection ends instead
	kind   string
}

func (a reply) header() http.Header {
	h := http.Header{}
	h.Set("Content-Type", a.kind)
	if a.kind == "" {
		h.Set("Content-Type", "application/x-amz-json-1.1")
	}
	h.Set("Content-Length", strconv.Itoa(len(a.body)))
	h.Set("X-Amzn-Requestid", uuid())
	if a.code != "" {
		h.Set("X-Amzn-Errortype", a.code)
	}
	return h
}

func (a reply) write(w http.ResponseWriter) {
	for k, v := range a.header() {
		w.Header()[k] = v
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // the client has gone: nobody to tell
}

// transport answers requests in the caller's goroutine.
type transport struct{ r *Runtime }

func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		var err error
		body, err = io.ReadAll(req.Body)
		req.Body.Close()
		if err != nil {
			return nil, err
		}
	}
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	var a reply
	if target := req.Header.Get("X-Amz-Target"); target == "" {
		a = t.r.targetHealthReply(body)
	} else {
		name, _ := strings.CutPrefix(target, targetPrefix)
		a = t.r.answer(req.Context(), name, body)
	}
	if !wait(req.Context(), a.delay) {
		return nil, req.Context().Err()
	}
	if a.drop {
		return nil, errDropped
	}
	return &http.Response{
		Status: http.StatusText(a.status), StatusCode: a.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.header(), Body: io.NopCloser(bytes.NewReader(a.body)),
		ContentLength: int64(len(a.body)), Request: req,
	}, nil
}

// wait reports whether the time passed before the context ended.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
