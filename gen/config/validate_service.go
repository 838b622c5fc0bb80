package config

import (
	"slices"

	"github.com/agext/levenshtein"
)

// services checks every service, and what they share: routes and priorities.
func (c *checker) services() {
	c.must(len(c.Services) > 0, "services", nil, "none, so there is nothing to run", literal(`{Name: "api", Port: 3001, …}`))
	used := firsts(c.Services, func(s Service) string { return s.Name })
	router := newRouter(c)
	for i, s := range c.Services {
		path := element("services", i, s.Name, used)
		if c.containerName(path+".name", s.Name, "service") &&
			c.must(used[s.Name] == i, path+".name", s.Name, "is declared twice", s.Name+"-2") {
			c.partNameFits(path+".name", s.Name)
		}
		way := ".routes"
		if s.Default {
			way = ".default"
		}
		c.absent(c.HasLoadBalancer(), s.Public(), path+way, nil, noDomain, literal(`Domain: "shop.io"`))
		c.stores(path, s.Database, s.Cache)
		c.port(path, s)
		c.furtherPorts(path, s)
		c.image(path, s)
		c.words(path+".entryPoint", s.EntryPoint, "/bin/sh")
		c.words(path+".command", s.Command, "serve")
		router.service(path, s)
		c.health(path, s)
		c.calls(path, s)
		c.secretReferences(path, s.Database, s.Secrets)
		c.permissions(path+".permissions", s.Permissions)
		c.uses(path, s.Receives, s.Sends, s.Buckets)
		c.mailFrom(path+".mailFrom", s.MailFrom)
		of, command := s.container()
		c.variables(path, of)
		c.definitionFits(path, of, command)
		c.rolesFit(path, of, s.AllSecrets(), slices.Concat(s.Receives, s.Sends), s.Permissions)
		c.security(path+".security", s.Security)
		c.sidecars(path, s)
	}
	router.redirects()
	router.unreachable()
	router.circles()
	router.health()
	c.rules()
}

// stores checks that what a container uses is there.
func (c *checker) stores(path string, database, cache bool) {
	c.absent(c.HasDatabase(), database, path+".database", true, noDatabase, false)
	c.absent(c.HasCache(), cache, path+".cache", true, noCache, false)
}

// port checks a service's port, and that a service without one sets no field that
// only requests would use.
func (c *values) port(path string, s Service) {
	if s.Port != 0 || s.Public() {
		c.must(isPort(s.Port), path+".port", s.Port, portRule, 3000)
		return
	}
	const unread = "has no effect: the service has no port, so no request reaches it"
	c.must(s.Timeouts.Request == 0, path+".timeouts.request", s.Timeouts.Request, unread, nil)
	c.must(s.Timeouts.Idle == 0, path+".timeouts.idle", s.Timeouts.Idle, unread, nil)
}

// words checks a command, word by word; none leaves the image's own.
func (c *values) words(path string, command []string, example string) {
	for i, word := range command {
		at := indexed(path, i)
		if i == 0 {
			c.must(word != "", at, word, "is not a command", example)
		}
		c.must(isPrintable(word), at, word, printableRule, example)
	}
}

// references checks the names of what a container uses: each of them is known, and
// listed once. It hands on those that are.
func (c *values) references(path string, list, known []string, what string, each func(at, name string)) {
	for i, name := range list {
		at := indexed(path, i)
		if !c.must(slices.Index(list, name) == i, at, name, "is listed twice", nil) {
			continue
		}
		if !slices.Contains(known, name) {
			c.must(false, at, name, "is not a "+what, mostAlike(name, known))
			continue
		}
		each(at, name)
	}
}

// calls checks the references to other services.
func (c *checker) calls(path string, s Service) {
	c.references(path+".calls", s.Calls, c.ServiceNames(), "service", func(at, name string) {
		callee, _ := c.Service(name)
		if c.must(name != s.Name, at, name, "is the service itself, which needs no way to itself", nil) {
			c.must(callee.Port != 0, at, name, "has no port, so nobody can call it", literal("Port: 3000"))
		}
	})
}

// uses checks the references of a service or task to queues and buckets.
func (c *checker) uses(path string, receives, sends, buckets []string) {
	none := func(string, string) {}
	c.references(path+".receives", receives, c.QueueNames(), "queue", none)
	c.references(path+".sends", sends, c.QueueNames(), "queue", none)
	c.references(path+".buckets", buckets, names(c.Buckets, func(b Bucket) string { return b.Name }), "bucket", none)
}

// secretReferences checks the names of the secrets that a container receives. database
// says whether the container has a way to the database.
func (c *checker) secretReferences(path string, database bool, secrets []string) {
	c.references(path+".secrets", secrets, c.SecretNames(), "secret", func(at, name string) {
		s, _ := c.Secret(name)
		c.must(s.Kind != DatabaseCredentials, at, name,
			"holds the database's credentials, which a container receives by its field database", literal("Database: true"))
	})
	c.databaseLogin(path, database, secrets)
}

// mostAlike returns the known name that is most like the wrong one; nil if there is
// none. It compares only beginnings: the time grows with the product of the lengths.
func mostAlike(wrong string, known []string) any {
	var best any
	fewest := 0
	for _, k := range known {
		if d := levenshtein.Distance(beginning(wrong), beginning(k), nil); k != "" && (best == nil || d < fewest) {
			best, fewest = k, d
		}
	}
	return best
}

func beginning(s string) string { return s[:min(len(s), 64)] }
