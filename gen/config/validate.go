package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Problem is one rule that one field breaks.
type Problem struct {
	// Path leads to the field, such as `environments["staging"].network.cidr`.
	Path string
	// Value is what the field holds, as Go writes it; empty if the rule is
	// about several fields, or about something that is not there.
	Value string
	// Rule says what is wrong, as the rest of a sentence that Value begins.
	Rule string
	// Example is a value that keeps the rule; empty where none can be told
	// without knowing the rest of the platform.
	Example string
}

// String is the problem on one line.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.Path + ": ")
	if p.Value != "" {
		b.WriteString(p.Value + " ")
	}
	b.WriteString(p.Rule)
	if p.Example != "" {
		b.WriteString("; for example " + p.Example)
	}
	return b.String()
}

// Problems are all problems of a platform, in the order in which the platform
// declares its fields. It is the error that Validate returns.
type Problems []Problem

// Error lists the problems, one a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Validate checks everything that can be known without asking AWS. It returns
// nil or Problems, all of them at once. A platform that passes can be rendered, and
// neither terraform validate nor AWS refuses the form of the result.
func (p Platform) Validate() error {
	c := &checker{Platform: p}
	c.platform()
	c.services()
	c.tasks()
	c.secrets()
	c.queues()
	c.buckets()
	c.environments()
	if len(c.problems) == 0 {
		return nil
	}
	return c.problems
}

// checker applies the rules that need the rest of the platform.
type checker struct {
	Platform
	values
}

// values gathers problems, and applies the rules that a part of the platform keeps or
// breaks by itself.
type values struct{ problems Problems }

// literal is text that stands in a problem as it is, where a quoted string
// would read as a value.
type literal string

// must records a problem unless ok. A nil value or example is left out.
func (c *values) must(ok bool, path string, value any, rule string, example any) bool {
	if !ok {
		c.problems = append(c.problems, Problem{path, show(value), rule, show(example)})
	}
	return ok
}

// atMost checks how many elements there are. of says whose limit it is.
func (c *values) atMost(path string, n int, noun string, most int, of string, example any) {
	c.must(n <= most, path, literal(plural(n, noun)), "are more than "+show(most)+", the most that "+of, example)
}

// show writes a value as Go does; long text is cut, since one problem is one
// line.
func show(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case literal:
		return string(v)
	case string:
		const enough = 130
		if len(v) > enough {
			return strconv.Quote(v[:enough-30]+"…") + fmt.Sprintf(" (%d bytes)", len(v))
		}
		return strconv.Quote(v)
	case SecretKind:
		return show(string(v))
	case time.Duration:
		return v.String()
	default:
		return fmt.Sprint(v)
	}
}

// element is the path of a list's element: by name, or by its index where the
// name is missing or was used before.
func element(list string, index int, name string, used map[string]int) string {
	if first, ok := used[name]; name == "" || ok && first != index {
		return indexed(list, index)
	}
	return keyed(list, name)
}

// indexed is the path of what a list holds at an index.
func indexed(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// keyed is the path of what a map or list holds under a name.
func keyed(path, key string) string { return path + "[" + show(key) + "]" }

// firsts maps every name to the index where it stands first.
func firsts[E any](list []E, name func(E) string) map[string]int {
	m := make(map[string]int, len(list))
	for i, e := range list {
		if _, ok := m[name(e)]; !ok {
			m[name(e)] = i
		}
	}
	return m
}

// plural writes a count with its noun.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
