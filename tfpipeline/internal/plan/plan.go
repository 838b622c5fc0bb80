// Package plan is a Terraform plan as data: what would change, why, and
// whether it may. It reads the plan's JSON, and never relies on its text or on
// an exit code alone.
package plan

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	tfjson "github.com/hashicorp/terraform-json"
)

// Action is what happens to one resource.
type Action string

// The actions, in the order of how much they matter to a reader.
const (
	Delete  Action = "delete"
	Replace Action = "replace"
	Forget  Action = "forget"
	Update  Action = "update"
	// Revise registers a new revision of a task definition; the old one stays,
	// as skip_destroy asks for, though Terraform calls it a replacement.
	Revise Action = "revise"
	Create Action = "create"
	Import Action = "import"
	Move   Action = "move"
	Read   Action = "read"
	// Deferred: AWS has accepted the change and makes it in the maintenance
	// window.
	Deferred Action = "deferred"
)

// Actions lists all actions in that order.
func Actions() []Action {
	return []Action{Delete, Replace, Forget, Update, Revise, Create, Import, Move, Read, Deferred}
}

// Destructive reports whether the action removes an existing resource.
func (a Action) Destructive() bool { return a == Delete || a == Replace || a == Forget }

// changes reports whether there are values before and after to compare.
func (a Action) changes() bool { return a == Update || a == Revise || a == Replace || a == Deferred }

// idle reports whether an apply would do nothing for it.
func (a Action) idle() bool { return a == Read || a == Deferred }

// Plan is the plan of one root.
type Plan struct {
	// Root is the root's name: shared, or an environment.
	Root string
	// Changes are the resources that would change, by address.
	Changes []Change
	// Outputs are the names of outputs that change, sorted.
	Outputs []string
	// Drift is what changed outside of Terraform since the last apply.
	Drift []Change
	// Gone are the outermost modules, such as module.mcp, that lose all of
	// their resources; sorted.
	Gone []string
	// Errored says that the plan is incomplete. It shows what Terraform could
	// not plan, and cannot be applied.
	Errored bool
}

// Change is the planned change of one resource.
type Change struct {
	Address string
	// PreviousAddress is where the resource was before it moved.
	PreviousAddress string
	// Type is the resource's, such as aws_db_instance.
	Type   string
	Action Action
	// CreateBeforeDestroy says that the replacement exists before the old
	// resource is removed.
	CreateBeforeDestroy bool
	// Reason is Terraform's reason in words; "" if it gives none.
	Reason string
	// ReplacePaths are the attributes that force a replacement.
	ReplacePaths []string
	// accepted are attributes that something else than Terraform may change.
	accepted []string
	// Raw is the change with all its values, sensitive ones included: for
	// judging, not for showing.
	Raw *tfjson.Change
}

// Parse reads the output of terraform show -json for a saved plan.
func Parse(root string, showJSON []byte) (*Plan, error) {
	var p tfjson.Plan
	if err := json.Unmarshal(showJSON, &p); err != nil {
		return nil, fmt.Errorf("read the plan of %s: %w", root, err)
	}
	// terraform-json does not decode this field.
	var flags struct{ Errored bool }
	if err := json.Unmarshal(showJSON, &flags); err != nil {
		return nil, fmt.Errorf("read the plan of %s: %w", root, err)
	}
	out := &Plan{Root: root, Errored: flags.Errored}
	for _, c := range p.ResourceChanges {
		if ch, ok := change(c); ok {
			out.Changes = append(out.Changes, ch)
		}
	}
	out.Gone = gone(p.ResourceChanges)
	for _, c := range p.ResourceDrift {
		if ch, ok := change(c); ok && (ch.Action != Update || len(moved(ch)) > 0) {
			out.Drift = append(out.Drift, ch)
		}
	}
	for name, c := range p.OutputChanges {
		if !c.Actions.NoOp() {
			out.Outputs = append(out.Outputs, name)
		}
	}
	slices.Sort(out.Outputs)
	byAddress := func(a, b Change) int { return strings.Compare(a.Address, b.Address) }
	slices.SortStableFunc(out.Changes, byAddress)
	slices.SortStableFunc(out.Drift, byAddress)
	return out, nil
}

// gone returns the outermost modules whose resources are all deleted.
func gone(changes []*tfjson.ResourceChange) []string {
	stays := map[string]bool{}
	for _, c := range changes {
		m := Module(c.Address)
		if m == "" || c.Mode == tfjson.DataResourceMode || c.Change == nil || c.Change.Actions.Read() {
			continue
		}
		stays[m] = stays[m] || !c.Change.Actions.Delete()
	}
	var out []string
	for m, some := range stays {
		if !some {
			out = append(out, m)
		}
	}
	slices.Sort(out)
	return out
}

// Module is the outermost module of an address, with its key; "" is none.
func Module(address string) string {
	rest, ok := strings.CutPrefix(address, "module.")
	if !ok {
		return ""
	}
	end := strings.IndexAny(rest, ".[")
	if end < 0 {
		return ""
	}
	if rest[end] == '[' {
		// A key in quotes may hold any character; its syntax is Go's.
		if strings.HasPrefix(rest[end:], `["`) {
			if quoted, err := strconv.QuotedPrefix(rest[end+1:]); err == nil {
				return "module." + rest[:end+1+len(quoted)+1]
			}
		}
		if i := strings.IndexByte(rest[end:], ']'); i >= 0 {
			return "module." + rest[:end+i+1]
		}
	}
	return "module." + rest[:end]
}

