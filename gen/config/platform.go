// Package config holds the one description of the platform: what runs, where,
// and what differs between environments. Everything else is derived from it:
// the Terraform in modules/ and envs/, the guard that protects data, the order
// and the proof of a promotion.
package config

import (
	"cmp"
	"path"
	"time"
)

// Platform is a set of services on ECS Fargate in one AWS account and region,
// where each environment has one load balancer, one PostgreSQL database and one
// Redis cache, unless the platform does without.
type Platform struct {
	// Name prefixes every AWS name, such as "shop".
	Name string
	// Region is the AWS region, such as "us-west-2".
	Region string
	// AvailabilityZones are the zones of every network, in order. Literals,
	// so that a plan needs no lookup; RDS and the load balancer need two.
	AvailabilityZones []string
	// Account is the twelve-digit AWS account; Terraform refuses any other.
	Account string
	// Domain is the apex of the hosted zone, such as "shop.io". Empty: the
	// platform has no load balancer and no zone, since no service is public.
	Domain string
	// ZoneID is the hosted zone's id. Empty: roots look the zone up by Domain.
	ZoneID string
	// Repository is the GitHub repository whose workflows deploy.
	Repository Repository
	// PostgresVersion is the engine's major version, such as "16". Empty: the
	// platform has no database, and no task "migrate".
	PostgresVersion string
	// RedisVersion is the engine's major and minor version, such as "7.1". If it and
	// ValkeyVersion are empty, the platform has no cache.
	RedisVersion string
	// ValkeyVersion, such as "8.0", makes the cache Valkey, which Redis's clients can
	// use; RedisVersion is empty then. Redis becomes Valkey in place and keeps its
	// data; changing back to Redis replaces the cache.
	ValkeyVersion string
	// CacheTokenVersion makes the cache ask for a password, its AUTH token, which is
	// generated and comes to containers within REDIS_URL. Raise it to rotate the token.
	// Zero: every client in the network may connect. A cache never stops asking for
	// a token (docs/services.md).
	CacheTokenVersion int

	// Services run all the time.
	Services []Service
	// Tasks run to their end. Every promotion runs the one named "migrate", which a
	// platform with a database must have.
	Tasks []Task
	// Secrets are those that containers receive by reference; one is the
	// database's, if there is one.
	Secrets []Secret
	// Queues are what services and tasks send messages to, and services receive
	// them from.
	Queues []Queue
	// Buckets are what services and tasks keep files in.
	Buckets []Bucket
	// Redirects are requests that the load balancer itself sends elsewhere.
	Redirects []Redirect
	// Environments are the copies of the platform, in the order of a release's
	// way through them.
	Environments []Environment
}

// Repository names a GitHub repository.
type Repository struct {
	// Owner is a user or an organization, and Name does not repeat it.
	Owner, Name string
	// Branch is the branch whose pushes build images and deploy the first
	// environment, such as "main".
	Branch string
	// OwnerID and ID are GitHub's ids, by which repositories that were created,
	// renamed or transferred since 15 July 2026 name themselves to AWS; both or
	// none. gh api repos/OWNER/NAME --jq '.owner.id,.id' prints them.
	OwnerID, ID int64
}

