package iam

import (
	_ "embed"
	"fmt"
	"net/url"
	"strings"
	"sync"
)

//go:embed table.tsv
var source string

// row is one question that a call asks.
type row struct {
	action, resource string
	keys             []string
	when             string
}

// routeRow maps a method and path to an operation.
type routeRow struct {
	service, method, path string
	query                 []string
	operation             string
}

type tables struct {
	calls  map[string][]row // by "service.Operation"
	routes []routeRow
}

// table is the parsed embedded table. A table that cannot be parsed is a bug.
var table = sync.OnceValue(func() tables {
	t, err := parseTable(source)
	if err != nil {
		panic(err)
	}
	return t
})

func parseTable(text string) (tables, error) {
	t := tables{calls: map[string][]row{}}
	for i, line := range strings.Split(text, "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		columns := strings.Split(line, "\t")
		if service, ok := strings.CutPrefix(columns[0], "route "); ok && len(columns) == 4 {
			path, query, _ := strings.Cut(columns[2], "?")
			r := routeRow{service: service, method: columns[1], path: path, operation: columns[3]}
			if query != "" {
				r.query = strings.Split(query, "&")
			}
			t.routes = append(t.routes, r)
			continue
		}
		if len(columns) > 5 {
			return t, fmt.Errorf("table of calls, line %d: %d columns: %q", i+1, len(columns), line)
		}
		columns = append(columns, "", "", "", "")[:5]
		r := row{action: columns[1], resource: columns[2], when: columns[4]}
		if columns[3] != "" {
			r.keys = strings.Split(columns[3], ";")
		}
		for call := range strings.SplitSeq(columns[0], " ") {
			t.calls[call] = append(t.calls[call], r)
		}
	}
	return t, nil
}

// match compares a path with the row's: {name} stands for one part and {name+}
// for the rest.
func (r routeRow) match(path string, query url.Values) (map[string]string, bool) {
	for _, q := range r.query {
		if !query.Has(q) {
			return nil, false
		}
	}
	want, have := strings.Split(strings.Trim(r.path, "/"), "/"), strings.Split(strings.Trim(path, "/"), "/")
	values := map[string]string{}
	for i, w := range want {
		name, placeholder := strings.CutPrefix(w, "{")
		rest := strings.HasSuffix(name, "+}")
		name = strings.TrimRight(name, "+}")
		switch {
		case i >= len(have) || placeholder && have[i] == "":
			return nil, false
		case rest:
			values[name] = strings.Join(have[i:], "/")
			return values, true
		case placeholder:
			values[name] = have[i]
		case w != have[i]:
			return nil, false
		}
	}
	return values, len(have) == len(want)
}

// Account answers what questions depend on besides the request.
type Account interface {
	// Resolve returns the ARNs that a value stands for, by a template's
	// filter: the "role" of that name, the "roles" that a task definition
	// names, the resources that an EC2 "association" joins, the "scalable"
	// target of a service. It returns none if there is no such thing.
	Resolve(filter, value string) []string
	// Tags returns a resource's tags, for services whose policies have
	// conditions on them.
	Tags(arn string) map[string]string
}

// Unknown is the error for a call that is not in the table.
type Unknown struct{ Service, Operation string }

func (u Unknown) Error() string {
	return fmt.Sprintf("the table of calls to IAM actions (tfpipeline/internal/localaws/iam/table.tsv) lacks %s.%s", u.Service, u.Operation)
}

// Questions lists the questions that a call asks IAM. missing says that the
// object does not exist, which AWS reveals only to callers that may list.
func Questions(c Call, region, account string, a Account, missing bool) ([]Question, error) {
	rows, ok := table().calls[c.Service+"."+c.Operation]
	if !ok {
		return nil, Unknown{c.Service, c.Operation}
	}
	t := templates{c, region, account, a}
	var all []Question
	asks := false
	for _, r := range rows {
		if r.action == "" || (r.when == "missing") != missing || !t.applies(r.when) {
			continue
		}
		asks = true
		service, _, _ := strings.Cut(r.action, ":")
		for _, resource := range t.resources(service, r.resource) {
			q := Question{Action: r.action, Resource: resource, Keys: map[string][]string{}}
			for _, k := range r.keys {
				t.key(q, k)
			}
			all = append(all, q)
		}
	}
	if asks && len(all) == 0 && !missing {
		return nil, Unknown{c.Service, c.Operation + " without the names of what it is about"}
	}
	return all, nil
}
