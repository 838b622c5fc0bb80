package config

import (
	"cmp"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	locationPart = 128 // characters of a redirect's host, path and query each
	// listenerRules is the most a load balancer has unless AWS raises it, and
	// certificateNames the same for a certificate.
	listenerRules    = 100
	certificateNames = 10
)

// redirects checks what the load balancer sends elsewhere.
func (r *router) redirects() {
	for i, d := range r.Redirects {
		path := indexed("redirects", i)
		if !r.absent(r.HasLoadBalancer(), true, path, nil, noDomain, literal(`Domain: "shop.io"`)) {
			continue
		}
		sound := d.Host == "" || r.host(path+".host", d.Host)
		sound = r.must(d.Status == 0 || d.Status == http.StatusMovedPermanently || d.Status == http.StatusFound, path+".status", d.Status,
			"is not 301 or 302, which a load balancer answers with", http.StatusMovedPermanently) && sound
		sound = r.location(path+".location", d.Location) && sound
		sound = r.priority(path, d.Priority, path) && sound
		pattern := cmp.Or(d.Path, anyPath)
		wildcards := strings.Count(d.Path, "*") + strings.Count(d.Path, "?")
		r.atMost(path+".path", wildcards, "wildcard", ruleWildcards, "a listener rule takes", nil)
		if r.pattern(path+".path", pattern) && r.add(path+".path", path, d.Host, pattern, d.Priority) && sound {
			r.sound[d.Priority] = true
		}
	}
}

var placeholder = regexp.MustCompile(`#\{(host|path|port|protocol|query)\}`)

// location checks the form of a redirect's Location.
func (r *router) location(path, location string) bool {
	const example = "https://{domain}/#{path}"
	plain := strings.ReplaceAll(location, "{domain}", "shop.io")
	l, ok := Redirect{Location: plain}.Parts()
	bare := placeholder.ReplaceAllString(plain, "")
	if !r.must(ok && isPath("/"+bare) && !strings.ContainsAny(bare, "#{}"), path, location,
		"is neither a path nor a URL of https, whose only placeholders are {domain}, #{host}, #{path}, #{port}, #{protocol} and #{query}", example) {
		return false
	}
	port, err := strconv.Atoi(l.Port)
	return r.must(!strings.Contains(l.Path, "#{protocol}") && !strings.Contains(l.Path, "#{query}"), path, location,
		"has a placeholder in its path that AWS replaces elsewhere only: a path takes #{host}, #{path} and #{port}", example) && r.must(l.Host == "" || strings.Contains(l.Host, "#{host}") || isDNS(l.Host, 1), path, location, "has no DNS name for its host", example) &&
		r.must(len(l.Host) <= locationPart && len(l.Path) <= locationPart && len(l.Query) <= locationPart, path, location,
			"has a host, a path or a query of more than 128 characters, the most that a redirect takes", example) &&
		r.must(l.Port == "" || err == nil && port <= 65535, path, location, "has no port for its port", example)
}

// host checks a name below an environment's. One that ends with the domain is meant as
// a whole name, but would be below the domain.
func (c *checker) host(path, host string) bool {
	label, whole := strings.CutSuffix(host, c.Domain)
	return c.must(c.Domain == "" || !whole, path, host, "is a whole DNS name, where only its labels below the environment's own belong", cmp.Or(strings.TrimSuffix(label, "."), "www")) &&
		c.must(isDNS(host, 1), path, host, dnsRule(host, "is not the labels of a DNS name in lower case, without the environment's"), "admin") &&
		c.must(isRegistrable(host), path, host, registrableRule, "admin")
}

// request is what a listener rule looks at.
type request struct{ host, path string }

// circles finds redirects that lead back to where they came from, in the first
// environment where they do.
func (r *router) circles() {
	if len(r.Redirects) > listenerRules {
		return // More than a load balancer takes; reported as such.
	}
	found := map[int]bool{}
	for _, e := range r.Environments {
		rule := r.rules(e)
		for i, d := range r.Redirects {
			if !r.sound[d.Priority] || found[i] {
				continue
			}
			host := r.Site(e)
			if d.Host != "" {
				host = r.HostBelow(e, d.Host)
			}
			for _, fill := range []string{"", "x"} {
				way, ends := follow(rule, request{host, strings.NewReplacer("*", fill, "?", "x").Replace(cmp.Or(d.Path, anyPath))}, len(r.Redirects)+2)
				if !found[i] && !ends {
					found[i] = true
					r.must(false, indexed("redirects", i)+".location", d.Location, "leads in a circle in "+show(e.Name)+": "+strings.Join(way[:min(len(way), 4)], " → "), nil)
				}
			}
		}
	}
}

