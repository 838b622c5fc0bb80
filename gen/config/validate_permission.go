package config

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	actionPattern   = regexp.MustCompile(`^[a-z0-9-]+:([A-Za-z][A-Za-z0-9]*\*?|\*)$`)
	resourcePattern = regexp.MustCompile(`^arn:aws:[a-z0-9-]+:([a-z0-9-]*|\*):([0-9]{12})?:[A-Za-z0-9_./:*?+=@,$#%!&'()~;-]+$`)
	// namelessPattern are resources of which no name is given, but at most a type, the
	// kind of a load balancer or of a web ACL, and the beginning of an id of EC2's.
	namelessPattern = regexp.MustCompile(`^(?:\*|arn:aws:([^:]+):[^:]*:[^:]*:([a-z-]+[/:])?(?:(?:app|net|gwy)/|(?:regional|global)/(?:[a-z-]+/)?|(?:acl|ami|eipalloc|eni|i|igw|lt|nat|rtb|sg|sgr|snap|subnet|vol|vpc|vpce)-)?[*?/:]*)$`)
	readingPattern  = regexp.MustCompile(`^[a-z0-9-]+:(BatchCheck|BatchGet|Describe|Discover|Get|List|Search|Test)`)
)

// boundary is the most characters of a managed policy, of which the boundary
// needs some for what every task may do.
const boundary, boundaryOverhead = 6144, 2500

// ungranted are the services whose permissions no task gets, with the reason.
var ungranted = map[string]string{
	"account":        "would change the account itself",
	"aws-portal":     "would change the account itself",
	"controltower":   "would change the account itself",
	"iam":            "would change who may do what",
	"identitystore":  "would change who may do what",
	"organizations":  "would change the account itself",
	"secretsmanager": "reads or changes secrets, which a container receives by its field secrets",
	"sso":            "would change who may do what",
	"sso-directory":  "would change who may do what",
	"sts":            "would act as somebody else",
}

// infrastructure are the services that environments are made of, or that act in their
// tasks. A few of their changes take no name; no task needs those.
var infrastructure = []string{
	"application-autoscaling", "ec2", "ecr", "ecs", "elasticache", "elasticloadbalancing", "rds", "route53", "scheduler", "servicediscovery", "ssm", "wafv2",
}

// nameFirst are services whose resources have no type: what comes first is a name.
var nameFirst = []string{"s3", "sns"}

// permissions checks what a service or task may do in AWS.
func (c *checker) permissions(at string, permissions []Permission) {
	for i, p := range permissions {
		of := indexed(at, i)
		c.must(len(p.Actions) > 0, of+".actions", nil, "none, so nothing is allowed", literal(`{"ses:SendEmail"}`))
		c.must(len(p.Resources) > 0, of+".resources", nil, "none, so nothing is allowed", literal(`{"arn:aws:ses:us-west-2:123456789012:identity/shop.io"}`))
		buckets := false
		for j, action := range p.Actions {
			path := indexed(of+".actions", j)
			if !c.must(len(action) <= 128 && actionPattern.MatchString(action), path, action, "is not an action of IAM: a service in lower case, a colon and a name, which may end in *", "ses:SendEmail") ||
				!c.must(slices.Index(p.Actions, action) == j, path, action, "is listed twice", nil) {
				continue
			}
			service, _, _ := strings.Cut(action, ":")
			buckets = buckets || service == "s3"
			c.must(ungranted[service] == "", path, action, ungranted[service], "ses:SendEmail")
		}
		for j, resource := range p.Resources {
			path := indexed(of+".resources", j)
			if !c.must(resource == "*" || len(resource) <= 512 && resourcePattern.MatchString(inEnvironment(resource, "x")), path, resource,
				"is neither * nor an ARN with a service, a region or none, an account or none, and a resource", "arn:aws:s3:::shop-uploads/*") {
				continue
			}
			c.must(slices.Index(p.Resources, resource) == j, path, resource, "is listed twice", nil)
			if c.must(!buckets || !c.meansStates(resource), path, resource, "takes in "+show(c.StateBucket())+", where states and histories are", "arn:aws:s3:::shop-uploads/*") {
				rule := tooWide(p.Actions, resource)
				c.must(rule == "", path, resource, rule, "arn:aws:s3:::shop-uploads/*")
			}
		}
	}
}

