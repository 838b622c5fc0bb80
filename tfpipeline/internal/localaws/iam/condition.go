package iam

import (
	"fmt"
	"slices"
	"strings"
)

// compare says whether a value of the request meets a value of the policy.
type compare func(policy, request string) bool

var operators = map[string]compare{
	"StringEquals": func(p, r string) bool { return p == r },
	"StringLike":   glob,
	"ArnLike":      matchesResource,
	"ArnEquals":    matchesResource,
	"Bool":         strings.EqualFold,
}

// operatorNamed returns the comparison of an operator, and whether it is
// negated. Null and the prefixes and suffixes of operators are up to holds.
func operatorNamed(name string) (compare, bool, error) {
	if name == "Null" {
		return nil, false, nil
	}
	base := strings.TrimPrefix(strings.TrimPrefix(name, "ForAllValues:"), "ForAnyValue:")
	base = strings.TrimSuffix(base, "IfExists")
	for _, kind := range []string{"String", "Arn"} {
		if positive, ok := strings.CutPrefix(base, kind+"Not"); ok {
			if c, ok := operators[kind+positive]; ok {
				return c, true, nil
			}
		}
	}
	if c, ok := operators[base]; ok {
		return c, false, nil
	}
	return nil, false, fmt.Errorf("condition operator %s is not modelled", name)
}

// holds reports whether a condition is met. keys are in lower case.
func (c Condition) holds(keys map[string][]string) bool {
	values, present := keys[strings.ToLower(c.Key)]
	present = present && len(values) > 0
	if c.Operator == "Null" {
		return slices.Contains(c.Values, "true") != present
	}
	meets, negated, err := operatorNamed(c.Operator)
	if err != nil {
		return false // Parse has refused it
	}
	// one compares one value of the request with all values of the policy.
	one := func(value string) bool {
		met := slices.ContainsFunc(c.Values, func(p string) bool { return meets(p, value) })
		return met != negated
	}
	switch {
	case strings.HasPrefix(c.Operator, "ForAllValues:"):
		return !slices.ContainsFunc(values, func(v string) bool { return !one(v) })
	case strings.HasPrefix(c.Operator, "ForAnyValue:"):
		return slices.ContainsFunc(values, one)
	case !present:
		return negated || strings.HasSuffix(c.Operator, "IfExists")
	default:
		return one(values[0])
	}
}
