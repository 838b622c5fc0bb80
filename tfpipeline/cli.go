package main

import (
	"context"
	"embed"
	"flag"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/checkout"
	"github.com/specboard/platform/tfpipeline/internal/console"
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
		historyCommand(),
		logsCommand(),
		runTaskCommand(),
		driftCommand(),
		bootstrapCommand(),
		destroyCommand(),
		unlockCommand(),
		settleCommand(),
		freezeCommand(),
		unfreezeCommand(),
		validateCommand(),
		localCommand(),
		configCommand(),
		annotateCommand(),
		githubCommand(),
	}
}

// roots are the environments, and shared.
func roots(p config.Platform) []string { return p.Roots() }

// environments are the names of those that run services.
func environments(p config.Platform) []string {
	var names []string
	for _, e := range p.Environments {
		names = append(names, e.Name)
	}
	return names
}

// unprotected are the environments that may be destroyed.
func unprotected(p config.Platform) []string {
	return slices.DeleteFunc(environments(p), p.Protects)
}

// noServices completes the error for -env shared where an environment is
// required.
const noServices = "runs no services; the environments are"

// checkEnv refuses a name that -env may not have, and says which there are.
func (c command) checkEnv(p config.Platform, name string) error {
	if c.env == nil || c.anyEnv && name == "" || slices.Contains(c.env(p), name) {
		return nil
	}
	names, example := c.env(p), "tfpipeline help "+c.name
	if i := slices.IndexFunc(names, func(n string) bool { return n != config.SharedRoot }); i >= 0 {
		example = "tfpipeline " + c.name + " -env " + names[i]
	}
	list := strings.Join(names, ", ")
	switch {
	case name == "":
		return console.Usage("which environment? Name one of "+list, example)
	case slices.Contains(p.Roots(), name):
		return console.Usage(fmt.Sprintf("%s %s %s", name, c.refusal, list), example)
	default:
		return console.Usage(fmt.Sprintf("no environment %q; there are %s", name, list), example)
	}
}

// checkArgs refuses arguments where a command takes none.
func (c command) checkArgs(p config.Platform, args []string) error {
	if c.args || len(args) == 0 {
		return nil
	}
	example := "tfpipeline help " + c.name
	if c.env != nil && slices.Contains(c.env(p), args[0]) {
		example = "tfpipeline " + c.name + " -env " + args[0]
	}
	return console.Usage(fmt.Sprintf("%s takes no argument %q", c.name, args[0]), example)
}

// dispatch runs the command that a command line names.
func (a *app) dispatch(ctx context.Context, args []string) error {
	root := a.rootCommand() //nolint:contextcheck // cobra hands the context to the verb
	if len(args) > 0 && strings.HasPrefix(args[0], "__complete") {
		// A shell asks for completions and passes the command line as the user
		// typed it.
		if c, _, err := root.Find(args[1:]); err == nil && len(args) > 1 {
			last := len(args) - 1
			args = slices.Concat(args[:1], flags.Long(c.Flags(), args[1:last]), args[last:])
		}
	} else {
		c, _, err := root.Find(args)
		if err != nil {
			return flags.NoCommand(root, args[0])
		}
		args = flags.Long(c.Flags(), args)
	}
	root.SetArgs(args)
	return root.ExecuteContext(ctx)
}

// rootCommand is the command line as the parser knows it.
func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use: "tfpipeline", Version: version(), SilenceErrors: true, SilenceUsage: true, SuggestionsMinimumDistance: 2,
	}
	root.SetOut(a.console.Out)
	root.SetErr(a.console.Err)
	root.SetIn(a.console.In)
	root.SetVersionTemplate("tfpipeline {{.Version}}\n")
	root.SetFlagErrorFunc(flags.Error)
	var tasks []string
	for _, t := range a.platform.Tasks {
		tasks = append(tasks, t.Name)
	}
	sets := map[string]*flag.FlagSet{}
	for _, c := range commands() {
		set := flag.NewFlagSet(c.name, flag.ContinueOnError)
		set.StringVar(&a.repository, "C", a.repository, "repository `folder`, with envs/ and modules/ (default: found from here upwards)")
		do := c.flags(set)
		verb := &cobra.Command{
			Use: c.name, Short: c.summary, Args: cobra.ArbitraryArgs, ValidArgsFunction: cobra.NoFileCompletions,
			RunE: func(verb *cobra.Command, args []string) error {
				if err := c.checkArgs(a.platform, args); err != nil {
					return err
				}
				if f := set.Lookup("env"); f != nil {
					if err := c.checkEnv(a.platform, f.Value.String()); err != nil {
						return err
					}
				}
				if err := a.findRepository(); err != nil && c.checkout {
					return err
				}
				return report.Step(a.console, set, func() error { return do(verb.Context(), a, args) })
			},
		}
		verb.Flags().AddGoFlagSet(set)
		verb.Flags().SetInterspersed(!c.args)
		values := map[string][]string{"service": a.services(), "only": a.services(), "task": tasks}
		if c.env != nil {
			values["env"] = c.env(a.platform)
		}
		for name, list := range values {
			if set.Lookup(name) != nil {
				// The only possible error is that the flag does not exist, and
				// Lookup found it.
				_ = verb.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(list, cobra.ShellCompDirectiveNoFileComp))
			}
		}
		sets[c.name] = set
		root.AddCommand(verb)
	}
	others := root.HelpFunc()
	root.SetHelpFunc(func(c *cobra.Command, args []string) {
		i := slices.IndexFunc(commands(), func(v command) bool { return v.name == c.Name() && c.Parent() == root })
		switch {
		case i >= 0:
			helpOn(a, commands()[i], sets[c.Name()])
		case c == root:
			a.help()
		default:
			others(c, args)
		}
	})
	root.SetHelpCommand(&cobra.Command{
		Use: "help [command]", Short: "explain a command", Args: cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			c, _, err := root.Find(args)
			if err != nil {
				return flags.NoCommand(root, args[0])
			}
			return c.Help()
		},
	})
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	return root
}

// version returns the module's version, which includes the commit it was built
// from.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// helpOn prints the help of one command.
func helpOn(a *app, c command, set *flag.FlagSet) {
	fmt.Fprintf(a.console.Out, "usage: tfpipeline %s %s\n\n%s\nFlags:\n", c.name, c.usage, c.long())
	set.SetOutput(a.console.Out)
	set.PrintDefaults()
}

func (a *app) help() {
	fmt.Fprintf(a.console.Out, "Tfpipeline plans and applies the Terraform of %s and promotes releases on it.\n\nusage: tfpipeline COMMAND [flags]\n\nCommands:\n", a.platform.Name)
	for _, c := range commands() {
		fmt.Fprintf(a.console.Out, "  %-10s %s\n", c.name, c.summary)
	}
	fmt.Fprint(a.console.Out, `  completion print the completion script of a shell: bash, zsh, fish

tfpipeline help COMMAND explains one of them; tfpipeline --version says which
version this is. A flag has one dash or two.
`)
}

// findRepository looks for the repository from this folder upwards, if -C does
// not name it.
func (a *app) findRepository() (err error) {
	if a.repository == "" {
		a.repository, err = checkout.Find()
	}
	return err
}
