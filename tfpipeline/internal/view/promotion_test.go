package view_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// screen is a terminal: what is on it after all that was written.
type screen struct {
	lines []string
	raw   bytes.Buffer
}

var cursorUp = regexp.MustCompile(`^\x1b\[(\d+)A\r\x1b\[J`)

func (s *screen) Write(p []byte) (int, error) {
	s.raw.Write(p)
	text := string(p)
	if m := cursorUp.FindStringSubmatch(text); m != nil {
		var n int
		fmt.Sscan(m[1], &n)
		s.lines = s.lines[:len(s.lines)-n]
		text = text[len(m[0]):]
	}
	for line := range strings.Lines(text) {
		if !strings.HasSuffix(line, "\n") {
			panic("half a line: " + line)
		}
		s.lines = append(s.lines, strings.TrimSuffix(line, "\n"))
	}
	return len(p), nil
}

func (s *screen) String() string { return "\n" + strings.Join(s.lines, "\n") + "\n" }

const family = "arn:aws:ecs:us-west-2:123456789012:task-definition/doc-platform-production-"

func promotion() view.Promotion {
	return view.Promotion{
		Environment: "production", Kind: deploy.KindPromote, From: "v1.3.0", To: "v1.4.0",
		Services: []string{"api", "frontend", "mcp"},
		Before:   map[string]string{"api": family + "api:41", "frontend": family + "frontend:12"},
	}
}

func moved(service string, state deploy.DeploymentState, revision, running, failures int) deploy.Event {
	return deploy.Event{
		Time: time.Now(), Kind: deploy.EventDeployment, Step: deploy.StepWatch, Service: service,
		Deployment: &deploy.Deployment{
			Service: service, State: state, TaskDefinition: fmt.Sprintf("%s%s:%d", family, service, revision),
			Running: running, Desired: 2, Failures: failures, Threshold: 3, Created: time.Now().Add(-time.Minute),
		},
	}
}

func TestPromotionTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &screen{}
		table := view.NewPromotionTable(s, promotion(), false, func() (int, int) { return 100, 24 })
		step := func(name deploy.StepName) {
			table.Observe(deploy.Event{Time: time.Now(), Kind: deploy.EventStep, Step: name})
		}
		step(deploy.StepMigrate)
		time.Sleep(12 * time.Second)
		table.Observe(deploy.Event{Time: time.Now(), Kind: deploy.EventLog, Step: deploy.StepMigrate, Service: "migrate", Message: "applied 0017\x1b[2J"})
		table.Observe(deploy.Event{Time: time.Now(), Kind: deploy.EventDone, Step: deploy.StepMigrate, Elapsed: 12 * time.Second})
		fmt.Fprint(table, "production: [1/2] upda")
		fmt.Fprint(table, "te module.api\n")
		step(deploy.StepWatch)
		table.Observe(moved("api", deploy.DeploymentInProgress, 42, 1, 1))
		table.Observe(moved("mcp", deploy.DeploymentSuccessful, 7, 2, 0))
		time.Sleep(3 * time.Second)
		synctest.Wait()
		want := `
[    12s]   migrate | applied 0017\x1b[2J
[    12s] migrate: done (12s)
production: [1/2] update module.api
production: promote v1.3.0 → v1.4.0  watch 3s
lock resolve preflight plan ✓migrate apply register update ▸watch verify record unlock notify
SERVICE   PHASE        TASKS  REVISION  BREAKER  ELAPSED
api       in progress  1/2    41 → 42   1/3      1m3s
frontend  waiting      -      12        -        -
mcp       successful   2/2    7         0/3      1m3s
`
		if d := cmp.Diff(want, s.String()); d != "" {
			t.Errorf("screen (-want +got):\n%s", d)
		}
		table.Observe(moved("removed", deploy.DeploymentInProgress, 3, 0, 0))
		if !strings.Contains(s.String(), "\nremoved   in progress") {
			t.Errorf("a service that the platform has no more:%s", s)
		}
		table.Observe(deploy.Event{Time: time.Now(), Kind: deploy.EventEnd, Record: &deploy.Record{Kind: deploy.KindPromote, Release: deploy.Release{Tag: "v1.4.0"}}})
		table.Close()
		before := s.raw.Len()
		time.Sleep(time.Minute)
		if s.raw.Len() != before {
			t.Error("it goes on after Close")
		}
		if !strings.Contains(s.String(), "production: promote v1.3.0 → v1.4.0\nSERVICE") {
			t.Errorf("the end:%s", s)
		}
	})
}