// Service is a long-running container with its own image, task definition,
// roles and security group.
type Service struct {
	// Name is the ECS service, the container, the image and the Service
	// Connect name, such as "api".
	Name string
	// Image is how workflows build the service's image.
	Image Image
	// EntryPoint and Command replace the image's own where they are set, word by
	// word.
	EntryPoint, Command []string
	// Port is what the container listens on. 0: none, for a worker: nobody calls it,
	// and a HealthCommand checks it. It cannot change once the service is deployed
	// (docs/services.md).
	Port int
	// Ports are further ports, for other services only: every service that Calls this
	// one may connect to all of them.
	Ports []Port
	// Routes are the path patterns that the load balancer forwards here, such
	// as "/api/*". Without Routes, Hosts and Default the service is internal.
	Routes []string
	// Hosts are names below the environment's own at which the service answers its
	// Routes, or every path if it has none: "admin" is admin.shop.io in one
	// environment and admin.staging.shop.io in another. None: it answers at the
	// environment's own name. Hosts and Routes are at most five together.
	Hosts []string
	// Priority is the listener rule's, 1 to 49999, unique among Redirects and
	// services that have Routes or Hosts; the lowest is matched first.
	Priority int
	// Default makes the service answer every path of the environment's own name that
	// no route matches. At most one service is the default; it has neither Routes nor
	// Hosts nor Priority.
	Default bool
	// HealthPath is what the load balancer requests of a public service. It answers
	// GET with 200 while the container can serve. Other services have HealthCommand.
	HealthPath string
	// HealthCommand is what ECS runs in the container, in its own form: "CMD"
	// and the words, or "CMD-SHELL" and one line. It exits with 0 while the
	// container can serve. A service without routes needs one: without a check, ECS
	// calls a task healthy as soon as it runs.
	HealthCommand []string
	// Health is the interval, timeout and retries of both checks.
	Health Health
	// Timeouts bound what the service's connections and tasks may take.
	Timeouts Timeouts
	// Database and Cache open the way to the data stores and pass their
	// coordinates (DB_HOST …, REDIS_URL) to the container.
	Database, Cache bool
	// Calls names the services this one talks to by Service Connect; each
	// adds a variable <NAME>_URL and opens the callee's security group.
	Calls []string
	// Secrets names the Secrets that the container receives by reference.
	Secrets []string
	// Permissions are what the service's code may do in AWS, besides what the
	// platform itself needs.
	Permissions []Permission
	// Receives and Sends name the Queues that the service receives messages from,
	// and sends them to. Its role may do no more with them.
	Receives, Sends []string
	// Buckets name the Buckets whose objects the service may list, read, write and
	// delete.
	Buckets []string
	// MailFrom is what stands before the @ of the address that the service sends mail
	// from with SES, such as "no-reply"; the environment's name follows the @. The
	// service finds the whole address in MAIL_FROM, and may send from no other.
	MailFrom string
	// Environment holds further variables with fixed, public values.
	Environment map[string]string
	// Security is what the service's own container may do.
	Security Security
	// Sidecars run in every task of the service, at most nine.
	Sidecars []Sidecar
	// DependsOn are the sidecars that the service's container waits for before it
	// starts.
	DependsOn []Dependency
}

// Security is what a container may do. None is privileged, and none has the Linux
// capabilities MKNOD, NET_RAW and SETFCAP.
type Security struct {
	// User runs the container as another user than the image's own, in ECS's form:
	// "1000", "1000:1000", or the image's names.
	User string
	// NoCapabilities takes all Linux capabilities away. An image that does not run as
	// root does not need them. One that starts as root can then neither become another
	// user nor change owners of files, as nginx's does, and a program whose file has a
	// capability of its own does not start.
	NoCapabilities bool
	// OwnInit runs the image's own process as process 1, as s6-overlay requires.
	// Otherwise process 1 is ECS's init process, which reaps orphans. No environment
	// with Exec may run such a service: processes of sessions could stay behind.
	OwnInit bool
	// ReadOnlyRoot lets the container write to Writable and /dev/shm alone. No
	// environment with Exec may run such a service, since ECS Exec writes there.
	ReadOnlyRoot bool
	// Writable are folders that stay writable, such as "/tmp". They are on the task's
	// disk and empty when it starts. They belong to root, unless the image's Dockerfile
	// gives the folder to its user and names it in VOLUME.
	Writable []string
}

// Sidecar is a further container in every task of a service, such as an
// OpenTelemetry collector or a log router. All containers of a task share its CPU
// and memory, its roles and its network: they find each other at localhost. A
// promotion changes the service's own image and keeps its sidecars' images. To change
// those, edit them here and promote. A sidecar's log is in the service's log group.
type Sidecar struct {
	// Name is the container's, such as "otel".
	Name string
	// Image is pulled as it stands here, with a digest or a tag other than latest:
	// "public.ecr.aws/aws-observability/aws-otel-collector:v0.43.3". It comes from a
	// registry that anybody may pull from, or from the platform's own.
	Image string
	// Optional lets the task run on when the sidecar ends. Otherwise the task ends with
	// it, as it does with the service's own container.
	Optional bool
	// EntryPoint and Command are as in Service.
	EntryPoint, Command []string
	// Ports are those that it listens on; no two containers of a task share one.
	Ports []int
	// HealthCommand is as in Service; without one nobody checks the sidecar. It is run
	// every 10 seconds, and three failures in a row after the first minute count: an
	// unhealthy sidecar makes its task unhealthy, unless it is optional.
	HealthCommand []string
	// CPU is what the sidecar is granted of the task's, in units of 1/1024 vCPU, and
	// Memory the MiB beyond which it is killed. 0: what the others leave.
	CPU, Memory int
	// Environment holds its variables with fixed, public values, besides APP_ENV.
	Environment map[string]string
	// Secrets names the Secrets that it receives by reference.
	Secrets []string
	// DependsOn are the other sidecars that this one waits for before it starts.
	DependsOn []Dependency
	// LogRouter makes it the FireLens log router of the service's own container.
	LogRouter LogRouter
}

