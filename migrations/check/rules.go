package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/specboard/platform/migrations/check/internal/lint"
)

const rulesHelp = `Rules lists what lint looks for, or explains one rule.

Usage: go run ./migrations/check rules [RULE]

`

func runRules(_ context.Context, args []string, std stdio) int {
	flags := flag.NewFlagSet("rules", flag.ContinueOnError)
	flags.SetOutput(std.errout)
	if code, done := parse(flags, args, rulesHelp, std); done {
		return code
	}
	class := lint.Class("")
	found := false
	for _, r := range lint.Rules() {
		if flags.NArg() > 0 {
			if r.ID == flags.Arg(0) {
				found = true
				explain(std, r)
			}
			continue
		}
		if r.Class != class {
			class = r.Class
			fmt.Fprintf(std.out, "%s\n", class)
		}
		fmt.Fprintf(std.out, "  %-32s %-8s %s\n", r.ID, r.Severity, r.Title)
	}
	if flags.NArg() > 0 && !found {
		fmt.Fprintf(std.errout, "rules: there is no rule %q; without a name all are listed\n", flags.Arg(0))
		return exitTrouble
	}
	return exitClean
}

func explain(std stdio, r lint.Rule) {
	fmt.Fprintf(std.out, "%s (%s, %s)\n\n  finds    %s\n  why      %s\n", r.ID, r.Class, r.Severity, r.Title, r.Why)
	if r.Lock != "" {
		fmt.Fprintf(std.out, "  lock     %s\n", r.Lock)
	}
	fmt.Fprintf(std.out, "  instead  %s\n", r.Instead)
	switch {
	case r.Firm:
		fmt.Fprint(std.out, "  waive    cannot be waived: the file would not run, or not as it says\n")
	case r.Class == lint.Breaking:
		fmt.Fprintf(std.out, "  waive    covered by a contract, or: -- waive: %s the reason\n", r.ID)
	default:
		fmt.Fprintf(std.out, "  waive    -- waive: %s the reason\n", r.ID)
	}
}
