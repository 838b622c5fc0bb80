package deploy

import (
	"testing"
	"time"
)

// What a service lacks after Spot took its task away is neither held against the
// release nor counted for it; anything else that is wrong then is held against it.
func TestSpotTimeDoesNotCount(t *testing.T) {
	for _, test := range []struct {
		name  string
		wrong func(w *world, so bool)
		after time.Duration // of the interruption until all is right
		least func(window time.Duration) time.Duration
	}{
		{
			"its targets are unhealthy", func(w *world, so bool) { w.unhealthy["frontend"] = so }, 4 * time.Minute,
			func(window time.Duration) time.Duration { return window - 10*time.Second },
		},
		{
			"its other task fails its health check", func(w *world, so bool) { w.sick["frontend"] = so }, time.Minute,
			func(window time.Duration) time.Duration { return window },
		},
		{
			"another image runs", func(w *world, so bool) {
				delete(w.serves, "frontend")
				if so {
					w.serves["frontend"] = "sha256:other"
				}
			}, time.Minute,
			func(window time.Duration) time.Duration { return window },
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				change := func(after time.Duration, f func()) {
					time.AfterFunc(after, func() { w.mu.Lock(); defer w.mu.Unlock(); f() })
				}
				var right time.Time
				p := w.start()
				observe := p.Pipeline.Observe
				p.Pipeline.Observe = func(e Event) {
					observe(e)
					if e.Kind != EventStep || e.Step != StepVerify {
						return
					}
					change(5*time.Second, func() {
						s := w.services["frontend"]
						s.crashed = append(s.crashed, StoppedTask{
							ARN: accountARN + "task/spot", Name: s.name, TaskDefinition: s.definition, StopCode: stopSpot, Created: time.Now(), Stopped: time.Now(),
						})
						test.wrong(w, true)
					})
					change(5*time.Second+test.after, func() { test.wrong(w, false); right = time.Now() })
				}
				r, err := p.promote(t.Context(), Request{Tag: "v1.2"})
				if err != nil || r.Outcome != Deployed || right.IsZero() {
					t.Fatalf("%s: %v", r.Outcome, err)
				}
				window := w.platform.Window(w.environment())
				if healthy, least := time.Since(right), test.least(window); healthy < least || healthy > window+10*time.Second {
					t.Errorf("deployed %v after all was right, want at least %v", healthy, least)
				}
			})
		})
	}
}
