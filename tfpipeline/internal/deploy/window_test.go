package deploy

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"
)

// Minutes before the end of a long window, what says nothing of the release does not
// have it rolled back, and what does say something has it.
func TestLateInTheWindow(t *testing.T) {
	const window = 10 * time.Minute
	stop := func(w *world, code, reason string) {
		s := w.services["frontend"]
		s.crashed = append(s.crashed, StoppedTask{
			ARN: accountARN + "task/" + code, Name: s.name, TaskDefinition: s.definition, StopCode: code, Reason: reason, Created: time.Now(), Stopped: time.Now(),
		})
	}
	starting := []string{"10.0.0.7:3000 is initial"}
	for _, test := range []struct {
		name   string
		begin  func(w *world)
		lasts  time.Duration
		counts bool // the time meanwhile is part of the window
		wrong  string
	}{
		{
			"autoscaling starts a task", func(w *world) { w.targets["frontend"] = Targets{Healthy: 2, Initial: 1, Reasons: starting} }, 40 * time.Second,
			true, "",
		},
		{
			"Fargate retires a task", func(w *world) {
				stop(w, "TerminationNotice", "ECS is performing maintenance on the underlying infrastructure")
				w.targets["frontend"] = Targets{Healthy: 1, Initial: 1, Reasons: starting}
			}, 40 * time.Second,
			false, "",
		},
		{
			"a person stops a task", func(w *world) {
				stop(w, "UserInitiated", "Task stopped by user")
				w.targets["frontend"] = Targets{Healthy: 1}
			}, 40 * time.Second,
			false, "",
		},
		{
			"the replacement of a retired task never becomes healthy", func(w *world) {
				stop(w, "TerminationNotice", "ECS is performing maintenance on the underlying infrastructure")
				w.targets["frontend"] = Targets{Healthy: 1, Initial: 1, Reasons: starting}
			}, time.Hour,
			false, "service frontend has 1 healthy targets of at least 2: 10.0.0.7:3000 is initial",
		},
		{
			"a task cannot start", func(w *world) {
				stop(w, "TaskFailedToStart", "ResourceInitializationError")
				w.targets["frontend"] = Targets{Healthy: 1, Initial: 1, Reasons: starting}
			}, 40 * time.Second,
			false, "it has not stayed healthy for 10m0s",
		},
		{
			"a target is unhealthy", func(w *world) { w.targets["frontend"] = Targets{Healthy: 2, Unhealthy: 1} }, 40 * time.Second,
			false, "it has not stayed healthy for 10m0s",
		},
		{
			"ECS stops a task whose health checks fail", func(w *world) { stop(w, "ServiceSchedulerInitiated", "Task failed ELB health checks") }, 40 * time.Second,
			false, "Task failed ELB health checks",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.platform.Environments = slices.Clone(w.platform.Environments)
				for i := range w.platform.Environments {
					w.platform.Environments[i].HealthWindow = window
				}
				var verifying time.Time
				p := w.start()
				observe := p.Pipeline.Observe
				p.Pipeline.Observe = func(e Event) {
					observe(e)
					if e.Kind != EventStep || e.Step != StepVerify || !verifying.IsZero() {
						return
					}
					verifying = time.Now()
					time.AfterFunc(6*time.Minute, func() { w.mu.Lock(); defer w.mu.Unlock(); test.begin(w) })
					time.AfterFunc(6*time.Minute+test.lasts, func() { w.mu.Lock(); defer w.mu.Unlock(); delete(w.targets, "frontend") })
				}
				r, err := p.promote(t.Context(), Request{Tag: "v1.2"})
				if test.wrong != "" {
					wantError(t, err, RolledBack, StepVerify, test.wrong)
					return
				}
				if err != nil || r.Outcome != Deployed {
					t.Fatalf("%s: %v", r.Outcome, err)
				}
				least := window
				if !test.counts {
					least += test.lasts - 10*time.Second // since the look before
				}
				if took := time.Since(verifying); took < least || took > least+time.Minute {
					t.Errorf("deployed %v after it was looked at first, want at least %v", took, least)
				}
			})
		})
	}
}

// dimWorld is a process some of whose looks fail.
type dimWorld struct {
	*process
	fails func(call string) error // nil: it does not
	// hangs: the calls that fail give no answer at all.
	hangs bool
}

// dim makes a call, or lets it fail.
func dim[T any](ctx context.Context, d dimWorld, name string, f func() (T, error)) (T, error) {
	var zero T
	d.mu.Lock()
	err := d.fails(name)
	d.mu.Unlock()
	if err != nil && d.hangs {
		<-ctx.Done()
		return zero, ctx.Err()
	}
	if err != nil {
		return zero, err
	}
	return f()
}