// change classifies one change; false means that the plan does nothing.
func change(c *tfjson.ResourceChange) (Change, bool) {
	out := Change{
		Address:         c.Address,
		PreviousAddress: c.PreviousAddress,
		Type:            c.Type,
		Reason:          reason(c.ActionReason),
		Raw:             c.Change,
	}
	if c.DeposedKey != "" {
		out.Address += " (deposed " + c.DeposedKey + ")"
	}
	if c.Change == nil {
		return out, false
	}
	for _, p := range c.Change.ReplacePaths {
		out.ReplacePaths = append(out.ReplacePaths, attributePath(p))
	}
	a := c.Change.Actions
	has := func(want tfjson.Action) bool { return slices.Contains(a, want) }
	switch {
	case has(tfjson.ActionCreate) && has(tfjson.ActionDelete) && staysRegistered(c):
		out.Action, out.CreateBeforeDestroy = Revise, true
		out.Reason = "" // everybody knows that a task definition cannot change in place
	case has(tfjson.ActionCreate) && has(tfjson.ActionDelete):
		out.Action, out.CreateBeforeDestroy = Replace, a[0] == tfjson.ActionCreate
	case has(tfjson.ActionCreate) && has(tfjson.ActionForget):
		// The old object stays, and Terraform no longer manages it.
		out.Action = Replace
	case has(tfjson.ActionDelete):
		out.Action = Delete
	case has(tfjson.ActionForget):
		out.Action = Forget
	case has(tfjson.ActionCreate):
		out.Action = Create
	case has(tfjson.ActionUpdate):
		out.Action = Update
	case has(tfjson.ActionRead):
		out.Action = Read
	case c.Change.Importing != nil:
		out.Action = Import
	case c.PreviousAddress != "" && c.PreviousAddress != c.Address:
		out.Action = Move
	default:
		return out, false
	}
	return out, true
}

// staysRegistered reports whether the old revision of a task definition stays
// registered when it is replaced, as its own skip_destroy says.
func staysRegistered(c *tfjson.ResourceChange) bool {
	return c.Type == "aws_ecs_task_definition" && c.DeposedKey == "" && asMap(c.Change.Before)["skip_destroy"] == true
}

// reasons are Terraform's action reasons in words.
var reasons = map[tfjson.ActionReason]string{
	"replace_because_cannot_update":     "an attribute cannot be changed in place",
	"replace_because_tainted":           "an earlier attempt to create it failed",
	"replace_by_request":                "asked for",
	"replace_by_triggers":               "something it depends on is replaced",
	"delete_because_no_resource_config": "it is no longer in the configuration",
	"delete_because_wrong_repetition":   "its count or for_each changed its kind",
	"delete_because_count_index":        "the count became smaller",
	"delete_because_each_key":           "its key is no longer in for_each",
	"delete_because_no_module":          "its module is no longer in the configuration",
	"delete_because_no_move_target":     "the target of its move does not exist",
	"read_because_config_unknown":       "its arguments are known at apply only",
	"read_because_dependency_pending":   "something it depends on changes",
	"read_because_check_nested":         "a check needs it",
}

func reason(r tfjson.ActionReason) string {
	if r == "" {
		return ""
	}
	if words, ok := reasons[r]; ok {
		return words
	}
	return strings.ReplaceAll(string(r), "_", " ")
}

// attributePath writes a path such as ["ingress", 0, "port"] as ingress[0].port.
func attributePath(path any) string {
	steps, ok := path.([]any)
	if !ok {
		return fmt.Sprint(path)
	}
	var b strings.Builder
	for _, s := range steps {
		switch s := s.(type) {
		case string:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(s)
		default:
			fmt.Fprintf(&b, "[%v]", s)
		}
	}
	return b.String()
}

// Deferred returns the changes that AWS has accepted and will make later.
func (p *Plan) Deferred() []Change {
	return slices.DeleteFunc(slices.Clone(p.Changes), func(c Change) bool { return c.Action != Deferred })
}

// Counts returns the number of resources for each action, without reads and
// deferred changes.
func (p *Plan) Counts() map[Action]int {
	counts := map[Action]int{}
	for _, c := range p.Changes {
		if !c.Action.idle() {
			counts[c.Action]++
		}
	}
	return counts
}

// Empty reports whether an apply would change nothing: no resource, no output,
// no move.
func (p *Plan) Empty() bool {
	return !p.Errored && len(p.Counts()) == 0 && len(p.Outputs) == 0
}

// StateOnly reports whether an apply is needed that changes only the state:
// moves, imports, forgotten resources, outputs.
func (p *Plan) StateOnly() bool {
	if p.Errored || p.Empty() {
		return false
	}
	for _, c := range p.Changes {
		switch c.Action {
		case Create, Update, Revise, Replace, Delete:
			return false
		}
	}
	return true
}
