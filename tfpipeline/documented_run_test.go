package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/console"
)

// order is that in which verbs are run: those that read come before those that
// change, and a release is frozen, restarted and promoted before it is rolled back.
// Verbs that are not here need more than the world has.
var order = []string{
	"help", "completion", "--version", "config", "github", "drift", "status", "dashboard", "history", "logs", "plan",
	"secrets", "freeze", "unfreeze", "unlock", "run", "restart", "scale", "apply", "promote", "rollback",
}

// endless commands end when they are interrupted.
var endless = []string{"dashboard", "-f"}

// runShortly runs a command, and interrupts an endless one as soon as it has printed
// something.
func runShortly(w *promotions, endless bool, args []string) (stdout, stderr string, code int) {
	if !endless {
		return w.run(args...)
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	var out, errs interrupting
	out.cancel, errs.cancel = cancel, cancel
	code = w.app(strings.NewReader(""), &out, &errs).run(ctx, args)
	return out.String(), errs.String(), code
}

// interrupting is a buffer that ends a context when something is written to it.
type interrupting struct {
	bytes.Buffer
	cancel context.CancelFunc
}

func (w *interrupting) Write(p []byte) (int, error) {
	defer w.cancel()
	return w.Buffer.Write(p)
}

// added are flags without which a command asks at a terminal, or takes a port that
// others may have.
var added = map[string][]string{"apply": {"-yes"}, "dashboard": {"-addr", "127.0.0.1:0"}}

// codes are the exit codes of commands that do not end with 0.
var codes = map[string]int{
	// Neither that plan nor that lock is the world's.
	"promote -env production -release v1.4.0 -reviewed 47773ac14efb91b0cb53": console.ExitFailed,
	"unlock -env staging -state f216bbea-1111-2222-3333-444455556666":        console.ExitFailed,
}

// elsewhere are commands that need GitHub, by the test that stands in for it.
var elsewhere = map[string]string{"github -check": "TestScripts/github", "plan -all -comment": "TestPlanAllComment", "drift -issues -markdown": "TestWorkflowRuns"}

// spaced is an argument with spaces, or the value of a flag that has.
var spaced = regexp.MustCompile(`[^=]* .*`)

// runDocumented runs the commands that a world with two environments and two
// releases can answer, each text a single time, and says how each ended.
func runDocumented(t *testing.T, found []documented) map[string]string {
	t.Helper()
	w := newPromotions(t)
	dir := t.TempDir()
	w.applyTo("production")
	platform := &w.cloud.platform
	for i, e := range platform.Environments {
		if e.Proof != nil {
			platform.Environments[i].Proof = &config.Proof{From: e.Proof.From, MinimumBake: time.Millisecond}
		}
		for _, s := range platform.Services {
			w.cloud.logs[platform.LogGroup(e.Name, s.Name)] = []string{fmt.Sprintf("%d listens", time.Now().UnixMilli())}
		}
	}
	for _, tag := range []string{"v1.3.0", "v1.4.0"} {
		w.release(tag)
		w.must(console.ExitOK, "promote", "-env", "staging", "-release", tag)
		w.must(console.ExitOK, "promote", "-env", "production", "-release", tag)
	}
	value := filepath.Join(dir, "value")
	writeFile(t, value, "invited")
	records := slices.DeleteFunc(w.keys("history/production/"), func(key string) bool { return strings.HasSuffix(key, ".journal.json") })
	record := strings.TrimSuffix(filepath.Base(records[0]), ".json")
	forms := strings.NewReplacer("$(git rev-parse HEAD)", w.releases["v1.4.0"], "RECORD", record, "20261123T080000Z-abcdef", record,
		"v1.2.2", "v1.3.0", "v1.4.1", "v1.4.0", "keys.json", value, "dashboard.html", filepath.Join(dir, "dashboard.html"), "drift.json", filepath.Join(dir, "drift.json"), "plan.json", filepath.Join(dir, "plan.json"),
		"FILE", value, "ADDRESS", "aws_thing.this", "NAME", "migrate", "ENV", "production", "COMMAND", "help", "REASON", "sale")

	var commands []documented
	for _, d := range found {
		if words := d.words(); words[0] == "tfpipeline" && !slices.ContainsFunc(commands, func(other documented) bool { return other.text == d.text }) {
			commands = append(commands, d)
		}
	}
	rank := func(d documented) int {
		words := d.words()
		if len(words) == 1 {
			return -1
		}
		return slices.Index(order, words[1])
	}
	slices.SortStableFunc(commands, func(a, b documented) int { return cmp.Or(rank(a)-rank(b), len(a.words())-len(b.words())) })
	results := map[string]string{}
	for _, d := range commands {
		args := d.words()[1:]
		quoted := make([]string, len(args))
		for i := range args {
			if args[i] = forms.Replace(args[i]); args[i] == "qa" {
				args[i] = "staging" // an environment that a page has its reader add
			}
			quoted[i] = spaced.ReplaceAllStringFunc(args[i], strconv.Quote)
		}
		line := strings.Join(quoted, " ")
		if err := parse(line); err != nil {
			if len(args) == 1 {
				results[d.text] = "names a command"
				continue
			}
			t.Errorf("%s: %v", d, err)
		}
		if test := elsewhere[line]; test != "" {
			results[d.text] = "run by " + test
			continue
		}
		if rank(d) < 0 {
			continue
		}
		args = append(args, added[args[0]]...)
		began := time.Now()
		stdout, stderr, code := runShortly(w, slices.ContainsFunc(endless, func(word string) bool { return slices.Contains(args, word) }), args)
		if code != codes[line] {
			t.Errorf("%s: tfpipeline %s: exit %d\n%s%s", d, strings.Join(args, " "), code, stdout, stderr)
		}
		if _, file, ok := strings.Cut(d.text, " > "); ok { // for the command that reads it
			writeFile(t, filepath.Join(dir, strings.TrimSpace(file)), stdout)
		}
		results[d.text] = fmt.Sprintf("exit %d after %s", code, time.Since(began).Round(time.Millisecond))
		if more := added[args[0]]; more != nil {
			results[d.text] += ", with " + strings.Join(more, " ")
		}
	}
	return results
}
