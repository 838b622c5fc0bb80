package deploy

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
)

// withServices is the platform with so many services.
func withServices(n int) config.Platform {
	p := configtest.Docs()
	for i := len(p.Services); i < n; i++ {
		p.Services = append(p.Services, config.Service{Name: fmt.Sprintf("extra%d", i), Port: 4000 + i, HealthCommand: []string{"CMD-SHELL", "wget -q -O- localhost:3003/health"}})
	}
	return p
}

// newWorldOf is newWorld with another platform.
func newWorldOf(p config.Platform) *world {
	w := newWorld()
	w.platform, w.history = p, nil
	w.create()
	for _, tag := range []string{"v1.0", "v1.1"} {
		w.release(tag)
	}
	return w
}

// TestNoTimeIsLost: whatever the number of services, a promotion returns within
// three seconds of the last service being stable, a rollback takes ten seconds of
// its own at most, and each look costs the same three calls.
func TestNoTimeIsLost(t *testing.T) {
	for _, n := range []int{3, 50} {
		t.Run(fmt.Sprintf("%d services", n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorldOf(withServices(n))
				w.latency = 50 * time.Millisecond
				w.behave = func(service, _ string) behaviour {
					return behaviour{after: 3*time.Minute + time.Duration(len(service)*7919%97)*time.Second/3}
				}
				for _, tag := range []string{"v1.0", "v1.1"} {
					w.advanceProof(tag)
					p := w.start()
					p.checkedOut = commitOf(tag)
					if _, err := p.promote(t.Context(), Request{Tag: tag}); err != nil {
						t.Fatal(err)
					}
					w.wantPrompt(t, p, n, "promote "+tag)
				}
				began := time.Now()
				p := w.start()
				if _, err := p.rollback(t.Context(), Request{}); err != nil {
					t.Fatal(err)
				}
				w.wantPrompt(t, p, n, "rollback")
				if own := time.Since(began) - w.longest(began) - w.platform.Window(w.environment()); own > 10*time.Second {
					t.Errorf("the rollback took %v of its own", own)
				}
			})
		})
	}
}

// wantPrompt holds the end of a process against that of the last deployment.
func (w *world) wantPrompt(t *testing.T, p *process, n int, what string) {
	t.Helper()
	var last time.Time
	for _, d := range w.deployments {
		if d.Finished.After(last) {
			last = d.Finished
		}
	}
	if late := time.Since(last) - w.platform.Window(w.environment()); late > 3*time.Second {
		t.Errorf("%s returned %v after the last service was stable", what, late)
	}
	looks, calls := 0, 0
	for _, c := range p.calls {
		if strings.HasPrefix(c, "watch: ") {
			calls++
			if strings.HasSuffix(c, "DescribeServices") {
				looks++
			}
		}
	}
	if calls != 3*looks || looks == 0 {
		t.Errorf("%s: %d calls for %d looks at %d services", what, calls, looks, n)
	}
	if most := int(4*time.Minute/time.Second) / 2 * 2; looks > most {
		t.Errorf("%s: %d looks", what, looks)
	}
}

func (w *world) environment() config.Environment {
	e, _ := w.platform.Environment(w.env)
	return e
}

// longest is the longest deployment since a time.
func (w *world) longest(since time.Time) time.Duration {
	var longest time.Duration
	for _, d := range w.deployments {
		if !d.Created.Before(since) {
			longest = max(longest, d.Finished.Sub(d.Created))
		}
	}
	return longest
}

// A health window comes on top of the time that a promotion or a restart has.
func TestALongHealthWindow(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for i := range w.platform.Environments {
			w.platform.Environments[i].HealthWindow = config.MaxHealthWindow
		}
		w.behave = func(string, string) behaviour { return behaviour{after: 8 * time.Minute} }
		began := time.Now()
		r, err := w.start().promote(t.Context(), Request{Tag: "v1.2", Timeout: 10 * time.Minute, CredentialsEnd: time.Now().Add(30 * time.Minute)})
		if err != nil || r.Outcome != Deployed || time.Since(began) < config.MaxHealthWindow {
			t.Errorf("promotion: %v, %s after %v", err, r.Outcome, time.Since(began))
		}
		if r, err := w.start().Restart(t.Context(), AdjustRequest{Timeout: 10 * time.Minute}); err != nil || r.Outcome != Done {
			t.Errorf("restart: %v, %s", err, r.Outcome)
		}
		_, err = w.start().promote(t.Context(), Request{Tag: "v1.1", Timeout: 10 * time.Minute, CredentialsEnd: time.Now().Add(29 * time.Minute)})
		if access := new(AccessError); !errors.As(err, &access) {
			t.Errorf("with credentials that end in the window: %v", err)
		}
	})
}
