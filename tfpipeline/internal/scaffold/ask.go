package scaffold

import (
	"cmp"
	"fmt"
	"strings"
)

// question is one thing that init asks for.
type question struct {
	flag, text string
	value      *string
	// proposal is what an empty answer means; "" if there is none.
	proposal func() string
}

func (a *Answers) questions() []question {
	none := func() string { return "" }
	return []question{
		{"name", "Name of the platform, which begins every AWS name, such as shop?", &a.Name, none},
		{"account", "AWS account, twelve digits?", &a.Account, none},
		{"region", "AWS region?", &a.Region, func() string { return "us-west-2" }},
		{"domain", "Domain, the apex of its hosted zone, such as shop.io?", &a.Domain, none},
		{"repository", "GitHub repository, as owner/name?", &a.Repository, none},
	}
}

// Missing are the flags that have no value and no proposal.
func (a *Answers) Missing() []string {
	var flags []string
	for _, q := range a.questions() {
		if *q.value == "" && q.proposal() == "" {
			flags = append(flags, "-"+q.flag)
		}
	}
	return flags
}

// Complete asks for what no flag has given, and takes the proposals where ask is
// nil, since there is nobody to answer.
func (a *Answers) Complete(ask func(question string) (string, error)) error {
	for _, q := range a.questions() {
		if *q.value != "" {
			continue
		}
		proposal := q.proposal()
		answer := ""
		if ask != nil {
			text := q.text
			if proposal != "" {
				text += " [" + proposal + "]"
			}
			var err error
			if answer, err = ask(text); err != nil {
				return err
			}
		}
		*q.value = cmp.Or(answer, proposal)
	}
	return nil
}

// Command is the command line that gives the same answers.
func (a *Answers) Command() string {
	var b strings.Builder
	b.WriteString("tfpipeline init")
	for _, q := range a.questions() {
		fmt.Fprintf(&b, " -%s %s", q.flag, cmp.Or(*q.value, "…"))
	}
	for _, o := range []struct{ flag, value string }{{"email", a.Email}, {"health", a.HealthPath}} {
		if o.value != "" {
			fmt.Fprintf(&b, " -%s %s", o.flag, o.value)
		}
	}
	for _, s := range a.Services {
		fmt.Fprintf(&b, " -service %s", s)
	}
	return b.String()
}
