package plan

import (
	"slices"
	"strings"

	"github.com/specboard/platform/gen/config"
)

// Drift is how an account differs from what Terraform left there.
type Drift struct {
	// Real drift was made by nobody who may.
	Real []DriftedResource
	// Accepted drift belongs to somebody else than Terraform.
	Accepted []DriftedResource
	// Pending are changes of the configuration that were never applied. What
	// an apply would only put back is none.
	Pending []Change
}

// DriftedResource is one resource with the attributes that changed.
type DriftedResource struct {
	Address    string
	Action     Action
	Attributes []Attribute
	// Owners say who changes the accepted attributes.
	Owners []string
}

// reported are attributes that AWS moves by itself: they tell how an object is
// doing, and no configuration can hold them.
var reported = map[string][]string{
	"aws_acm_certificate":               {"not_after", "not_before", "pending_renewal", "renewal_eligibility", "renewal_summary", "status"},
	"aws_db_instance":                   {"latest_restorable_time", "status"},
	"aws_elasticache_replication_group": {"member_clusters"},
}

// moved are the attributes of a drifted resource that anybody may have set.
func moved(c Change) []Attribute {
	return slices.DeleteFunc(c.Attributes(), func(a Attribute) bool {
		name := a.Path
		if i := strings.IndexAny(name, ".["); i >= 0 {
			name = name[:i]
		}
		return slices.Contains(reported[c.Type], name)
	})
}

// Classify tells drift that matters from drift that does not.
func Classify(p *Plan, rules []config.AcceptedDrift) Drift {
	var d Drift
	for _, c := range p.Drift {
		r := DriftedResource{Address: c.Address, Action: c.Action}
		if c.Action != Update {
			r.Attributes = c.Attributes()
			d.Real = append(d.Real, r)
			continue
		}
		var realOnes, acceptedOnes []Attribute
		for _, a := range moved(c) {
			i := slices.IndexFunc(rules, func(rule config.AcceptedDrift) bool {
				return rule.Type == c.Type && rule.Attribute == a.Path
			})
			if i < 0 {
				realOnes = append(realOnes, a)
				continue
			}
			acceptedOnes = append(acceptedOnes, a)
			if !slices.Contains(r.Owners, rules[i].Owner) {
				r.Owners = append(r.Owners, rules[i].Owner)
			}
		}
		switch {
		case len(realOnes) > 0:
			d.Real = append(d.Real, DriftedResource{c.Address, c.Action, realOnes, nil})
		case len(acceptedOnes) > 0:
			r.Attributes = acceptedOnes
			d.Accepted = append(d.Accepted, r)
		}
	}
	for _, c := range p.Changes {
		if !c.Action.idle() && !reverts(c, p.Drift) {
			d.Pending = append(d.Pending, c)
		}
	}
	return d
}

// Unaccepted is the drift without what the rules accept.
func (p *Plan) Unaccepted(rules []config.AcceptedDrift) []Change {
	var out []Change
	for _, c := range p.Drift {
		if c.Action == Update {
			for _, r := range rules {
				if r.Type == c.Type {
					c.accepted = append(slices.Clone(c.accepted), r.Attribute)
				}
			}
			if len(moved(c)) == 0 {
				continue
			}
		}
		out = append(out, c)
	}
	return out
}

// reverts reports whether a planned change does no more than to undo drift, so
// that it is no configuration that waits to be applied.
func reverts(c Change, drift []Change) bool {
	i := slices.IndexFunc(drift, func(d Change) bool { return d.Address == c.Address })
	if i < 0 {
		return false
	}
	if drift[i].Action == Delete {
		return c.Action == Create
	}
	if c.Action != Update {
		return false
	}
	made := drift[i].Attributes()
	for _, a := range c.Attributes() {
		if !slices.ContainsFunc(made, func(d Attribute) bool {
			return d.Path == a.Path && d.Before == a.After && d.After == a.Before
		}) {
			return false
		}
	}
	return true
}

// Clean reports whether nothing needs a person.
func (d Drift) Clean() bool { return len(d.Real) == 0 && len(d.Pending) == 0 }
