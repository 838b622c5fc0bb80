package deploy

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/specboard/platform/gen/config"
)

// startNewer starts a program whose platform lacks services and tasks that run.
func (w *world) startNewer(lacks ...string) *process {
	p := w.start()
	platform := &p.Pipeline.Platform
	platform.Services = slices.DeleteFunc(slices.Clone(platform.Services), func(s config.Service) bool { return slices.Contains(lacks, s.Name) })
	platform.Tasks = slices.DeleteFunc(slices.Clone(platform.Tasks), func(t config.Task) bool { return slices.Contains(lacks, t.Name) })
	return p
}

func (p *process) warned(text string) bool {
	return slices.ContainsFunc(p.events, func(e Event) bool { return e.Kind == EventWarning && strings.Contains(e.Message, text) })
}

// A rollback is started from main, which may have removed a service and a schedule
// that still run: they go to the release with all others, or back with all others,
// also where a killed run is continued and where reads are old.
func TestRollbackByANewerProgram(t *testing.T) {
	for _, test := range []struct {
		name string
		bad  bool
		kill point
	}{
		{name: "at once"},
		{name: "fails", bad: true},
		{name: "killed in resolve", kill: point{StepResolve, "DescribeServices", 1}},
		{name: "killed in register", kill: point{StepRegister, "DescribeTaskDefinitions", 1}},
		{name: "killed in update", kill: point{StepUpdate, "UpdateService", 2}},
		{name: "killed in verify", kill: point{StepVerify, "RunningTasks", 1}},
		{name: "killed on the way back", bad: true, kill: point{StepRollBack, "UpdateService", 1}},
	} {
		for seed := range uint64(4) {
			synctest.Test(t, func(t *testing.T) {
				w := deployedIn(t, worldOf(scheduled()), "v1.0", "v1.1")
				if seed > 0 {
					w.inconsistent(seed)
				}
				w.behave = func(service, digest string) behaviour {
					return behaviour{after: 30 * time.Second, fails: test.bad && digest == digestOf("mcp", commitOf("v1.0"))}
				}
				p := w.startNewer("mcp", "sitemap")
				if test.kill != (point{}) {
					p.inject[test.kill] = killed
					p.rollback(t.Context(), Request{})
					if p.hits == 0 {
						t.Fatalf("%s: it was not killed", test.name)
					}
					p = w.startNewer("mcp", "sitemap")
				}
				r, err := p.rollback(t.Context(), Request{})
				if test.bad {
					wantError(t, err, RolledBack, StepWatch, "service mcp", "service api is back")
					wantRuns(t, w, "v1.1")
					return
				}
				if err != nil {
					t.Fatalf("%s, seed %d: %v", test.name, seed, err)
				}
				wantRuns(t, w, "v1.0")
				if r.Services["mcp"] == nil || r.Services["mcp"].Outcome != Deployed || r.Schedules["sitemap"] == nil || r.Schedules["sitemap"].Outcome != Deployed {
					t.Errorf("%s: recorded %+v, %+v", test.name, r.Services, r.Schedules)
				}
			})
		}
	}
}

// What the release had none of is left alone, or switched off, as it is by a program
// that knows it.
func TestRollbackByANewerProgramToBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := deployedIn(t, worldOf(scheduled()), "v1.0", "v1.1")
		delete(w.records[0].Services, "mcp")
		delete(w.records[0].Schedules, "sitemap")
		was, starts := w.services["mcp"].definition, w.schedules["sitemap"].TaskDefinition
		p := w.startNewer("mcp", "sitemap")
		r, err := p.rollback(t.Context(), Request{})
		if err != nil || r.Services["mcp"] != nil || w.services["mcp"].definition != was || !p.warned("service mcp was no part of v1.0 and is left as it is") {
			t.Errorf("%v: mcp is set to %s, recorded %+v", err, w.services["mcp"].definition, r.Services["mcp"])
		}
		off := Schedule{starts, false}
		if w.schedules["sitemap"].Schedule != off || !r.Schedules["sitemap"].Off || !p.warned("the schedule of sitemap was no part of v1.0 and is switched off") {
			t.Errorf("sitemap starts %s, recorded %+v", w.schedules["sitemap"].Schedule, r.Schedules["sitemap"])
		}
	})
}

