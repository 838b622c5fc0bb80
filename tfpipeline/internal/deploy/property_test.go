package deploy

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// Whatever goes wrong and whoever interferes, the outcome is what the world
// shows once it has settled.
func TestTheOutcomeIsWhatTheWorldShows(t *testing.T) {
	runs := 40
	if testing.Short() {
		runs = 5
	}
	s := scenarios()[0]
	points, begin := s.points(t)
	for seed := *firstSeed; seed < *firstSeed+*seeds; seed++ {
		for run := range runs {
			t.Run(fmt.Sprintf("seed-%d/run-%d", seed, run), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					random := rand.New(rand.NewPCG(seed, uint64(run)))
					w := begin.restore()
					w.inconsistent(random.Uint64())
					fails := random.IntN(3) == 0
					crash := random.IntN(3) == 0
					w.behave = func(service, digest string) behaviour {
						b := behaviour{after: time.Duration(10+len(service)) * time.Second}
						if service == "mcp" && digest == digestOf("mcp", commitOf("v1.2")) {
							b.fails = fails
							if crash {
								b.crashes = []time.Duration{time.Second, 4 * time.Second, 9 * time.Second}
							}
						}
						return b
					}
					p := w.start()
					for range random.IntN(3) {
						at := points[random.IntN(len(points))]
						faults := at.faults()
						p.inject[at] = faults[random.IntN(len(faults))]
					}
					by := w.interfere(p, random)
					r, err := s.run(t, p)
					if p.dead {
						r, err = s.run(t, w.start())
					}
					if r.Outcome == Deployed && fails || crash && r.Outcome == Deployed {
						t.Errorf("deployed, and its tasks fail: %v", err)
					}
					if by.late() || time.Since(by.at) < staleFor+5*time.Second {
						return // it came after the last look, or could not be seen in it
					}
					<-time.After(5 * time.Minute)
					w.wantOutcome(t, r, err, *by)
				})
			})
		}
	}
}

// interference is what somebody did to a service by hand.
type interference struct {
	what, service string
	due, at       time.Time
}

// late reports whether it was due and did not happen in time.
func (i interference) late() bool { return i.what != "" && i.at.IsZero() }

// interfere has somebody do something to a service while a process is at work.
func (w *world) interfere(p *process, random *rand.Rand) *interference {
	what := []string{"", "", "deletes", "scales to none", "sets to another revision"}[random.IntN(5)]
	service := []string{"api", "frontend", "mcp"}[random.IntN(3)]
	after := time.Duration(random.Int64N(int64(70 * time.Second)))
	by := &interference{what: what, service: service}
	observe := p.Pipeline.Observe
	p.Pipeline.Observe = func(e Event) {
		observe(e)
		if what == "" || e.Step != StepUpdate || e.Kind != EventStep || !by.due.IsZero() {
			return
		}
		by.due = time.Now().Add(after)
		time.AfterFunc(after, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			s := w.services[service]
			w.write(s)
			by.at = time.Now()
			switch what {
			case "deletes":
				s.deleted = true
			case "scales to none":
				s.desired = 0
			default:
				s.definition = w.define(service, "elsewhere@sha256:manual")
				w.deploy(s)
			}
		})
	}
	return by
}

func (w *world) wantOutcome(t *testing.T, r Record, err error, by interference) {
	t.Helper()
	w.running() // brings the world to the present
	e, _ := errors.AsType[*Error](err)
	for name, s := range w.services {
		own := r.Services[name]
		if own == nil || !own.Updated && r.Outcome == Untouched {
			continue // nothing is said of it
		}
		wrong := ""
		switch {
		case r.Outcome == Deployed && (s.deleted || s.definition != own.After || s.desired < 2):
			wrong = "does not run the release"
		case (r.Outcome == RolledBack || r.Outcome == Untouched) && (s.deleted || s.definition != own.Before || s.desired < own.DesiredBefore):
			wrong = "is not back"
		}
		if wrong != "" {
			t.Errorf("%s (%v), and service %s %s: %s, %d tasks, deleted %v; somebody %q %s", r.Outcome, e, name, wrong, short(s.definition), s.desired, s.deleted, by.what, by.service)
		}
	}
	if r.Outcome == Broken && (e == nil || e.ExitCode() != 4) {
		t.Errorf("broken: %v", err)
	}
}
