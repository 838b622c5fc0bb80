package view

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// phrases say what a move is good for; %s stands for its command.
var phrases = map[deploy.Advice]string{
	deploy.AdviceRepeat:    "%s",
	deploy.AdviceFix:       "fix that, then: %s",
	deploy.AdviceStore:     "store its value: %s",
	deploy.AdviceLower:     "let it keep fewer: %s",
	deploy.AdviceWait:      "wait for it, and then: %s",
	deploy.AdviceRetry:     "to try this one again: %s",
	deploy.AdviceOverride:  "to override that: %s",
	deploy.AdviceGrant:     "an administrator grants that (gen/internal/render/github*.go, make gen, tfpipeline apply -env shared); then: %s",
	deploy.AdviceRenew:     "renew the credentials (aws sso login, or run the job once more); then: %s",
	deploy.AdviceContinue:  "%s continues",
	deploy.AdviceReturn:    "%s goes on rolling the services back",
	deploy.AdviceRecord:    "%s, which records what is deployed",
	deploy.AdviceBack:      "%s goes back",
	deploy.AdviceElsewhere: "go to another release: %s",
	deploy.AdviceEnd:       "%s ends it",
	deploy.AdviceGiveUp:    "%s gives it up",
	deploy.AdviceReplace:   "fix the release and promote the next one",
	deploy.AdviceInspect:   "what runs: %s",
	deploy.AdviceCheck:     "since when its value is the current one: %s",
	deploy.AdviceLift:      "once it may be changed: %s",
}

// Next is what to do next about an environment, in one line of commands; "" if
// nothing is known.
func Next(environment string, next deploy.Next) string {
	var list []string
	for _, m := range next {
		phrase := phrases[m.Advice]
		if m.Verb != "" {
			phrase = fmt.Sprintf(phrase, Command(environment, m))
		}
		list = append(list, phrase)
	}
	return strings.Join(list, "; ")
}

// InFlight is what an interrupt tells of an attempt, a line each.
func InFlight(environment, kind, release string, f deploy.InFlight) []string {
	return append([]string{fmt.Sprintf("%s: %s %s is at step %s", environment, kind, release, f.Step)}, f.Left...)
}

// Command is the command line that asks for a move.
func Command(environment string, m deploy.Move) string {
	line := []string{"tfpipeline", string(m.Verb), "-env", environment}
	add := func(set bool, words ...string) {
		if set {
			line = append(line, words...)
		}
	}
	switch tag, commit := m.Release.Tag, m.Release.Commit; {
	case m.Verb == deploy.VerbPromote && tag != "":
		add(true, "-release", tag)
	case m.Verb == deploy.VerbPromote:
		add(true, "-commit", commit)
	case m.Verb == deploy.VerbRollback && !m.Release.IsZero():
		add(true, "-to", name(m.Release))
	case m.Advice == deploy.AdviceElsewhere:
		add(true, "-to", "RELEASE")
	}
	add(m.Secret != "", "-secret", m.Secret, "-file", "FILE")
	add(m.Service != "", "-service", m.Service, "-tasks", strconv.Itoa(m.Tasks))
	add(m.WithMigrations, "-with-migrations")
	add(m.Reviewed != "", "-reviewed", m.Reviewed)
	add(m.OverrideProof != "", "-override-proof", quoted(m.OverrideProof))
	add(m.Force && m.ForceReason == "", "-force")
	add(m.Force && m.ForceReason != "", "-force="+quoted(m.ForceReason))
	return strings.Join(line, " ")
}

// quoted is a text as one word of a shell.
func quoted(s string) string { return "'" + strings.ReplaceAll(oneLine(s), "'", `'\''`) + "'" }

// name is how a command names a release: its tag, or its commit.
func name(r deploy.Release) string {
	if r.Tag != "" {
		return r.Tag
	}
	return r.Commit
}