// Dependency has a container wait for another one of its task.
type Dependency struct {
	// Container is a sidecar's Name.
	Container string
	// Condition is what it waits for: START, HEALTHY (its HealthCommand), COMPLETE (its
	// end) or SUCCESS (its end with 0). Only an Optional sidecar may end.
	Condition string
}

// LogRouter is where FireLens sends what the service's own container logs. Empty:
// the sidecar routes nothing.
type LogRouter struct {
	// Type is the program in the sidecar's image: "fluentbit" or "fluentd".
	Type string
	// Options are those of the program's output, such as {"Name": "datadog", …}. None:
	// Fluent Bit sends to the service's log group in CloudWatch, where "logs" and
	// failed promotions read it. They cannot read what goes elsewhere.
	Options map[string]string
	// Secrets are options with secret values: names of Secrets by option.
	Secrets map[string]string
}

// Port is a further port of a service. Those who call the service know it as
// SERVICE-NAME, such as "api-metrics".
type Port struct {
	// Name is such as "metrics".
	Name string
	// Number is what the container listens on.
	Number int
	// Protocol is "http" (the default), "http2", "grpc" or "tcp". Callers find the port
	// in SERVICE_NAME_URL, or in SERVICE_NAME_ADDRESS, without a scheme, if it is
	// "grpc" or "tcp".
	Protocol string
}

// Permission allows actions on resources to one service or task, through its role.
// The shared root limits every role of an environment to what its services and tasks
// ask for, so apply the shared root first after you add one.
type Permission struct {
	// Actions are IAM's, such as "ses:SendEmail" or "s3:Get*".
	Actions []string
	// Resources are ARNs, in which {environment} stands for the environment's
	// name and * for any text; or "*" alone, for actions that name no resource.
	Resources []string
}

// Image is how an image is built from the checkout. Paths are relative to it,
// with slashes. A field that is empty has its default.
type Image struct {
	// Service names another service, whose image this one runs with a Command of
	// its own, such as a worker that is part of the API's code. Nothing is built
	// for it then, and the other fields are empty.
	Service string
	// Context is the folder whose files the build may copy (default ".").
	Context string
	// Dockerfile is the build's description (default "Dockerfile" in Context).
	Dockerfile string
	// Platform is what the image is built for and its tasks run on:
	// "linux/amd64" (the default) or "linux/arm64".
	Platform string
}

// OrDefault fills in what is empty.
func (i Image) OrDefault() Image {
	i.Context = cmp.Or(i.Context, ".")
	i.Dockerfile = cmp.Or(i.Dockerfile, path.Join(i.Context, "Dockerfile"))
	i.Platform = cmp.Or(i.Platform, platformAMD64)
	return i
}

const platformAMD64, platformARM64 = "linux/amd64", "linux/arm64"

// Architecture is what ECS calls the image's platform.
func (i Image) Architecture() string {
	if i.Platform == platformARM64 {
		return "ARM64"
	}
	return "X86_64"
}

// Health says when a container counts as healthy, in whole seconds. A field that is
// zero has its default.
type Health struct {
	// Interval between two checks (5 s to 5 min; default 10 s) and Timeout of
	// each, which is shorter (2 s to 1 min; default 5 s).
	Interval, Timeout time.Duration
	// Retries is how many failures in a row make it unhealthy (2 to 10; default 3).
	Retries int
	// StartPeriod is how long after the container's start failed checks do not count
	// (up to 5 min; default 1 min).
	StartPeriod time.Duration
	// Matcher is the codes with which HealthPath answers, such as "200-204" or
	// "200,302" (default "200").
	Matcher string
}

