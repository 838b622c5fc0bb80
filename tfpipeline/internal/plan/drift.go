package plan

import (
	"slices"
	"strings"

	"github.com/specboard/platform/gen/config"
)

// Drift is the difference between an account and what Terraform last applied
// there.
type Drift struct {
	// Real is drift that no rule accepts: a person has to look at it.
	Real []DriftedResource
	// Accepted is drift in attributes that something else than Terraform
	// manages.
	Accepted []DriftedResource
	// Pending are changes of the configuration that were never applied. A
	// change that would only undo drift is not among them.
	Pending []Change
}

// DriftedResource is one resource with the attributes that changed.
type DriftedResource struct {
	Address    string
	Action     Action
	Attributes []Attribute
	// Owners name what manages the accepted attributes.
	Owners []string
}

// reported are attributes that AWS changes by itself. They report an object's
// condition, and no configuration can set them.
var reported = map[string][]string{
	"aws_acm_certificate":               {"not_after", "not_before", "pending_renewal", "renewal_eligibility", "renewal_summary", "status"},
	"aws_db_instance":                   {"latest_restorable_time", "status"},
	"aws_elasticache_replication_group": {"member_clusters"},
	"aws_sesv2_email_identity":          {"dkim_signing_attributes", "verified_for_sending_status"},
	// Rotating a secret makes another version the current one.
	"aws_secretsmanager_secret_version": {"version_stages"},
}

// moved returns the attributes of a drifted resource that changed and that somebody
// may have set.
func moved(c Change) []Attribute {
	return slices.DeleteFunc(c.Attributes(), func(a Attribute) bool {
		name := a.Path
		if i := strings.IndexAny(name, ".["); i >= 0 {
			name = name[:i]
		}
		return slices.Contains(reported[c.Type], name)
	})
}

// Classify separates drift that needs a person from drift that the rules
// accept.
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
		if !c.Action.idle() && !reverts(c, p.Drift) && !follows(c, d.Accepted) {
			d.Pending = append(d.Pending, c)
		}
	}
	return d
}

// Unaccepted returns the drift that no rule accepts.
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

// reverts reports whether a planned change only undoes drift. Then it is no
// change of the configuration that waits to be applied.
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

// follows reports whether a planned change only follows accepted drift: the alarm of a
// database's free storage goes with the storage, which the next apply brings about.
func follows(c Change, accepted []DriftedResource) bool {
	grown := func(r DriftedResource) bool {
		return slices.ContainsFunc(r.Attributes, func(a Attribute) bool { return a.Path == "allocated_storage" })
	}
	return c.Action == Update && strings.HasSuffix(c.Address, "aws_cloudwatch_metric_alarm.database_storage[0]") &&
		slices.ContainsFunc(accepted, grown) &&
		!slices.ContainsFunc(c.Attributes(), func(a Attribute) bool { return a.Path != "threshold" })
}

// Clean reports whether there is nothing for a person to do.
func (d Drift) Clean() bool { return len(d.Real) == 0 && len(d.Pending) == 0 }
