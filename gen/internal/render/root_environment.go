package render

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/specboard/platform/gen/config"
)

// environmentRoot is the root of one environment: every value that differs
// between environments is a literal in it.
func environmentRoot(p config.Platform, e config.Environment) (root, error) {
	if _, ok := p.DatabaseSecret(); !ok && p.HasDatabase() {
		return root{}, fmt.Errorf("render %s: no secret of kind %q for the database's credentials", e.Name, config.DatabaseCredentials)
	}
	network := []node{
		set("availability_zones", list(strs(p.AvailabilityZones))),
		set("cidr_block", e.Network.CIDR),
		set("name", p.Prefix(e.Name)),
		set("nat_gateway_count", e.Network.NATGateways),
		set("region", p.Region),
	}
	if e.Network.FlowLogDays > 0 {
		network = append(network, set("flow_logs", object{{"bucket_arn", expr("module.log_bucket.arn")}}))
		sortArguments(network)
	}
	files := append(rootSettings(p, e.Name),
		source{"logs.tf", environmentLogs(p, e)},
		source{"network.tf", []node{moduleCall("network", "network", network...)}},
		source{"load_balancer.tf", environmentLoadBalancer(p, e)},
		source{"firewall.tf", environmentFirewall(p, e)},
		source{"cluster.tf", []node{
			moduleCall("cluster", "cluster", slices.Concat([]node{set("name", p.Cluster(e.Name))}, sessionLog(p, e), optional(field{"spot", p.UsesSpot(e)}))...),
		}},
		source{"secrets.tf", environmentSecrets(p, e)},
		source{"database.tf", environmentDatabase(p, e)},
		source{"cache.tf", environmentCache(p, e)},
		source{"buckets.tf", environmentBuckets(p, e)},
		source{"queues.tf", environmentQueues(p, e)},
		source{"mail.tf", environmentMail(p, e)},
		source{"services.tf", environmentServices(p, e)},
		source{"tasks.tf", environmentTasks(p, e)},
		source{"schedules.tf", environmentSchedules(p, e)},
		source{"alarms.tf", environmentAlarms(p, e)},
		source{"outputs.tf", environmentOutputs(p, e)},
	)
	return root{e.Name, files}, nil
}

// environmentLogs renders the bucket for the logs that AWS delivers, if there are any.
func environmentLogs(p config.Platform, e config.Environment) []node {
	logs := given(field{"load-balancer", e.AccessLogDays}, field{"network", e.Network.FlowLogDays})
	if len(logs) == 0 {
		return nil
	}
	return []node{moduleCall("log_bucket", "bucket",
		set("account", p.Account),
		set("force_destroy", !e.Protected),
		set("logs", logs),
		set("name", p.LogBucket(e.Name)),
		set("region", p.Region),
	)}
}

// sessionLog is the argument for the log of sessions in tasks, where they are allowed.
func sessionLog(p config.Platform, e config.Environment) []node {
	if !e.Exec {
		return nil
	}
	return []node{set("session_log", object{{"name", p.SessionLog(e.Name)}, {"retention_days", e.LogRetentionDays}})}
}

// environmentZone is the hosted zone's id in an environment's root.
func environmentZone(p config.Platform) any {
	if p.ZoneID == "" {
		return expr("data.aws_route53_zone.this.zone_id")
	}
	return p.ZoneID
}

