package deploy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// verify makes sure of what users get: that the tasks which run are of the
// release's images, that the load balancer finds them healthy, and that the
// public address answers.
func (a *attempt) verify(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, a.limits.Verify, timeUp{a.limits.Verify})
	defer cancel()
	refused := 0
	for {
		wrong, err := a.wrong(ctx)
		switch {
		case err != nil && !IsTransient(err):
			refused++
		case err == nil && len(wrong) == 0:
			a.verified()
			return nil
		}
		if err != nil {
			wrong = append(wrong, err.Error())
		}
		if refused >= patience || !a.pause(ctx, a.limits.Tick/2) {
			return because(ctx, errors.New(strings.Join(wrong, "; ")))
		}
	}
}

// verified notes that the release is deployed.
func (a *attempt) verified() {
	a.hold.inTime()
	r := a.record()
	r.Outcome, r.Ended = Deployed, a.past.clock()
	for _, s := range r.Services {
		s.Outcome = Deployed
	}
}

// wrong lists what is not as it should be.
func (a *attempt) wrong(ctx context.Context) ([]string, error) {
	var wrong []string
	running, err := a.Services.RunningDigests(ctx, a.services)
	if err != nil {
		return nil, fmt.Errorf("look at the running images: %w", err)
	}
	for _, name := range a.services {
		want := a.record().Services[name].Digest
		got := running[name]
		other := slices.DeleteFunc(slices.Clone(got), func(d string) bool { return d == want })
		switch {
		case len(got) == 0 && a.env.SizeOf(name).MinTasks > 0:
			wrong = append(wrong, fmt.Sprintf("service %s has no running task", name))
		case len(other) > 0:
			wrong = append(wrong, fmt.Sprintf("%d of %d tasks of service %s run %s instead of %s", len(other), len(got), name, other[0], want))
		}
	}
	var public []string
	path := ""
	for _, s := range a.Platform.Services {
		if s.Public() && slices.Contains(a.services, s.Name) {
			public = append(public, s.Name)
		}
		if s.Default {
			path = s.HealthPath
		}
	}
	if len(public) > 0 {
		targets, err := a.Health.TargetHealth(ctx, public)
		if err != nil {
			return nil, fmt.Errorf("look at the targets: %w", err)
		}
		for _, name := range public {
			wrong = append(wrong, unhealthy(name, targets[name])...)
		}
	}
	if path == "" || len(wrong) > 0 {
		return wrong, nil
	}
	url := "https://" + a.Platform.Host(a.env) + path
	status, err := a.Health.Get(ctx, url)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, err
	case err != nil:
		wrong = append(wrong, fmt.Sprintf("GET %s: %v", url, err))
	case status != http.StatusOK:
		wrong = append(wrong, fmt.Sprintf("GET %s answers %d", url, status))
	}
	return wrong, nil
}

func unhealthy(name string, t Targets) []string {
	reasons := ""
	if len(t.Reasons) > 0 {
		reasons = ": " + strings.Join(t.Reasons, ", ")
	}
	switch {
	case t.Unhealthy > 0:
		return []string{fmt.Sprintf("%d targets of service %s are not healthy%s", t.Unhealthy, name, reasons)}
	case t.Healthy == 0:
		return []string{fmt.Sprintf("service %s has no healthy target%s", name, reasons)}
	}
	return nil
}
