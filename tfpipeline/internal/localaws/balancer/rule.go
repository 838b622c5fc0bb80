package balancer

import (
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-condition-types.html

// find returns the first rule that matches a request.
func (l Listener) find(r *http.Request) (Rule, bool) {
	for _, rule := range l.Rules {
		if rule.matches(r) {
			return rule, true
		}
	}
	return Rule{}, false
}

func (u Rule) matches(r *http.Request) bool {
	one := func(patterns []string, text string) bool {
		return patterns == nil || slices.ContainsFunc(patterns, func(p string) bool { return wildcard(p, text) })
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	// Paths and methods are case-sensitive, host names are not.
	lower := make([]string, len(u.Hosts))
	for i, h := range u.Hosts {
		lower[i] = strings.ToLower(h)
	}
	if u.Hosts == nil {
		lower = nil
	}
	return one(u.Paths, r.URL.EscapedPath()) && one(lower, strings.ToLower(host)) && one(u.Methods, r.Method)
}

// wildcard matches a whole text: * stands for any characters, ? for one.
func wildcard(pattern, text string) bool {
	// After a mismatch, the last star takes one character more.
	p, t, star, mark := 0, 0, -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p++
			t++
		case star >= 0:
			mark++
			p, t = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// pick chooses one of the groups by weight.
func pick(groups []Weighted) string {
	total := 0
	for _, g := range groups {
		total += g.Weight
	}
	if total == 0 {
		return ""
	}
	n := rand.IntN(total)
	for _, g := range groups {
		if n < g.Weight {
			return g.Group
		}
		n -= g.Weight
	}
	return ""
}

// target is where a request is redirected to:
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-action-types.html#redirect-actions
func (d Redirect) target(l Listener, r *http.Request) string {
	host, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		host, port = r.Host, strconv.Itoa(l.Port)
	}
	fill := strings.NewReplacer(
		"#{protocol}", strings.ToLower(l.Protocol), "#{host}", host, "#{port}", port,
		"#{path}", strings.TrimPrefix(r.URL.EscapedPath(), "/"), "#{query}", r.URL.RawQuery)
	part := func(given, own string) string {
		if given == "" {
			given = own
		}
		return fill.Replace(given)
	}
	to := url.URL{
		Scheme:   strings.ToLower(part(d.Protocol, "#{protocol}")),
		Host:     part(d.Host, "#{host}"),
		RawQuery: part(d.Query, "#{query}"),
	}
	if p := part(d.Port, "#{port}"); p != standardPort(to.Scheme) {
		to.Host = net.JoinHostPort(to.Host, p)
	}
	text := to.String()
	path, query, ok := strings.Cut(text, "?")
	path += part(d.Path, "/#{path}")
	if ok {
		path += "?" + query
	}
	return path
}

func standardPort(scheme string) string {
	if scheme == "https" {
		return "443"
	}
	return "80"
}
