package flags_test

import (
	"flag"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/specboard/platform/tfpipeline/internal/flags"
)

// flagSet has the flags of the longest commands, for tests of their parsing.
func flagSet() *pflag.FlagSet {
	set := flag.NewFlagSet("", flag.ContinueOnError)
	set.Bool("json", false, "")
	set.Bool("v", false, "")
	for _, name := range []string{"env", "sample", "C"} {
		set.String(name, "", "")
	}
	long := pflag.NewFlagSet("", pflag.ContinueOnError)
	long.AddGoFlagSet(set)
	return long
}

// One dash or two; values, and what another program is given, stay as they are.
func TestLong(t *testing.T) {
	for in, want := range map[string]string{
		"plan -env staging -json":            "plan --env staging --json",
		"plan --env staging --json":          "plan --env staging --json",
		"plan -env=staging -json=false":      "plan --env=staging --json=false",
		"-C dir plan -v -env -json":          "-C dir plan -v --env -json",
		"local -sample -crash-after=1ns":     "local --sample -crash-after=1ns",
		"local -v -- tfpipeline plan -env a": "local -v -- tfpipeline plan -env a",
		"run -nonsense -env a -- -env b":     "run --nonsense --env a -- -env b",
		"plan -env":                          "plan --env",
		"plan - -":                           "plan - -",
		"-version":                           "--version",
		"plan -help":                         "plan --help",
	} {
		if got := strings.Join(flags.Long(flagSet(), strings.Fields(in)), " "); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}
