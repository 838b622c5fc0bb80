package balancer

import (
	"net/http/httptest"
	"testing"
)

func TestWildcard(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"/api/*", "/api/users/1", true},
		{"/api/*", "/api/", true},
		{"/api/*", "/api", false},
		{"/mcp", "/mcp", true},
		{"/mcp", "/mcp/x", false},
		{"/*", "/", true},
		{"*", "", true},
		{"*.specboard.io", "staging.specboard.io", true},
		{"*.specboard.io", "specboard.io", false},
		{"/a?c", "/abc", true},
		{"/a?c", "/ac", false},
		{"/*/x/*/y", "/1/x/x/2/y", true},
		{"/*/x/*/y", "/1/x/x/2/z", false},
		{"/**", "/a", true},
		{"/API/*", "/api/x", false},
	} {
		if got := wildcard(c.pattern, c.text); got != c.want {
			t.Errorf("%q matches %q: %v", c.pattern, c.text, got)
		}
	}
}

func TestFind(t *testing.T) {
	l := Listener{Port: 443, Protocol: "HTTPS", Rules: []Rule{
		{Paths: []string{"/api/*", "/oauth/*"}, Action: Action{Fixed: &Fixed{Status: 1}}},
		{Paths: []string{"/admin"}, Hosts: []string{"Staging.*"}, Methods: []string{"GET"}, Action: Action{Fixed: &Fixed{Status: 2}}},
		{Action: Action{Fixed: &Fixed{Status: 3}}},
	}}
	for _, c := range []struct {
		method, url string
		want        int
	}{
		{"GET", "http://specboard.io/api/x?y=/admin", 1},
		{"POST", "http://specboard.io/oauth/token", 1},
		{"GET", "http://staging.specboard.io:8080/admin", 2},
		{"POST", "http://staging.specboard.io/admin", 3},
		{"GET", "http://specboard.io/admin", 3},
		{"GET", "http://specboard.io/", 3},
	} {
		rule, ok := l.find(httptest.NewRequest(c.method, c.url, nil))
		if !ok || rule.Action.Fixed.Status != c.want {
			t.Errorf("%s %s: rule %d, want %d", c.method, c.url, rule.Action.Fixed.Status, c.want)
		}
	}
	if _, ok := (Listener{}).find(httptest.NewRequest("GET", "http://x/", nil)); ok {
		t.Error("a listener without rules has one")
	}
}

func TestRedirect(t *testing.T) {
	l := Listener{Port: 80, Protocol: "HTTP"}
	for _, c := range []struct {
		redirect  Redirect
		url, want string
	}{
		{Redirect{Protocol: "HTTPS", Port: "443"}, "http://specboard.io/a%20b?c=d", "https://specboard.io/a%20b?c=d"},
		{Redirect{Protocol: "#{protocol}", Host: "www.#{host}", Port: "#{port}", Path: "/x/#{path}", Query: "q=1&#{query}"}, "http://specboard.io:8080/a?c=d", "http://www.specboard.io:8080/x/a?q=1&c=d"},
		{Redirect{Path: "/moved"}, "http://specboard.io/a", "http://specboard.io/moved"},
	} {
		if got := c.redirect.target(l, httptest.NewRequest("GET", c.url, nil)); got != c.want {
			t.Errorf("%s to %s, want %s", c.url, got, c.want)
		}
	}
}

func TestPick(t *testing.T) {
	count := map[string]int{}
	for range 10000 {
		count[pick([]Weighted{{"a", 90}, {"b", 10}, {"c", 0}})]++
	}
	if count["c"] != 0 || count["b"] < 700 || count["b"] > 1300 {
		t.Errorf("%v", count)
	}
	if got := pick([]Weighted{{"a", 0}}); got != "" {
		t.Errorf("group %q", got)
	}
}
