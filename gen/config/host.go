package config

import (
	"cmp"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// What Environment.WWW may be.
const (
	WWWRedirects = "redirect"
	WWWServes    = "serve"
)

const (
	www = "www"
	// wwwPriority is that of the redirect which Environment.WWW makes.
	wwwPriority = lastPriority - 1
	anyPath     = "/*"
)

// Site is the name at which services without Hosts answer.
func (p Platform) Site(e Environment) string {
	if e.WWW == WWWServes {
		return p.HostBelow(e, www)
	}
	return p.Host(e)
}

// HostBelow is a name below the environment's own; "" is its own.
func (p Platform) HostBelow(e Environment, host string) string {
	if host == "" {
		return p.Host(e)
	}
	return host + "." + p.Host(e)
}

// FurtherHosts are the DNS names of an environment besides its own, sorted.
func (p Platform) FurtherHosts(e Environment) (all []string) {
	for _, host := range p.furtherLabels(e) {
		all = append(all, p.HostBelow(e, host))
	}
	return all
}

// furtherLabels are what stands before the environment's own name in its FurtherHosts,
// sorted.
func (p Platform) furtherLabels(e Environment) (all []string) {
	for _, s := range p.Services {
		all = append(all, s.Hosts...)
	}
	for _, r := range p.Redirects {
		all = append(all, r.Host)
	}
	if e.WWW != "" {
		all = append(all, www)
	}
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(host string) bool { return host == "" })
}

// HostsOf are the hosts that a service's listener rule matches. None means every host:
// the environment has one name only.
func (p Platform) HostsOf(e Environment, s Service) (all []string) {
	for _, host := range s.Hosts {
		all = append(all, p.HostBelow(e, host))
	}
	if len(all) == 0 && len(p.furtherLabels(e)) > 0 {
		return []string{p.Site(e)}
	}
	return all
}

// RedirectsIn are the redirects of an environment, with that of its WWW. Their Hosts
// are whole names, and empty where the environment has one name only.
func (p Platform) RedirectsIn(e Environment) (all []Redirect) {
	for _, r := range p.Redirects {
		if r.Host != "" {
			r.Host = p.HostBelow(e, r.Host)
		} else if len(p.furtherLabels(e)) > 0 {
			r.Host = p.Site(e)
		} else if r.Path == "" {
			r.Path = anyPath
		}
		r.Location = strings.ReplaceAll(r.Location, "{domain}", p.Site(e))
		r.Status = cmp.Or(r.Status, http.StatusMovedPermanently)
		all = append(all, r)
	}
	if e.WWW != "" {
		from, to := p.HostBelow(e, www), p.Host(e)
		if e.WWW == WWWServes {
			from, to = to, from
		}
		all = append(all, Redirect{Host: from, Location: "https://" + to + "/#{path}", Status: http.StatusMovedPermanently, Priority: wwwPriority})
	}
	return all
}

// Location is the target of a redirect, in the parts that a listener rule has. Empty
// parts stay as in the request.
type Location struct{ Protocol, Host, Port, Path, Query string }

// locationPattern accepts no http URL: the rule belongs to the HTTPS listener, from
// which AWS redirects to HTTPS only.
var locationPattern = regexp.MustCompile(`^(?:(https)://([a-z0-9.-]+)(?::([1-9][0-9]{0,4}))?)?(/[^?]*)?(?:\?(.+))?$`)

// Parts splits a redirect's Location into its parts, for one environment. ok is false
// for what is neither a path nor a URL.
func (r Redirect) Parts() (l Location, ok bool) {
	// locationPattern accepts no #{host}, so a valid host takes its place.
	const host = "host.invalid"
	m := locationPattern.FindStringSubmatch(strings.Replace(r.Location, "://#{host}", "://"+host, 1))
	if m == nil || m[2] == "" && m[4] == "" {
		return l, false
	}
	l = Location{strings.ToUpper(m[1]), strings.Replace(m[2], host, "#{host}", 1), m[3], m[4], m[5]}
	if l.Host != "" {
		l.Port = cmp.Or(l.Port, "443")
		l.Path = cmp.Or(l.Path, "/")
	}
	return l, true
}
