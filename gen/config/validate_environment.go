package config

import (
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
)

// environments checks every environment, and what must differ between them.
func (c *checker) environments() {
	c.must(len(c.Environments) > 0, "environments", nil, "none, so there is nowhere to run", literal(`{Name: "staging", Subdomain: "staging", …}`))
	used := firsts(c.Environments, func(e Environment) string { return e.Name })
	hosts := firsts(c.Environments, func(e Environment) string { return e.Subdomain })
	proofs := c.proofCycles()
	for i, e := range c.Environments {
		path := element("environments", i, e.Name, used)
		if c.name(path+".name", e.Name, "staging") &&
			c.must(e.Name != SharedRoot, path+".name", e.Name, "is the root of what exists once per account", "staging") &&
			c.must(used[e.Name] == i, path+".name", e.Name, "is declared twice", e.Name+"-2") {
			c.environmentNameFits(path+".name", e.Name)
		}
		c.subdomain(path, i, e, hosts)
		c.hosts(path, e)
		c.network(path, i, e)
		if c.absent(c.HasDatabase(), !reflect.ValueOf(e.Database).IsZero(), path+".database", nil, noDatabase, literal("Database{}")) {
			c.database(path+".database", e)
		}
		if c.absent(c.HasCache(), e.Cache != Cache{}, path+".cache", nil, noCache, literal("Cache{}")) {
			c.cache(path+".cache", e.Cache)
		}
		if c.absent(c.HasDatabase() || c.HasCache(), e.Maintenance != Maintenance{}, path+".maintenance", nil,
			"there is neither a database nor a cache", literal("Maintenance{}")) {
			c.maintenance(path+".maintenance", e.Maintenance)
		}
		c.size(path+".size", e.Size, e.Protected)
		for _, name := range slices.Sorted(maps.Keys(e.Sizes)) {
			at := keyed(path+".sizes", name)
			if _, ok := c.Service(name); !ok {
				c.must(false, at, nil, "is the size of no service", mostAlike(name, c.ServiceNames()))
			}
			c.size(at, e.Sizes[name], e.Protected)
		}
		for _, name := range slices.Sorted(maps.Keys(e.Schedules)) {
			at := keyed(path+".schedules", name)
			if _, ok := c.Task(name); !ok {
				c.must(false, at, nil, "is the schedule of no task", mostAlike(name, c.TaskNames()))
			}
			c.schedule(at, name, e.Schedules[name])
		}
		c.requests(path, e)
		c.sidecarsFit(path, e)
		c.entered(path, e)
		c.variablesHere(path+".variables", e)
		c.boundaryFits(path, e)
		c.alarms(path+".alarms", e.Alarms)
		c.must(!e.Protected || len(e.Alarms.Emails) > 0, path+".alarms.emails", nil,
			"none: a protected environment has alarms that somebody hears", literal(`{"on-call@shop.io"}`))
		c.absent(c.HasLoadBalancer(), e.IdleTimeout != 0, path+".idleTimeout", e.IdleTimeout, noDomain, 0)
		c.seconds(path+".idleTimeout", e.IdleTimeout, time.Second, 4000*time.Second, 5*time.Minute)
		c.must(slices.Contains(logRetentions(), e.LogRetentionDays), path+".logRetentionDays", e.LogRetentionDays,
			"is not a period that CloudWatch keeps logs for: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096 … 3653 days", 30)
		c.allowedCIDRs(path+".allowedCIDRs", e.AllowedCIDRs)
		c.firewall(path+".firewall", e.Firewall)
		c.days(path+".network.flowLogDays", e.Network.FlowLogDays)
		c.dmarc(path+".dmarc", e.DMARC)
		if c.absent(c.HasLoadBalancer(), e.AccessLogDays != 0, path+".accessLogDays", e.AccessLogDays, noDomain, 0) {
			c.days(path+".accessLogDays", e.AccessLogDays)
		}
		c.proof(path+".proof", i, e, proofs)
		if c.seconds(path+".healthWindow", e.HealthWindow, 30*time.Second, MaxHealthWindow, time.Minute) {
			refused := slices.ContainsFunc(c.problems, func(p Problem) bool { return strings.Contains(p.Path, ".health.") })
			c.must(refused || c.Window(e) <= MaxHealthWindow, path+".healthWindow", c.Window(e),
				"is twice what the slowest health check takes to notice a failure, and more than a release may be watched for: "+MaxHealthWindow.String(), MaxHealthWindow)
		}
	}
	c.lookFits()
	if len(used) == len(c.Environments) {
		c.ambiguousNames()
	}
}