// Timeouts are in whole seconds. A field that is zero has its default. By
// default a response may stream for as long as something passes within
// Environment.IdleTimeout and Idle.
type Timeouts struct {
	// Request limits how long a response to another service's request through Service
	// Connect may take (default: no limit; AWS's own default is 15 s).
	Request time.Duration
	// Idle ends a connection through Service Connect on which nothing passes
	// (up to 1 h; default 5 min). A TCP port has AWS's own bound, an hour.
	Idle time.Duration
	// Drain is how long requests in flight may go on when a task leaves the
	// load balancer (up to 1 h; default 30 s).
	Drain time.Duration
	// Stop is the time from SIGTERM to SIGKILL (up to 2 min; default 30 s).
	Stop time.Duration
}

// Public reports whether the load balancer forwards to the service.
func (s Service) Public() bool { return s.Default || len(s.Routes) > 0 || len(s.Hosts) > 0 }

// Builds reports whether the service has an image of its own.
func (s Service) Builds() bool { return s.Image.Service == "" }

// Task is a one-off container that runs to its end, such as migrate.
type Task struct {
	// Name is the container and the last part of the task definition's family.
	Name string
	// Service names the service whose image the task runs.
	Service string
	// Command replaces the image's command.
	Command []string
	// Schedule starts the task by the clock, with the deployed release's image. Without
	// an Expression the task runs only when somebody starts it.
	Schedule Schedule
	// CPU is in units of 1/1024 vCPU, Memory in MiB; a Fargate pair.
	CPU, Memory int
	// EphemeralStorageGiB is as in Size.
	EphemeralStorageGiB int
	// Database and Cache are as in Service.
	Database, Cache bool
	// Permissions are as in Service.
	Permissions []Permission
	// Secrets names the Secrets that the container receives by reference.
	Secrets []string
	// Sends names the Queues that the task sends messages to.
	Sends []string
	// Buckets are as in Service.
	Buckets []string
	// MailFrom is as in Service.
	MailFrom string
	// Environment holds further variables with fixed, public values.
	Environment map[string]string
	// Security is as in Service.
	Security Security
}

// Schedule is when a task runs by itself. AWS starts it with EventBridge
// Scheduler, in rare cases twice, and whether or not the previous run has ended:
// neither Scheduler nor ECS keeps runs of a task apart. A task whose runs must not
// overlap takes an advisory lock in the database, and ends at once if it is held.
// Nothing ends a run that hangs; put `timeout 50m` in front of its Command.
//
// A run that fails sends a message with the task's name. The task's alarm rings when
// no run has begun for the longest gap between two runs plus MaximumAge plus an hour.
// If that is more than seven days, there is no alarm: CloudWatch looks back no further.
type Schedule struct {
	// Expression is Scheduler's: "rate(15 minutes)", or
	// "cron(30 2 * * ? *)" with minute, hour, day of the month, month, day of the
	// week and year, where one of the two days is "?".
	Expression string
	// TimeZone is that of a cron expression, such as "Europe/Berlin" (default
	// "UTC"). A time that the clock skips in spring starts no run; one that comes
	// twice in autumn starts one run.
	TimeZone string
	// Retries is how often a start that failed is tried again within MaximumAge (up to
	// 185; default 3; less than 0: never). A task that ran and failed is not started
	// again.
	Retries int
	// MaximumAge is how late a task may start (1 min to 24 h, in whole seconds;
	// default 1 h).
	MaximumAge time.Duration
}

// Queue is a queue of SQS in each environment, with a dead-letter queue for the
// messages that nobody could handle. SQS delivers every message at least once. One may
// come twice, such as when a deployment stops the task that handles it. So a receiver
// must remember what it has handled, or handle a message twice without harm.
type Queue struct {
	// Name is the last part of the queue's name, such as "mail". Containers find
	// its URL in <NAME>_QUEUE_URL.
	Name string
	// Visibility is how long a message that was received stays hidden from others:
	// longer than handling it takes (1 s to 12 h, in whole seconds; default 5 min).
	Visibility time.Duration
	// MaxReceives is how often a message is received before it goes to the dead-letter
	// queue (1 to 1000; default 5).
	MaxReceives int
	// AlarmAge is how old the oldest message gets before the alarm rings (1 min to
	// 3 days, in whole seconds; default 15 min). A message in the dead-letter queue
	// rings another.
	AlarmAge time.Duration
}

// Bucket is a bucket of S3 in each environment: private, encrypted, reached over
// TLS only. What was overwritten or deleted stays for a month. In a protected
// environment the guard keeps the bucket; destroying another deletes its contents.
type Bucket struct {
	// Name is the part of the bucket's name between the environment's and the
	// account, such as "uploads" (up to 17 characters). Containers find the whole
	// name in <NAME>_BUCKET.
	Name string
}

