package config

import (
	"maps"
	"slices"
	"strings"
)

// Versions that the rendered roots require and the driver installs.
const (
	// TerraformVersion is installed where no suitable Terraform is found.
	TerraformVersion = "1.11.4"
	// TerraformConstraint admits write-only arguments, which 1.11 brought.
	TerraformConstraint = ">= 1.11.0, < 2.0.0"
	// ProviderConstraint is for hashicorp/aws.
	ProviderConstraint = "~> 5.100"
)

// SharedRoot is the root of what exists once per account: repositories, zone,
// GitHub's roles.
const SharedRoot = "shared"

// Roots lists the names of all roots in the order they depend on each other:
// shared first, then the environments as declared.
func (p Platform) Roots() []string { return append([]string{SharedRoot}, p.EnvironmentNames()...) }

// EnvironmentNames lists the environments' names, as declared.
func (p Platform) EnvironmentNames() []string {
	return names(p.Environments, func(e Environment) string { return e.Name })
}

// ServiceNames lists the services' names, as declared.
func (p Platform) ServiceNames() []string {
	return names(p.Services, func(s Service) string { return s.Name })
}

// TaskNames lists the one-off tasks' names, as declared.
func (p Platform) TaskNames() []string {
	return names(p.Tasks, func(t Task) string { return t.Name })
}

// SecretNames lists the secrets' names, as declared.
func (p Platform) SecretNames() []string {
	return names(p.Secrets, func(s Secret) string { return s.Name })
}

// QueueNames lists the queues' names, as declared.
func (p Platform) QueueNames() []string {
	return names(p.Queues, func(q Queue) string { return q.Name })
}

func names[E any](list []E, name func(E) string) []string {
	var all []string
	for _, one := range list {
		all = append(all, name(one))
	}
	return all
}

// Environment returns the environment of that name.
func (p Platform) Environment(name string) (Environment, bool) {
	return find(p.Environments, func(e Environment) bool { return e.Name == name })
}

// Service returns the service of that name.
func (p Platform) Service(name string) (Service, bool) {
	return find(p.Services, func(s Service) bool { return s.Name == name })
}

// Task returns the one-off task of that name.
func (p Platform) Task(name string) (Task, bool) {
	return find(p.Tasks, func(t Task) bool { return t.Name == name })
}

// Secret returns the secret of that name.
func (p Platform) Secret(name string) (Secret, bool) {
	return find(p.Secrets, func(s Secret) bool { return s.Name == name })
}

// DatabaseSecret returns the secret that holds the database's credentials.
func (p Platform) DatabaseSecret() (Secret, bool) {
	return find(p.Secrets, func(s Secret) bool { return s.Kind == DatabaseCredentials })
}

// Queue returns the queue of that name.
func (p Platform) Queue(name string) (Queue, bool) {
	return find(p.Queues, func(q Queue) bool { return q.Name == name })
}

// find returns the first element for which is holds.
func find[E any](list []E, is func(E) bool) (found E, ok bool) {
	i := slices.IndexFunc(list, is)
	if i < 0 {
		return found, false
	}
	return list[i], true
}

// SizeOf returns the size of a service: the environment's, unless overridden.
func (e Environment) SizeOf(service string) Size {
	if s, ok := e.Sizes[service]; ok {
		return s
	}
	return e.Size
}

// UsesSpot reports whether any service runs on Fargate Spot in the environment.
func (p Platform) UsesSpot(e Environment) bool {
	return slices.ContainsFunc(p.Services, func(s Service) bool { return e.SizeOf(s.Name).Spot })
}

// VariablesOf returns fixed, a service's or task's own Environment, overridden by the
// environment's Variables of that name.
func (e Environment) VariablesOf(name string, fixed map[string]string) map[string]string {
	all := maps.Clone(fixed)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, e.Variables[name])
	return all
}

// HasDatabase says whether each environment has a database, which a platform may
// do without.
func (p Platform) HasDatabase() bool { return p.PostgresVersion != "" }

// HasCache says whether each environment has Redis or Valkey.
func (p Platform) HasCache() bool { return p.RedisVersion+p.ValkeyVersion != "" }

// HasLoadBalancer says whether each environment has a load balancer, which the
// domain leads to.
func (p Platform) HasLoadBalancer() bool { return p.Domain != "" }

// URL is where users find the environment; empty without a load balancer.
func (p Platform) URL(e Environment) string {
	if !p.HasLoadBalancer() {
		return ""
	}
	return "https://" + p.Site(e)
}

// Host is the environment's own DNS name.
func (p Platform) Host(e Environment) string {
	if e.Subdomain == "" {
		return p.Domain
	}
	return e.Subdomain + "." + p.Domain
}

// Prefix begins the AWS names of an environment, such as "shop-staging". It is itself
// the name of the ECS cluster, the load balancer, the database and the cache.
func (p Platform) Prefix(env string) string { return p.Name + "-" + env }

// Cluster is the ECS cluster of an environment.
func (p Platform) Cluster(env string) string { return p.Prefix(env) }

// ScheduleGroup is the group of EventBridge Scheduler that holds the schedules of
// an environment, each named for its task.
func (p Platform) ScheduleGroup(env string) string { return p.Prefix(env) }

// Family is the task definition family of a service or one-off task.
func (p Platform) Family(env, name string) string { return p.Prefix(env) + "-" + name }

// TargetGroup is the load balancer's target group of a service. A name of more
// than AWS's 32 characters is cut and ends with a hash.
func (p Platform) TargetGroup(env, service string) string {
	name := p.Family(env, service)
	if len(name) <= targetGroupName {
		return name
	}
	begin := Cut(p.Prefix(env), TargetGroupPrefix)
	if len(p.Prefix(env)) < TargetGroupPrefix {
		begin = strings.TrimRight(name[:TargetGroupPrefix], "-")
	}
	return begin + "-" + hash(name)
}