// A service and a schedule that an apply has destroyed cannot be taken along.
func TestRollbackByANewerProgramAfterItsApply(t *testing.T) {
	for _, gone := range []func(w *world){
		func(w *world) { w.services["mcp"].deleted, w.schedules["sitemap"].gone = true, true },
		func(w *world) { delete(w.services, "mcp"); delete(w.schedules, "sitemap") },
	} {
		synctest.Test(t, func(t *testing.T) {
			w := deployedIn(t, worldOf(scheduled()), "v1.0", "v1.1")
			gone(w)
			p := w.startNewer("mcp", "sitemap")
			r, err := p.rollback(t.Context(), Request{})
			if err != nil || r.Services["mcp"] != nil || r.Schedules["sitemap"] != nil {
				t.Fatalf("%v: recorded %+v, %+v", err, r.Services["mcp"], r.Schedules["sitemap"])
			}
			if !p.warned("service mcp was part of v1.0, and ECS shows it no longer") || !p.warned("the schedule of sitemap is gone") {
				t.Errorf("warned of %+v", p.events)
			}
			delete(w.services, "mcp")
			delete(w.schedules, "sitemap")
			wantRuns(t, w, "v1.0")
		})
	}
}

// What the current release has, ECS may show later than other reads lag; what it shows
// as gone, or what only the target has, is not waited for as long.
func TestRollbackByANewerProgramWaitsForECS(t *testing.T) {
	for _, test := range []struct {
		name  string
		hide  func(w *world, s *fakeService)
		takes bool
		most  time.Duration // of the wait
	}{
		{"shown after 40 s", func(w *world, s *fakeService) { w.hide(s, 40*time.Second) }, true, DefaultLimits().Confirm},
		{"no more", func(w *world, s *fakeService) { w.hide(s, time.Hour) }, false, 2 * DefaultLimits().Confirm},
		{"gone", func(_ *world, s *fakeService) { s.deleted = true }, false, 2 * DefaultLimits().lag()},
		{"once in the target", func(w *world, s *fakeService) {
			delete(w.records[1].Services, s.name)
			w.hide(s, time.Hour)
		}, false, 2 * DefaultLimits().lag()},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := deployed(t, "v1.0", "v1.1")
			mcp := w.services["mcp"]
			test.hide(w, mcp)
			p := w.startNewer("mcp")
			r, err := p.rollback(t.Context(), Request{})
			if took := r.Services["mcp"] != nil; err != nil || took != test.takes || took != (w.digestIn(mcp.definition) == digestOf("mcp", commitOf("v1.0"))) {
				t.Errorf("%s: %v, took it along: %v, it is set to %s", test.name, err, took, mcp.definition)
			}
			for _, e := range p.events {
				if e.Kind == EventDone && e.Step == StepResolve && e.Elapsed > test.most {
					t.Errorf("%s: resolve took %v, at most %v are needed", test.name, e.Elapsed, test.most)
				}
			}
		})
	}
}

// hide has no call show a service for a while.
func (w *world) hide(s *fakeService, during time.Duration) {
	delete(w.services, s.name)
	time.AfterFunc(during, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.services[s.name] = s
	})
}

