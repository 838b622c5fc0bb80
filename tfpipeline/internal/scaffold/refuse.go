package scaffold

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/specboard/platform/gen/config"
)

// problem is what is wrong with the answer that a flag gives; "" is none.
type problem struct {
	flag string
	error
}

// validate returns the platform of the answers, or all their problems, and the flags
// that gave them.
func (a *Answers) validate() (p config.Platform, flags []string, err error) {
	p, problems, err := a.problems()
	errs := []error{err}
	for _, p := range problems {
		errs = append(errs, p.error)
		if p.flag != "" && !slices.Contains(flags, p.flag) {
			flags = append(flags, p.flag)
		}
	}
	return p, flags, errors.Join(errs...)
}

// refusal is what is wrong with the answer to one question.
func (a *Answers) refusal(q question) error {
	switch {
	case *q.value != "":
	case q.optional:
		return nil
	default:
		return problem{q.flag, errors.New(q.flag + ": is needed")}
	}
	_, problems, err := a.problems()
	if i := slices.IndexFunc(problems, func(p problem) bool { return p.flag == q.flag }); i >= 0 {
		return problems[i]
	}
	return err
}

// problems returns the platform of the answers, and all that is wrong with it.
func (a *Answers) problems() (p config.Platform, found []problem, err error) {
	p = a.Platform()
	var problems config.Problems
	if err := p.Validate(); err != nil {
		var ok bool
		if problems, ok = errors.AsType[config.Problems](err); !ok {
			return p, nil, err
		}
	}
	// The only problem of an address that is derived is the domain's.
	derived := a.Email == "" && slices.ContainsFunc(problems, func(p config.Problem) bool { return p.Path == "domain" })
	for _, p := range problems {
		if flag := flagOf(p.Path); flag != "email" || !derived {
			found = append(found, problem{flag, errors.New(p.String())})
		}
	}
	if _, _, err := a.ids(); err != nil {
		found = append(found, problem{"ids", err})
	}
	if len(a.Name) > longestName {
		found = append(found, problem{"name", fmt.Errorf("-name %s has %d characters, where AWS's names leave %d to it", a.Name, len(a.Name), longestName)})
	}
	return p, found, nil
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