// Redirect has the load balancer send requests to another address.
type Redirect struct {
	// Host is a name below the environment's own, as in Service.Hosts, which the
	// redirect alone may have. Empty: the environment's own name.
	Host string
	// Path is the pattern of the paths, such as "/blog/*". Empty: every path.
	Path string
	// Location is a path at the same host, such as "/news", or a whole URL, in which
	// {domain} stands for the environment's name: "https://{domain}/#{path}". As
	// AWS has it, #{path} stands for the path that was asked for without its first
	// slash, #{query} for its query, which stays unless Location has a "?", and #{host},
	// #{port} and #{protocol} for the rest. A path takes #{host}, #{path} and #{port}.
	Location string
	// Status is 301 (the default), which browsers remember, or 302.
	Status int
	// Priority is as in Service.
	Priority int
}

// SecretKind says where a secret's value comes from.
type SecretKind string

const (
	// Generated secrets get a random value from AWS, once, through a
	// write-only argument: no plan and no state ever holds it.
	Generated SecretKind = "generated"
	// Provided secrets are created empty; a person stores the value.
	Provided SecretKind = "provided"
	// DatabaseCredentials is the JSON document of the database's master user.
	// Its password is generated, and reaches containers as DB_PASSWORD.
	DatabaseCredentials SecretKind = "database"
	// DatabaseRole is a role in the database that may do only what its Grants say,
	// with a generated password of its own. A service or task that names it in Secrets
	// logs in with it, and not as the owner of all tables; several may share one. The
	// task migrate makes the role.
	DatabaseRole SecretKind = "database-role"
)

// Secret is one Secrets Manager secret per environment, under the
// environment's prefix.
type Secret struct {
	// Name is the last part of the secret's path, such as "session-secret".
	Name string
	// Kind is where the value comes from.
	Kind SecretKind
	// Variable is the environment variable in which containers receive the value. It
	// is empty for a database role: its user is in DB_USER, and its password in the
	// variable of the database's own.
	Variable string
	// Length is that of a generated value, in characters (8 to 4096).
	Length int
	// Version rotates a generated value: raise it, and the next apply stores a
	// new one. Zero means 1. A new version also changes the password in the database,
	// for DatabaseCredentials and DatabaseRole.
	Version int
	// Hint tells a person what to store in a provided secret.
	Hint string
	// Grants is what a database role may do with the tables of all migrations, later
	// ones too: "read"; or "write", which is reading, inserting, updating and deleting
	// rows. Neither may alter a table, or read the record of migrations.
	Grants string
}

// Environment is everything that differs between two copies of the platform.
type Environment struct {
	// Name is the root's folder in envs/, the GitHub environment, the value of
	// APP_ENV and a part of every AWS name, such as "staging".
	Name string
	// Subdomain of Platform.Domain; empty is the apex.
	Subdomain string
	// WWW gives the environment a second name, with "www." before its own: "redirect"
	// sends requests for it to the environment's own name, and "serve" has the services
	// answer there and sends requests for the environment's own name to it.
	WWW string
	// Protected environments promise Multi-AZ, deletion protection, two tasks
	// a service and a week of backups, and the guard keeps their data.
	Protected bool
	// Network is the environment's own.
	Network Network
	// Database is PostgreSQL, which the services share; empty if
	// Platform.PostgresVersion is.
	Database Database
	// Cache is Redis or Valkey, which the services share; empty if the platform
	// has none.
	Cache Cache
	// Maintenance is when AWS may work on the database and the cache; empty if
	// there is neither.
	Maintenance Maintenance
	// Size is that of every service.
	Size Size
	// Sizes overrides Size by service name.
	Sizes map[string]Size
	// Schedules overrides the Schedule of tasks by their names; one without an
	// Expression does not run here by itself.
	Schedules map[string]Schedule
	// Variables are further variables of services and tasks here, by their names,
	// or other values of those in their Environment.
	Variables map[string]map[string]string
	// Alarms are the thresholds that notify.
	Alarms Alarms
	// IdleTimeout ends a connection through the load balancer on which nothing
	// passes (1 s to 4000 s, in whole seconds; default 5 min).
	IdleTimeout time.Duration
	// AllowedCIDRs are the IPv4 blocks whose clients may connect to the load
	// balancer, such as an office's and a VPN's (up to 30; none: everybody). A
	// promotion then judges by the targets' health and requests no page.
	AllowedCIDRs []string
	// Firewall is AWS WAF in front of the load balancer; empty: there is none. AWS
	// charges about 5 dollars a month for it, one for each rule, and 0.60 for a million
	// requests.
	Firewall Firewall
	// DMARC is the record that tells receivers what to do with mail that pretends to be
	// from the environment's name: "v=DMARC1; p=quarantine". Empty: no record is made,
	// for instance because somebody maintains the domain's own.
	DMARC string
	// LogRetentionDays is one of CloudWatch's retention periods.
	LogRetentionDays int
	// Exec lets people who have the policy PLATFORM-ENV-operate run commands in the
	// services' tasks (tfpipeline exec) and open a console of the database through
	// them (tfpipeline db). ECS logs what they type and see. Only tasks that started
	// after it was set can be entered. No workflow may delete that log, so only an
	// administrator can apply switching Exec off.
	Exec bool
	// AccessLogDays is how long a bucket keeps the load balancer's access logs (0: it
	// writes none), which cost only their storage. The example's production, and that
	// of init, have 30.
	AccessLogDays int
	// Proof, if set, is what a release must have done elsewhere before it may
	// be promoted here.
	Proof *Proof
	// HealthWindow is how long a release has to stay healthy before it counts as
	// deployed (30 s to 20 min): 0 means twice as long as the slowest health check
	// takes to notice a failure, and at least 30 s.
	HealthWindow time.Duration
}

