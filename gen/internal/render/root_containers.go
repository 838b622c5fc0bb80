package render

import (
	"slices"
	"strconv"
	"time"

	"github.com/specboard/platform/gen/config"
)

// defaultPriority is the priority of the default service's listener rule; the
// load balancer tries the highest number last.
const defaultPriority = 50000

func environmentServices(p config.Platform, e config.Environment) []node {
	var nodes []node
	for _, s := range p.Services {
		size := e.SizeOf(s.Name)
		body := containerArguments(p, e, container{
			name: s.Name, image: s.Name, cpu: size.CPU, memory: size.Memory,
			port: s.Port, database: s.Database, cache: s.Cache, calls: s.Calls,
			secrets: s.Secrets, environment: s.Environment, receives: s.Receives, sends: s.Sends, buckets: s.Buckets, mailFrom: s.MailFrom,
			disk: size.EphemeralStorageGiB, permissions: s.Permissions, security: s.Security,
		})
		body = append(body,
			set("alarms", expr("merge(local.thresholds, { topic_arn = module.alarms.topic_arn })")),
			set("cluster_name", expr("module.cluster.name")),
			set("health_check", healthCheck(s)),
			set("min_tasks", size.MinTasks),
			set("namespace_arn", expr("module.cluster.namespace_arn")),
			set("subnet_ids", expr("module.network.private_subnet_ids")),
		)
		body = append(body, optional(
			field{"command", list(strs(s.Command))},
			field{"entry_point", list(strs(s.EntryPoint))},
			field{"load_balancer", listenerRule(p, e, s)},
			field{"port", s.Port},
			field{"ports", furtherPorts(s)},
			field{"spot", size.Spot},
			field{"timeouts", timeouts(s)},
		)...)
		if e.Exec {
			body = append(body, set("session_log_arn", "arn:aws:logs:"+p.Region+":"+p.Account+":log-group:"+p.SessionLog(e.Name)))
		}
		if size.Autoscaled() {
			body = append(body, scaling(s, size)...)
		}
		body = append(body, serviceSidecars(p, e, s)...)
		sortArguments(body)
		nodes = append(nodes, moduleCall(identifier(s.Name), "service", body...))
	}
	return nodes
}

// furtherPorts are a service's Ports.
func furtherPorts(s config.Service) (all object) {
	for _, port := range s.Ports {
		all = append(all, field{port.Name, object{{"number", port.Number}, {"protocol", port.OrDefault().Protocol}}})
	}
	return all
}

// scaling are the arguments about how the number of a service's tasks follows the load.
func scaling(s config.Service, size config.Size) []node {
	var backlog list
	if size.TargetBacklog != 0 {
		for _, queue := range s.Receives {
			backlog = append(backlog, expr(`module.queues.names["`+queue+`"]`))
		}
	}
	var minimums object
	for _, m := range size.Minimums {
		at := config.Schedule{Expression: m.Expression, TimeZone: m.TimeZone}.OrDefault()
		minimums = append(minimums, field{m.Name, object{{"expression", at.Expression}, {"min_tasks", m.MinTasks}, {"time_zone", at.TimeZone}}})
	}
	return optional(
		field{"autoscaling", given(
			field{"max_tasks", size.MaxTasks},
			field{"min_tasks", size.MinTasks},
			field{"target_backlog", size.TargetBacklog},
			field{"target_cpu_percent", size.TargetCPUPercent},
			field{"target_memory_percent", size.TargetMemoryPercent},
			field{"target_requests", size.TargetRequests},
		)},
		field{"backlog_queues", backlog},
		field{"minimums", minimums},
	)
}

// listenerRule is where a public service hangs on the load balancer.
func listenerRule(p config.Platform, e config.Environment, s config.Service) object {
	if !s.Public() {
		return nil
	}
	routes, priority := s.Routes, s.Priority
	if s.Default {
		routes, priority = []string{"/*"}, defaultPriority
	}
	return given(
		field{"arn_suffix", expr("module.load_balancer.arn_suffix")},
		field{"hosts", list(strs(p.HostsOf(e, s)))},
		field{"listener_arn", expr("module.load_balancer.listener_arn")},
		field{"priority", priority},
		field{"routes", list(strs(routes))},
		field{"security_group_id", expr("module.load_balancer.security_group_id")},
	)
}

