package session

import (
	"flag"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/ecs"
)

// typed are the flags and the arguments of a command as a shell passes them on.
func typed(t *testing.T, line string, declare func(*flag.FlagSet)) (command []string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "sh", "-c", "printf '%s\\0' "+line).Output()
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	words := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	set := flag.NewFlagSet("", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	declare(set)
	if err := set.Parse(words[2:]); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return set.Args()
}

// Each refusal names a command that is not refused, and keeps what was asked for.
func TestHintsAreAccepted(t *testing.T) {
	t.Parallel()
	p := configtest.Docs()
	for i := range p.Environments {
		p.Environments[i].Exec = true
	}
	const why = "it's down"
	tasks := []ecs.Container{{Task: "arn:aws:ecs:eu-central-1:1:task/c/0123456789abcdef", Name: "api"}}
	for _, refused := range []ExecOptions{
		{}, {service: "nope"}, {service: "nope", why: why, container: "x"}, {service: "api", container: "nope"}, {service: "api", container: "nope", why: why},
		{service: "api"}, {service: "api", task: "fff", why: why}, {service: "api", task: "fff", container: "api", why: why},
	} {
		for _, command := range [][]string{nil, {"sh", "-c", "echo canary"}} {
			o := refused
			o.Env = "production"
			err := o.Check(p, command)
			if err == nil {
				_, err = o.choose(tasks)
			}
			line := console.NextOf(err)
			var again ExecOptions
			rest := typed(t, line, again.Declare)
			if err := again.Check(p, rest); err != nil {
				t.Errorf("%v, next %s: %v", refused, line, err)
			} else if _, err := again.choose(tasks); err != nil && refused.task != "" {
				t.Errorf("%v, next %s: %v", refused, line, err)
			}
			if refused.why != "" && again.why != why || (len(rest) > 0) != (len(command) > 0) || strings.Contains(line, "canary") {
				t.Errorf("%v, next %s", refused, line)
			}
		}
	}
	for _, refused := range []DatabaseOptions{
		{}, {force: true}, {force: true, why: why, command: "canary"}, {command: "canary", file: "f.sql"}, {write: true, json: true, file: "my file.sql"},
		{command: "canary", file: "f.sql", why: why, write: true},
	} {
		o := refused
		o.Env = "production"
		line := console.NextOf(o.Check(p))
		var again DatabaseOptions
		if rest := typed(t, line, again.Declare); len(rest) > 0 {
			t.Errorf("%+v, next %s: %q", refused, line, rest)
		}
		if err := again.Check(p); err != nil {
			t.Errorf("%+v, next %s: %v", refused, line, err)
		}
		if refused.why != "" && again.why != why || refused.write && !again.write || refused.json != again.json || refused.file != again.file || strings.Contains(line, "canary") {
			t.Errorf("%+v, next %s", refused, line)
		}
	}
}
