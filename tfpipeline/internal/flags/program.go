package flags

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/console"
)

// Verb is one command of the program.
type Verb struct {
	Name, Summary string
	// Usage is the rest of the line after the name; Long explains what the
	// command does, and shows examples.
	Usage, Long string
	// Env lists the names that -env accepts, of which an empty name is one if
	// AnyEnv is set. Refusal is what the error says about the other Roots.
	Env, Roots []string
	Refusal    string
	AnyEnv     bool
	// Args says that the command takes arguments, such as a command to run.
	Args bool
	// Actions are the words of which the command takes one; nil: none.
	Actions []string
	// Values are what a shell completes for flags that take one of a list.
	Values map[string][]string
	// Declare declares the flags and returns what runs the command.
	Declare func(*flag.FlagSet) func(context.Context, []string) error
}

// CheckEnv refuses a name that -env may not have, and says which there are.
func (v Verb) CheckEnv(name string) error {
	if v.AnyEnv && name == "" || slices.Contains(v.Env, name) {
		return nil
	}
	example := "tfpipeline help " + v.Name
	if i := slices.IndexFunc(v.Env, func(n string) bool { return n != config.SharedRoot }); i >= 0 {
		example = "tfpipeline " + v.Name + " -env " + v.Env[i]
	}
	list := strings.Join(v.Env, ", ")
	switch {
	case name == "":
		return console.Usage("which environment? Name one of "+list, example)
	case slices.Contains(v.Roots, name):
		return console.Usage(fmt.Sprintf("%s %s %s", name, v.Refusal, list), example)
	default:
		return console.Usage(fmt.Sprintf("no environment %q; there are %s", name, list), example)
	}
}

// CheckArgs refuses arguments where a command takes none, or others than one of its
// actions.
func (v Verb) CheckArgs(args []string) error {
	if len(v.Actions) > 0 && (len(args) != 1 || !slices.Contains(v.Actions, args[0])) {
		return console.Usage(fmt.Sprintf("%s takes one of %s", v.Name, strings.Join(v.Actions, ", ")), "tfpipeline help "+v.Name)
	}
	if v.Args || len(v.Actions) > 0 || len(args) == 0 {
		return nil
	}
	example := "tfpipeline help " + v.Name
	if slices.Contains(v.Env, args[0]) {
		example = "tfpipeline " + v.Name + " -env " + args[0]
	}
	return console.Usage(fmt.Sprintf("%s takes no argument %q", v.Name, args[0]), example)
}

// checkNumbers refuses numbers and times below zero, which mean nothing to any command.
func checkNumbers(verb string, set *flag.FlagSet) (err error) {
	set.VisitAll(func(f *flag.Flag) {
		value, _ := f.Value.(flag.Getter)
		if value == nil {
			return
		}
		number, isNumber := value.Get().(int)
		length, isLength := value.Get().(time.Duration)
		if isNumber && number < 0 || isLength && length < 0 {
			err = errors.Join(err, console.Usage(fmt.Sprintf("-%s %s: it is below 0", f.Name, f.Value), "tfpipeline help "+verb))
		}
	})
	return err
}

// Named refuses a name that is not in a list, and says which there are. kind is
// what the list holds, such as "service", and line the command without its last
// word, which is the name.
func Named(kind, name string, list []string, line string) error {
	switch {
	case slices.Contains(list, name):
		return nil
	case len(list) == 0:
		return console.Usage(fmt.Sprintf("the platform has no %ss", kind), "")
	case name == "":
		return console.Usage(fmt.Sprintf("which %s? Name one of %s", kind, strings.Join(list, ", ")), line+" "+list[0])
	default:
		return console.Usage(fmt.Sprintf("no %s %q; there are %s", kind, name, strings.Join(list, ", ")), line+" "+list[0])
	}
}

// Program is the whole command line.
type Program struct {
	// Intro is the first sentence of the help.
	Intro    string
	Verbs    []Verb
	In       io.Reader
	Out, Err io.Writer
}

