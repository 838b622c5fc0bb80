package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Summary is what a reviewer approved, small enough for a hidden marker in a
// comment: each address with its action and a digest of the change. It holds
// no value.
type Summary map[string]string

// volatile attributes differ between two plans of the same change.
var volatile = []string{"id", "arn", "revision", "arn_without_revision", "tags_all", "task_definition", "latest_restorable_time", "qualified_arn"}

// Summary condenses the plan.
func (p *Plan) Summary() Summary {
	s := Summary{}
	for _, c := range p.Changes {
		if c.Action.idle() {
			continue
		}
		s[c.Address] = string(c.Action) + ":" + digest(content(c))
	}
	for _, o := range p.Outputs {
		s["output."+o] = "change"
	}
	return s
}

// Fingerprint identifies what a plan would do. It is the same on every machine
// and in every run, and differs as soon as the plan would do anything else.
// Neither it nor the summary depends on a hidden value, so nobody can guess
// one from it.
func (p *Plan) Fingerprint() string { return p.Summary().Fingerprint(p.Root) }

// Fingerprint is the fingerprint of a root's plan with this summary.
func (s Summary) Fingerprint(root string) string {
	var b strings.Builder
	b.WriteString(root + "\n")
	for _, address := range slices.Sorted(maps.Keys(s)) {
		b.WriteString(address + "\x00" + s[address] + "\n")
	}
	return digest(b.String())
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:10])
}

// content is a change as text: the differences for updates, revisions and
// replacements, and every known value for creations.
func content(c Change) string {
	var b strings.Builder
	b.WriteString(c.PreviousAddress)
	if c.Raw != nil {
		if c.Raw.Importing != nil {
			b.WriteString("\x00" + c.Raw.Importing.ID)
		}
		const containers = "container_definitions"
		marked := asMap(c.Raw.BeforeSensitive)[containers] == true || asMap(c.Raw.AfterSensitive)[containers] == true
		if c.Type == "aws_ecs_task_definition" && !marked {
			// The output leaves out the commands and variables of containers,
			// but a review covers them too. Secrets are only references there.
			before, after := field[string](c.Raw, containers)
			b.WriteString("\x00" + digest(before) + "\x00" + digest(after))
		}
	}
	if c.Action.changes() {
		for _, a := range c.Attributes() {
			if !slices.Contains(volatile, a.Path) {
				fmt.Fprintf(&b, "\x00%s\x00%s\x00%s", a.Path, a.Before, a.After)
			}
		}
		return b.String()
	}
	if c.Action == Create && c.Raw != nil {
		w := walker{kind: c.Type}
		w.walk("", nil, c.Raw.After, nil, c.Raw.AfterSensitive, nil)
		for _, a := range w.found {
			if !slices.Contains(volatile, a.Path) {
				fmt.Fprintf(&b, "\x00%s\x00%s", a.Path, a.After)
			}
		}
	}
	return b.String()
}

// Difference lists how a plan differs from the reviewed one, one line for each
// difference.
func Difference(reviewed Summary, now *Plan) []string {
	current := now.Summary()
	all := maps.Clone(reviewed)
	maps.Copy(all, current)
	var out []string
	for _, address := range slices.Sorted(maps.Keys(all)) {
		was, reviewedIt := reviewed[address]
		is, plannedIt := current[address]
		wasAction, _, _ := strings.Cut(was, ":")
		isAction, _, _ := strings.Cut(is, ":")
		switch {
		case !reviewedIt:
			out = append(out, fmt.Sprintf("%s: now to %s, and was not reviewed", address, isAction))
		case !plannedIt:
			out = append(out, fmt.Sprintf("%s: was reviewed to %s, and nothing happens to it now", address, wasAction))
		case wasAction != isAction:
			out = append(out, fmt.Sprintf("%s: was reviewed to %s, and is now to %s", address, wasAction, isAction))
		case was != is:
			out = append(out, fmt.Sprintf("%s: changes otherwise than reviewed", address))
		}
	}
	return out
}
