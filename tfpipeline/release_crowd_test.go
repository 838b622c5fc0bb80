package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/localaws/balancer"
)

// answer is what the sample application says.
type answer struct{ Service, Release string }

// crowd is a constant load on an environment's address.
type crowd struct {
	client *http.Client
	domain string
	stop   context.CancelFunc
	done   sync.WaitGroup

	mu       sync.Mutex
	requests int
	failed   []failure
	// first is when a service first answered as a release, by both names.
	first map[string]time.Time
}

// failure is a request that failed, and when.
type failure struct {
	at  time.Time
	err error
}

func (f failure) String() string { return fmt.Sprintf("%s %v", f.at.Format("15:04:05.000"), f.err) }

// users are people who ask without a pause until end is called. Each of slow is
// a query, such as "slow=2s", that one more user asks each service with, over
// and over: what is being answered when a task ends must be answered to its end.
func (w *workshop) users(env string, people int, slow ...string) *crowd {
	w.t.Helper()
	e, ok := w.platform.Environment(env)
	if !ok {
		w.t.Fatalf("no environment %s", env)
	}
	ctx, stop := context.WithCancel(w.t.Context())
	w.t.Cleanup(stop)
	c := &crowd{
		client: &http.Client{Transport: balancer.Transport(w.endpoint, nil), Timeout: 20 * time.Second},
		domain: w.platform.Host(e), stop: stop, first: map[string]time.Time{},
	}
	for i := range people {
		c.done.Go(func() {
			// A constant load that leaves the machine to the tasks.
			pace := time.NewTicker(28 * time.Millisecond)
			defer pace.Stop()
			for n := i; ctx.Err() == nil; n++ {
				<-pace.C
				a, err := c.ask(context.WithoutCancel(ctx), w.paths[n%len(w.paths)])
				c.hear(a.Service + " " + a.Release)
				c.note(err)
			}
		})
	}
	for _, query := range slow {
		for _, path := range w.paths {
			c.done.Go(func() {
				for ctx.Err() == nil {
					body, err := c.read(context.WithoutCancel(ctx), path+"?"+query)
					if want, ok := strings.CutPrefix(query, "events="); ok && err == nil && strconv.Itoa(strings.Count(string(body), "data: ")) != want {
						err = fmt.Errorf("%s: a stream of %s events ended with:\n%s", path, want, body)
					}
					c.note(err)
				}
			})
		}
	}
	return c
}

// hear notes that a service answers as a release.
func (c *crowd) hear(release string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.first[release].IsZero() {
		c.first[release] = time.Now()
	}
}

func (c *crowd) note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests++
	if err != nil {
		c.failed = append(c.failed, failure{time.Now(), err})
	}
}

// count tells how much was asked so far, and how much of it failed.
func (c *crowd) count() (requests, failed int) {
	if c == nil {
		return 0, 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.requests, len(c.failed)
}

func (c *crowd) ask(ctx context.Context, path string) (a answer, err error) {
	body, err := c.read(ctx, path)
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal(body, &a)
}

func (c *crowd) read(ctx context.Context, path string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+c.domain+path, nil)
	if err != nil {
		return nil, err
	}
	res, err := c.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", path, res.Status, body)
	}
	return body, err
}

// end stops the load; not one request may have failed.
func (c *crowd) end(t *testing.T) (requests int) {
	t.Helper()
	c.stop()
	c.done.Wait()
	for i, f := range c.failed {
		if i == 10 {
			break
		}
		t.Errorf("failed: %s", f)
	}
	t.Logf("figure: | **all of it, and between** | | | **%d** | **%d** | |", c.requests, len(c.failed))
	return c.requests
}