// tooWide says why a task may not have actions on a resource that has no name; "" if it
// may, or if no task has one of them anyway.
func tooWide(actions []string, resource string) string {
	parts := namelessPattern.FindStringSubmatch(resource)
	if parts == nil || parts[2] != "" && slices.Contains(nameFirst, parts[1]) {
		return ""
	}
	for _, action := range actions {
		service, name, _ := strings.Cut(action, ":")
		switch {
		case ungranted[service] != "" || resource != "*" && !strings.HasPrefix(resource, "arn:aws:"+service+":"):
		case slices.Contains(infrastructure, service) && !readingPattern.MatchString(action):
			return "names nothing, so " + show(action) + " would change what other environments run on"
		case name == "*":
			return "names nothing, and " + show(action) + " is everything that the service does: name its actions, or what they are for"
		}
	}
	return ""
}

// meansStates reports whether a resource matches the state bucket or an object in it.
func (c *checker) meansStates(resource string) bool {
	bucket := "arn:aws:s3:::" + c.StateBucket()
	for _, name := range append([]string{""}, c.EnvironmentNames()...) {
		if here := inEnvironment(resource, name); meet(here, bucket) || meet(here, bucket+"/*") {
			return true
		}
	}
	return false
}

// meet reports whether some text fits both of two patterns of IAM, where * stands for
// any text, including slashes and colons, and ? for one character.
func meet(a, b string) bool {
	// next[j] is the answer for a[i+1:] and b[j:].
	next := make([]bool, len(b)+1)
	for i := len(a); i >= 0; i-- {
		here := make([]bool, len(b)+1)
		for j := len(b); j >= 0; j-- {
			switch {
			case i == len(a) && j == len(b):
				here[j] = true
			case i < len(a) && a[i] == '*':
				here[j] = next[j] || j < len(b) && here[j+1]
			case j < len(b) && b[j] == '*':
				here[j] = here[j+1] || i < len(a) && next[j]
			case i < len(a) && j < len(b):
				here[j] = (a[i] == b[j] || a[i] == '?' || b[j] == '?') && next[j+1]
			}
		}
		next = here
	}
	return next[0]
}

// inEnvironment puts the environment's name into a resource.
func inEnvironment(resource, environment string) string {
	return strings.ReplaceAll(resource, "{environment}", environment)
}

// PermissionsIn are a service's or task's permissions in an environment.
func PermissionsIn(e Environment, permissions []Permission) []Permission {
	var all []Permission
	for _, p := range permissions {
		here := Permission{Actions: p.Actions}
		for _, r := range p.Resources {
			here.Resources = append(here.Resources, inEnvironment(r, e.Name))
		}
		all = append(all, here)
	}
	return all
}

// channel is what ECS's agent in a task needs to open and record a session; AWS
// limits none of these actions to a resource.
var channel = Permission{
	Actions: []string{
		"logs:DescribeLogGroups", "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel",
		"ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel",
	},
	Resources: []string{"*"},
}

// BoundaryOf is what the roles of an environment may be given: the permissions
// of its services and tasks, each one a single time, and those of sessions in tasks.
func (p Platform) BoundaryOf(e Environment) []Permission {
	var all []Permission
	add := func(permissions []Permission) {
		for _, one := range PermissionsIn(e, permissions) {
			same := func(o Permission) bool {
				return slices.Equal(o.Actions, one.Actions) && slices.Equal(o.Resources, one.Resources)
			}
			if !slices.ContainsFunc(all, same) {
				all = append(all, one)
			}
		}
	}
	for _, s := range p.Services {
		add(s.Permissions)
	}
	for _, t := range p.Tasks {
		add(t.Permissions)
	}
	if e.Exec {
		log := "arn:aws:logs:" + p.Region + ":" + p.Account + ":log-group:" + p.SessionLog(e.Name) + ":*"
		all = append(all, channel, Permission{Actions: []string{"logs:DescribeLogStreams"}, Resources: []string{log}})
	}
	return all
}

// boundaryFits counts the characters of the policy that bounds the roles.
func (c *checker) boundaryFits(path string, e Environment) {
	size := boundaryOverhead
	for _, p := range c.BoundaryOf(e) {
		text, err := json.Marshal(map[string]any{"Effect": "Allow", "Action": p.Actions, "Resource": p.Resources})
		if err != nil {
			return // no lists of strings
		}
		size += len(text) + 1
	}
	c.must(size <= boundary, path, literal("the permissions of services and tasks"),
		"make a boundary of about "+strconv.Itoa(size)+" characters, where IAM takes "+strconv.Itoa(boundary)+"; * shortens lists of actions and resources", nil)
}
