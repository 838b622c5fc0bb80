package config

import (
	"regexp"
	"strconv"
	"strings"
)

// Limits of one listener rule; a service has one rule.
const (
	ruleValues    = 5
	ruleWildcards = 5
	patternLength = 128
	// lastPriority is the highest there is; the default service has it.
	lastPriority = 50000
)

var (
	routePattern = regexp.MustCompile(`^/[A-Za-z0-9_.$/~"'@:+&*?-]*$`)
	pathPattern  = regexp.MustCompile(`^/[!-~]*$`)
)

// isPath reports whether s can be asked for by HTTP.
func isPath(s string) bool { return len(s) <= 1024 && pathPattern.MatchString(s) }

// router collects the routes of all services, in order.
type router struct {
	*checker
	defaultService string
	priorities     map[int]string
	patterns       map[string]string
	routes         []route
}

// route is one pattern of one service.
type route struct {
	path     string
	service  string
	pattern  string
	priority int
}

func newRouter(c *checker) *router {
	return &router{checker: c, priorities: map[int]string{}, patterns: map[string]string{}}
}

// service checks the routes of one service against those seen before.
func (r *router) service(path string, s Service) {
	r.patternsOf(path, s)
	switch {
	case s.Default:
		r.must(len(s.Routes) == 0, path+".routes", literal(plural(len(s.Routes), "route")),
			"of the default service have no effect: it answers whatever no other service does", literal("Routes: nil"))
		r.must(s.Priority == 0, path+".priority", s.Priority,
			"has no effect: the default service is matched last", 0)
		r.must(r.defaultService == "", path+".default", true,
			"makes a second default service beside "+show(r.defaultService), false)
		if r.defaultService == "" {
			r.defaultService = s.Name
		}
	case len(s.Routes) == 0:
		r.must(s.Priority == 0, path+".priority", s.Priority, "has no effect: the service has no routes", 0)
	default:
		if !r.must(s.Priority >= 1 && s.Priority < lastPriority, path+".priority", s.Priority,
			"is not the priority of a listener rule, 1 to 49999 (50000 is the default service's)", r.freePriority()) {
			return
		}
		owner, taken := r.priorities[s.Priority]
		if r.must(!taken, path+".priority", s.Priority, "is the priority of "+show(owner)+" already", r.freePriority()) {
			r.priorities[s.Priority] = s.Name
		}
	}
}

func (r *router) patternsOf(path string, s Service) {
	r.must(len(s.Routes) <= ruleValues, path+".routes", literal(plural(len(s.Routes), "route")),
		"are more than 5, the most that a listener rule takes", literal("a pattern that covers several"))
	wildcards := 0
	for i, pattern := range s.Routes {
		at := path + ".routes[" + strconv.Itoa(i) + "]"
		wildcards += strings.Count(pattern, "*") + strings.Count(pattern, "?")
		if !r.must(routePattern.MatchString(pattern), at, pattern,
			`is not a path pattern: a slash, then letters, digits, wildcards (* and ?) and any of _-.$/~"'@:+&`, "/api/*") ||
			!r.must(len(pattern) <= patternLength, at, pattern, "is longer than 128 characters, the most that a path pattern has", "/api/*") {
			continue
		}
		owner, taken := r.patterns[pattern]
		if r.must(!taken, at, pattern, "is a route of "+show(owner)+" already", nil) {
			r.patterns[pattern] = s.Name
			r.routes = append(r.routes, route{at, s.Name, pattern, s.Priority})
		}
	}
	r.must(wildcards <= ruleWildcards, path+".routes", literal(plural(wildcards, "wildcard")),
		"are more than 5, the most that a listener rule takes", literal("fewer patterns"))
}

func (r *router) freePriority() int {
	free := 100
	for r.priorities[free] != "" {
		free += 100
	}
	return free
}

// unreachable finds routes that can never match, because a route of another
// service that is looked at earlier takes every such path.
func (r *router) unreachable() {
	if len(r.routes) > 100*ruleValues {
		return // More than a load balancer takes; reported as such.
	}
	for _, later := range r.routes {
		for _, earlier := range r.routes {
			if earlier.service != later.service && earlier.priority < later.priority && covers(earlier.pattern, later.pattern) {
				r.must(false, later.path, later.pattern, "is never reached: route "+show(earlier.pattern)+" of "+
					show(earlier.service)+" takes every such path at the lower priority "+strconv.Itoa(earlier.priority), nil)
				break
			}
		}
	}
}

// covers reports whether a pattern matches everything that another one does.
// A wildcard of the other stands for itself: only a * can take in its *.
func covers(pattern, other string) bool {
	// The usual matching with one point to return to: the last star.
	p, o, star, from := 0, 0, -1, 0
	for o < len(other) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, o
			p++
		case p < len(pattern) && other[o] != '*' && (pattern[p] == '?' || pattern[p] == other[o]):
			p++
			o++
		case star >= 0:
			from++
			p, o = star+1, from
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
