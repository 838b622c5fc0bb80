package iam

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// variablePattern finds policy variables, closed or not.
var variablePattern = regexp.MustCompile(`\$\{[^}]*\}?`)

// userID is the one variable that is modelled: who calls. Every caller has an id,
// which holds no wildcard.
const userID = "aws:userid"

// knownVariables refuses variables that have no value here. AWS takes those that it
// does not know for text, or ignores the statement.
func knownVariables(texts []string) error {
	for _, text := range texts {
		for _, v := range variablePattern.FindAllString(text, -1) {
			if !strings.EqualFold(v, "${"+userID+"}") {
				return fmt.Errorf("variable %s is not modelled", v)
			}
		}
	}
	return nil
}

// noVariables refuses variables where AWS replaces none.
func noVariables(where string, texts ...string) error {
	if slices.ContainsFunc(texts, variablePattern.MatchString) {
		return fmt.Errorf("no variable may be in %s", where)
	}
	return nil
}

// resolved is a statement with the caller's id in the place of its variables. ok is
// false if it has some and the request names no caller: AWS ignores it then.
func (s Statement) resolved(keys map[string][]string) (resolved Statement, ok bool) {
	ok = true
	fill := func(texts []string) []string {
		if !slices.ContainsFunc(texts, variablePattern.MatchString) {
			return texts
		}
		if len(keys[userID]) != 1 {
			ok = false
			return nil
		}
		filled := make([]string, len(texts))
		for i, text := range texts {
			filled[i] = variablePattern.ReplaceAllLiteralString(text, keys[userID][0])
		}
		return filled
	}
	s.Resources, s.Conditions = fill(s.Resources), slices.Clone(s.Conditions)
	for i := range s.Conditions {
		s.Conditions[i].Values = fill(s.Conditions[i].Values)
	}
	return s, ok
}