// given are the fields that are set.
func given(fields ...field) (o object) {
	for _, f := range fields {
		var isSet bool
		switch v := f.value.(type) {
		case time.Duration:
			f.value, isSet = int(v.Seconds()), v != 0
		case []string:
			f.value, isSet = row(strs(v)), len(v) > 0
		case list:
			isSet = len(v) > 0
		case row:
			isSet = len(v) > 0
		case object:
			isSet = len(v) > 0
		default:
			isSet = v != "" && v != 0 && v != false
		}
		if isSet {
			o = append(o, f)
		}
	}
	return o
}

// optional are the arguments that are set.
func optional(fields ...field) (nodes []node) {
	for _, f := range given(fields...) {
		nodes = append(nodes, set(f.key, f.value))
	}
	return nodes
}

// permissionList writes permissions as modules take them.
func permissionList(permissions []config.Permission) (all list) {
	for _, p := range permissions {
		all = append(all, object{{"actions", list(strs(p.Actions))}, {"resources", list(strs(p.Resources))}})
	}
	return all
}

// healthCheck and timeouts are those of a service; what is not set gets the module's
// default.
func healthCheck(s config.Service) object {
	return given(
		field{"command", s.HealthCommand}, field{"interval", s.Health.Interval}, field{"matcher", s.Health.Matcher},
		field{"path", s.HealthPath}, field{"retries", s.Health.Retries}, field{"start_period", s.Health.StartPeriod},
		field{"timeout", s.Health.Timeout},
	)
}

func timeouts(s config.Service) object {
	return given(
		field{"drain", s.Timeouts.Drain}, field{"idle", s.Timeouts.Idle},
		field{"request", s.Timeouts.Request}, field{"stop", s.Timeouts.Stop},
	)
}

func environmentTasks(p config.Platform, e config.Environment) []node {
	var nodes []node
	for _, t := range p.Tasks {
		body := containerArguments(p, e, container{
			name: t.Name, image: t.Service, cpu: t.CPU, memory: t.Memory,
			database: t.Database, cache: t.Cache, secrets: t.Secrets, environment: t.Environment, sends: t.Sends, buckets: t.Buckets, mailFrom: t.MailFrom,
			disk: t.EphemeralStorageGiB, permissions: t.Permissions, security: t.Security,
		})
		body = append(body, set("command", list(strs(t.Command))))
		sortArguments(body)
		nodes = append(nodes, moduleCall(identifier(t.Name), "task", body...))
	}
	return nodes
}

// environmentSchedules are when tasks run by themselves; none renders nothing.
func environmentSchedules(p config.Platform, e config.Environment) []node {
	var all object
	for _, t := range p.Scheduled(e) {
		s, _ := e.ScheduleOf(t)
		after, watched := s.AbsentAfter()
		if !watched {
			after = 0
		}
		all = append(all, field{t.Name, append(given(field{"absent_after", after}), object{
			{"expression", s.Expression},
			{"maximum_age", int(s.MaximumAge.Seconds())},
			{"retries", s.Retries},
			{"security_group_id", at(t.Name, "security_group_id")},
			{"template_arn", at(t.Name, "template_arn")},
			{"time_zone", s.TimeZone},
		}...)})
	}
	if len(all) == 0 {
		return nil
	}
	return []node{
		moduleCall("schedules", "schedules",
			set("account", p.Account),
			set("cluster_name", expr("module.cluster.name")),
			set("environment_name", e.Name),
			set("permissions_boundary", p.BoundaryARN(e.Name)),
			set("platform", p.Name),
			set("region", p.Region),
			set("schedules", all),
			set("subnet_ids", expr("module.network.private_subnet_ids")),
			set("topic_arn", expr("module.alarms.topic_arn")),
		),
	}
}

