package main

import (
	"context"
	"embed"
	"flag"
	"slices"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/checkout"
	"github.com/specboard/platform/tfpipeline/internal/flags"
	"github.com/specboard/platform/tfpipeline/internal/report"
)

// command is one verb.
type command struct {
	name, summary string
	// usage is the rest of the line after the name.
	usage string
	// env lists the names that -env accepts. If shared is not one of them,
	// refusal is what the error says about it. The flag is required unless
	// anyEnv is set; env is nil for a command without the flag.
	env     func(config.Platform) []string
	refusal string
	anyEnv  bool
	// args says that the command takes arguments, such as a command to run.
	args bool
	// actions are the words of which the command takes one.
	actions []string
	// checkout says that the command works on the files of a checkout.
	checkout bool
	// flags declares the command's flags and returns what runs it.
	flags func(*flag.FlagSet) func(context.Context, *app, []string) error
}

//go:embed help/*.txt
var helpTexts embed.FS

// long explains what the command does, and shows examples.
func (c command) long() string {
	text, err := helpTexts.ReadFile("help/" + c.name + ".txt")
	if err != nil {
		return "" // TestHelp fails on a command without a text
	}
	return string(text)
}

// commands is the table of verbs, in the order of a platform's life.
func commands() []command {
	return []command{
		initCommand(),
		planCommand(),
		applyCommand(),
		promoteCommand(),
		rollbackCommand(),
		statusCommand(),
		dashboardCommand(),
		historyCommand(),
		logsCommand(),
		runTaskCommand(),
		execCommand(),
		dbCommand(),
		restartCommand(),
		scaleCommand(),
		secretsCommand(),
		restoreCommand(),
		driftCommand(),
		bootstrapCommand(),
		destroyCommand(),
		unlockCommand(),
		settleCommand(),
		freezeCommand(),
		unfreezeCommand(),
		validateCommand(),
		upgradeCheckCommand(),
		localCommand(),
		configCommand(),
		annotateCommand(),
		githubCommand(),
	}
}

// roots are the environments, and shared.
func roots(p config.Platform) []string { return p.Roots() }

// environments are those that run services.
func environments(p config.Platform) []string { return p.EnvironmentNames() }

// unprotected are the environments that may be destroyed.
func unprotected(p config.Platform) []string {
	return slices.DeleteFunc(p.EnvironmentNames(), p.Protects)
}

// noServices completes the error for -env shared where an environment is
// required.
const noServices = "runs no services; the environments are"

// verb is the command as the parser of command lines takes it.
func (c command) verb(a *app) flags.Verb {
	v := flags.Verb{
		Name: c.name, Summary: c.summary, Usage: c.usage, Long: c.long(), Roots: a.platform.Roots(), Refusal: c.refusal, AnyEnv: c.anyEnv, Args: c.args, Actions: c.actions,
		Values: map[string][]string{"service": a.platform.ServiceNames(), "only": a.platform.ServiceNames(), "bad": a.platform.ServiceNames(), "task": a.platform.TaskNames(), "secret": a.platform.SecretNames()},
	}
	if c.name == "exec" {
		delete(v.Values, "task") // here it is a running one, by its id
	}
	if c.env != nil {
		v.Env = c.env(a.platform)
	}
	v.Declare = func(set *flag.FlagSet) func(context.Context, []string) error {
		set.StringVar(&a.repository, "C", a.repository, "repository `folder`, with envs/ and modules/ (default: found from here upwards)")
		do := c.flags(set)
		return func(ctx context.Context, args []string) error {
			if err := a.findRepository(); err != nil && c.checkout {
				return err
			}
			return report.Step(a.console, set, func() error { return do(ctx, a, args) })
		}
	}
	return v
}

// program is the whole command line.
func (a *app) program() flags.Program {
	p := flags.Program{
		Intro: "Tfpipeline plans and applies the Terraform of " + a.platform.Name + " and promotes releases on it.",
		In:    a.console.In, Out: a.console.Out, Err: a.console.Err,
	}
	for _, c := range commands() {
		p.Verbs = append(p.Verbs, c.verb(a))
	}
	return p
}

// findRepository looks for the repository from this folder upwards, if -C does
// not name it.
func (a *app) findRepository() (err error) {
	if a.repository == "" {
		a.repository, err = checkout.Find()
	}
	return err
}
