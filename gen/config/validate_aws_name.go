package config

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
)

// The most characters that AWS allows in the names we derive. Cut shortens longer
// ones, here and in the modules.
const (
	// LoadBalancerName and CacheName are for an environment's own.
	LoadBalancerName = 32
	CacheName        = 40
	// TargetGroupPrefix begins the target groups of an environment whose names
	// were cut; it leaves room for a hyphen and six characters.
	TargetGroupPrefix = 25
	// RoleFamily begins the roles of a container, and leaves room for -execution
	// in the 64 of a role.
	RoleFamily = 54
	// QueueName leaves room for -dead in the 80 of a queue.
	QueueName = 75

	targetGroupName = 32
	// RuleFamily begins the rules of EventBridge for a task, and leaves room for
	// -failed in the 64 of a rule.
	RuleFamily = 57
	// environmentPrefix is short enough that every cut name by which deploy roles tell
	// environments apart keeps it whole: a rule's cut name keeps 50 characters, the
	// prefix and a hyphen. It also leaves room for -restored in the 63 of a database.
	environmentPrefix = 49
	// platformName is what the 63 characters of the state bucket's name leave beside
	// -state- and the account.
	platformName = 44
	// partName is what Scheduler (64) and host names (63) allow.
	partName = 63
)

// Cut shortens a name to at most so many characters. A name that it cuts ends in six
// characters of the whole name's hash, so that two names stay different.
func Cut(name string, most int) string {
	if len(name) <= most {
		return name
	}
	return strings.TrimRight(name[:most-7], "-") + "-" + hash(name)
}

func hash(name string) string { return fmt.Sprintf("%.3x", sha256.Sum256([]byte(name))) }

// environmentNameFits checks the names made of platform and environment.
func (c *checker) environmentNameFits(path, env string) {
	room := environmentPrefix - len(c.Prefix(""))
	if !isName(c.Name) || !isName(env) || len(c.Name) > platformName {
		return
	}
	c.must(len(env) <= room, path, env, "makes "+long("environment's name", c.Prefix(env))+", where the limits of AWS on the names that begin with it leave "+show(environmentPrefix), shorten(env, room))
}

// partNameFits checks the name of a service, one-off task or queue.
func (c *values) partNameFits(path, name string) {
	c.must(len(name) <= partName || !isName(name), path, name,
		"has "+plural(len(name), "character")+", where host names and schedules have at most "+show(partName), shorten(name, partName))
}

// longestEnvironment is the environment whose names are the longest among
// those that fit; empty if there is none.
func (c *checker) longestEnvironment() string {
	longest := ""
	for _, e := range c.Environments {
		if isName(c.Name) && isName(e.Name) && len(c.Prefix(e.Name)) <= environmentPrefix && len(e.Name) > len(longest) {
			longest = e.Name
		}
	}
	return longest
}

func tooLong(what, name string, most int) string {
	return long(what, name) + ", where AWS allows " + show(most)
}

func long(what, name string) string {
	return "the " + what + " " + show(name) + " " + plural(len(name), "character") + " long"
}

// shorten cuts a name to so many characters; nil if nothing would be left.
func shorten(name string, room int) any {
	if room < 1 {
		return nil
	}
	return strings.Trim(name[:min(room, len(name))], "-")
}

// ReservedNames are names that every environment's root already uses for
// modules, security groups and alarms; a container of that name would collide
// with one.
func ReservedNames() []string {
	return []string{"alarms", "buckets", "cache", "cluster", "database", "firewall", "load-balancer", "log-bucket", "mail-identity", "network", "queues", "schedules", "secrets"}
}

// Reserved reports whether a name is forbidden for services and tasks.
func Reserved(name string) bool { return slices.Contains(ReservedNames(), name) }

// connectPrefix begins the name of Service Connect's container in a task.
const connectPrefix = "ecs-service-connect-"

func (c *values) containerName(path, name, kind string) bool {
	return c.name(path, name, "storage") &&
		c.must(name != "localhost" && !strings.HasPrefix(name, connectPrefix), path, name,
			"is what every task calls itself, or Service Connect's proxy in it", "storage") &&
		c.must(!Reserved(name), path, name,
			"is what an environment's own parts are called ("+strings.Join(ReservedNames(), ", ")+"), so no "+kind+" may be", name+"-"+kind)
}

// ambiguousNames finds environments whose name is a prefix of another's: a resource
// "staging-eu-api" could belong to "staging" or to "staging-eu".
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