// container is what a service and a one-off task have in common.
type container struct {
	name, image     string
	cpu, memory     int
	port            int // 0: listens on none
	database, cache bool
	calls           []string
	secrets         []string
	receives, sends []string // queues
	buckets         []string
	mailFrom        string
	environment     map[string]string
	disk            int // GiB; 0: what Fargate includes
	permissions     []config.Permission
	security        config.Security
}

func containerArguments(p config.Platform, e config.Environment, c container) []node {
	body := []node{
		set("account", p.Account),
		set("cpu", c.cpu),
		set("environment", containerEnvironment(p, e, c)),
		set("environment_name", e.Name),
		set("image", p.RepositoryURL(c.image)+":template"),
		set("log_retention_days", e.LogRetentionDays),
		set("memory", c.memory),
		set("name", c.name),
		set("permissions_boundary", p.BoundaryARN(e.Name)),
		set("platform", p.Name),
		set("region", p.Region),
		set("repository_arn", p.RepositoryARN(c.image)),
		set("vpc_id", expr("module.network.vpc_id")),
	}
	if s, _ := p.Service(p.Builder(c.image)); s.Image.Architecture() != "X86_64" {
		body = append(body, set("cpu_architecture", s.Image.Architecture()))
	}
	if c.mailFrom != "" {
		body = append(body, set("mail_from", p.MailAddress(e, c.mailFrom)))
	}
	var buckets list
	for _, name := range c.buckets {
		buckets = append(buckets, expr(`module.buckets["`+name+`"].arn`))
	}
	return append(body, optional(
		field{"buckets", buckets},
		field{"ephemeral_storage_gib", c.disk},
		field{"peers", containerPeers(p, c)},
		field{"permissions", permissionList(config.PermissionsIn(e, c.permissions))},
		field{"queues", containerQueues(c)},
		field{"secrets", containerSecrets(p, c)},
		field{"security", containerSecurity(c.security)},
	)...)
}

// containerSecurity is what differs from the module's defaults.
func containerSecurity(s config.Security) object {
	var drop row
	if s.NoCapabilities {
		drop = strs(s.Dropped())
	}
	return given(field{"drop", drop}, field{"own_init", s.OwnInit}, field{"read_only_root", s.ReadOnlyRoot}, field{"user", s.User}, field{"writable", s.Writable})
}

// containerEnvironment are the variables that hold no secret.
func containerEnvironment(p config.Platform, e config.Environment, c container) object {
	values := map[string]any{"APP_ENV": e.Name}
	if c.port != 0 {
		values["PORT"] = strconv.Itoa(c.port)
	}
	if c.database {
		values["DB_HOST"] = expr("module.database.address")
		values["DB_PORT"] = expr("tostring(module.database.port)")
		values["DB_NAME"] = p.DatabaseName()
		if login, ok := p.LoginSecret(c.secrets); !ok || login.Kind != config.DatabaseRole {
			values["DB_USER"] = p.DatabaseUser()
		}
		if c.name == config.MigrateTask && len(p.DatabaseRoles()) > 0 {
			values[config.RolesVariable] = p.RoleGrants()
		}
		values["DB_SSLMODE"] = "require" // the database refuses any other connection
	}
	if c.cache && !p.HasCacheToken() {
		values["REDIS_URL"] = expr(`"rediss://${module.cache.address}:${module.cache.port}"`)
	}
	for _, name := range c.calls {
		if s, ok := p.Service(name); ok {
			values[config.URLVariable(name)] = "http://" + name + ":" + strconv.Itoa(s.Port)
			for _, port := range s.Ports {
				variable, value := port.Variable(name)
				values[variable] = value
			}
		}
	}
	for _, name := range c.buckets {
		values[config.BucketVariable(name)] = expr(`module.buckets["` + name + `"].name`)
	}
	if c.mailFrom != "" {
		values[config.MailVariable] = p.MailAddress(e, c.mailFrom)
	}
	for _, name := range slices.Concat(c.receives, c.sends) {
		values[config.QueueVariable(name)] = expr(`module.queues.urls["` + name + `"]`)
	}
	for k, v := range e.VariablesOf(c.name, c.environment) {
		values[k] = v
	}
	return sorted(values)
}