func (d dimWorld) TargetHealth(ctx context.Context, services []string) (map[string]Targets, error) {
	return dim(ctx, d, "TargetHealth", func() (map[string]Targets, error) { return d.process.TargetHealth(ctx, services) })
}

func (d dimWorld) StoppedTasks(ctx context.Context, services []string, since time.Time) ([]StoppedTask, error) {
	return dim(ctx, d, "StoppedTasks", func() ([]StoppedTask, error) { return d.process.StoppedTasks(ctx, services, since) })
}

func (d dimWorld) Get(ctx context.Context, url string) (int, error) {
	status, err := dim(ctx, d, "Get", func() (int, error) { return d.process.Get(ctx, url) })
	if errors.Is(err, errTooMany) {
		return http.StatusTooManyRequests, nil
	}
	return status, err
}

var errTooMany = errors.New("429")

// A look that fails says nothing: however long looks fail, that neither fails a good
// release nor proves one.
func TestLooksFailInTheWindow(t *testing.T) {
	const window = 10 * time.Minute
	throttled, reset := Transient(errors.New("ThrottlingException")), Transient(errors.New("connection reset"))
	sick := func(w *world) { w.targets["frontend"] = Targets{Healthy: 1, Unhealthy: 1} }
	for _, test := range []struct {
		name    string
		call    string
		err     error
		hangs   bool
		from    time.Duration
		lasts   time.Duration
		begin   func(w *world) // a minute after from
		unseen  time.Duration  // comes on top of the window
		wrong   string
		refused string
	}{
		{"targets are throttled", "TargetHealth", throttled, false, 6 * time.Minute, 8 * time.Minute, nil, 8 * time.Minute, "", ""},
		{"they hang", "TargetHealth", throttled, true, 6 * time.Minute, 8 * time.Minute, nil, 8 * time.Minute, "", ""},
		{"stopped tasks are throttled", "StoppedTasks", throttled, false, 6 * time.Minute, 8 * time.Minute, nil, 8 * time.Minute, "", ""},
		{"GET is throttled", "Get", errTooMany, false, 6 * time.Minute, 8 * time.Minute, nil, 8 * time.Minute, "", ""},
		{"a GET is lost", "Get", reset, false, 9 * time.Minute, 20 * time.Second, nil, 10 * time.Second, "", ""},
		{"nobody answers any more", "Get", reset, false, 6 * time.Minute, time.Hour, nil, 0, "connection reset", ""},
		{"all are throttled from the beginning", "TargetHealth", throttled, false, 0, 9 * time.Minute, nil, 9 * time.Minute, "", ""},
		{"they stay throttled", "TargetHealth", throttled, false, 0, 3 * time.Hour, nil, 0, "not done within 1h0m0s", ""},
		{"a target fails meanwhile", "TargetHealth", throttled, false, 6 * time.Minute, 8 * time.Minute, sick, 0, "1 targets of service frontend are not healthy", ""},
		{"a single refusal now and then", "TargetHealth", errors.New("ValidationException"), false, 6 * time.Minute, 2 * time.Second, nil, 0, "", "repeats"},
	} {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.platform.Environments = slices.Clone(w.platform.Environments)
				for i := range w.platform.Environments {
					w.platform.Environments[i].HealthWindow = window
				}
				var verifying time.Time
				p := w.start()
				observe := p.Pipeline.Observe
				p.Pipeline.Observe = func(e Event) {
					observe(e)
					if e.Kind == EventStep && e.Step == StepVerify && verifying.IsZero() {
						verifying = time.Now()
						if test.begin != nil {
							time.AfterFunc(test.from+time.Minute, func() { w.mu.Lock(); defer w.mu.Unlock(); test.begin(w) })
						}
					}
				}
				refusals := 0
				d := dimWorld{process: p, hangs: test.hangs, fails: func(call string) error {
					since := time.Since(verifying)
					if verifying.IsZero() || p.step != StepVerify || call != test.call {
						return nil
					}
					if test.refused != "" { // each minute a single one
						if int(since/time.Minute) > refusals {
							refusals++
							return test.err
						}
						return nil
					}
					if since < test.from || since >= test.from+test.lasts {
						return nil
					}
					return test.err
				}}
				p.Pipeline.Health, p.Pipeline.Services = d, d
				r, err := p.promote(t.Context(), Request{Tag: "v1.2"})
				if test.wrong != "" {
					wantError(t, err, RolledBack, StepVerify, test.wrong)
					return
				}
				if err != nil || r.Outcome != Deployed {
					t.Fatalf("%s: %v", r.Outcome, err)
				}
				least := window + test.unseen - 15*time.Second
				if took := time.Since(verifying); took < least || took > least+75*time.Second {
					t.Errorf("deployed %v after it was looked at first, want at least %v", took, least)
				}
			})
		})
	}
}