func environmentLoadBalancer(p config.Platform, e config.Environment) []node {
	if !p.HasLoadBalancer() {
		return nil
	}
	var nodes []node
	if p.ZoneID == "" {
		nodes = append(nodes,
			comment("The zone belongs to the shared root. The tag tells it from others of that name."),
			data("aws_route53_zone", "this",
				set("name", p.Domain),
				set("private_zone", false),
				set("tags", object{{"Platform", p.Name}}),
			))
	}
	body := []node{
		set("deletion_protection", e.Protected),
		set("domain", p.Host(e)),
		set("name", p.Prefix(e.Name)),
		set("subnet_ids", expr("module.network.public_subnet_ids")),
		set("vpc_id", expr("module.network.vpc_id")),
		set("zone_id", environmentZone(p)),
	}
	body = append(body, optional(
		field{"allowed_cidrs", list(strs(e.AllowedCIDRs))},
		field{"hosts", list(strs(p.FurtherHosts(e)))},
		field{"idle_timeout", e.IdleTimeout},
		field{"redirects", environmentRedirects(p, e)},
	)...)
	if e.AccessLogDays > 0 {
		body = append(body, set("access_logs", object{{"bucket", expr("module.log_bucket.name")}}))
	}
	sortArguments(body)
	return append(nodes, moduleCall("load_balancer", "load_balancer", body...))
}

// environmentFirewall renders the firewall, if the environment has one.
func environmentFirewall(p config.Platform, e config.Environment) []node {
	if e.Firewall == (config.Firewall{}) {
		return nil
	}
	body := append(optional(field{"common_rules", e.Firewall.CommonRules}, field{"rate", e.Firewall.Rate}),
		set("load_balancer_arn", expr("module.load_balancer.arn")),
		set("name", p.Prefix(e.Name)),
		set("region", p.Region),
		set("topic_arn", expr("module.alarms.topic_arn")),
	)
	sortArguments(body)
	return []node{moduleCall("firewall", "firewall", body...)}
}

// environmentRedirects returns the redirects, keyed and sorted by priority.
func environmentRedirects(p config.Platform, e config.Environment) (all object) {
	redirects := p.RedirectsIn(e)
	slices.SortFunc(redirects, func(a, b config.Redirect) int { return a.Priority - b.Priority })
	for _, r := range redirects {
		l, _ := r.Parts() // validated
		all = append(all, field{strconv.Itoa(r.Priority), given(
			field{"host", r.Host}, field{"path", r.Path}, field{"status", r.Status},
			field{"to_host", l.Host}, field{"to_path", l.Path}, field{"to_port", l.Port}, field{"to_protocol", l.Protocol}, field{"to_query", l.Query},
		)})
	}
	return all
}

// environmentSecrets declares where generated values come from. The ephemeral
// blocks are in the root instead of the module, since the module has tests and
// mock providers know no ephemeral types.
func environmentSecrets(p config.Platform, e config.Environment) []node {
	if len(p.Secrets) == 0 {
		return nil
	}
	var nodes []node
	var declared, values object
	for i, s := range p.Secrets {
		about := object{{"description", secretAbout(s)}}
		if s.Kind == config.Provided {
			declared = append(declared, field{s.Name, about})
			continue
		}
		if i == 0 || len(nodes) == 0 {
			nodes = append(nodes, comment("Random values live in memory only. Terraform draws them at every run and stores them once, when a secret is created or its version is raised."))
		}
		declared = append(declared, field{s.Name, append(about, field{"version", max(1, s.Version)})})
		nodes = append(nodes, ephemeral("aws_secretsmanager_random_password", identifier(s.Name),
			set("password_length", s.Length),
			set("exclude_punctuation", true),
		))
		value := expr("ephemeral.aws_secretsmanager_random_password." + identifier(s.Name) + ".random_password")
		user := ""
		switch s.Kind {
		case config.DatabaseCredentials:
			user = p.DatabaseUser()
		case config.DatabaseRole:
			user = s.LoginName()
		}
		if user != "" {
			values = append(values, field{s.Name, call{"jsonencode", object{
				{"username", user},
				{"password", value},
			}}})
		} else {
			values = append(values, field{s.Name, value})
		}
	}
	nodes = append(nodes, moduleCall("secrets", "secrets",
		set("prefix", p.SecretPrefix(e.Name)),
		set("recovery_window_days", recoveryWindow(e)),
		set("secrets", declared),
		set("values", values),
	))
	database, ok := p.DatabaseSecret()
	if !ok {
		return nodes
	}
	return append(nodes,
		comment("The password is read back from the stored secret, so that an apply that dies halfway cannot leave the two different. timestamp() is unknown during a plan, which delays the read until the apply: a plan needs no permission to read secrets."),
		ephemeral("aws_secretsmanager_secret_version", identifier(database.Name),
			set("secret_id", expr(`timestamp() == "" ? "" : module.secrets.stored_arns["`+database.Name+`"]`)),
		),
	)
}