// Fifty services on a small terminal: what is at work is shown, the rest is
// counted, and no line wraps.
func TestPromotionTableOnASmallTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := view.Promotion{Environment: "production", Kind: deploy.KindPromote, To: "v1"}
		for i := range 50 {
			p.Services = append(p.Services, fmt.Sprintf("service-with-a-long-name-%02d", i))
		}
		s := &screen{}
		table := view.NewPromotionTable(s, p, true, func() (int, int) { return 40, 12 })
		for i, name := range p.Services {
			state := deploy.DeploymentSuccessful
			if i >= 45 {
				state = deploy.DeploymentInProgress
			}
			table.Observe(moved(name, state, 3, 2, 0))
		}
		table.Close()
		if len(s.lines) != 11 || s.lines[10] != "and 45 more" {
			t.Errorf("%d lines:%s", len(s.lines), s)
		}
		shown := s.String()
		for i := 45; i < 50; i++ {
			if !strings.Contains(shown, p.Services[i]) {
				t.Errorf("%s is missing:%s", p.Services[i], s)
			}
		}
		for _, l := range s.lines {
			if n := len([]rune(l)); n >= 40 {
				t.Errorf("%d columns: %s", n, l)
			}
		}
	})
}

func TestPromotionTableHasColours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &screen{}
		table := view.NewPromotionTable(s, promotion(), true, func() (int, int) { return 100, 24 })
		table.Observe(moved("api", deploy.DeploymentRollbackFailed, 42, 1, 3))
		table.Observe(moved("mcp", deploy.DeploymentSuccessful, 7, 2, 0))
		table.Close()
		for _, want := range []string{"\x1b[31mrollback failed\x1b[0m", "\x1b[32msuccessful\x1b[0m"} {
			if !strings.Contains(s.String(), want) {
				t.Errorf("%q is missing:%s", want, s)
			}
		}
	})
}

func TestPromotionLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := view.NewPromotionLines(&out, promotion())
		say := func(e deploy.Event) { e.Time = time.Now(); l.Observe(e) }
		say(deploy.Event{Kind: deploy.EventStep, Step: deploy.StepLock})
		say(deploy.Event{Kind: deploy.EventDone, Step: deploy.StepLock, Elapsed: time.Millisecond})
		say(deploy.Event{Kind: deploy.EventWait, Step: deploy.StepPreflight, Message: "waiting for deployments"})
		time.Sleep(65 * time.Second)
		for range 2 { // the same twice is told once
			l.Observe(moved("api", deploy.DeploymentInProgress, 42, 1, 1))
		}
		say(deploy.Event{Kind: deploy.EventService, Service: "api", Message: "(service api) registered 1 targets in (target-group arn:aws:elasticloadbalancing:us-west-2:123456789012:targetgroup/staging-api/0123456789abcdef)"})
		say(deploy.Event{Kind: deploy.EventLog, Service: "migrate", Message: "two\nlines"})
		say(deploy.Event{Kind: deploy.EventWarning, Message: "trying again"})
		say(deploy.Event{Kind: deploy.EventFailed, Step: deploy.StepWatch, Message: "service api failed", Elapsed: 65 * time.Second})
		// What was rolled back has no tasks: the service's are another's.
		back := moved("api", deploy.DeploymentRolledBack, 42, 0, 3)
		back.Deployment.Desired = 0
		l.Observe(back)
		say(deploy.Event{Kind: deploy.EventEnd})
		want := `production: promote v1.3.0 → v1.4.0
steps: lock, resolve, preflight, plan, migrate, apply, register, update, watch, verify, record, unlock, notify
[     0s] lock
[     0s]   waiting for deployments
[   1m5s]   api: in progress, 1/2 running, circuit breaker 1/3
[   1m5s]   api | registered 1 targets in (target-group staging-api)
[   1m5s]   migrate | two⏎lines
[   1m5s]   warning: trying again
[   1m5s] watch: failed after 1m5s: service api failed
[   1m5s]   api: rolled back, circuit breaker 3/3
`
		if d := cmp.Diff(want, out.String()); d != "" {
			t.Errorf("lines (-want +got):\n%s", d)
		}
	})
}

func TestPromotionJSON(t *testing.T) {
	var out bytes.Buffer
	j := view.NewPromotionJSON(&out)
	j.Observe(deploy.Event{Kind: deploy.EventStep, Step: deploy.StepLock, Time: time.Unix(0, 0).UTC()})
	j.Observe(moved("api", deploy.DeploymentInProgress, 42, 1, 1))
	dec := json.NewDecoder(&out)
	var kinds []deploy.EventKind
	for {
		var e deploy.Event
		if err := dec.Decode(&e); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, e.Kind)
	}
	if d := cmp.Diff([]deploy.EventKind{deploy.EventStep, deploy.EventDeployment}, kinds); d != "" {
		t.Errorf("events (-want +got):\n%s", d)
	}
}