// Run runs the command that a command line names.
func (p Program) Run(ctx context.Context, args []string) error {
	root := p.Command() //nolint:contextcheck // cobra hands the context to the verb
	if len(args) > 0 && strings.HasPrefix(args[0], "__complete") {
		// A shell asks for completions and passes the command line as the user
		// typed it.
		if c, _, err := root.Find(args[1:]); err == nil && len(args) > 1 {
			last := len(args) - 1
			args = slices.Concat(args[:1], Long(c.Flags(), args[1:last]), args[last:])
		}
	} else {
		c, _, err := root.Find(args)
		if err != nil {
			return noCommand(root, args[0])
		}
		args = Long(c.Flags(), args)
	}
	root.SetArgs(args)
	return root.ExecuteContext(ctx)
}

// Command is the command line as the parser knows it.
func (p Program) Command() *cobra.Command {
	root := &cobra.Command{
		Use: "tfpipeline", Version: version(), SilenceErrors: true, SilenceUsage: true, SuggestionsMinimumDistance: 2,
	}
	root.SetOut(p.Out)
	root.SetErr(p.Err)
	root.SetIn(p.In)
	root.SetVersionTemplate("tfpipeline {{.Version}}\n")
	root.SetFlagErrorFunc(Error)
	explain := map[string]func(){"tfpipeline": p.help}
	for _, v := range p.Verbs {
		set := flag.NewFlagSet(v.Name, flag.ContinueOnError)
		root.AddCommand(v.command(set))
		explain[v.Name] = func() {
			fmt.Fprintf(p.Out, "usage: tfpipeline %s %s\n\n%s\nFlags:\n", v.Name, v.Usage, v.Long)
			set.SetOutput(p.Out)
			set.PrintDefaults()
		}
	}
	others := root.HelpFunc()
	root.SetHelpFunc(func(c *cobra.Command, args []string) {
		if print, ok := explain[c.Name()]; ok && (c == root || c.Parent() == root) {
			print()
		} else {
			others(c, args)
		}
	})
	root.SetHelpCommand(&cobra.Command{
		Use: "help [command]", Short: "explain a command", Args: cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			c, _, err := root.Find(args)
			if err != nil {
				return noCommand(root, args[0])
			}
			return c.Help()
		},
	})
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	return root
}

// command is the verb as the parser knows it; set receives its flags.
func (v Verb) command(set *flag.FlagSet) *cobra.Command {
	do := v.Declare(set)
	c := &cobra.Command{
		Use: v.Name, Short: v.Summary, Args: cobra.ArbitraryArgs, ValidArgsFunction: cobra.FixedCompletions(v.Actions, cobra.ShellCompDirectiveNoFileComp),
		RunE: func(c *cobra.Command, args []string) error {
			if err := errors.Join(v.CheckArgs(args), checkNumbers(v.Name, set)); err != nil {
				return err
			}
			if f := set.Lookup("env"); f != nil {
				if err := v.CheckEnv(f.Value.String()); err != nil {
					return err
				}
			}
			return do(c.Context(), args)
		},
	}
	c.Flags().AddGoFlagSet(set)
	c.Flags().SetInterspersed(!v.Args)
	complete := func(name string, list []string) {
		if set.Lookup(name) != nil {
			// The only possible error is that the flag does not exist, and
			// Lookup found it.
			_ = c.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(list, cobra.ShellCompDirectiveNoFileComp))
		}
	}
	complete("env", v.Env)
	for name, list := range v.Values {
		complete(name, list)
	}
	return c
}

func (p Program) help() {
	fmt.Fprintf(p.Out, "%s\n\nusage: tfpipeline COMMAND [flags]\n\nCommands:\n", p.Intro)
	for _, v := range p.Verbs {
		fmt.Fprintf(p.Out, "  %-10s %s\n", v.Name, v.Summary)
	}
	fmt.Fprint(p.Out, `  completion print the completion script of a shell: bash, zsh, fish

tfpipeline help COMMAND explains one of them; tfpipeline --version says which
version this is. A flag has one dash or two.
`)
}

// version returns the module's version, which includes the commit it was built
// from.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// noCommand is the error for a verb that does not exist.
func noCommand(root *cobra.Command, name string) error {
	if near := root.SuggestionsFor(name); len(near) > 0 {
		return console.Usage(fmt.Sprintf("no command %q; did you mean %s?", name, strings.Join(near, " or ")), "tfpipeline help "+near[0])
	}
	return console.Usage(fmt.Sprintf("no command %q", name), "tfpipeline help")
}
