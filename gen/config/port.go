package config

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

const dnsLabel = 63 // characters

const portRule = "is not a port, 1 to 65535"

// isPort reports whether a number is a port. Whether the image may bind one below 1024
// cannot be known here.
func isPort(number int) bool { return number >= 1 && number <= 65535 }

// OrDefault fills in what is empty.
func (p Port) OrDefault() Port {
	p.Protocol = cmp.Or(p.Protocol, "http")
	return p
}

// Host is how callers of a service name one of its further ports.
func (p Port) Host(service string) string { return service + "-" + p.Name }

// Variable is the environment variable in which callers of a service find one of its
// further ports, and its value.
func (p Port) Variable(service string) (name, value string) {
	p = p.OrDefault()
	address := p.Host(service) + ":" + strconv.Itoa(p.Number)
	if p.Protocol == "grpc" || p.Protocol == "tcp" {
		return strings.ToUpper(strings.ReplaceAll(p.Host(service), "-", "_")) + "_ADDRESS", address
	}
	return URLVariable(p.Host(service)), "http://" + address
}

// furtherPorts checks the ports of a service besides its Port.
func (c *checker) furtherPorts(path string, s Service) {
	used := firsts(s.Ports, func(p Port) string { return p.Name })
	numbers := map[int]string{}
	if s.Port != 0 {
		numbers[s.Port] = "the service's port"
	}
	for i, p := range s.Ports {
		at := element(path+".ports", i, p.Name, used)
		c.must(s.Port != 0, at, nil, "is a further port of a service that has none", literal("Port: 3000"))
		if c.name(at+".name", p.Name, "metrics") && c.must(used[p.Name] == i, at+".name", p.Name, "is declared twice", p.Name+"-2") {
			host := p.Host(s.Name)
			c.must(len(host) <= dnsLabel, at+".name", p.Name, "makes "+tooLong("name", host, dnsLabel), shorten(p.Name, dnsLabel-len(host)+len(p.Name)))
			c.must(!c.namedLike(s, host), at+".name", p.Name, "makes the name "+show(host)+", which another service or its port has", p.Name+"-port")
		}
		if c.must(isPort(p.Number), at+".number", p.Number, portRule, 9090) {
			first, taken := numbers[p.Number]
			c.must(!taken, at+".number", p.Number, "is "+first+" already", nil)
			numbers[p.Number] = "port " + show(p.Name) + "'s"
		}
		c.must(slices.Contains([]string{"http", "http2", "grpc", "tcp"}, p.OrDefault().Protocol), at+".protocol", p.Protocol, "is not a protocol of Service Connect: http, http2, grpc or tcp", "http")
	}
}

// namedLike reports whether a name is another service's, or another's port's.
func (c *checker) namedLike(s Service, host string) bool {
	return slices.ContainsFunc(c.Services, func(o Service) bool {
		return o.Name == host || o.Name != s.Name && slices.ContainsFunc(o.Ports, func(p Port) bool { return p.Host(o.Name) == host })
	})
}
