package ecs_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// pipeline is a promotion's over the real clients: ECS is the model, the rest
// is prepared on the wire, and what is not AWS's is in memory.
func (w *world) pipeline(observe func(deploy.Event)) (*deploy.Pipeline, *registry) {
	w.t.Helper()
	images := newRegistry(w.wire)
	w.wire.on("DescribeSecret", func(members) (int, any) {
		return http.StatusOK, members{"VersionIdsToStages": members{"v1": []string{"AWSCURRENT"}}}
	})
	w.wire.on("DescribeScalableTargets", func(members) (int, any) { return http.StatusOK, members{"ScalableTargets": []any{}} })
	s := &stream{lines: []string{"applying 0001", "applied 1 migration"}, page: 10}
	w.wire.on("GetLogEvents", s.answer)
	w.wire.on("GET https://staging.specboard.io/health", func(members) (int, any) { return http.StatusOK, "ok" })

	outputs := deploy.Outputs{Templates: w.templates, Placements: map[string]deploy.Placement{
		"migrate": {Subnets: []string{"subnet-1"}, SecurityGroups: []string{"sg-1"}},
		"seed":    {Subnets: []string{"subnet-1"}, SecurityGroups: []string{"sg-1"}},
	}}
	m := &memory{}
	return &deploy.Pipeline{
		Platform: w.platform, Environment: "staging",
		Images: w.env, TaskDefinitions: w.env, Services: w.env, Scaling: w.env, Deployments: w.env, Schedules: w.env, Tasks: w.env,
		Secrets: w.env, Health: w.env, Collector: w.env, Origin: w.env,
		Infrastructure: applied{outputs}, Checkout: m, History: m, Lock: m,
		Observe: observe, Random: func() float64 { return 0 },
	}, images
}

// release pushes the images of a release and checks it out.
func (w *world) release(p *deploy.Pipeline, images *registry, tag string) deploy.Request {
	commit := fmt.Sprintf("%040x", []byte(tag))
	for _, s := range w.services {
		images.push(w.platform.RepositoryName(s), s+" "+tag, commit)
	}
	p.Checkout.(*memory).commits = append(p.Checkout.(*memory).commits, commit)
	return deploy.Request{Tag: tag, Commit: commit, Actor: "test"}
}

// applied is an infrastructure that is as configured.
type applied struct{ outputs deploy.Outputs }

func (applied) Plan(context.Context) (deploy.Plan, error) {
	return deploy.Plan{Fingerprint: "none", Empty: true}, nil
}
func (applied) Apply(context.Context, string) error               { return nil }
func (a applied) Outputs(context.Context) (deploy.Outputs, error) { return a.outputs, nil }
func (applied) ForgetDead(context.Context, string) (time.Duration, error) {
	return 0, nil
}

// memory holds history, lock and checkout of one environment.
type memory struct {
	mu       sync.Mutex
	commits  []string // the oldest first; the last is checked out
	records  []deploy.Record
	journals map[string][]byte
	lease    *deploy.Lease
	version  int
}

func (m *memory) Head(context.Context) (string, []string, error) {
	return m.commits[len(m.commits)-1], nil, nil
}
func (m *memory) Peel(_ context.Context, tag string) (string, error) {
	return fmt.Sprintf("%040x", []byte(tag)), nil
}
func (m *memory) Schema(context.Context) (deploy.Schema, error) { return nil, nil }

func (m *memory) Contains(_ context.Context, descendant, ancestor string) (bool, error) {
	at := map[string]int{}
	for i, c := range m.commits {
		at[c] = i
	}
	return at[ancestor] <= at[descendant], nil
}

func (m *memory) Index(context.Context) (deploy.Index, []deploy.Skipped, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return deploy.NewIndex("staging", m.records...), nil, nil
}

func (m *memory) UpdateIndex(context.Context, ...deploy.Record) error { return nil }

func (m *memory) Find(_ context.Context, id string) (*deploy.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.records {
		if r.ID == id {
			return &r, nil
		}
	}
	return nil, nil
}

func (m *memory) Record(_ context.Context, r deploy.Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	var stored deploy.Record
	if err := json.Unmarshal(text, &stored); err != nil {
		return err
	}
	m.records = append(m.records, stored)
	return nil
}

func (m *memory) Journal(_ context.Context, id string) (deploy.Journal, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var j deploy.Journal
	text, ok := m.journals[id]
	if !ok {
		return j, deploy.ErrNoJournal
	}
	return j, json.Unmarshal(text, &j)
}

func (m *memory) WriteJournal(_ context.Context, j deploy.Journal) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	text, err := json.Marshal(j)
	if m.journals == nil {
		m.journals = map[string][]byte{}
	}
	m.journals[j.Record.ID] = text
	return err
}

func (m *memory) Holder(context.Context) (*deploy.Lease, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.lease == nil {
		return nil, nil
	}
	l := *m.lease
	return &l, nil
}

func (m *memory) Take(_ context.Context, l deploy.Lease, over *deploy.Lease) (deploy.Lease, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.lease != nil && (over == nil || m.lease.Version != over.Version) {
		return deploy.Lease{}, deploy.ErrLockTaken
	}
	return m.store(l), nil
}

func (m *memory) Renew(_ context.Context, l deploy.Lease) (deploy.Lease, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.lease == nil || m.lease.Version != l.Version {
		return deploy.Lease{}, deploy.ErrLockLost
	}
	return m.store(l), nil
}

func (m *memory) store(l deploy.Lease) deploy.Lease {
	m.version++
	l.Version = fmt.Sprint(m.version)
	m.lease = &l
	return l
}

func (m *memory) Release(_ context.Context, l deploy.Lease) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.lease == nil || m.lease.Version != l.Version {
		return deploy.ErrLockLost
	}
	m.lease = nil
	return nil
}

func (m *memory) Remove(ctx context.Context, version string) error {
	return m.Release(ctx, deploy.Lease{Version: version})
}

// timeline is when each step began and ended, and with what calls to ECS.
type timeline struct {
	w            *world
	mu           sync.Mutex
	began, ended map[deploy.StepName]time.Time
	calls        map[deploy.StepName]map[string]int
	before       int
	logs         []string
}

func (w *world) timeline() *timeline {
	return &timeline{w: w, began: map[deploy.StepName]time.Time{}, ended: map[deploy.StepName]time.Time{}, calls: map[deploy.StepName]map[string]int{}}
}

// forget begins anew.
func (l *timeline) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.began)
	clear(l.ended)
}

// String is how long each step took of those that took any time.
func (l *timeline) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var parts []string
	for _, step := range slices.SortedFunc(maps.Keys(l.ended), func(a, b deploy.StepName) int { return l.began[a].Compare(l.began[b]) }) {
		if took := l.ended[step].Sub(l.began[step]); took >= time.Second {
			parts = append(parts, fmt.Sprintf("%s %s", step, took.Round(time.Second)))
		}
	}
	return strings.Join(parts, ", ")
}

func (l *timeline) observe(e deploy.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch e.Kind {
	case deploy.EventStep:
		l.began[e.Step] = e.Time
		l.before = len(l.w.called.Of())
	case deploy.EventDone, deploy.EventFailed:
		l.ended[e.Step] = e.Time
		l.calls[e.Step] = map[string]int{}
		for _, c := range l.w.called.Of()[l.before:] {
			l.calls[e.Step][c.Operation]++
		}
	case deploy.EventLog:
		l.logs = append(l.logs, e.Message)
	}
}
