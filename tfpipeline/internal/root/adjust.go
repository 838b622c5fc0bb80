package root

import (
	"context"
	"errors"
	"flag"
	"strconv"
	"strings"
	"time"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/flags"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// Adjust is the choices of restart and scale.
type Adjust struct {
	Env string
	// JSON prints one object for each event.
	JSON              bool
	services          []string
	tasks             int
	timeout, lockWait time.Duration
}

// Declare declares the flags; those of scale have more.
func (o *Adjust) Declare(set *flag.FlagSet, scale bool) {
	service := "`name` of a service; may be repeated (default: all)"
	if scale {
		service = "`name` of a service; may be repeated"
		set.IntVar(&o.tasks, "tasks", 0, "how many tasks; for an autoscaled service, the least number")
	}
	set.StringVar(&o.Env, "env", "", "environment")
	set.Func("service", service, func(s string) error {
		o.services = append(o.services, s)
		return nil
	})
	set.DurationVar(&o.timeout, "timeout", 30*time.Minute, "time limit for the work under the lock, not counting the health window")
	set.DurationVar(&o.lockWait, "lock-wait", 0, "how long to wait if somebody else holds the lock (default: do not wait)")
	set.BoolVar(&o.JSON, "json", false, "print one JSON object for each event")
}

// RestartOf is a restart of services with the standard bounds.
func RestartOf(env string, services []string, json bool) Adjust {
	return Adjust{Env: env, JSON: json, services: services, timeout: 30 * time.Minute}
}

// Check refuses what no environment could do.
func (o Adjust) Check(p config.Platform, kind deploy.Kind) error {
	line := "tfpipeline " + string(kind) + " -env " + o.Env
	for _, s := range o.services {
		if err := flags.Named("service", s, p.ServiceNames(), line+" -service"); err != nil {
			return err
		}
	}
	if kind == deploy.KindScale {
		if len(o.services) == 0 {
			return flags.Named("service", "", p.ServiceNames(), line+" -service")
		}
		env, _ := p.Environment(o.Env)
		if err := deploy.ScaleBounds(env, o.services, o.tasks); err != nil {
			return console.WithNext(err, "%s -service %s -tasks %d", line, o.services[0], env.SizeOf(o.services[0]).MinTasks)
		}
	}
	if o.timeout <= 0 {
		return console.Usage("-timeout must be more than 0, such as 10m", line+" -timeout 10m")
	}
	return nil
}

// Adjust restarts or scales services. show shows it while it goes on, and how it
// ended.
func (l *Leases) Adjust(ctx context.Context, p *deploy.Pipeline, kind deploy.Kind, o Adjust, show func(view.Promotion, func(func(deploy.Event)) (deploy.Record, error)) error) (err error) {
	defer l.Console.Begin(console.InFlight{Work: []string{o.Env + ": ECS goes on with the deployments that it has begun"}, Next: "tfpipeline status -env " + o.Env, Environment: o.Env}).End()
	if err := l.AskFrozen(ctx, o.Env, kind); err != nil {
		return err
	}
	id, end, err := Note(l.Cache, o.Env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	q := deploy.AdjustRequest{ID: id, Services: o.services, Tasks: o.tasks, RunURL: l.RunURL, Why: l.Why, LockWait: o.lockWait, Timeout: o.timeout}
	q.Actor, q.Caller = l.Identify(ctx)
	if len(q.Services) == 0 {
		q.Services = l.Platform.ServiceNames()
	}
	title := view.Promotion{Environment: o.Env, Kind: kind, To: strings.Join(q.Services, ", "), Services: q.Services}
	do := p.Restart
	if kind == deploy.KindScale {
		title.To += " to " + strconv.Itoa(o.tasks) + " tasks"
		do = p.Scale
	}
	err = show(title, func(observe func(deploy.Event)) (deploy.Record, error) {
		p.Observe = observe
		return do(ctx, q)
	})
	if err != nil {
		return AdjustNext(o.Env, err)
	}
	if kind == deploy.KindScale {
		l.Console.Progress("%s: the next promotion sets what gen/config/default.go says (MinTasks); to keep the number, change it there", o.Env)
	}
	return nil
}

// RestartReaders asks whether to restart the services that use what was changed, unless
// restart has already decided it. effect is the sentence that says what a restart
// changes for them. RestartReaders reports whether they are to restart; if not, it
// prints the command that does it later.
func (l *Leases) RestartReaders(ctx context.Context, env string, services []string, effect string, restart bool) (bool, error) {
	records, _, err := l.Bucket.History(env).Recent(ctx)
	if err != nil {
		return false, Explain(env, err)
	}
	switch {
	case len(services) == 0:
		l.Console.Progress("%s: no service uses it, so none has to restart; one-off tasks use it from their next start on", env)
		return false, nil
	case deploy.LastDeployed(records) == nil:
		l.Console.Progress("%s: nothing is deployed yet, so nothing has to restart", env)
		return false, nil
	}
	list := strings.Join(services, ", ")
	l.Console.Progress("%s: %s %s", env, list, effect)
	if !restart && l.Console.CanAsk() {
		restart = l.Console.Confirm(ctx, "Restart "+list+" now?", false) == nil
	}
	if !restart {
		l.Console.Suggest("tfpipeline restart -env %s -service %s", env, strings.Join(services, " -service "))
	}
	return restart, nil
}
