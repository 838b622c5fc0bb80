package plan

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// containerChanges says what changed inside an ECS task definition: names and
// sizes, never the value of a variable.
func containerChanges(path string, before, after any) []Attribute {
	b, bOK := containers(before)
	a, aOK := containers(after)
	if !bOK || !aOK {
		if reflect.DeepEqual(before, after) {
			return nil
		}
		return []Attribute{{Path: path, Before: hidden, After: hidden}}
	}
	var out []Attribute
	names := maps.Clone(b)
	maps.Copy(names, a)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		old, was := b[name]
		now, is := a[name]
		at := path + " " + name
		switch {
		case !was:
			out = append(out, Attribute{Path: at, After: "added"})
		case !is:
			out = append(out, Attribute{Path: at, Before: "removed"})
		default:
			out = append(out, old.changes(at, now)...)
		}
	}
	return out
}

// containerDefinition is a container as JSON, with its variables by name.
type containerDefinition struct {
	plain                map[string]any
	environment, secrets map[string]string
}

func containers(v any) (map[string]containerDefinition, bool) {
	s, ok := v.(string)
	if v == nil {
		return map[string]containerDefinition{}, true
	}
	if !ok {
		return nil, false
	}
	var list []map[string]any
	if err := json.Unmarshal([]byte(s), &list); err != nil {
		return nil, false
	}
	out := map[string]containerDefinition{}
	for _, m := range list {
		name, _ := m["name"].(string)
		c := containerDefinition{plain: m, environment: pairs(m["environment"], "value"), secrets: pairs(m["secrets"], "valueFrom")}
		delete(m, "environment")
		delete(m, "secrets")
		out[name] = c
	}
	return out, true
}

func pairs(v any, value string) map[string]string {
	out := map[string]string{}
	l, _ := v.([]any)
	for _, e := range l {
		m := asMap(e)
		name, _ := m["name"].(string)
		out[name] = fmt.Sprint(m[value])
	}
	return out
}

// shown are the fields of a container whose values may be printed.
var shown = []string{"image", "cpu", "memory", "memoryReservation", "essential", "portMappings", "stopTimeout"}

func (c containerDefinition) changes(at string, now containerDefinition) []Attribute {
	var out []Attribute
	keys := maps.Clone(c.plain)
	maps.Copy(keys, now.plain)
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		b, a := c.plain[k], now.plain[k]
		if reflect.DeepEqual(b, a) || isNothing(b) && isNothing(a) {
			continue
		}
		if slices.Contains(shown, k) {
			out = append(out, Attribute{Path: at + " " + k, Before: compact(b), After: compact(a)})
		} else {
			out = append(out, Attribute{Path: at + " " + k, Before: hidden, After: hidden})
		}
	}
	out = append(out, variables(at+" env", c.environment, now.environment)...)
	return append(out, variables(at+" secrets", c.secrets, now.secrets)...)
}

// isNothing reports whether a value means "not set": AWS fills in empty lists.
func isNothing(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// variables counts and names the variables that were added, removed and
// changed.
func variables(at string, before, after map[string]string) []Attribute {
	var added, removed, changed []string
	for k, v := range after {
		if old, ok := before[k]; !ok {
			added = append(added, k)
		} else if old != v {
			changed = append(changed, k)
		}
	}
	for k := range before {
		if _, ok := after[k]; !ok {
			removed = append(removed, k)
		}
	}
	var parts []string
	for _, g := range []struct {
		sign  string
		names []string
	}{{"+", added}, {"−", removed}, {"~", changed}} {
		if len(g.names) > 0 {
			slices.Sort(g.names)
			parts = append(parts, fmt.Sprintf("%s%d (%s)", g.sign, len(g.names), strings.Join(g.names, ", ")))
		}
	}
	if len(parts) == 0 {
		return nil
	}
	return []Attribute{{Path: at, After: strings.Join(parts, " ")}}
}

func compact(v any) string {
	if v == nil {
		return ""
	}
	b, err := json.Marshal(v)
	if err != nil {
		return hidden
	}
	return string(b)
}
