package config

import (
	"slices"
	"strings"
)

// The most characters that AWS allows in the names we derive. Of those made of
// platform and environment alone the load balancer's is the shortest: what
// fits there fits ElastiCache (40), RDS and S3 (63) and every role of GitHub.
const (
	loadBalancerName = 32
	targetGroupName  = 32
	roleName         = 64
)

// Roles of a service or one-off task, besides its family.
const (
	taskRoleSuffix      = "-task"
	executionRoleSuffix = "-execution"
)

// environmentNameFits checks the names made of platform and environment.
func (c *checker) environmentNameFits(path, env string) {
	room := loadBalancerName - len(c.Prefix(""))
	if !isName(c.Name) || !isName(env) || room < 1 {
		return
	}
	c.must(len(env) <= room, path, env, "makes "+tooLong("load balancer", c.Prefix(env), loadBalancerName), shorten(env, room))
}

// containerNameFits checks the names made of platform, environment and service
// or one-off task, in the environment with the longest name that fits itself.
func (c *checker) containerNameFits(path, name string, public bool) {
	env := c.longestEnvironment()
	if env == "" || !isName(name) {
		return
	}
	if public {
		// A deploy role may use the target groups whose names begin with the
		// environment's, so a cut name must keep that beginning.
		group, begin := c.Family(env, name), c.Family(env, "")
		c.must(len(group) <= targetGroupName || len(begin) < targetGroupName-6, path, name,
			"makes "+tooLong("target group", group, targetGroupName)+", and "+show(begin)+" leaves no room to cut it", shorten(name, targetGroupName-len(begin)))
	}
	role := c.Family(env, name) + executionRoleSuffix
	c.must(len(role) <= roleName, path, name,
		"makes "+tooLong("execution role", role, roleName), shorten(name, roleName-len(role)+len(name)))
}

// longestEnvironment is the environment whose names are the longest among
// those that fit; empty if there is none.
func (c *checker) longestEnvironment() string {
	longest := ""
	for _, e := range c.Environments {
		if isName(c.Name) && isName(e.Name) && len(c.Prefix(e.Name)) <= loadBalancerName && len(e.Name) > len(longest) {
			longest = e.Name
		}
	}
	return longest
}

func tooLong(what, name string, most int) string {
	return "the " + what + " " + show(name) + " " + plural(len(name), "character") + " long, where AWS allows " + show(most)
}

// shorten cuts a name to so many characters; nil if nothing would be left.
func shorten(name string, room int) any {
	if room < 1 {
		return nil
	}
	return strings.Trim(name[:min(room, len(name))], "-")
}

// reservedNames are names that every environment's root already uses for
// modules, security groups and alarms; a container of that name would collide
// with one.
func reservedNames() []string {
	return []string{"alarms", "cache", "cluster", "database", "load-balancer", "network", "queues", "schedules", "secrets"}
}

func (c *checker) containerName(path, name, kind string) bool {
	return c.name(path, name, "storage") &&
		c.must(!slices.Contains(reservedNames(), name), path, name,
			"is what an environment's own parts are called ("+strings.Join(reservedNames(), ", ")+"), so no "+kind+" may be", name+"-"+kind)
}

// ambiguousNames finds environments of which one's name begins another's: a
// resource "staging-eu-api" could belong to "staging" or to "staging-eu".
// Their resources would get equal names, and the deploy role of the first,
// which may use whatever begins with its name, could change the second.
func (c *checker) ambiguousNames() {
	for _, e := range c.Environments {
		i := slices.IndexFunc(c.Environments, func(other Environment) bool {
			return other.Name != "" && strings.HasPrefix(e.Name, other.Name+"-")
		})
		if i < 0 {
			continue
		}
		begin := c.Environments[i].Name
		c.must(false, keyed("environments", e.Name)+".name", e.Name,
			"begins with "+show(begin+"-")+", as all that belongs to "+show(begin)+" does, and that environment's deploy role reaches it",
			strings.ReplaceAll(e.Name, "-", ""))
	}
}
