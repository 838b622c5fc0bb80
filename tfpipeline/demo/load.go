package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/localaws/balancer"
)

// load is people who use an environment all the time.
type load struct {
	stop func()

	mu     sync.Mutex
	all    traffic
	window traffic
	first  error
}

// traffic is what they asked.
type traffic struct {
	requests, failed int
	worst            time.Duration
}

func (t *traffic) add(elapsed time.Duration, err error) {
	t.requests++
	if err != nil {
		t.failed++
	}
	t.worst = max(t.worst, elapsed)
}

// plus is both together.
func (t traffic) plus(o traffic) traffic {
	return traffic{t.requests + o.requests, t.failed + o.failed, max(t.worst, o.worst)}
}

// people ask each address in turn, and think for a moment between two requests.
const (
	people  = 3
	thought = 50 * time.Millisecond
	answer  = 30 * time.Second // the longest that they wait
)

// startLoad lets people use some URLs until stop is called. Nobody uses none.
func startLoad(ctx context.Context, endpoint string, urls []string) *load {
	ctx, cancel := context.WithCancel(ctx)
	l := &load{}
	client := &http.Client{Transport: balancer.Transport(endpoint, nil), Timeout: answer}
	var done sync.WaitGroup
	crowd := people
	if len(urls) == 0 {
		crowd = 0
	}
	for i := range crowd {
		done.Go(func() {
			pace := time.NewTicker(thought)
			defer pace.Stop()
			for n := i; ; n++ {
				select {
				case <-ctx.Done():
					return
				case <-pace.C:
				}
				began := time.Now()
				// A request that was sent must be answered; otherwise it counts as
				// failed.
				err := get(context.WithoutCancel(ctx), client, urls[n%len(urls)])
				l.note(time.Since(began), err)
			}
		})
	}
	l.stop = func() { cancel(); done.Wait() }
	return l
}

func get(ctx context.Context, client *http.Client, url string) (err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := client.Do(r)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, res.Body)
	err = errors.Join(err, res.Body.Close())
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, res.Status)
	}
	return err
}

func (l *load) note(elapsed time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all.add(elapsed, err)
	l.window.add(elapsed, err)
	if l.first == nil {
		l.first = err
	}
}

// since returns what was asked since the last call.
func (l *load) since() traffic {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.window
	l.window = traffic{}
	return t
}

// total is all that was asked, and why the first request failed.
func (l *load) total() (traffic, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all, l.first
}