// Firewall is what AWS WAF does with requests.
type Firewall struct {
	// Rate is how many requests an address may make within five minutes (300 to
	// 2000000000; 0: no limit). WAF answers more with 429, and an alarm rings when it
	// has refused more than Rate.
	Rate int
	// CommonRules is what AWS's common rule set does with requests that look like an
	// attack: "count", to see in the metrics what it would block, or "block". It also
	// blocks every body of more than 8 KB, so count uploads first. Empty: it is not
	// used.
	CommonRules string
}

// MaxHealthWindow is the longest HealthWindow: a workflow's job has no more time left
// after a promotion's other steps and the wait for its lock.
const MaxHealthWindow = 20 * time.Minute

// The health check of a service whose Health does not say otherwise.
const (
	// HealthCheckInterval is the time between two checks.
	HealthCheckInterval = 10 * time.Second
	// HealthCheckFailures in a row make a task unhealthy.
	HealthCheckFailures = 3
)

// Window is how long a release has to stay healthy in an environment:
// HealthWindow or its default.
func (p Platform) Window(e Environment) time.Duration {
	if e.HealthWindow > 0 {
		return e.HealthWindow
	}
	window := 30 * time.Second
	for _, s := range p.Services {
		span := cmp.Or(s.Health.Interval, HealthCheckInterval) * time.Duration(cmp.Or(s.Health.Retries, HealthCheckFailures))
		window = max(window, 2*span)
	}
	return window
}

// Network is one VPC: a public, a private and an isolated subnet per zone.
type Network struct {
	// CIDR is the VPC's block, a /16 to /20.
	CIDR string
	// NATGateways is 1, or one per availability zone.
	NATGateways int
	// FlowLogDays is how long a bucket keeps the network's flow logs (0: none are
	// made): which addresses connected, and which were refused. AWS charges a quarter
	// of a dollar for a gigabyte of them. Production of Default and of init has 14.
	FlowLogDays int
}

// Maintenance is when AWS may work on the database and the cache, in UTC. The
// two windows do not overlap.
type Maintenance struct {
	// Window is an hour or more of each week, such as "sun:04:00-sun:05:00",
	// which is the default.
	Window string
	// BackupWindow is an hour or more of each day, such as "02:00-03:00", which
	// is the default.
	BackupWindow string
	// ApplyImmediately makes changes that restart the database or the cache
	// take effect at once. Otherwise they wait for Window.
	ApplyImmediately bool
}

