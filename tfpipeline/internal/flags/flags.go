// Package flags reads the flags of a command line, with one dash or two, and
// answers a mistyped flag with the names that were probably meant.
package flags

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/specboard/platform/tfpipeline/internal/console"
)

// Long spells -name as --name, which is what the parser accepts. This
// program's documents and hints use one dash; both work. It leaves alone the
// values of flags and everything after --.
func Long(set *pflag.FlagSet, args []string) []string {
	args = slices.Clone(args)
	for i := 0; i < len(args) && args[i] != "--"; i++ {
		name, isFlag := strings.CutPrefix(args[i], "-")
		name = strings.TrimPrefix(name, "-")
		name, _, hasValue := strings.Cut(name, "=")
		if !isFlag || name == "" {
			continue
		}
		if len(name) > 1 && !strings.HasPrefix(args[i], "--") {
			args[i] = "-" + args[i]
		}
		if f := set.Lookup(name); f != nil && f.NoOptDefVal == "" && !hasValue {
			i++ // skip the flag's value, whatever it looks like
		}
	}
	return args
}

// Error says what is wrong with a flag of a command, and names the flags that
// resemble one that does not exist.
func Error(c *cobra.Command, err error) error {
	message := err.Error()
	if e, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		message = fmt.Sprintf("invalid value %q for flag -%s: %v", e.GetValue(), e.GetFlag().Name, errors.Unwrap(e))
	} else if e, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		message = "flag needs an argument: -" + e.GetSpecifiedName()
	} else if e, ok := errors.AsType[*pflag.NotExistError](err); ok {
		message = "flag provided but not defined: -" + e.GetSpecifiedName()
		if names := near(c.Flags(), e.GetSpecifiedName()); len(names) > 0 {
			message += "; did you mean -" + strings.Join(names, " or -") + "?"
		}
	}
	return console.Usage(c.Name()+": "+message, "tfpipeline help "+c.Name())
}

// near returns the flags whose names resemble name. It uses cobra's measure
// for commands, since cobra has none for flags.
func near(set *pflag.FlagSet, name string) []string {
	names := &cobra.Command{SuggestionsMinimumDistance: 2}
	set.VisitAll(func(f *pflag.Flag) {
		names.AddCommand(&cobra.Command{Use: f.Name, Run: func(*cobra.Command, []string) {}})
	})
	return names.SuggestionsFor(name)
}

// Reason is the value of a flag that may stand alone or give a reason, such as
// -force and -force=REASON.
type Reason struct {
	Given bool
	Text  string
}

// IsBoolFlag lets the flag stand without a value.
func (r *Reason) IsBoolFlag() bool { return true }

func (r *Reason) String() string { return r.Text }

// Set takes a reason, or true and false as the flag's own value.
func (r *Reason) Set(s string) error {
	r.Given, r.Text = s != "false", s
	if s == "true" || s == "false" {
		r.Text = ""
	}
	return nil
}
