package render

// cache is Redis on ElastiCache.
func cache() module {
	return module{
		name: "cache",
		about: []string{
			"One Redis replication group on ElastiCache: encrypted at rest and in transit, reachable inside the VPC only. Who may connect is decided by the services and tasks, each of which adds its own rule to security_group_id.",
		},
		files: []source{{"main.tf", []node{
			comment("No rules here: a cache that no service names cannot be reached at all."),
			resource("aws_security_group", "this",
				set("name", expr(`"${var.name}-cache"`)),
				set("description", "Redis"),
				set("vpc_id", expr("var.vpc_id")),
				named(expr(`"${var.name}-cache"`)),
			),
			resource("aws_elasticache_subnet_group", "this",
				set("name", expr("var.name")),
				set("subnet_ids", expr("var.subnet_ids")),
			),
			resource("aws_elasticache_replication_group", "this",
				set("replication_group_id", expr("var.name")),
				set("description", expr(`"Redis of ${var.name}"`)),
				set("engine", "redis"),
				set("engine_version", expr("var.engine_version")),
				set("parameter_group_name", expr(`"default.redis${split(".", var.engine_version)[0]}"`)),
				set("node_type", expr("var.node_type")),
				set("num_cache_clusters", expr("var.node_count")),
				comment("Failover needs a replica to fail over to."),
				set("automatic_failover_enabled", expr("var.node_count > 1")),
				set("multi_az_enabled", expr("var.node_count > 1")),
				set("port", 6379),
				set("subnet_group_name", expr("aws_elasticache_subnet_group.this.name")),
				set("security_group_ids", row{expr("aws_security_group.this.id")}),
				set("at_rest_encryption_enabled", true),
				set("transit_encryption_enabled", true),
				set("transit_encryption_mode", "required"),
			),
		}}},
		variables: []variable{
			{name: "engine_version", kind: "string", description: "Version of Redis, major and minor.", example: "7.1",
				validations: []validation{{`can(regex("^[0-9]+\\.[0-9]+$", var.engine_version))`, "Major and minor version, such as 7.1."}}},
			{name: "name", kind: "string", description: "Identifier of the replication group.", example: "doc-platform-staging",
				validations: []validation{{
					`can(regex("^[a-z](-?[a-z0-9]){0,39}$", var.name))`,
					"Up to 40 lower-case letters, digits and single hyphens, beginning with a letter.",
				}}},
			{name: "node_count", kind: "number", description: "The primary and its replicas.", fallback: 1,
				validations: []validation{{"var.node_count >= 1 && var.node_count <= 6", "1 to 6 nodes."}}},
			{name: "node_type", kind: "string", description: "ElastiCache node type.", example: "cache.t4g.micro",
				validations: []validation{{`startswith(var.node_type, "cache.")`, "An ElastiCache node type, such as cache.t4g.micro."}}},
			{name: "subnet_ids", kind: "list(string)", description: "Isolated subnets.",
				example: expr("module.network.isolated_subnet_ids")},
			{name: "vpc_id", kind: "string", description: "VPC of the cache.", example: expr("module.network.vpc_id")},
		},
		outputs: []output{
			{"address", "Host name of the primary.", "aws_elasticache_replication_group.this.primary_endpoint_address"},
			{"port", "TCP port.", "aws_elasticache_replication_group.this.port"},
			{"replication_group_id", "The replication group; its nodes are <id>-001 and so on.", "aws_elasticache_replication_group.this.replication_group_id"},
			{"security_group_id", "Security group that clients add their rules to.", "aws_security_group.this.id"},
		},
	}
}
