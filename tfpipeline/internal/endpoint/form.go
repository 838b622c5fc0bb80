package endpoint

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Objects reads a list of structures: Tags.Tag.1.Key, Tags.Tag.1.Value, … or,
// in EC2's form, Tag.1.Key. It returns them in the order of their numbers.
func Objects(form url.Values, name string) []url.Values {
	found := map[int]url.Values{}
	for key, values := range form {
		rest, ok := strings.CutPrefix(key, name+".")
		if !ok {
			continue
		}
		parts := strings.Split(rest, ".")
		i, err := strconv.Atoi(parts[0])
		if err != nil && len(parts) > 1 {
			parts = parts[1:]
			i, err = strconv.Atoi(parts[0])
		}
		if err != nil {
			continue
		}
		if found[i] == nil {
			found[i] = url.Values{}
		}
		found[i][strings.Join(parts[1:], ".")] = values
	}
	type numbered struct {
		i int
		v url.Values
	}
	var all []numbered
	for i, v := range found {
		all = append(all, numbered{i, v})
	}
	slices.SortFunc(all, func(a, b numbered) int { return cmp.Compare(a.i, b.i) })
	out := make([]url.Values, len(all))
	for i, n := range all {
		out[i] = n.v
	}
	return out
}

// Texts reads a list of strings: SubnetIds.SubnetIdentifier.1, …
func Texts(form url.Values, name string) []string {
	var out []string
	for _, o := range Objects(form, name) {
		out = append(out, o.Get(""))
	}
	return out
}

// IsTrue reads a boolean parameter.
func IsTrue(form url.Values, name string) bool { return strings.EqualFold(form.Get(name), "true") }

// Number reads a numeric parameter; fallback is its default.
func Number(form url.Values, name string, fallback int) int {
	if n, err := strconv.Atoi(form.Get(name)); err == nil {
		return n
	}
	return fallback
}