func secretAbout(s config.Secret) string {
	switch s.Kind {
	case config.DatabaseCredentials:
		return "User and password of the database"
	case config.DatabaseRole:
		return "User and password of a role in the database that may " + s.Grants
	case config.Provided:
		return "Provided by a person: " + s.Hint
	default:
		return "Generated; containers receive it as " + s.Variable
	}
}

func environmentDatabase(p config.Platform, e config.Environment) []node {
	secret, ok := p.DatabaseSecret()
	if !ok {
		return nil
	}
	var parameters object
	for _, name := range slices.Sorted(maps.Keys(e.Database.Parameters)) {
		value := object{{"value", e.Database.Parameters[name]}}
		if config.StaticParameter(name) {
			value = append(object{{"at_reboot", true}}, value...)
		}
		parameters = append(parameters, field{name, value})
	}
	return []node{
		moduleCall("database", "database", withWindows(e, append(optional(field{"parameters", parameters}, field{"performance_insights", e.Database.PerformanceInsights}),
			set("backup_retention_days", e.Database.BackupRetentionDays),
			set("database_name", p.DatabaseName()),
			set("deletion_protection", e.Database.DeletionProtection),
			set("engine_version", p.PostgresVersion),
			set("instance_class", e.Database.InstanceClass),
			set("log_retention_days", e.LogRetentionDays),
			set("max_storage_gib", e.Database.MaxStorageGiB),
			set("multi_az", e.Database.MultiAZ),
			set("name", p.Prefix(e.Name)),
			set("password", expr("jsondecode(ephemeral.aws_secretsmanager_secret_version."+identifier(secret.Name)+".secret_string).password")),
			set("password_version", max(1, secret.Version)),
			set("storage_gib", e.Database.StorageGiB),
			set("subnet_ids", expr("module.network.isolated_subnet_ids")),
			set("username", p.DatabaseUser()),
			set("vpc_id", expr("module.network.vpc_id")),
		)...)...),
	}
}

func environmentCache(p config.Platform, e config.Environment) []node {
	if !p.HasCache() {
		return nil
	}
	var engine []node
	if p.ValkeyVersion != "" {
		engine = append(engine, set("engine", "valkey"))
	}
	var nodes []node
	if p.HasCacheToken() {
		engine = append(engine,
			set("recovery_window_days", recoveryWindow(e)),
			set("secret_name", p.CacheSecret(e.Name)),
			set("token", expr("ephemeral.aws_secretsmanager_random_password."+identifier(config.CacheSecretName)+".random_password")),
			set("token_version", p.CacheTokenVersion))
		nodes = append(nodes,
			comment("Drawn at every run, and stored when the token's version is raised. ElastiCache takes 16 to 128 characters."),
			ephemeral("aws_secretsmanager_random_password", identifier(config.CacheSecretName),
				set("password_length", 64),
				set("exclude_punctuation", true)))
	}
	return append(nodes,
		moduleCall("cache", "cache", withWindows(e, append(engine,
			set("engine_version", cmp.Or(p.RedisVersion, p.ValkeyVersion)),
			set("name", p.Prefix(e.Name)),
			set("node_count", e.Cache.Nodes),
			set("node_type", e.Cache.NodeType),
			set("snapshot_days", e.Cache.SnapshotDays),
			set("subnet_ids", expr("module.network.isolated_subnet_ids")),
			set("vpc_id", expr("module.network.vpc_id")),
		)...)...),
	)
}