// The image of such a service may be another one's: its task definition says which. If
// it is gone, nothing is changed.
func TestRollbackByANewerProgramWithoutAnImage(t *testing.T) {
	for _, builder := range []string{"mcp", "api"} {
		synctest.Test(t, func(t *testing.T) {
			platform := scheduled()
			for i := range platform.Services {
				if s := &platform.Services[i]; s.Name == "mcp" && builder != s.Name {
					s.Image = config.Image{Service: builder}
				}
			}
			w := deployedIn(t, worldOf(platform), "v1.0", "v1.1")
			before := w.snapshot()
			w.images["mcp"] = w.images["mcp"][1:]
			_, err := w.startNewer("mcp").rollback(t.Context(), Request{})
			wantError(t, err, Untouched, StepPreflight, "the registry no longer holds the image of v1.0 for mcp")
			wantRuns(t, w, "v1.1")
			w = before.restore()
			if _, err := w.startNewer("mcp").rollback(t.Context(), Request{}); err != nil {
				t.Errorf("with the image: %v", err)
			}
		})
	}
}

// The targets of such a service are looked at as all others are, if it has any.
func TestRollbackByANewerProgramLooksAtTargets(t *testing.T) {
	for _, public := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			platform := scheduled()
			for i := range platform.Services {
				if s := &platform.Services[i]; s.Name == "mcp" && !public {
					s.Routes = nil
				}
			}
			w := deployedIn(t, worldOf(platform), "v1.0", "v1.1")
			w.unhealthy["mcp"] = true
			_, err := w.startNewer("mcp").rollback(t.Context(), Request{})
			if !public && err == nil {
				wantRuns(t, w, "v1.0")
				return
			}
			wantError(t, err, RolledBack, StepVerify, "2 targets of service mcp are not healthy")
			wantRuns(t, w, "v1.1")
		})
	}
}

// Without its task definition such a service could be made only from what the program
// does not know, such as whose image it runs: nothing is changed.
func TestRollbackByANewerProgramWithoutATaskDefinition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := deployedIn(t, worldOf(scheduled()), "v1.0", "v1.1")
		delete(w.definitions, w.records[0].Services["mcp"].After)
		_, err := w.startNewer("mcp").rollback(t.Context(), Request{})
		wantError(t, err, Untouched, StepRegister, "-mcp:2 is gone", "roll back with the program of v1.0")
		wantRuns(t, w, "v1.1")
		if _, err := w.start().rollback(t.Context(), Request{}); err != nil {
			t.Errorf("with that program: %v", err)
		}
	})
}

// A service whose last deployment ECS gave up needs another task definition of the same
// content, whose image may be another service's: the program need not know whose.
func TestRollbackByANewerProgramAfterAFailedRollback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		platform := scheduled()
		for i := range platform.Services {
			if s := &platform.Services[i]; s.Name == "mcp" {
				s.Image = config.Image{Service: "api"}
			}
		}
		w := deployedIn(t, worldOf(platform), "v1.0", "v1.1")
		s, was := w.services["mcp"], w.records[0].Services["mcp"].After
		s.definition, s.latest.State = was, DeploymentRollbackFailed
		if _, err := w.startNewer("mcp").rollback(t.Context(), Request{}); err != nil {
			t.Fatal(err)
		}
		if now := w.definitions[s.definition].image; s.definition == was || now != w.definitions[was].image {
			t.Errorf("mcp runs %s of %s, ran %s", s.definition, now, w.definitions[was].image)
		}
	})
}

// A promotion that a newer program left is ended by the one before, which lacks the
// services that it added: they are named.
func TestRollbackByAnOlderProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := deployedIn(t, worldOf(scheduled()), "v1.0", "v1.1")
		for i := range w.records {
			delete(w.records[i].Services, "mcp")
		}
		w.advanceProof("v1.2")
		p := w.start()
		p.inject[point{StepWatch, "DescribeDeployments", 1}] = killed
		p.promote(t.Context(), Request{Tag: "v1.2"})
		p = w.startNewer("mcp")
		if _, err := p.rollback(t.Context(), Request{}); err != nil || !p.warned("service mcp was no part of v1.1 and is left as it is") {
			t.Errorf("%v: %+v", err, p.events)
		}
	})
}
