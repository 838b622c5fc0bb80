package localaws

import (
	"cmp"
	"encoding/xml"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// requestID stands in answers where AWS has one of its own.
const requestID = "00000000-0000-4000-8000-000000000000"

// answerQuery is an answer of the Query protocol: what it says stands in
// <OperationResult> of <OperationResponse>.
func answerQuery(c *call, namespace string, children ...*node) *reply {
	root := branch(c.operation+"Response",
		branch(c.operation+"Result", children...),
		branch("ResponseMetadata", leaf("RequestId", requestID)))
	root.attrs = []xml.Attr{{Name: xml.Name{Local: "xmlns"}, Value: namespace}}
	return &reply{http.StatusOK, http.Header{"Content-Type": {"text/xml"}}, root.encode()}
}

// objects reads a list of structures: Tags.Tag.1.Key, Tags.Tag.1.Value, … or,
// as EC2 writes it, Tag.1.Key. The order is that of the numbers.
func objects(form url.Values, name string) []url.Values {
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

// texts reads a list of strings: SubnetIds.SubnetIdentifier.1, …
func texts(form url.Values, name string) []string {
	var out []string
	for _, o := range objects(form, name) {
		out = append(out, o.Get(""))
	}
	return out
}

// isTrue reads a boolean parameter.
func isTrue(form url.Values, name string) bool { return strings.EqualFold(form.Get(name), "true") }

// number reads a numeric parameter, or gives fallback.
func number(form url.Values, name string, fallback int) int {
	if n, err := strconv.Atoi(form.Get(name)); err == nil {
		return n
	}
	return fallback
}
