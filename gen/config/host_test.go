package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
)

// hosted is the second fixture with names of its own: admin. below each
// environment's, www in production.
func hosted() config.Platform {
	p := configtest.Docs()
	p.Services = append(p.Services, config.Service{Name: "admin", Port: 3005, Hosts: []string{"admin"}, Priority: 300, HealthPath: "/health"})
	p.Redirects = []config.Redirect{
		{Path: "/blog/*", Location: "https://blog.example/#{path}", Priority: 10},
		{Host: "old", Location: "https://{domain}/#{path}", Status: 302, Priority: 20},
	}
	p.Environments[1].WWW = config.WWWRedirects
	return p
}

func TestHosts(t *testing.T) {
	t.Parallel()
	p := hosted()
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	staging, production := p.Environments[0], p.Environments[1]
	for _, c := range []struct {
		name      string
		got, want any
	}{
		{"names of staging", p.FurtherHosts(staging), []string{"admin.staging.specboard.io", "old.staging.specboard.io"}},
		{"names of production", p.FurtherHosts(production), []string{"admin.specboard.io", "old.specboard.io", "www.specboard.io"}},
		{"the rule of a service at a host", p.HostsOf(staging, p.Services[3]), []string{"admin.staging.specboard.io"}},
		{"the rule of a service beside hosts", p.HostsOf(production, p.Services[0]), []string{"specboard.io"}},
		{"the rule of a service without hosts", configtest.Docs().HostsOf(configtest.Docs().Environments[1], p.Services[0]), []string(nil)},
		{"redirects of production", p.RedirectsIn(production), []config.Redirect{
			{Host: "specboard.io", Path: "/blog/*", Location: "https://blog.example/#{path}", Status: 301, Priority: 10},
			{Host: "old.specboard.io", Location: "https://specboard.io/#{path}", Status: 302, Priority: 20},
			{Host: "www.specboard.io", Location: "https://specboard.io/#{path}", Status: 301, Priority: 49999},
		}},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
	production.WWW = config.WWWServes
	if got := p.URL(production) + " " + p.HostsOf(production, p.Services[1])[0] + " " + p.RedirectsIn(production)[2].Host; got != "https://www.specboard.io www.specboard.io specboard.io" {
		t.Errorf("the other way round: %s", got)
	}
}

// More routes at a host, and more redirects, leave the rules that are there alone.
func TestMoreRoutesMoveNoRule(t *testing.T) {
	t.Parallel()
	p := hosted()
	before := p.RedirectsIn(p.Environments[1])
	p.Redirects = append([]config.Redirect{{Path: "/a", Location: "/b", Priority: 5}}, p.Redirects...)
	p.Services = append(p.Services, config.Service{Name: "reports", Port: 3006, Hosts: []string{"admin"}, Routes: []string{"/reports/*"}, Priority: 290, HealthPath: "/health"})
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, p.RedirectsIn(p.Environments[1])[1:]); diff != "" {
		t.Errorf("rules of before (-before +after):\n%s", diff)
	}
}

func TestLocationParts(t *testing.T) {
	t.Parallel()
	for location, want := range map[string]config.Location{
		"/news":                               {Path: "/news"},
		"/news?from=old&#{query}":             {Path: "/news", Query: "from=old&#{query}"},
		"https://shop.io":                     {Protocol: "HTTPS", Host: "shop.io", Port: "443", Path: "/"},
		"https://shop.io:8443/x/#{path}":      {Protocol: "HTTPS", Host: "shop.io", Port: "8443", Path: "/x/#{path}"},
		"https://#{host}/":                    {Protocol: "HTTPS", Host: "#{host}", Port: "443", Path: "/"},
		"https://a.shop.io/#{path}?#{query}x": {Protocol: "HTTPS", Host: "a.shop.io", Port: "443", Path: "/#{path}", Query: "#{query}x"},
	} {
		if got, ok := (config.Redirect{Location: location}).Parts(); !ok || got != want {
			t.Errorf("%s is %+v, %v", location, got, ok)
		}
	}
}

