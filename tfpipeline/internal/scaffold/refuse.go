package scaffold

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/specboard/platform/gen/config"
)

// validate returns the platform of the answers, or all their problems, and the flags
// that gave them.
func (a *Answers) validate() (p config.Platform, flags []string, err error) {
	p = a.Platform()
	var problems config.Problems
	if err := p.Validate(); err != nil {
		var ok bool
		if problems, ok = errors.AsType[config.Problems](err); !ok {
			return p, nil, err
		}
	}
	if a.Email == "" && slices.ContainsFunc(problems, func(p config.Problem) bool { return p.Path == "domain" }) {
		// Its only problem is the domain that it was derived from.
		problems = slices.DeleteFunc(problems, func(p config.Problem) bool { return flagOf(p.Path) == "email" })
	}
	var errs []error
	if len(problems) > 0 {
		errs = append(errs, problems)
	}
	for _, p := range problems {
		if flag := flagOf(p.Path); flag != "" && !slices.Contains(flags, flag) {
			flags = append(flags, flag)
		}
	}
	if _, _, err := a.ids(); err != nil {
		errs, flags = append(errs, err), append(flags, "ids")
	}
	if len(a.Name) > longestName {
		errs = append(errs, fmt.Errorf("-name %s has %d characters, where AWS's names leave %d to it", a.Name, len(a.Name), longestName))
		flags = append(flags, "name")
	}
	return p, flags, errors.Join(errs...)
}

// flagOf is the flag that gives the field at a path; "" if none does.
func flagOf(path string) string {
	switch {
	case slices.Contains([]string{"name", "account", "region", "domain"}, path):
		return path
	case path == "repository.owner" || path == "repository.name":
		return "repository"
	case strings.HasPrefix(path, "availabilityZones"):
		return "zones"
	case strings.Contains(path, ".alarms.emails"):
		return "email"
	case strings.HasPrefix(path, "services") && strings.HasSuffix(path, ".healthPath"):
		return "health"
	case strings.HasPrefix(path, "services"):
		return "service"
	}
	return ""
}