// LogGroup is the CloudWatch log group of a service or one-off task.
func (p Platform) LogGroup(env, name string) string { return "/" + p.Name + "/" + env + "/" + name }

// SessionLog is the CloudWatch log group of the sessions in an environment's tasks.
func (p Platform) SessionLog(env string) string { return p.LogGroup(env, "exec/sessions") }

// SecretPrefix begins the names of an environment's secrets:
// "staging/shop".
func (p Platform) SecretPrefix(env string) string { return env + "/" + p.Name }

// SecretName is the full name of a secret in Secrets Manager.
func (p Platform) SecretName(env, secret string) string { return p.SecretPrefix(env) + "/" + secret }

// CacheSecretName is the last part of the name of the secret that holds the cache's
// address with its token.
const CacheSecretName = "cache-url"

// HasCacheToken says whether the cache asks for a password.
func (p Platform) HasCacheToken() bool { return p.HasCache() && p.CacheTokenVersion > 0 }

// CacheSecret is the full name of the secret that holds the cache's address.
func (p Platform) CacheSecret(env string) string { return p.SecretName(env, CacheSecretName) }

// CacheGroup is the replication group of an environment.
func (p Platform) CacheGroup(env string) string { return Cut(p.Prefix(env), CacheName) }

// URLVariable is the environment variable in which callers of a service find
// its URL: "API_URL".
func URLVariable(service string) string {
	return strings.ToUpper(strings.ReplaceAll(service, "-", "_")) + "_URL"
}

// Builder is the service whose image a service runs: itself, or the one that
// its Image names.
func (p Platform) Builder(service string) string {
	if s, ok := p.Service(service); ok && !s.Builds() {
		return s.Image.Service
	}
	return service
}

// RepositoryName is the ECR repository of a service's image:
// "shop/api".
func (p Platform) RepositoryName(service string) string { return p.Name + "/" + p.Builder(service) }

// Registry is the host of the account's ECR registry.
func (p Platform) Registry() string { return p.Account + ".dkr.ecr." + p.Region + ".amazonaws.com" }

// RepositoryURL is where images of a service are pushed to and pulled from.
func (p Platform) RepositoryURL(service string) string {
	return p.Registry() + "/" + p.RepositoryName(service)
}

// DatabaseName is the PostgreSQL database: letters, digits and underscores.
func (p Platform) DatabaseName() string { return strings.ReplaceAll(p.Name, "-", "_") }

// RestoredDatabase is the name of a restored database until it takes over the
// identifier.
func RestoredDatabase(identifier string) string { return identifier + "-restored" }

// ReplacedDatabase is the name of a database that another one has replaced.
func ReplacedDatabase(identifier string) string { return identifier + "-replaced" }

// DatabaseUser is the PostgreSQL master user.
func (p Platform) DatabaseUser() string { return strings.ReplaceAll(p.Name, "-", "_") }

// Bucket is an environment's bucket. It carries the account, since bucket names
// are global.
func (p Platform) Bucket(env, name string) string {
	return Cut(p.Prefix(env), LoadBalancerName) + "-" + name + "-" + p.Account
}

// LogBucket takes what AWS delivers of an environment's requests and flows.
func (p Platform) LogBucket(env string) string { return p.Bucket(env, "logs") }

// StateBucket holds Terraform's state, the history and the locks. It carries
// the account, since bucket names are global.
func (p Platform) StateBucket() string { return p.Name + "-state-" + p.Account }

// StateKey is the object that holds a root's Terraform state.
func (p Platform) StateKey(root string) string { return "terraform/" + root + ".tfstate" }

// StateLockKey is the object that locks that state, where Terraform looks for it.
func (p Platform) StateLockKey(root string) string { return p.StateKey(root) + ".tflock" }

// UnfinishedKey is the object that records an apply which has begun and not
// ended.
func (p Platform) UnfinishedKey(root string) string { return p.StateKey(root) + ".unfinished" }

// UnsavedKey is the object that keeps a state which could not be saved.
func (p Platform) UnsavedKey(root string) string { return p.StateKey(root) + ".unsaved" }

// HistoryPrefix begins the keys of an environment's deployment records.
func (p Platform) HistoryPrefix(env string) string { return "history/" + env + "/" }

// LockKey is the object that holds an environment's deployment lock.
func (p Platform) LockKey(env string) string { return "locks/" + env + ".json" }

// RolePath is the IAM path of an environment's roles; a deploy role may create
// roles under its own environment's path only.
func (p Platform) RolePath(env string) string { return "/" + p.Name + "/" + env + "/" }

// Role is the name of one of GitHub's roles: "plan", "build",
// "deploy-staging" ….
func (p Platform) Role(purpose string) string { return p.Name + "-" + purpose }

// BoundaryARN is the policy of that name, which the shared root creates.
func (p Platform) BoundaryARN(env string) string {
	return "arn:aws:iam::" + p.Account + ":policy/" + p.Name + "/" + p.BoundaryName(env)
}

// RepositoryARN is the ECR repository of a service's image.
func (p Platform) RepositoryARN(service string) string {
	return "arn:aws:ecr:" + p.Region + ":" + p.Account + ":repository/" + p.RepositoryName(service)
}

// BoundaryName is the permissions boundary that every role of an environment
// carries.
func (p Platform) BoundaryName(env string) string { return p.Prefix(env) + "-boundary" }
