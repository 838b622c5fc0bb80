package session

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/ecs"
	"github.com/specboard/platform/tfpipeline/internal/flags"
)

// Entrance is an environment that sessions are opened in, and who opens them.
type Entrance struct {
	Platform    config.Platform
	Environment config.Environment
	Config      aws.Config
	ECS         *ecs.Environment
	Console     *console.Console
	// Identify tells who runs the program, and the ARN of the credentials.
	Identify func(context.Context) (actor, caller string)
	// AtWork says who works on the environment, or that it is frozen.
	AtWork func(context.Context) error
	// Hide removes what looks like a secret from what is recorded.
	Hide func(string) string
}

// ExecOptions are the choices of the command that runs a command in a task.
type ExecOptions struct {
	Env                           string
	service, task, container, why string
	command                       []string
}

// Declare declares the flags.
func (o *ExecOptions) Declare(set *flag.FlagSet) {
	set.StringVar(&o.Env, "env", "", "environment")
	set.StringVar(&o.service, "service", "", "`name` of the service")
	set.StringVar(&o.task, "task", "", "beginning of the task's `ID` (default: the newest task)")
	set.StringVar(&o.container, "container", "", "`name` of the container (default: the service's own)")
	set.StringVar(&o.why, "why", "", "`reason`, which is recorded; a protected environment asks for one")
}

// Check refuses what the platform does not have or allow.
func (o *ExecOptions) Check(p config.Platform, command []string) error {
	o.command = command
	example := *o
	if e, _ := p.Environment(o.Env); e.Protected {
		example.why = cmp.Or(o.why, "REASON")
	}
	if err := flags.Named("service", o.service, p.ServiceNames(), ""); err != nil {
		if names := p.ServiceNames(); len(names) > 0 {
			example.service, example.container = names[0], ""
		}
		return console.WithNext(err, "%s", example.line())
	}
	s, _ := p.Service(o.service)
	names := []string{s.Name}
	for _, c := range s.Sidecars {
		names = append(names, c.Name)
	}
	if err := flags.Named("container", cmp.Or(o.container, o.service), names, ""); err != nil {
		example.container = names[0]
		return console.WithNext(err, "%s", example.line())
	}
	o.container = cmp.Or(o.container, o.service)
	return allowed(p, o.Env, "exec", o.why != "", example.line())
}

// line is the command with these choices; what is run in the task may hold a secret, and
// is left out.
func (o *ExecOptions) line() string {
	line := "tfpipeline exec -env " + o.Env + " -service " + o.service
	for _, f := range [][2]string{{"-task", o.task}, {"-container", o.container}, {"-why", o.why}} {
		if f[1] != "" && f[1] != o.service {
			line += " " + f[0] + " " + word(f[1])
		}
	}
	if len(o.command) > 0 {
		line += " -- COMMAND"
	}
	return line
}

// allowed refuses an environment in which the platform's description allows no
// sessions, and a missing reason where one is asked for.
func allowed(p config.Platform, env, verb string, reasoned bool, line string) error {
	e, _ := p.Environment(env)
	switch {
	case !e.Exec:
		return console.WithNext(fmt.Errorf("%s: nobody may open a session in a task of %s: its Exec is not set", verb, env),
			"set Exec of %s in gen/config/default.go, make gen, tfpipeline apply -env shared, tfpipeline apply -env %s, tfpipeline restart -env %s", env, env, env)
	case e.Protected && !reasoned:
		return console.Usage(env+" is protected: say why, for the record", line)
	}
	return nil
}

// Exec runs a command in a task and returns when it has ended.
func (n Entrance) Exec(ctx context.Context, o ExecOptions) error {
	if err := n.AtWork(ctx); err != nil {
		n.Console.Progress("warning: %v", err)
	}
	c, err := n.choose(ctx, o)
	if err != nil {
		return err
	}
	command := newCommand(o.command)
	r := n.record(ctx, "exec", o.why)
	r.Service, r.Task, r.Container, r.Command = o.service, c.ShortTask(), c.Name, n.Hide(command.String())
	if err := r.begin(ctx); err != nil {
		return err
	}
	n.Console.Progress("%s: %s in %s, task %s; it is recorded in %s", o.Env, command, c.Name, c.ShortTask(), n.Platform.SessionLog(o.Env))
	opened, err := n.ECS.Execute(ctx, c, command.line())
	r.Session = opened.ID
	var code int
	var told bool
	if err == nil {
		code, told, err = attach(ctx, n.Console, n.channel(c, opened), command)
	}
	if told {
		r.ExitCode = &code
	} else if err == nil && command.mark != "" {
		err = errors.New("the session ended before the script told its exit code: how the script ended is not known")
	}
	if ended := r.end(ctx, err); err == nil {
		err = ended
	}
	switch {
	case err != nil:
		return err
	case code != 0:
		return fmt.Errorf("the command ended with exit code %d", code)
	case !told && len(o.command) > 0:
		n.Console.Progress("the session has ended; Session Manager tells no exit code: -- sh -c 'COMMAND' does")
	}
	return nil
}

func (n Entrance) channel(c ecs.Container, s ecs.Session) Channel {
	return Channel{ID: s.ID, URL: s.URL, Token: s.Token, Target: c.Target, Region: n.Platform.Region}
}

// choose finds the container in which a session is opened.
func (n Entrance) choose(ctx context.Context, o ExecOptions) (ecs.Container, error) {
	all, err := n.ECS.Containers(ctx, o.service, o.container)
	if err != nil {
		return ecs.Container{}, err
	}
	return o.choose(all)
}

// choose takes the newest of the containers that the choices fit.
func (o ExecOptions) choose(all []ecs.Container) (ecs.Container, error) {
	if len(all) == 0 {
		return ecs.Container{}, console.WithNext(fmt.Errorf("no task of %s runs in %s", o.service, o.Env), "tfpipeline status -env %s", o.Env)
	}
	fit := slices.DeleteFunc(slices.Clone(all), func(c ecs.Container) bool { return !strings.HasPrefix(c.ShortTask(), o.task) })
	if len(fit) == 0 {
		var ids []string
		for _, c := range all {
			ids = append(ids, c.ShortTask())
		}
		err := fmt.Errorf("no running task of %s begins with %q; there are %s", o.service, o.task, strings.Join(ids, ", "))
		o.task = ids[0]
		return ecs.Container{}, console.WithNext(err, "%s", o.line())
	}
	if fit[0].Closed != "" {
		return ecs.Container{}, console.WithNext(fmt.Errorf("no session can be opened in %s of task %s: %s", o.container, fit[0].ShortTask(), fit[0].Closed),
			"tfpipeline restart -env %s -service %s", o.Env, o.service)
	}
	return fit[0], nil
}
