package iam

import (
	"fmt"
	"slices"
	"strings"
)

// Question is one question of a call to IAM: may the caller perform this
// action on this resource?
type Question struct {
	// Action, such as "ecs:UpdateService"; Resource is an ARN or "*".
	Action, Resource string
	// Keys are the condition keys of the request, such as
	// "aws:RequestTag/Environment". They are compared without case.
	Keys map[string][]string
}

// Verdict is the answer to a question.
type Verdict struct {
	Allowed bool
	// Reason says why a call is denied, in AWS's words: "because no
	// identity-based policy allows the ecs:UpdateService action".
	Reason string
	// By is the statement that decided, if one did.
	By string
}

// Identity holds the policies of a role.
type Identity struct {
	Policies []Policy
	// Boundary limits what Policies allow; nil if the role has none.
	Boundary *Policy
}

// Judge answers a question: something must allow it, nothing may deny it, and
// the boundary must allow it too.
func (i Identity) Judge(q Question) Verdict {
	keys, action := lower(q.Keys), strings.ToLower(q.Action)
	var verdict Verdict
	for _, p := range i.Policies {
		for _, s := range p.Statements {
			switch {
			case !s.concerns(action, q.Resource, keys):
			case s.Deny:
				return Verdict{Reason: "with an explicit deny in an identity-based policy", By: s.Sid}
			case !verdict.Allowed:
				verdict = Verdict{Allowed: true, By: s.Sid}
			}
		}
	}
	if i.Boundary != nil {
		within := false
		for _, s := range i.Boundary.Statements {
			if !s.concerns(action, q.Resource, keys) {
				continue
			}
			if s.Deny {
				return Verdict{Reason: "with an explicit deny in a permissions boundary", By: s.Sid}
			}
			within = true
		}
		if !within {
			return Verdict{Reason: fmt.Sprintf("because no permissions boundary allows the %s action", q.Action)}
		}
	}
	if !verdict.Allowed {
		verdict.Reason = fmt.Sprintf("because no identity-based policy allows the %s action", q.Action)
	}
	return verdict
}

// concerns reports whether a statement applies to a question.
func (s Statement) concerns(action, resource string, keys map[string][]string) bool {
	s, ok := s.resolved(keys)
	return ok && slices.ContainsFunc(s.Actions, func(p string) bool { return glob(p, action) }) != s.NotActions &&
		slices.ContainsFunc(s.Resources, func(p string) bool { return matchesResource(p, resource) }) != s.NotResources &&
		s.holds(keys)
}

func (s Statement) holds(keys map[string][]string) bool {
	return !slices.ContainsFunc(s.Conditions, func(c Condition) bool { return !c.holds(keys) })
}

func lower(keys map[string][]string) map[string][]string {
	out := make(map[string][]string, len(keys))
	for k, v := range keys {
		out[strings.ToLower(k)] = v
	}
	return out
}

// Trusts reports whether a role's trust policy lets users of an identity
// provider (its ARN) assume the role, with the claims of their token as
// condition keys.
func (p Policy) Trusts(provider string, claims map[string][]string) bool {
	return p.trusts("sts:assumerolewithwebidentity", claims, func(s Statement) []string { return s.Federated }, provider)
}

// TrustsService reports whether a role's trust policy lets an AWS service, such
// as "ecs-tasks.amazonaws.com", assume the role.
func (p Policy) TrustsService(service string, keys map[string][]string) bool {
	return p.trusts("sts:assumerole", keys, func(s Statement) []string { return s.Services }, service)
}

// TrustsCaller reports whether a role's trust policy lets a user or a role of its
// own account assume the role. arns are the caller's: a role's session has its own
// and the role's.
func (p Policy) TrustsCaller(account string, arns []string, keys map[string][]string) bool {
	names := append([]string{account, "arn:aws:iam::" + account + ":root"}, arns...)
	return p.trusts("sts:assumerole", keys, func(s Statement) []string { return s.AWS }, names...)
}

func (p Policy) trusts(action string, keys map[string][]string, principals func(Statement) []string, names ...string) bool {
	keys = lower(keys)
	trusted := false
	for _, s := range p.Statements {
		s, ok := s.resolved(keys)
		if !ok || !slices.ContainsFunc(principals(s), func(p string) bool { return p == "*" || slices.Contains(names, p) }) || !s.holds(keys) ||
			slices.ContainsFunc(s.Actions, func(p string) bool { return glob(p, action) }) == s.NotActions {
			continue
		}
		if s.Deny {
			return false
		}
		trusted = true
	}
	return trusted
}
