package config

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
)

// AWS's limits that a large platform may exceed.
const (
	// groupRules is the most rules of a security group in one direction.
	groupRules = 60
	// taskDefinition is the most bytes of a task definition, of which some are
	// not the container's own: roles, logs, ports.
	taskDefinition, taskOverhead = 64 << 10, 4 << 10
	// dashboardServices is how many metrics fit into a graph of a dashboard.
	dashboardServices = 500
	// look is the most characters of the policy with which plans read, which names the
	// buckets of each environment, and lookOverhead what it has besides.
	look, lookOverhead = 6144, 4500
	// mailPolicy is the most characters of the policy that lets a container send mail.
	mailPolicy = 500
	// rolePolicies is the most characters of a role's inline policies together.
	// roleOverhead is the most that they take besides the ARNs that are counted.
	rolePolicies, roleOverhead = 10240, 1000
)

// rules counts the security groups' rules. The load balancer's group has one for each
// public service, a data store's for each client, and a service's for each caller and
// each service, store and HTTPS that it calls.
func (c *checker) rules() {
	atMost := func(n int, path, what, whose string) {
		c.must(n <= groupRules, path, literal(strconv.Itoa(n)+" "+what), "are more than "+show(groupRules)+", the most rules that "+whose+" security group has", nil)
	}
	var public, database, cache int
	callers := map[string]int{}
	for _, s := range c.Services {
		public += one(s.Public())
		database += one(s.Database)
		cache += one(s.Cache)
		callers[s.Name] += one(s.Public())
		out := len(s.Calls)
		for _, name := range s.Calls {
			callee, _ := c.Service(name)
			callers[name] += 1 + len(callee.Ports)
			out += len(callee.Ports)
		}
		// HTTPS is a rule too.
		atMost(1+out+one(s.Database)+one(s.Cache), keyed("services", s.Name)+".calls", "ways out", "the service's")
	}
	for _, t := range c.Tasks {
		database += one(t.Database)
		cache += one(t.Cache)
	}
	c.atMost("services", len(c.Services), "service", dashboardServices, "a graph of CloudWatch's dashboard shows", nil)
	atMost(public, "services", "services behind the load balancer", "its")
	atMost(database, "services", "services and tasks with the database", "its")
	atMost(cache, "services", "services and tasks with the cache", "its")
	for _, name := range slices.Sorted(maps.Keys(callers)) {
		atMost(callers[name], keyed("services", name), "callers, with the load balancer,", "the service's")
	}
}

// lookFits counts the characters of the policy with which plans read.
func (c *checker) lookFits() {
	size := lookOverhead
	for _, e := range c.Environments {
		size += len(c.Bucket(e.Name, "*")) + len(`"arn:aws:s3:::",`)
	}
	c.must(size <= look, "environments", literal(plural(len(c.Environments), "environment")),
		"make the policy with which plans read about "+show(size)+" characters long, where IAM takes "+show(look), nil)
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// definitionFits checks the size of what is registered for a container.
func (c *checker) definitionFits(path string, of container, command []string) {
	size := taskOverhead + of.sidecars
	add := func(v any) {
		text, err := json.Marshal(v)
		if err != nil {
			return // no list of strings
		}
		size += len(text)
	}
	add(command)
	for name, value := range of.environment {
		add(map[string]string{"name": name, "value": value})
	}
	reference := func(variable, name string) {
		add(map[string]string{"name": variable, "valueFrom": "arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:" + c.SecretName(c.longestEnvironment(), name) + "-abcdef"})
	}
	for _, name := range of.secrets {
		s, _ := c.Secret(name)
		reference(s.Variable, name)
	}
	if of.migrates {
		add(c.RoleGrants())
		for _, s := range c.DatabaseRoles() {
			reference(s.RoleVariable(), s.Name)
		}
	}
	for _, name := range of.buckets {
		add(map[string]string{"name": BucketVariable(name), "value": c.Bucket(c.longestEnvironment(), name)})
	}
	for _, name := range of.queues {
		add(map[string]string{"name": QueueVariable(name), "value": "https://sqs.ap-northeast-1.amazonaws.com/123456789012/" + c.Family(c.longestEnvironment(), name)})
	}
	for _, name := range of.calls {
		add(map[string]string{"name": URLVariable(name), "value": "http://" + name + ":65535"})
		callee, _ := c.Service(name)
		for _, p := range callee.Ports {
			variable, value := p.Variable(name)
			add(map[string]string{"name": variable, "value": value})
		}
	}
	c.must(size <= taskDefinition, path, literal("its variables, secrets and command"),
		"make a task definition of about "+strconv.Itoa(size>>10)+" KiB, where ECS takes "+show(taskDefinition>>10), nil)
}

// rolesFit counts the characters of the policies of a container's two roles: ECS reads
// secrets with one, the container uses queues and buckets with the other. secrets are
// those of all containers of the task.
func (c *checker) rolesFit(path string, of container, secrets, queues []string, permissions []Permission) {
	env := c.longestEnvironment()
	execution, own := roleOverhead, roleOverhead
	for _, image := range of.images {
		execution += len(image) * one(privatePattern.MatchString(image)) // the ARN of its repository is about as long
	}
	read := func(name string) {
		execution += len("arn:aws:secretsmanager:"+c.Region+":"+c.Account+":secret:"+c.SecretName(env, name)+"-abcdef") + len(`"",`)
	}
	for _, name := range secrets {
		read(name)
	}
	if of.migrates {
		for _, s := range c.DatabaseRoles() {
			read(s.Name)
		}
	}
	for _, name := range queues {
		own += len("arn:aws:sqs:"+c.Region+":"+c.Account+":"+Cut(c.Family(env, name), QueueName)) + len(`"",`)
	}
	for _, name := range of.buckets {
		own += 2*len("arn:aws:s3:::"+c.Bucket(env, name)) + len(`"","/*",`)
	}
	if of.mails {
		own += mailPolicy
	}
	for _, p := range PermissionsIn(Environment{Name: env}, permissions) {
		text, err := json.Marshal(map[string]any{"Effect": "Allow", "Action": p.Actions, "Resource": p.Resources})
		if err != nil {
			return // no lists of strings
		}
		own += len(text) + 1
	}
	fits := func(size int, what, of string) {
		c.must(size <= rolePolicies, path, literal(what), "make policies of about "+strconv.Itoa(size)+" characters for "+of+", where IAM takes "+show(rolePolicies), nil)
	}
	fits(execution, "its secrets", "the role that reads them")
	fits(own, "its queues, buckets and permissions", "its role")
}