// days checks how long a bucket keeps logs.
func (c *values) days(path string, n int) {
	c.must(n >= 0 && n <= 3650, path, n, "is not a number of days to keep logs for, 1 to 3650, or 0 for none", 30)
}

func logRetentions() []int {
	return []int{
		1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731,
		1096, 1827, 2192, 2557, 2922, 3288, 3653,
	}
}

func (c *checker) subdomain(path string, i int, e Environment, hosts map[string]int) {
	at := path + ".subdomain"
	if !c.absent(c.HasLoadBalancer(), e.Subdomain != "", at, e.Subdomain, noDomain, "") {
		return
	}
	if !c.must(e.Subdomain == "" || isDNS(e.Subdomain, 1), at, e.Subdomain,
		dnsRule(e.Subdomain, "is not the labels of a DNS name in lower case, without the domain"), "staging") {
		return
	}
	c.must(isRegistrable(e.Subdomain), at, e.Subdomain, registrableRule, "staging")
	if first := hosts[e.Subdomain]; first != i {
		example := any(e.Name)
		if !isName(e.Name) {
			example = nil
		}
		c.must(false, at, e.Subdomain, "is that of "+show(c.Environments[first].Name)+" already", example)
		return
	}
	host := c.Host(e)
	c.must(e.Subdomain == "" || len(host) <= certificateName, at, e.Subdomain,
		"makes a name of "+plural(len(host), "character")+", and a certificate's may have 64", "staging")
}

// emailPattern has no dots at the ends of what stands before the @, and no two in a row.
var emailPattern = regexp.MustCompile(`^[A-Za-z0-9!#$%&'*+/=?^_{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_{|}~-]+)*@[A-Za-z0-9.-]*[A-Za-z][A-Za-z0-9-]*$`)

// isEmail reports whether an address has the form that SNS and SES take, up to 64
// characters before the @ and 254 in all.
func isEmail(address string) bool {
	at := strings.LastIndex(address, "@")
	return at <= 64 && len(address) <= 254 && emailPattern.MatchString(address) && isDNS(strings.ToLower(address[at+1:]), 2)
}

func (c *checker) alarms(path string, a Alarms) {
	percent := func(field string, n int) {
		c.must(n >= 1 && n <= 99, path+field, n, "is not a percentage that can be exceeded, 1 to 99", 80)
	}
	percent(".cpuPercent", a.CPUPercent)
	percent(".memoryPercent", a.MemoryPercent)
	if c.absent(c.HasLoadBalancer(), a.HTTP5xx != 0, path+".http5xx", a.HTTP5xx, noDomain, 0) {
		c.must(a.HTTP5xx >= 1 && a.HTTP5xx <= 1_000_000, path+".http5xx", a.HTTP5xx, "is not a number of responses, 1 to 1000000", 10)
	}
	if c.absent(c.HasLoadBalancer(), a.ResponseTime != 0, path+".responseTime", a.ResponseTime, noDomain, 0) {
		c.must(a.ResponseTime == 0 || a.ResponseTime >= 10*time.Millisecond && a.ResponseTime <= time.Minute && a.ResponseTime%time.Millisecond == 0,
			path+".responseTime", a.ResponseTime, "is not a number of whole milliseconds, 10ms to 1m0s", 2*time.Second)
	}
	if c.absent(c.HasDatabase(), a.Connections != 0, path+".connections", a.Connections, noDatabase, 0) {
		c.must(a.Connections >= 0 && a.Connections <= mostConnections, path+".connections", a.Connections, "is not a number of connections that PostgreSQL takes, 1 to 262143, or 0 for 80 % of the instance's", 60)
	}
	c.must(a.Period >= time.Minute && a.Period <= 24*time.Hour && a.Period%time.Minute == 0, path+".period", a.Period,
		"is not a number of whole minutes, up to a day", 5*time.Minute)
	for i, email := range a.Emails {
		at := indexed(path+".emails", i)
		domain := strings.ToLower(email[strings.LastIndex(email, "@")+1:])
		if c.must(isEmail(email), at, email, dnsRule(domain, "is not an e-mail address"), "on-call@shop.io") {
			c.must(slices.Index(a.Emails, email) == i, at, email, "is listed twice", nil)
			c.must(!reservedDomain(domain), at, email, "is an address that nobody can have: its domain is reserved for documents and tests", "on-call@shop.io")
		}
	}
}

// reservedDomain reports whether a domain is kept for documents and tests, by
// RFC 2606 and RFC 6761.
func reservedDomain(domain string) bool {
	labels := strings.Split(domain, ".")
	last := labels[len(labels)-1]
	return slices.Contains([]string{"example", "invalid", "localhost", "test"}, last) ||
		labels[len(labels)-2] == "example" && slices.Contains([]string{"com", "net", "org"}, last)
}
