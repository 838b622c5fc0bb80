package config

import (
	"maps"
	"slices"
	"strings"
)

// container holds what determines a container's environment variables.
type container struct {
	listens         bool // on a port
	migrates        bool // the task that makes the database's roles
	database, cache bool
	calls, secrets  []string
	queues, buckets []string
	mails           bool // by MailFrom
	environment     map[string]string
	sidecars        int      // size of their definitions, in bytes
	images          []string // of the sidecars
}

// variables checks that no two sources set the same environment variable: the
// platform, the services called, the secrets, and the fixed values.
func (c *checker) variables(path string, of container) {
	c.fixed(path+".environment", of.environment, c.owned(path, of))
}

// variablesHere checks the variables that an environment adds to a service or task,
// or overrides.
func (c *checker) variablesHere(path string, e Environment) {
	for _, name := range slices.Sorted(maps.Keys(e.Variables)) {
		at := keyed(path, name)
		of, command, ok := c.containerOf(name)
		if !ok {
			known := append(c.ServiceNames(), c.TaskNames()...)
			c.must(false, at, nil, "are the variables of no service or task", mostAlike(name, known))
			continue
		}
		silent := &checker{Platform: c.Platform} // its problems are reported elsewhere
		c.fixed(at, e.Variables[name], silent.owned("", of))
		of.environment = e.VariablesOf(name, of.environment)
		c.definitionFits(at, of, command)
	}
}

// containerOf finds a service or task by name; command is the words that it runs.
func (c *checker) containerOf(name string) (of container, command []string, ok bool) {
	if s, ok := c.Service(name); ok {
		of, command = s.container()
		return of, command, true
	}
	t, ok := c.Task(name)
	of, command = t.container()
	return of, command, ok
}

func (s Service) container() (container, []string) {
	return container{
		listens: s.Port != 0, database: s.Database, cache: s.Cache,
		calls: s.Calls, secrets: s.Secrets, queues: queuesOf(s.Receives, s.Sends), buckets: s.Buckets, mails: s.MailFrom != "", environment: s.Environment,
		sidecars: sidecarBytes(s) + s.Security.bytes(), images: names(s.Sidecars, func(o Sidecar) string { return o.Image }),
	}, slices.Concat(s.EntryPoint, s.Command, s.HealthCommand)
}

func (t Task) container() (container, []string) {
	return container{
		migrates: t.Name == MigrateTask, database: t.Database, cache: t.Cache,
		secrets: t.Secrets, queues: queuesOf(nil, t.Sends), buckets: t.Buckets, mails: t.MailFrom != "", environment: t.Environment, sidecars: t.Security.bytes(),
	}, t.Command
}

// owned returns the variables that the platform itself sets in a container, and what
// sets each.
func (c *checker) owned(path string, of container) map[string]string {
	owners := map[string]string{"APP_ENV": "the platform"}
	if of.listens {
		owners["PORT"] = "the platform"
	}
	if of.database {
		for _, v := range []string{"DB_HOST", "DB_PORT", "DB_NAME", "DB_USER", "DB_SSLMODE"} {
			owners[v] = "the platform"
		}
		if s, ok := c.DatabaseSecret(); ok {
			c.ownVariable(owners, path+".database", literal("true"), s.Variable, "secret "+show(s.Name))
		}
		if roles := c.DatabaseRoles(); of.migrates && len(roles) > 0 {
			owners[RolesVariable] = "the platform"
			for _, s := range roles {
				c.ownVariable(owners, path+".database", literal("true"), s.RoleVariable(), "database role "+show(s.Name))
			}
		}
	}
	if of.cache {
		owners["REDIS_URL"] = "the platform"
	}
	if of.mails {
		owners[MailVariable] = "the platform"
	}
	for i, name := range of.calls {
		if name != "" && slices.Index(of.calls, name) == i {
			at := indexed(path+".calls", i)
			c.ownVariable(owners, at, name, URLVariable(name), "the way to service "+show(name))
			callee, _ := c.Service(name)
			used := firsts(callee.Ports, func(p Port) string { return p.Name })
			for j, p := range callee.Ports {
				if used[p.Name] != j {
					continue
				}
				variable, _ := p.Variable(name)
				c.ownVariable(owners, at, name, variable, "the way to port "+show(p.Name)+" of service "+show(name))
			}
		}
	}
	for i, name := range of.buckets {
		if slices.Index(of.buckets, name) == i {
			c.ownVariable(owners, path+".buckets", name, BucketVariable(name), "bucket "+show(name))
		}
	}
	for _, name := range of.queues {
		if _, ok := c.Queue(name); ok {
			c.ownVariable(owners, path+".sends", name, QueueVariable(name), "queue "+show(name))
		}
	}
	for i, name := range of.secrets {
		if s, ok := c.Secret(name); ok && slices.Index(of.secrets, name) == i && s.Kind != DatabaseCredentials && s.Kind != DatabaseRole {
			c.ownVariable(owners, indexed(path+".secrets", i), name, s.Variable, "secret "+show(name))
		}
	}
	return owners
}

// fixed checks the variables that the struct sets: names, values, and that nothing
// else sets them.
func (c *values) fixed(path string, environment, owners map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(environment)) {
		// Values stay out of problems: one that collides with a secret may be
		// that secret's.
		at := keyed(path, name)
		c.variableName(at, name)
		owner, taken := owners[name]
		c.must(!taken, at, name, "is a variable that "+owner+" sets", "CUSTOM_"+name)
		c.must(isPrintable(environment[name]), at, literal("its value"), printableRule, "https://shop.io")
	}
}

// ownVariable records who sets a variable, or reports that another source
// already sets it.
func (c *values) ownVariable(owners map[string]string, path string, value any, variable, owner string) {
	if first, taken := owners[variable]; taken {
		c.must(false, path, value, "sets the variable "+variable+", as "+first+" does", nil)
		return
	}
	owners[variable] = owner
}

// variableName checks the name of an environment variable.
func (c *values) variableName(path, name string) {
	if !c.must(variablePattern.MatchString(name), path, name, variableRule, "LOG_LEVEL") ||
		!c.must(name != forKeyword, path, name, forRule, "FOR") {
		return
	}
	for _, prefix := range []string{"AWS_CONTAINER_", "AWS_EXECUTION_ENV", "ECS_AGENT_URI", "ECS_CONTAINER_"} {
		c.must(!strings.HasPrefix(name, prefix), path, name, "is set by ECS itself, which finds credentials and metadata by it", "LOG_LEVEL")
	}
}