func TestInvalidHosts(t *testing.T) {
	t.Parallel()
	type P = config.Platform
	redirect := func(all ...config.Redirect) func(*P) {
		return func(p *P) {
			for i := range all {
				if all[i].Priority == 0 {
					all[i].Priority = 1000 + i
				}
			}
			p.Redirects = all
		}
	}
	at := func(hosts ...string) func(*P) {
		return func(p *P) { p.Services[2].Hosts = hosts }
	}
	checkInvalid(t, []invalid{
		{"name with capitals", at("Admin"), `services["mcp"].hosts[0]: "Admin" is not the labels of a DNS name in lower case, without the environment's; for example "admin"`},
		{"whole name", at("admin.specboard.io"), `services["mcp"].hosts[0]: "admin.specboard.io" is a whole DNS name, where only its labels below the environment's own belong; for example "admin"`},
		{"the domain", at("specboard.io"), `services["mcp"].hosts[0]: "specboard.io" is a whole DNS name, where only its labels below the environment's own belong; for example "www"`},
		{"name twice", at("admin", "admin"), `services["mcp"].hosts[1]: "admin" is listed twice
services["mcp"].routes[0]: "/mcp" is a route of "mcp" at admin already
services["mcp"].routes[1]: "/mcp/*" is a route of "mcp" at admin already`},
		{"name of another environment", at("staging"), `services["mcp"].hosts[0]: "staging" makes the name staging.specboard.io in "production", which "staging" has`},
		{"names of the default service", func(p *P) { p.Services[1].Hosts = []string{"www"} }, `services["frontend"].hosts: 1 name of the default service have no effect: it answers at the environment's own name; for example Hosts: nil`},
		{"a path at a host twice", func(p *P) {
			p.Services[0].Hosts, p.Services[0].Routes = []string{"x"}, nil
			p.Services[2].Hosts, p.Services[2].Routes = []string{"x"}, []string{"/*"}
		}, `services["mcp"].routes[0]: "/*" is a route of "api" at x already`},
		{"a route behind that of its host", func(p *P) {
			p.Services[0].Hosts, p.Services[0].Routes = []string{"x"}, nil
			p.Services[2].Hosts = []string{"x"}
			p.Services[2].Routes = []string{"/mcp"}
		}, `services["mcp"].routes[0]: "/mcp" is never reached: route "/*" of "api" takes every such path at the lower priority 100`},
		{"too many values", func(p *P) {
			p.Services[2].Hosts = []string{"a", "b", "c"}
			p.Services[2].Routes = []string{"/1", "/2", "/3"}
		}, `services["mcp"].routes: 6 paths and hosts are more than 5, the most that a listener rule takes: it names the hosts too, and the environment's own where that has others; for example a pattern that covers several`},
		{"no room for the environment's own name", func(p *P) {
			p.Services[2].Hosts = []string{"a"}
			p.Services[0].Routes = []string{"/1", "/2", "/3", "/4", "/5"}
		}, `services["api"].routes: 6 paths and hosts are more than 5, the most that a listener rule takes: it names the hosts too, and the environment's own where that has others; for example a pattern that covers several`},
		{"a name longer than a rule's", at(strings.Repeat("a.", 55) + "a"), `services["mcp"].hosts[0]: "` + strings.Repeat("a.", 55) + `a" makes a name of 132 characters in "staging", and a listener rule's may have 128`},
		{"more names than a certificate has", func(p *P) {
			for i := range 9 {
				p.Redirects = append(p.Redirects, config.Redirect{Host: fmt.Sprintf("h%d", i), Location: "https://{domain}/", Priority: 1000 + i})
			}
			p.Environments[1].WWW = "serve"
		}, `environments["production"]: 11 names are more than 10, the most that a certificate has: its own, those of Hosts and redirects, and www`},
		{"a way of www that there is not", func(p *P) { p.Environments[0].WWW = "yes" }, `environments["staging"].www: "yes" is not a way of www: redirect, serve, or empty; for example "redirect"`},
		{"www twice", func(p *P) { p.Environments[1].WWW = "redirect"; p.Services[2].Hosts = []string{"www"} },
			`environments["production"].www: "redirect" makes the name www, which services["mcp"].hosts[0] has already; for example ""`},
		{"the priority of www", func(p *P) { p.Environments[1].WWW = "redirect"; p.Services[2].Priority = 49999 },
			`services["mcp"].priority: 49999 is the priority of www in "production" already; for example 200`},
		{"more rules than a load balancer has", func(p *P) {
			for i := range 98 {
				p.Redirects = append(p.Redirects, config.Redirect{Path: fmt.Sprintf("/%d", i), Location: "/", Priority: 1000 + i})
			}
		}, `environments["staging"]: 101 listener rules are more than 100, the most that a load balancer has: one for each public service, each redirect, and www
environments["production"]: 101 listener rules are more than 100, the most that a load balancer has: one for each public service, each redirect, and www`},
		{"the page that a promotion asks for", redirect(config.Redirect{Path: "/health", Location: "/en"}), `redirects[0].path: "/health" sends /health elsewhere in "staging", where a promotion asks whether "frontend" is healthy; for example "/old/*"`},
		{"a status that is none", redirect(config.Redirect{Path: "/a", Location: "/b", Status: 307}), `redirects[0].status: 307 is not 301 or 302, which a load balancer answers with; for example 301`},
		{"no location", redirect(config.Redirect{Path: "/a"}), `redirects[0].location: "" is neither a path nor a URL of https, whose only placeholders are {domain}, #{host}, #{path}, #{port}, #{protocol} and #{query}; for example "https://{domain}/#{path}"`},
		{"a fragment", redirect(config.Redirect{Path: "/a", Location: "/b#c"}), `redirects[0].location: "/b#c" is neither a path nor a URL of https, whose only placeholders are {domain}, #{host}, #{path}, #{port}, #{protocol} and #{query}; for example "https://{domain}/#{path}"`},
		{"another scheme", redirect(config.Redirect{Path: "/a", Location: "ftp://x.io/"}), `redirects[0].location: "ftp://x.io/" is neither a path nor a URL of https, whose only placeholders are {domain}, #{host}, #{path}, #{port}, #{protocol} and #{query}; for example "https://{domain}/#{path}"`},
		{"less than HTTPS", redirect(config.Redirect{Path: "/old/*", Location: "http://legacy.acme.io/#{path}"}), `redirects[0].location: "http://legacy.acme.io/#{path}" is neither a path nor a URL of https, whose only placeholders are {domain}, #{host}, #{path}, #{port}, #{protocol} and #{query}; for example "https://{domain}/#{path}"`},
		{"less than HTTPS at the same host", redirect(config.Redirect{Path: "/old/*", Location: "http://#{host}/new"}), `redirects[0].location: "http://#{host}/new" is neither a path nor a URL of https, whose only placeholders are {domain}, #{host}, #{path}, #{port}, #{protocol} and #{query}; for example "https://{domain}/#{path}"`},
		{"a redirect's priority is a service's", redirect(config.Redirect{Path: "/a", Location: "/b", Priority: 100}), `redirects[0].priority: 100 is the priority of "api" already; for example 300`},
		{"two redirects of a path", redirect(config.Redirect{Path: "/a", Location: "/b"}, config.Redirect{Path: "/a", Location: "/c"}), `redirects[1].path: "/a" is a route of redirects[0] already`},
		{"a redirect behind a route", redirect(config.Redirect{Path: "/api/v1/*", Location: "/v2"}), `redirects[0].path: "/api/v1/*" is never reached: route "/api/*" of "api" takes every such path at the lower priority 100`},
		{"a redirect of everything", redirect(config.Redirect{Location: "https://other.example/", Priority: 1}), `services["api"].routes[0]: "/api/*" is never reached: route "/*" of redirects[0] takes every such path at the lower priority 1
services["api"].routes[1]: "/oauth/*" is never reached: route "/*" of redirects[0] takes every such path at the lower priority 1
services["api"].routes[2]: "/.well-known/*" is never reached: route "/*" of redirects[0] takes every such path at the lower priority 1
services["frontend"].default: "/*" is never reached: route "/*" of redirects[0] takes every such path at the lower priority 1
services["mcp"].routes[0]: "/mcp" is never reached: route "/*" of redirects[0] takes every such path at the lower priority 1
services["mcp"].routes[1]: "/mcp/*" is never reached: route "/*" of redirects[0] takes every such path at the lower priority 1
redirects[0].path: "/*" sends /health elsewhere in "staging", where a promotion asks whether "frontend" is healthy; for example "/old/*"`},
		{"a redirect to itself", redirect(config.Redirect{Path: "/a/*", Location: "/a/b"}), `redirects[0].location: "/a/b" leads in a circle in "staging": https://staging.specboard.io/a/ → https://staging.specboard.io/a/b → https://staging.specboard.io/a/b`},
		{"two redirects to each other", redirect(config.Redirect{Path: "/a", Location: "/b"}, config.Redirect{Path: "/b", Location: "https://{domain}/a"}),
			`redirects[0].location: "/b" leads in a circle in "staging": https://staging.specboard.io/a → https://staging.specboard.io/b → https://staging.specboard.io/a → https://staging.specboard.io/b
redirects[1].location: "https://{domain}/a" leads in a circle in "staging": https://staging.specboard.io/b → https://staging.specboard.io/a → https://staging.specboard.io/b → https://staging.specboard.io/a`},
		{"a redirect against www", func(p *P) {
			p.Environments[1].WWW = "redirect"
			p.Redirects = []config.Redirect{{Path: "/a", Location: "https://www.specboard.io/a", Priority: 1}}
		}, `redirects[0].location: "https://www.specboard.io/a" leads in a circle in "production": https://specboard.io/a → https://www.specboard.io/a → https://specboard.io/a`},
	})
}

func TestHostsWithoutADomain(t *testing.T) {
	t.Parallel()
	p := configtest.Mill()
	p.Redirects = []config.Redirect{{Path: "/a", Location: "/b", Priority: 1}}
	p.Environments[0].WWW = "redirect"
	want := `redirects[0]: has no effect: the platform has no load balancer while its domain is empty; for example Domain: "shop.io"
environments["test"].www: "redirect" has no effect: the platform has no load balancer while its domain is empty; for example ""`
	if diff := cmp.Diff(want, p.Validate().Error()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
