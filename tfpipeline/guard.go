package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/plan"
)

// guard refuses a plan that ends what holds data in a protected root, unless
// that very address is named.
func (a *app) guard(p *plan.Plan, allow []string) error {
	if !a.platform.Protects(p.Root) {
		return nil
	}
	var refused, flags []string
	types := config.DataTypes()
	for _, c := range p.Changes {
		i := slices.IndexFunc(types, func(d config.DataType) bool { return d.Type == c.Type })
		if i < 0 || !c.Action.Destructive() || slices.Contains(allow, c.Address) {
			continue
		}
		refused = append(refused, fmt.Sprintf("  %s %s: %s", c.Action, c.Address, types[i].Holds))
		flags = append(flags, "-allow '"+c.Address+"'")
	}
	if len(refused) == 0 {
		return nil
	}
	return next(fmt.Errorf("%s is protected, and this plan would lose data; nothing was changed:\n%s", p.Root, strings.Join(refused, "\n")),
		"if that is meant: tfpipeline apply -env %s %s", p.Root, strings.Join(flags, " "))
}
