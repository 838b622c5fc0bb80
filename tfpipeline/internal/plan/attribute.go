package plan

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	tfjson "github.com/hashicorp/terraform-json"

	"github.com/specboard/platform/tfpipeline/internal/redact"
)

// Attribute is one value that changes, ready to be shown: what must stay
// hidden is already replaced.
type Attribute struct {
	// Path is the attribute's, such as ingress[0].port.
	Path string
	// Before and After are values as HCL would write them; "" is none.
	Before, After string
	// Forces says that this value cannot change in place.
	Forces bool
}

const (
	hidden  = "(hidden)"
	unknown = "(known after apply)"
)

// Hidden reports whether the value that changes may not be shown.
func (a Attribute) Hidden() bool { return a.Before == hidden && a.After == hidden }

// Empty reports whether the change means nothing: from one form of "not set"
// to another, or from "not set" to a value that AWS fills in.
func (a Attribute) Empty() bool {
	none := func(v string) bool { return v == "" || v == `""` || v == "[]" || v == "{}" }
	return !a.Forces && none(a.Before) && (none(a.After) || a.After == unknown)
}

// Attributes lists what changes inside a resource, by path. Creations and
// deletions change everything, so they list nothing.
func (c Change) Attributes() []Attribute {
	if c.Raw == nil || !c.Action.changes() {
		return nil
	}
	w := walker{kind: c.Type, replaced: c.Action != Update && c.Action != Deferred}
	w.walk("", c.Raw.Before, c.Raw.After, c.Raw.BeforeSensitive, c.Raw.AfterSensitive, c.Raw.AfterUnknown)
	for i, a := range w.found {
		w.found[i].Forces = slices.ContainsFunc(c.ReplacePaths, func(p string) bool {
			return a.Path == p || strings.HasPrefix(a.Path, p+".") || strings.HasPrefix(a.Path, p+"[") || strings.HasPrefix(a.Path, p+" ")
		})
	}
	w.found = slices.DeleteFunc(w.found, func(a Attribute) bool { return slices.Contains(c.accepted, a.Path) })
	if c.Action == Revise {
		// Every configured argument causes a new revision; AWS fills in the
		// rest.
		w.found = slices.DeleteFunc(w.found, func(a Attribute) bool { return a.After == unknown && !a.Forces })
		for i := range w.found {
			w.found[i].Forces = false
		}
	}
	return w.found
}

// walker compares two values, with the marks (unknown, sensitive) that
// Terraform gives for each.
type walker struct {
	kind string
	// replaced says that the resource is replaced: then its id and ARN are not
	// listed, since they always change.
	replaced bool
	found    []Attribute
}

func (w *walker) walk(path string, before, after, beforeSensitive, afterSensitive, afterUnknown any) {
	if afterUnknown == true {
		if computed := slices.Contains(volatile, path); !computed || before != nil && !w.replaced {
			w.add(path, w.show(path, before, beforeSensitive == true), unknown)
		}
		return
	}
	if beforeSensitive == true || afterSensitive == true {
		if !reflect.DeepEqual(before, after) {
			w.add(path, w.show(path, before, true), w.show(path, after, true))
		}
		return
	}
	if w.kind == "aws_ecs_task_definition" && path == "container_definitions" {
		w.found = append(w.found, containerChanges(path, before, after)...)
		return
	}
	b, a := decoded(before), decoded(after)
	bm, bIsMap := b.(map[string]any)
	am, aIsMap := a.(map[string]any)
	bl, bIsList := b.([]any)
	al, aIsList := a.([]any)
	switch {
	case (bIsMap || b == nil) && (aIsMap || a == nil) && (bIsMap || aIsMap):
		keys := maps.Clone(bm)
		if keys == nil {
			keys = map[string]any{}
		}
		maps.Copy(keys, am)
		for k := range asMap(afterUnknown) {
			keys[k] = nil
		}
		for _, k := range slices.Sorted(maps.Keys(keys)) {
			w.walk(join(path, k), bm[k], am[k], at(beforeSensitive, k), at(afterSensitive, k), at(afterUnknown, k))
		}
	case (bIsList || b == nil) && (aIsList || a == nil) && (bIsList || aIsList):
		for i := range max(len(bl), len(al)) {
			w.walk(path+"["+strconv.Itoa(i)+"]", item(bl, i), item(al, i), atIndex(beforeSensitive, i), atIndex(afterSensitive, i), atIndex(afterUnknown, i))
		}
	case empty(before) && empty(after):
		// The provider writes an argument that is not set in either form.
	case !reflect.DeepEqual(before, after):
		w.add(path, w.show(path, before, false), w.show(path, after, false))
	}
}

func (w *walker) add(path, before, after string) {
	w.found = append(w.found, Attribute{Path: path, Before: before, After: after})
}

func empty(v any) bool { return v == nil || v == "" }

// show returns a value as text, or a placeholder if it must stay hidden.
func (w *walker) show(path string, v any, sensitive bool) string {
	if v == nil {
		return ""
	}
	if sensitive || redact.HidesValue(w.kind, path, v) {
		return hidden
	}
	switch v := v.(type) {
	case string:
		return strconv.Quote(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	default:
		b, err := json.Marshal(v)
		if err != nil {
			return fmt.Sprint(v)
		}
		return string(b)
	}
}

// decoded parses a string that holds a JSON document, such as a policy.
func decoded(v any) any {
	s, ok := v.(string)
	if !ok || !strings.HasPrefix(s, "{") && !strings.HasPrefix(s, "[") {
		return v
	}
	var out any
	if json.Unmarshal([]byte(s), &out) != nil {
		return v
	}
	return out
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func asMap(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

// at returns the marks of one key of a map. A mark on the whole map applies to
// every key.
func at(marks any, key string) any {
	if marks == true {
		return true
	}
	return asMap(marks)[key]
}

func atIndex(marks any, i int) any {
	if marks == true {
		return true
	}
	l, _ := marks.([]any)
	return item(l, i)
}

func item(l []any, i int) any {
	if i < len(l) {
		return l[i]
	}
	return nil
}

// Field reads one top-level attribute before and after a change.
func field[T any](c *tfjson.Change, name string) (before, after T) {
	before, _ = asMap(c.Before)[name].(T)
	after, _ = asMap(c.After)[name].(T)
	return before, after
}
