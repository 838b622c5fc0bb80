package task

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// check is the health check of a container. Its command runs outside the
// container, unchanged. A command that requests a URL of the container with
// curl or wget is replaced by that request, since the container listens on
// another port than it believes.
type check struct {
	container *container
	watched   *os.File
	url       string // to be requested, or ""
	command   []string

	interval, timeout, start time.Duration
	retries                  int
}

var urlInCommand = regexp.MustCompile(`https?://[^\s"'|;&)]+|\b(?:localhost|127\.0\.0\.1):\d+[^\s"'|;&)]*`)

// newCheck takes the standard values of
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_HealthCheck.html.
func newCheck(c *container, t *task, d *types.HealthCheck, watched *os.File) *check {
	seconds := func(p *int32, standard int32) time.Duration {
		if p != nil {
			standard = *p
		}
		return time.Duration(standard) * time.Second
	}
	k := &check{
		container: c, watched: watched, retries: 3,
		interval: seconds(d.Interval, 30), timeout: seconds(d.Timeout, 5), start: seconds(d.StartPeriod, 0),
	}
	if d.Retries != nil {
		k.retries = int(*d.Retries)
	}
	switch {
	case len(d.Command) > 1 && d.Command[0] == "CMD-SHELL":
		k.command = []string{"/bin/sh", "-c", strings.Join(d.Command[1:], " ")}
	case len(d.Command) > 1 && d.Command[0] == "CMD":
		k.command = d.Command[1:]
	default:
		k.command = d.Command
	}
	if found := urlInCommand.FindString(strings.Join(k.command, " ")); found != "" {
		if !strings.Contains(found, "://") {
			found = "http://" + found // as curl and wget read it
		}
		k.url = t.outside(found)
	}
	return k
}

// outside translates a URL of the task's own network into one that works
// outside; "" if it is a URL of another network.
func (t *task) outside(text string) string {
	u, err := url.Parse(text)
	if err != nil || !inside(u.Hostname()) {
		return ""
	}
	port, err := strconv.ParseInt(u.Port(), 10, 32)
	if err != nil {
		port = 80
	}
	own, ok := t.ports[int32(port)]
	if !ok {
		own = int(port)
	}
	u.Host = net.JoinHostPort(t.address, strconv.Itoa(own))
	return u.String()
}

// watch checks until the container has ended, and reports every change. A
// failure within the start period does not count, unless a check has passed
// before.
func (k *check) watch(ended <-chan struct{}, report func(healthy bool)) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	begin := time.Now()
	known, healthy, failed := false, false, 0
	ticker := time.NewTicker(max(k.interval, time.Millisecond))
	defer ticker.Stop()
	for {
		select {
		case <-ended:
			return
		case <-ticker.C:
		}
		passed := k.passes(ctx)
		if ctx.Err() != nil {
			return
		}
		switch {
		case passed:
			failed = 0
			if !known || !healthy {
				known, healthy = true, true
				report(true)
			}
		case !known && time.Since(begin) < k.start:
		default:
			if failed++; failed >= k.retries && (!known || healthy) {
				known, healthy = true, false
				report(false)
			}
		}
	}
}

// passes runs the check a single time.
func (k *check) passes(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	if k.url != "" {
		return requests(ctx, k.url)
	}
	if len(k.command) == 0 {
		return false
	}
	cmd := k.container.process(k.watched, k.command)
	if cmd.Start() != nil {
		return false
	}
	stop := context.AfterFunc(ctx, func() { killGroup(cmd) })
	defer stop()
	err := cmd.Wait()
	killGroup(cmd) // its watcher
	return err == nil
}

// requests reports whether a URL answers with a status below 400.
func requests(ctx context.Context, address string) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return false
	}
	r.Close = true
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
	return err == nil && res.StatusCode < http.StatusBadRequest
}