// health finds a redirect of the page that a promotion asks for at the environment's
// address, following none.
func (r *router) health() {
	if len(r.Redirects) > listenerRules {
		return // More than a load balancer takes; reported as such.
	}
	for _, e := range r.Environments {
		rule := r.rules(e)
		for _, s := range r.Services {
			path, _, _ := strings.Cut(s.HealthPath, "?")
			if !s.Default || path == "" {
				continue
			}
			if d, sent := rule(request{r.Site(e), path}); sent {
				i := slices.IndexFunc(r.Redirects, func(o Redirect) bool { return o.Priority == d.Priority })
				r.must(false, indexed("redirects", i)+".path", d.Path, "sends "+path+" elsewhere in "+show(e.Name)+", where a promotion asks whether "+show(s.Name)+" is healthy", "/old/*")
				return
			}
		}
	}
}

// rules tells what the load balancer of an environment does with a request: ok is false
// if it does not redirect it.
func (r *router) rules(e Environment) func(request) (d Redirect, ok bool) {
	redirects := map[int]Redirect{}
	var routes []route
	for _, d := range r.RedirectsIn(e) {
		if r.sound[d.Priority] {
			redirects[d.Priority] = d
		} else if e.WWW != "" && d.Priority == wwwPriority {
			redirects[d.Priority] = d
			routes = append(routes, route{host: d.Host, pattern: anyPath, priority: d.Priority})
		}
	}
	for _, o := range r.routes {
		if o.host = r.HostBelow(e, o.host); o.host == r.Host(e) {
			o.host = r.Site(e)
		}
		routes = append(routes, o)
	}
	slices.SortStableFunc(routes, func(a, b route) int { return a.priority - b.priority })
	return func(at request) (Redirect, bool) {
		for _, o := range routes {
			if o.host == at.host && covers(o.pattern, at.path) {
				d, ok := redirects[o.priority]
				return d, ok
			}
		}
		return Redirect{}, false
	}
}

// follow lists the addresses that a request is sent to; ends is false if there are
// more than the steps.
func follow(rule func(request) (Redirect, bool), at request, steps int) (way []string, ends bool) {
	for range steps {
		way = append(way, at.String())
		next, ok := rule(at)
		if !ok {
			return way, true
		}
		at = next.follow(at)
	}
	return way, false
}

func (q request) String() string { return "https://" + q.host + q.path }

// follow is the request that a client makes when it is redirected. Both listeners end
// at the same rules, so protocol and port make no difference.
func (r Redirect) follow(at request) request {
	l, _ := r.Parts()
	fill := strings.NewReplacer("#{host}", at.host, "#{path}", strings.TrimPrefix(at.path, "/"), "#{port}", "443", "#{protocol}", "https", "#{query}", "")
	if l.Host != "" {
		at.host = fill.Replace(l.Host)
	}
	if l.Path != "" {
		at.path = fill.Replace(l.Path)
	}
	return at
}

// hosts checks the names of an environment against those of the others, and counts
// them and the rules of its load balancer.
func (c *checker) hosts(path string, e Environment) {
	at := path + ".www"
	if !c.absent(c.HasLoadBalancer(), e.WWW != "", at, e.WWW, noDomain, "") {
		return
	}
	if !c.must(e.WWW == "" || e.WWW == WWWRedirects || e.WWW == WWWServes, at, e.WWW, "is not a way of www: redirect, serve, or empty", WWWRedirects) {
		return
	}
	owners := map[string]string{}
	for i, s := range c.Services {
		for j, host := range s.Hosts {
			owners[host] = element("services", i, s.Name, firsts(c.Services, func(s Service) string { return s.Name })) + indexed(".hosts", j)
		}
	}
	for i, d := range c.Redirects {
		if d.Host != "" && owners[d.Host] == "" {
			owners[d.Host] = indexed("redirects", i) + ".host"
		}
	}
	c.must(e.WWW == "" || owners[www] == "", at, e.WWW, "makes the name www, which "+owners[www]+" has already", "")
	for _, host := range c.furtherLabels(e) {
		name, from := c.HostBelow(e, host), owners[host]
		if from == "" {
			from = at
		}
		if !isDNS(host, 1) {
			continue
		}
		c.must(len(name) <= patternLength, from, host, "makes a name of "+plural(len(name), "character")+" in "+show(e.Name)+", and a listener rule's may have 128", nil)
		for _, o := range c.Environments {
			if o.Name != e.Name {
				c.must(name != c.Host(o) && (o.Name >= e.Name || !slices.Contains(c.FurtherHosts(o), name)), from, host,
					"makes the name "+name+" in "+show(e.Name)+", which "+show(o.Name)+" has", nil)
			}
		}
	}
	n := 1 + len(c.furtherLabels(e))
	c.atMost(path, n, "name", certificateNames, "a certificate has: its own, those of Hosts and redirects, and www", nil)
	rules := len(c.RedirectsIn(e))
	for _, s := range c.Services {
		rules += one(s.Public())
	}
	c.atMost(path, rules, "listener rule", listenerRules, "a load balancer has: one for each public service, each redirect, and www", nil)
}