// recoveryWindow is for how many days a deleted secret can be restored: after a destroy,
// the names of an unprotected environment can be used again immediately.
func recoveryWindow(e config.Environment) int {
	if e.Protected {
		return 30
	}
	return 0
}

// withWindows adds the maintenance windows of a data store; those that are not
// set get the module's defaults.
func withWindows(e config.Environment, body ...node) []node {
	m := e.Maintenance
	body = append(body, set("apply_immediately", m.ApplyImmediately))
	body = append(body, optional(field{"backup_window", m.BackupWindow}, field{"maintenance_window", m.Window})...)
	sortArguments(body)
	return body
}

func environmentAlarms(p config.Platform, e config.Environment) []node {
	var services list
	for _, s := range p.Services {
		services = append(services, s.Name)
	}
	thresholds := object{{"cpu_percent", e.Alarms.CPUPercent}}
	body := []node{
		set("account", p.Account),
		set("cluster_name", expr("module.cluster.name")),
		set("emails", list(strs(e.Alarms.Emails))),
		set("name", p.Prefix(e.Name)),
		set("region", p.Region),
		set("service_names", services),
		set("thresholds", expr("local.thresholds")),
	}
	if p.HasCache() {
		body = append(body, set("cache_node_ids", expr("module.cache.node_ids")))
	}
	if p.HasDatabase() {
		body = append(body,
			set("database_identifier", expr("module.database.identifier")),
			set("database_connections", e.ConnectionsAlarm()),
			set("database_storage_gib", expr("module.database.allocated_storage_gib")))
	}
	if p.HasLoadBalancer() {
		body = append(body, set("load_balancer_arn_suffix", expr("module.load_balancer.arn_suffix")))
		thresholds = append(thresholds, field{"http_5xx", e.Alarms.HTTP5xx})
	}
	thresholds = append(thresholds,
		field{"memory_percent", e.Alarms.MemoryPercent},
		field{"period_seconds", int(e.Alarms.Period.Seconds())})
	if e.Alarms.ResponseTime != 0 {
		thresholds = append(thresholds, field{"response_seconds", expr(strconv.FormatFloat(e.Alarms.ResponseTime.Seconds(), 'f', -1, 64))})
	}
	sortArguments(body)
	return []node{
		locals(set("thresholds", thresholds)),
		moduleCall("alarms", "alarms", body...),
	}
}

func environmentOutputs(p config.Platform, e config.Environment) []node {
	var services, tasks object
	for _, s := range p.Services {
		services = append(services, field{s.Name, object{
			{"security_group_id", at(s.Name, "security_group_id")},
			{"target_group_arn", at(s.Name, "target_group_arn")},
			{"template_arn", at(s.Name, "template_arn")},
		}})
	}
	for _, t := range p.Tasks {
		tasks = append(tasks, field{t.Name, object{
			{"security_group_id", at(t.Name, "security_group_id")},
			{"template_arn", at(t.Name, "template_arn")},
		}})
	}
	out := func(name, about string, value any) block {
		return labelled("output", name, set("description", about), set("value", value))
	}
	nodes := []node{out("cluster_name", "ECS cluster.", expr("module.cluster.name"))}
	if p.HasLoadBalancer() {
		nodes = append(nodes, out("load_balancer_dns_name", "AWS's own name of the load balancer.", expr("module.load_balancer.dns_name")))
	}
	nodes = append(nodes,
		out("services", "What a promotion needs of each service.", services),
		out("task_subnet_ids", "Subnets that one-off tasks run in.", expr("module.network.private_subnet_ids")),
		out("tasks", "What a promotion needs of each one-off task.", tasks),
	)
	if p.HasLoadBalancer() {
		nodes = append(nodes, out("url", "Where users find the platform.", p.URL(e)))
	}
	return nodes
}