// containerQueues are the queues that the container's role may use.
func containerQueues(c container) object {
	arns := func(names []string) (all list) {
		for _, name := range names {
			all = append(all, expr(`module.queues.arns["`+name+`"]`))
		}
		return all
	}
	return given(field{"receives", arns(c.receives)}, field{"sends", arns(c.sends)})
}

// environmentQueues declares the queues; none renders nothing.
func environmentQueues(p config.Platform, e config.Environment) []node {
	var all object
	for _, q := range p.Queues {
		q = q.OrDefault()
		all = append(all, field{q.Name, object{
			{"alarm_age", int(q.AlarmAge.Seconds())},
			{"receives", q.MaxReceives},
			{"visibility", int(q.Visibility.Seconds())},
		}})
	}
	if len(all) == 0 {
		return nil
	}
	return []node{
		moduleCall("queues", "queues",
			set("prefix", p.Prefix(e.Name)),
			set("queues", all),
			set("topic_arn", expr("module.alarms.topic_arn")),
		),
	}
}

// environmentMail declares the identity that mail is sent with; none renders nothing.
func environmentMail(p config.Platform, e config.Environment) []node {
	if !p.SendsMail() {
		return nil
	}
	return []node{moduleCall("mail_identity", "mail", optional(
		field{"dkim_domain", p.DKIMDomain()}, field{"dmarc", e.DMARC}, field{"domain", p.Host(e)}, field{"zone_id", environmentZone(p)},
	)...)}
}

// environmentBuckets declares the buckets; none renders nothing.
func environmentBuckets(p config.Platform, e config.Environment) []node {
	if len(p.Buckets) == 0 {
		return nil
	}
	var all object
	for _, b := range p.Buckets {
		all = append(all, field{b.Name, p.Bucket(e.Name, b.Name)})
	}
	return []node{labelled("module", "buckets",
		set("source", "../../modules/bucket"),
		set("for_each", all),
		set("account", p.Account),
		set("force_destroy", !e.Protected),
		set("name", expr("each.value")),
		set("region", p.Region),
		set("versioned", true),
	)}
}

// containerSecrets are references by variable, sorted.
func containerSecrets(p config.Platform, c container) object {
	references := map[string]any{}
	key := func(secret, key string) expr {
		return expr(`"${module.secrets.stored_arns["` + secret + `"]}:` + key + `::"`)
	}
	if owner, ok := p.DatabaseSecret(); ok && c.database {
		login, _ := p.LoginSecret(c.secrets)
		references[owner.Variable] = key(login.Name, "password")
		if login.Kind == config.DatabaseRole {
			// The user changes with the password.
			references["DB_USER"] = key(login.Name, "username")
		}
	}
	if c.cache && p.HasCacheToken() {
		references["REDIS_URL"] = expr("module.cache.url_arn")
	}
	for _, s := range p.Secrets {
		switch {
		case s.Kind == config.DatabaseRole:
			if c.name == config.MigrateTask {
				references[s.RoleVariable()] = secretReference(p, s.Name)
			}
		case s.Kind != config.DatabaseCredentials && slices.Contains(c.secrets, s.Name):
			references[s.Variable] = secretReference(p, s.Name)
		}
	}
	return sorted(references)
}

// containerPeers are the security groups that the container may connect to.
func containerPeers(p config.Platform, c container) object {
	var peers object
	peer := func(key, module string, port any) {
		peers = append(peers, field{key, object{
			{"port", port},
			{"security_group_id", at(module, "security_group_id")},
		}})
	}
	for _, name := range c.calls {
		if s, ok := p.Service(name); ok {
			peer(name, name, s.Port)
			for _, port := range s.Ports {
				peer(port.Host(name), name, port.Number)
			}
		}
	}
	if c.cache {
		peer("cache", "cache", expr("module.cache.port"))
	}
	if c.database {
		peer("database", "database", expr("module.database.port"))
	}
	return peers
}