// Database is one PostgreSQL instance on RDS.
type Database struct {
	// InstanceClass, such as "db.t4g.micro".
	InstanceClass string
	// StorageGiB is allocated; MaxStorageGiB is where autoscaling stops.
	StorageGiB, MaxStorageGiB int
	// MultiAZ keeps a standby in a second zone, which takes over by itself.
	MultiAZ bool
	// BackupRetentionDays allows point-in-time recovery for so long (1–35).
	BackupRetentionDays int
	// DeletionProtection makes AWS refuse to delete the instance.
	DeletionProtection bool
	// Parameters are values of PostgreSQL's parameters on RDS, by name, such as
	// "work_mem": "16384", or "rds.allowed_extensions": "pgcrypto,pg_trgm" for the
	// extensions that migrations may create. Some take effect only when somebody reboots the database
	// (docs/day-to-day.md); statements above a second are logged unless
	// "log_min_duration_statement" says otherwise.
	Parameters map[string]string
	// PerformanceInsights records what the database waits for and which statements
	// load it, for a week, which costs nothing. Production of Default and of init has it.
	PerformanceInsights bool
}

// Cache is one replication group on ElastiCache.
type Cache struct {
	// NodeType, such as "cache.t4g.micro".
	NodeType string
	// Nodes counts the primary and its replicas; from 2, failover is automatic.
	Nodes int
	// SnapshotDays is how long daily snapshots are kept (0 to 35; 0: none).
	SnapshotDays int
}

// Size is how large a task is and how many of them run.
type Size struct {
	// CPU is in units of 1/1024 vCPU, Memory in MiB; a Fargate pair.
	CPU, Memory int
	// At least MinTasks run. If MaxTasks is larger, the service scales.
	MinTasks, MaxTasks int
	// Spot runs the tasks on Fargate Spot, at about 30 % of the usual price: AWS takes
	// one away with two minutes' notice when it needs the capacity, and ECS starts
	// another when there is some. Protected environments refuse it. Changing Spot
	// replaces the service: none of its tasks run from the apply until a promotion
	// updates it.
	Spot bool
	// EphemeralStorageGiB is the disk of a task, 21 to 200 (0: the 20 GiB that
	// Fargate includes). It is empty whenever a task starts.
	EphemeralStorageGiB int
	// TargetCPUPercent, TargetMemoryPercent and TargetRequests are the averages
	// that autoscaling aims at, one of them at least: of a service's tasks, in
	// percent, and of the requests that the load balancer sends to each task in
	// a minute. The target that asks for the most tasks counts.
	TargetCPUPercent, TargetMemoryPercent, TargetRequests int
	// TargetBacklog is how many messages may wait for each task, counted over all
	// queues (eight at most) that the service Receives from. It is a target like those
	// above: with 100, a queue of 600 messages gets six tasks.
	TargetBacklog int
	// Minimums raise MinTasks at times, such as for the working day (up to 200).
	Minimums []Minimum
}

// Minimum sets the least number of tasks from one time until the next Minimum's. A
// promotion keeps a number that a Minimum has set.
type Minimum struct {
	// Name is such as "day".
	Name string
	// Expression is a cron expression, and TimeZone its time zone, both as in Schedule.
	Expression, TimeZone string
	// MinTasks is a number from the Size's MinTasks to its MaxTasks. The Size's own
	// ends a higher one.
	MinTasks int
}

// Autoscaled reports whether the number of tasks follows the load.
func (s Size) Autoscaled() bool { return s.MaxTasks > s.MinTasks }

// Alarms are thresholds, each evaluated over Period.
type Alarms struct {
	// CPUPercent and MemoryPercent are averages over a service's tasks.
	CPUPercent, MemoryPercent int
	// HTTP5xx counts the responses of the targets, and those of the load
	// balancer itself; 0 if Platform.Domain is empty.
	HTTP5xx int
	// ResponseTime is the average time until a service behind the load balancer begins
	// to answer (10 ms to 1 min; 0: 2 s).
	ResponseTime time.Duration
	// Connections are those to the database (0: 80 % of what PostgreSQL takes on the
	// instance's class).
	Connections int
	// Period is a whole number of minutes.
	Period time.Duration
	// Emails receive the alarms, once their owners have followed the link that AWS
	// sends them. A protected environment must have one.
	Emails []string
}

// Proof is the evidence that a promotion asks for: the very same image
// digests, deployed successfully to another environment.
type Proof struct {
	// From names that environment.
	From string
	// MinimumBake is how long they must have run there.
	MinimumBake time.Duration
	// ByHand is for a repository in which GitHub enforces no reviewers: the role trusts
	// no tag, a published release stops after its preview, and a person starts the
	// workflow by hand on the branch.
	ByHand bool
}
