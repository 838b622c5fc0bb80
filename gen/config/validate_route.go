package config

import (
	"regexp"
	"slices"
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

// router collects the routes of all services and redirects, in order.
type router struct {
	*checker
	defaultService string
	priorities     map[int]string // who has it, as a problem names it
	patterns       map[[2]string]string
	routes         []route
	sound          map[int]bool // priorities of the redirects without a problem
}

// route is one pattern at one host.
type route struct {
	path     string
	owner    string // as a problem names it
	host     string // below the environment's own name; "" is that name
	pattern  string
	priority int
}

func newRouter(c *checker) *router {
	return &router{checker: c, priorities: map[int]string{}, patterns: map[[2]string]string{}, sound: map[int]bool{}}
}

// service checks the routes of one service against those seen before.
func (r *router) service(path string, s Service) {
	r.routesOf(path, s)
	switch {
	case s.Default:
		r.must(len(s.Routes) == 0, path+".routes", literal(plural(len(s.Routes), "route")),
			"of the default service have no effect: it answers whatever no other service does", literal("Routes: nil"))
		r.must(len(s.Hosts) == 0, path+".hosts", literal(plural(len(s.Hosts), "name")),
			"of the default service have no effect: it answers at the environment's own name", literal("Hosts: nil"))
		r.must(s.Priority == 0, path+".priority", s.Priority,
			"has no effect: the default service is matched last", 0)
		r.must(r.defaultService == "", path+".default", true,
			"makes a second default service beside "+show(r.defaultService), false)
		if r.defaultService == "" {
			r.defaultService = s.Name
			r.routes = append(r.routes, route{path + ".default", show(s.Name), "", anyPath, lastPriority})
		}
	case !s.Public():
		r.must(s.Priority == 0, path+".priority", s.Priority, "has no effect: the service has no routes", 0)
	default:
		r.priority(path, s.Priority, show(s.Name))
	}
}

// priority checks that of a listener rule.
func (r *router) priority(path string, n int, owner string) bool {
	if !r.must(n >= 1 && n < lastPriority, path+".priority", n,
		"is not the priority of a listener rule, 1 to 49999 (50000 is the default service's)", r.freePriority()) {
		return false
	}
	for _, e := range r.Environments {
		if !r.must(n != wwwPriority || e.WWW == "", path+".priority", n, "is the priority of www in "+show(e.Name)+" already", r.freePriority()) {
			return false
		}
	}
	other, taken := r.priorities[n]
	if r.must(!taken, path+".priority", n, "is the priority of "+other+" already", r.freePriority()) {
		r.priorities[n] = owner
	}
	return !taken
}

func (r *router) routesOf(path string, s Service) {
	r.atMost(path+".routes", len(s.Routes), "route", ruleValues, "a listener rule takes", literal("a pattern that covers several"))
	hosts := s.Hosts
	for i, host := range s.Hosts {
		at := indexed(path+".hosts", i)
		if r.host(at, host) {
			r.must(slices.Index(s.Hosts, host) == i, at, host, "is listed twice", nil)
		}
	}
	asked := len(s.Hosts) + len(s.Routes)
	for _, e := range r.Environments {
		if len(s.Hosts) == 0 && len(r.furtherLabels(e)) > 0 {
			asked = 1 + len(s.Routes)
		}
	}
	r.must(asked <= ruleValues || asked == len(s.Routes) || len(s.Routes) > ruleValues, path+".routes", literal(strconv.Itoa(asked)+" paths and hosts"),
		"are more than "+show(ruleValues)+", the most that a listener rule takes: it names the hosts too, and the environment's own where that has others", literal("a pattern that covers several"))
	r.absent(r.HasLoadBalancer(), len(s.Hosts) > 0, path+".hosts", nil, noDomain, literal(`Domain: "shop.io"`))
	if len(hosts) == 0 {
		hosts = []string{""}
	} else if len(s.Routes) == 0 && !s.Default {
		for i, host := range hosts {
			r.add(indexed(path+".hosts", i), show(s.Name), host, anyPath, s.Priority)
		}
	}
	wildcards := 0
	for i, pattern := range s.Routes {
		at := indexed(path+".routes", i)
		wildcards += strings.Count(pattern, "*") + strings.Count(pattern, "?")
		if !r.pattern(at, pattern) {
			continue
		}
		for _, host := range hosts {
			if !r.add(at, show(s.Name), host, pattern, s.Priority) {
				break
			}
		}
	}
	r.atMost(path+".routes", wildcards, "wildcard", ruleWildcards, "a listener rule takes", literal("fewer patterns"))
}

// pattern checks the form of a path pattern.
func (r *router) pattern(path, pattern string) bool {
	return r.must(routePattern.MatchString(pattern), path, pattern,
		`is not a path pattern: a slash, then letters, digits, wildcards (* and ?) and any of _-.$/~"'@:+&`, "/api/*") &&
		r.must(len(pattern) <= patternLength, path, pattern, "is longer than 128 characters, the most that a path pattern has", "/api/*")
}

// add notes a pattern at a host, unless another one has it.
func (r *router) add(path, owner, host, pattern string, priority int) bool {
	other, taken := r.patterns[[2]string{host, pattern}]
	where := ""
	if host != "" {
		where = " at " + host
	}
	if r.must(!taken, path, pattern, "is a route of "+other+where+" already", nil) {
		r.patterns[[2]string{host, pattern}] = owner
		r.routes = append(r.routes, route{path, owner, host, pattern, priority})
	}
	return !taken
}

func (r *router) freePriority() int {
	free := 100
	for r.priorities[free] != "" {
		free += 100
	}
	return free
}

// unreachable finds routes that can never match, because a route of another
// service, or a redirect, that is looked at earlier takes every such path.
func (r *router) unreachable() {
	if len(r.routes) > listenerRules*ruleValues {
		return // More than a load balancer takes; reported as such.
	}
	for _, later := range r.routes {
		for _, earlier := range r.routes {
			if earlier.owner != later.owner && earlier.host == later.host && earlier.priority < later.priority && covers(earlier.pattern, later.pattern) {
				r.must(false, later.path, later.pattern, "is never reached: route "+show(earlier.pattern)+" of "+
					earlier.owner+" takes every such path at the lower priority "+strconv.Itoa(earlier.priority), nil)
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
