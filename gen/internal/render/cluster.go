package render

// cluster is the ECS cluster and the namespace services find each other in.
func cluster() module {
	return module{
		name: "cluster",
		about: []string{
			"An ECS cluster for Fargate, with Container Insights, and the Service Connect namespace in which its services find each other by name.",
		},
		files: []source{{"main.tf", []node{
			resource("aws_service_discovery_http_namespace", "this",
				set("name", expr("var.name")),
				set("description", expr(`"Service Connect names of ${var.name}"`)),
			),
			resource("aws_ecs_cluster", "this",
				set("name", expr("var.name")),
				nested("setting",
					set("name", "containerInsights"),
					set("value", "enabled"),
				),
				nested("service_connect_defaults",
					set("namespace", expr("aws_service_discovery_http_namespace.this.arn")),
				),
				comment("Always set: AWS keeps the old value of a block that is left out."),
				nested("configuration", nested("execute_command_configuration",
					set("logging", expr(`var.session_log == null ? "NONE" : "OVERRIDE"`)),
					dynamic("log_configuration", expr("aws_cloudwatch_log_group.sessions"), set("cloud_watch_log_group_name", expr("log_configuration.value.name"))),
				)),
			),
			comment("What people type and see in sessions in tasks, and who opened them."),
			resource("aws_cloudwatch_log_group", "sessions",
				set("count", expr("var.session_log == null ? 0 : 1")),
				set("name", expr("var.session_log.name")),
				set("retention_in_days", expr("var.session_log.retention_days")),
			),
			resource("aws_ecs_cluster_capacity_providers", "this",
				set("cluster_name", expr("aws_ecs_cluster.this.name")),
				set("capacity_providers", expr(`var.spot ? ["FARGATE", "FARGATE_SPOT"] : ["FARGATE"]`)),
				nested("default_capacity_provider_strategy",
					set("capacity_provider", "FARGATE"),
					set("weight", 1),
				),
			),
		}}},
		variables: []variable{{
			name: "name", kind: "string",
			description: "Name of the cluster and of the namespace.",
			example:     "shop-staging",
		}, {
			name: "session_log", kind: "object({\n    name           = string\n    retention_days = number\n  })", nullable: true, fallback: expr("null"),
			description: "Log group of the sessions that people open in tasks by ECS Exec, and for how long it keeps them; null where sessions are not allowed.",
		}, {
			name: "spot", kind: "bool", description: "Whether services may run on Fargate Spot.", fallback: false,
		}},
		tests: []source{{"tests/cluster.tftest.hcl", clusterTest()}},
		outputs: []output{
			{"arn", "The cluster.", "aws_ecs_cluster.this.arn"},
			{"name", "Name of the cluster, once it has its capacity providers.", "aws_ecs_cluster_capacity_providers.this.cluster_name"},
			{"namespace_arn", "Service Connect namespace.", "aws_service_discovery_http_namespace.this.arn"},
		},
	}
}
