// Package iam judges calls as AWS's Identity and Access Management does: which
// questions a call asks (an action on a resource, under condition keys), and
// whether policies, a permissions boundary and a role's trust allow it.
//
// It knows the elements, operators, variables and calls that this platform uses, and
// refuses all others by name: what it does not understand it never allows.
package iam

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Policy is a policy document.
type Policy struct {
	Statements []Statement
}

// Statement allows or denies actions on resources under conditions.
type Statement struct {
	Sid  string
	Deny bool
	// Actions are patterns in lower case: AWS compares them without case.
	Actions   []string
	Resources []string
	// NotActions and NotResources say that the statement applies to everything
	// but the listed actions or resources.
	NotActions, NotResources bool
	// Federated are the identity providers, Services the AWS services, and AWS
	// the accounts, roles and users that a trust policy names; "*" is anybody.
	Federated, Services, AWS []string
	Conditions               []Condition
}

// Condition compares one key of the request.
type Condition struct {
	Operator, Key string
	Values        []string
}

// Parse reads a policy document. It returns all problems at once: elements,
// operators and variables that this package does not know are problems.
func Parse(document []byte) (Policy, error) {
	var d struct {
		Version   string
		ID        string `json:"Id"`
		Statement many[struct {
			Sid          string
			Effect       string
			Principal    json.RawMessage
			Action       many[string]
			NotAction    many[string]
			Resource     many[string]
			NotResource  many[string]
			Condition    map[string]map[string]many[scalar]
			NotPrincipal json.RawMessage
		}]
	}
	decode := json.NewDecoder(bytes.NewReader(document))
	decode.DisallowUnknownFields()
	if err := decode.Decode(&d); err != nil {
		return Policy{}, fmt.Errorf("read a policy: %w", err)
	}
	if d.Version != "2012-10-17" {
		return Policy{}, fmt.Errorf("read a policy: version %q, want 2012-10-17", d.Version)
	}
	var p Policy
	var problems []error
	for i, in := range d.Statement {
		problem := func(format string, args ...any) {
			problems = append(problems, fmt.Errorf("statement %d (%s): %w", i+1, in.Sid, fmt.Errorf(format, args...)))
		}
		refuse := func(err error) {
			if err != nil {
				problem("%w", err)
			}
		}
		s := Statement{
			Sid: in.Sid, Deny: in.Effect == "Deny",
			Actions: in.Action, NotActions: in.NotAction != nil,
			Resources: in.Resource, NotResources: in.NotResource != nil,
		}
		if s.NotActions {
			s.Actions = in.NotAction
		}
		if s.NotResources {
			s.Resources = in.NotResource
		}
		if in.Effect != "Allow" && in.Effect != "Deny" {
			problem("effect %q, want Allow or Deny", in.Effect)
		}
		if len(s.Actions) == 0 {
			problem("no action")
		}
		if in.NotPrincipal != nil {
			problem("NotPrincipal is not modelled")
		}
		if in.Principal != nil {
			principal := map[string]many[string]{}
			if string(in.Principal) == `"*"` {
				principal = map[string]many[string]{"Federated": {"*"}, "Service": {"*"}, "AWS": {"*"}}
			} else if err := json.Unmarshal(in.Principal, &principal); err != nil {
				problem("principal: %w", err)
			}
			for kind, names := range principal {
				switch kind {
				case "Federated":
					s.Federated = names
				case "Service":
					s.Services = names
				case "AWS":
					s.AWS = names
				default:
					problem("principal %s is not modelled", kind)
				}
			}
		} else if len(s.Resources) == 0 {
			problem("no resource")
		}
		for operator, keys := range in.Condition {
			_, _, err := operatorNamed(operator)
			refuse(err)
			for key, values := range keys {
				c := Condition{Operator: operator, Key: key}
				for _, v := range values {
					c.Values = append(c.Values, string(v))
				}
				refuse(noVariables("a condition key", key))
				refuse(knownVariables(c.Values))
				s.Conditions = append(s.Conditions, c)
			}
		}
		refuse(noVariables("an action", s.Actions...))
		refuse(noVariables("a principal", slices.Concat(s.Federated, s.Services, s.AWS)...))
		refuse(knownVariables(s.Resources))
		for i, a := range s.Actions {
			s.Actions[i] = strings.ToLower(a)
		}
		slices.SortFunc(s.Conditions, func(a, b Condition) int {
			return strings.Compare(a.Operator+a.Key, b.Operator+b.Key)
		})
		p.Statements = append(p.Statements, s)
	}
	if err := errors.Join(problems...); err != nil {
		return Policy{}, fmt.Errorf("read a policy: %w", err)
	}
	return p, nil
}

// many is a JSON list; a single element may be written without brackets.
type many[T any] []T

func (m *many[T]) UnmarshalJSON(b []byte) error {
	var one T
	if b[0] != '[' {
		decode := json.NewDecoder(bytes.NewReader(b))
		decode.DisallowUnknownFields()
		if err := decode.Decode(&one); err != nil {
			return err
		}
		*m = many[T]{one}
		return nil
	}
	decode := json.NewDecoder(bytes.NewReader(b))
	decode.DisallowUnknownFields()
	var all []T
	if err := decode.Decode(&all); err != nil {
		return err
	}
	*m = all
	return nil
}

// scalar is a string, or a boolean or number as a string.
type scalar string

func (s *scalar) UnmarshalJSON(b []byte) error {
	if b[0] != '"' {
		*s = scalar(b)
		return nil
	}
	return json.Unmarshal(b, (*string)(s))
}
