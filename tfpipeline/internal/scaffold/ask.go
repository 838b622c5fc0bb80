package scaffold

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
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
	domain := question{"domain", "Domain, the apex of its hosted zone, such as shop.io?", &a.Domain, none, false}
	if a.private() {
		domain = question{"email", "E-mail address that hears production's alarms, such as on-call@shop.io?", &a.Email, a.email, false}
	}
	list := []question{
		{"name", "Name of the platform, which begins every AWS name, such as shop?", &a.Name, none, false},
		{"account", "AWS account, twelve digits?", &a.Account, none, false},
		{"region", "AWS region?", &a.Region, func() string { return "us-west-2" }, false},
		domain,
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
		if ask == nil {
			*q.value = proposal
			continue
		}
		text := q.text
		if proposal != "" {
			text += " [" + proposal + "]"
		}
		if err := askFor(ask, text, func(answer string) error {
			*q.value = cmp.Or(answer, proposal)
			return a.refusal(q)
		}); err != nil {
			return err
		}
	}
	return nil
}

// askFor asks until an answer is accepted, three times at most. It tells what is wrong
// with one before it asks again.
func askFor(ask func(question string) (string, error), question string, accept func(answer string) error) error {
	text := question
	for try := 1; ; try++ {
		answer, err := ask(text)
		if err != nil {
			return err
		}
		if err = accept(answer); err == nil || try == 3 {
			return err
		}
		text = err.Error() + "\n" + question
	}
}

// ports asks for the ports of services whose Dockerfiles expose none and have no
// HEALTHCHECK, and returns the found services with those that have one.
func (a *Answers) ports(found, without []Service, ask func(question string) (string, error)) ([]Service, error) {
	for _, s := range without {
		question := fmt.Sprintf("%s exposes no port. On which does service %s listen (empty: leave it out; a worker needs a HEALTHCHECK there)?", s.dockerfile(), s.Name)
		if err := askFor(ask, question, func(answer string) error {
			if answer == "" {
				return nil
			}
			given, err := ParseService(s.Name + ":" + answer)
			s.Port = given.Port
			return err
		}); err != nil {
			return nil, err
		}
		if s.Port != 0 {
			a.Found, found = false, append(found, s)
		}
	}
	return found, nil
}

// Command returns the command line that gives these answers, except those that refused
// names: these are left to write. It runs without a program that was built before.
func (a *Answers) Command(refused ...string) string {
	var b strings.Builder
	b.WriteString("go run ./tfpipeline init")
	add := func(flag, value string) {
		if slices.Contains(refused, flag) {
			value = ""
		}
		b.WriteString(" -" + flag + " " + cmp.Or(shellWord(value), "…"))
	}
	for _, q := range a.questions() {
		if *q.value != "" || !q.optional {
			add(q.flag, *q.value)
		}
	}
	if a.Email != "" && !a.private() {
		add("email", a.Email)
	}
	if a.HealthPath != "" {
		add("health", a.HealthPath)
	}
	for _, o := range []struct {
		flag string
		set  bool
	}{{"no-database", a.NoDatabase}, {"no-cache", a.NoCache}} {
		if o.set {
			b.WriteString(" -" + o.flag)
		}
	}
	if a.Found && !slices.Contains(refused, "service") {
		return b.String()
	}
	for _, s := range a.Services {
		kind := "service"
		if s.Port == 0 {
			kind = "worker"
		}
		b.WriteString(" -" + kind + " " + shellWord(s.String()))
	}
	return b.String()
}

// plainWord matches what no shell changes.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:@,+-]*$`)

// shellWord is the text as one word of a shell.
func shellWord(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
