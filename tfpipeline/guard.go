package main

import (
	"errors"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/plan"
)

// guard refuses a plan that cannot be taken back, unless the very addresses
// are named; again is the command that would be run with them.
func (a *app) guard(p *plan.Plan, allow []string, again string) error {
	err := plan.Guard(p, a.platform, allow)
	refusal, ok := errors.AsType[*plan.GuardError](err)
	switch {
	case !ok:
		return err
	case len(refusal.Violations) == 0:
		return console.WithNext(refusal, "%s, without what allows nothing", again)
	default:
		return console.WithNext(refusal, "if that is meant: %s %s", again, refusal.Flags())
	}
}
