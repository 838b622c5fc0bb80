package scaffold

import (
	"cmp"
	"fmt"
	"strings"
)

// question is one question that init asks.
type question struct {
	flag, text string
	value      *string
	// proposal returns the answer that an empty line stands for; "" if there
	// is none.
	proposal func() string
	// optional: an empty line is an answer.
	optional bool
}

func (a *Answers) questions() []question {
	none := func() string { return "" }
	list := []question{
		{"name", "Name of the platform, which begins every AWS name, such as shop?", &a.Name, none, false},
		{"account", "AWS account, twelve digits?", &a.Account, none, false},
		{"region", "AWS region?", &a.Region, func() string { return "us-west-2" }, false},
		{"domain", "Domain, the apex of its hosted zone, such as shop.io?", &a.Domain, none, false},
		{"repository", "GitHub repository, as owner/name?", &a.Repository, none, false},
		{"ids", "GitHub's ids of the owner and the repository, such as 1234567/987654321 (gh api repos/OWNER/NAME --jq '.owner.id,.id' prints them; empty: it does not exist yet)?", &a.IDs, none, true},
	}
	if a.Zones != "" || safeZones(a.Region) == "" {
		list = append(list, question{"zones", "Two availability zones that your account has, such as a,c (aws ec2 describe-availability-zones --region " + a.Region + " lists them)?", &a.Zones, none, false})
	}
	return list
}

// Missing returns the flags without a value for which there is no proposal.
func (a *Answers) Missing() []string {
	var flags []string
	for _, q := range a.questions() {
		if *q.value == "" && q.proposal() == "" && !q.optional {
			flags = append(flags, "-"+q.flag)
		}
	}
	return flags
}

// Complete asks for all answers that no flag gave. If ask is nil, nobody can
// answer, and it takes the proposals.
func (a *Answers) Complete(ask func(question string) (string, error)) error {
	for i := 0; i < len(a.questions()); i++ { // the region may add one
		q := a.questions()[i]
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

// Command returns the command line that gives these answers.
func (a *Answers) Command() string {
	var b strings.Builder
	b.WriteString("tfpipeline init")
	for _, q := range a.questions() {
		if *q.value != "" || !q.optional {
			fmt.Fprintf(&b, " -%s %s", q.flag, cmp.Or(*q.value, "…"))
		}
	}
	for _, o := range []struct{ flag, value string }{{"email", a.Email}, {"health", a.HealthPath}} {
		if o.value != "" {
			fmt.Fprintf(&b, " -%s %s", o.flag, o.value)
		}
	}
	for _, o := range []struct {
		flag string
		set  bool
	}{{"no-database", a.NoDatabase}, {"no-cache", a.NoCache}} {
		if o.set {
			b.WriteString(" -" + o.flag)
		}
	}
	for _, s := range a.Services {
		kind := "service"
		if s.Port == 0 {
			kind = "worker"
		}
		fmt.Fprintf(&b, " -%s %s", kind, s)
	}
	return b.String()
}
