package render

import (
	"fmt"
	"strings"

	"github.com/specboard/platform/gen/config"
)

// service is one long-running service on ECS Fargate.
func service() module {
	variables := append(append(containerVariables(), sidecarVariables()...),
		variable{name: "alarms", kind: "object({\n    cpu_percent     = number\n    http_5xx        = optional(number, 10)\n    memory_percent  = number\n    period_seconds  = number\n    response_seconds = optional(number, 2)\n    topic_arn       = string\n  })",
			description: "Thresholds of the alarms, each over period_seconds, and the topic they notify.",
			example: object{
				{"cpu_percent", 80},
				{"http_5xx", 10},
				{"memory_percent", 80},
				{"period_seconds", 300},
				{"topic_arn", expr("module.alarms.topic_arn")},
			},
			validations: []validation{{
				"var.alarms.period_seconds >= 60 && var.alarms.period_seconds % 60 == 0",
				"The period is a multiple of 60 seconds.",
			}}},
		variable{name: "autoscaling", kind: "object({\n    max_tasks             = number\n    min_tasks             = number\n    target_backlog        = optional(number)\n    target_cpu_percent    = optional(number)\n    target_memory_percent = optional(number)\n    target_requests       = optional(number)\n  })",
			description: "How far the number of tasks follows the load, and the averages it aims at; null keeps it fixed. Requests are those that the load balancer sends to a task in a minute. A promotion changes the lower bound later.",
			fallback:    expr("null"), nullable: true,
			validations: []validation{{
				"var.autoscaling == null ? true : var.autoscaling.target_requests == null || var.load_balancer != null",
				"Only a load balancer counts requests.",
			}, {
				"var.autoscaling == null ? true : var.autoscaling.target_backlog == null || length(var.backlog_queues) > 0 && length(var.backlog_queues) <= 8",
				"A backlog is that of one to eight queues.",
			}}},
		variable{name: "backlog_queues", kind: "list(string)", description: "Names of the queues whose waiting messages, divided by the running tasks, target_backlog aims at.", fallback: list{}},
		variable{name: "cluster_name", kind: "string", description: "ECS cluster of the service.", example: expr("module.cluster.name")},
		variable{name: "command", kind: "list(string)", description: "Command that replaces the image's own; null keeps it.",
			fallback: expr("null"), nullable: true},
		variable{name: "entry_point", kind: "list(string)", description: "Entry point that replaces the image's own; null keeps it.",
			fallback: expr("null"), nullable: true},
		variable{name: "health_check", kind: optionalObject(
			field{"command", expr("optional(list(string))")},
			field{"interval", expr(fmt.Sprintf("optional(number, %d)", int(config.HealthCheckInterval.Seconds())))},
			field{"matcher", expr(`optional(string, "200")`)},
			field{"path", expr(`optional(string, "/health")`)},
			field{"retries", expr(fmt.Sprintf("optional(number, %d)", config.HealthCheckFailures))},
			field{"start_period", expr("optional(number, 60)")},
			field{"timeout", expr("optional(number, 5)")},
		),
			description: "How a task is found healthy, times in seconds: path and matcher are the load balancer's, command is run in the container by ECS (CMD or CMD-SHELL first), the others hold for both. During start_period failures do not count.",
			fallback:    object{},
			example:     object{{"command", row{"CMD-SHELL", "wget -q -O- localhost:3001/health"}}},
			validations: []validation{{
				"var.load_balancer != null || var.health_check.command != null",
				"A service behind no load balancer needs a command: ECS calls a task that nobody checks healthy as soon as it runs.",
			}, {
				"var.health_check.timeout < var.health_check.interval",
				"The timeout of a check is shorter than the interval between two.",
			}}},
		variable{name: "load_balancer", kind: "object({\n    arn_suffix        = string\n    hosts             = optional(list(string), [])\n    listener_arn      = string\n    priority          = number\n    routes            = optional(list(string), [])\n    security_group_id = string\n  })",
			description: "The listener that sends requests to the service, and the hosts and path patterns that it answers, where an empty list means all; null makes it internal.",
			fallback:    expr("null"), nullable: true,
			validations: []validation{{
				"var.load_balancer == null ? true : length(concat(var.load_balancer.hosts, var.load_balancer.routes)) >= 1 && length(concat(var.load_balancer.hosts, var.load_balancer.routes)) <= 5",
				"One to five hosts and path patterns: a listener rule takes no more.",
			}}},
		variable{name: "min_tasks", kind: "number", description: "Least number of running tasks; an alarm rings when fewer run.", fallback: 1,
			validations: []validation{{"var.min_tasks >= 1", "One task or more."}}},
		variable{name: "minimums", kind: "map(object({\n    expression = string\n    min_tasks  = number\n    time_zone  = optional(string, \"UTC\")\n  }))",
			description: "Times, as cron expressions, at which autoscaling gets another least number of tasks.",
			fallback:    object{},
			validations: []validation{{
				"length(var.minimums) == 0 || var.autoscaling != null", "Only an autoscaled service has minimums.",
			}}},
		variable{name: "namespace_arn", kind: "string", description: "Service Connect namespace, in which the service is known by its name.", example: expr("module.cluster.namespace_arn")},
		variable{name: "port", kind: "number", description: "Port that the container listens on; null for a worker, which listens on none.",
			fallback: expr("null"), nullable: true,
			validations: []validation{{
				"var.port == null ? true : var.port >= 1 && var.port <= 65535", "A TCP port, 1 to 65535.",
			}, {
				"var.load_balancer == null || var.port != null", "A service behind the load balancer needs a port.",
			}}},
		variable{name: "ports", kind: "map(object({\n    number   = number\n    protocol = optional(string, \"http\")\n  }))",
			description: "Further ports by name, which other services reach as NAME-PORT: http, http2, grpc or tcp.",
			fallback:    object{},
			validations: []validation{{
				"length(var.ports) == 0 || var.port != null", "A service with further ports has a port.",
			}, {
				`alltrue([for p in values(var.ports) : contains(["http", "http2", "grpc", "tcp"], p.protocol) && p.number >= 1 && p.number <= 65535])`,
				"A port from 1 to 65535 with http, http2, grpc or tcp.",
			}}},
		variable{name: "session_log_arn", kind: "string", description: "Log group of the sessions that people open in the tasks by ECS Exec; null where nobody may. A value that a plan knows.",
			fallback: expr("null"), nullable: true,
			validations: []validation{{
				"var.session_log_arn == null || !var.security.read_only_root", "ECS Exec writes to the root file system.",
			}, {
				"var.session_log_arn == null || !var.security.own_init", "Sessions of ECS Exec leave processes behind, which an init process reaps.",
			}}},
		variable{name: "spot", kind: "bool", description: "Run the tasks on Fargate Spot, from which AWS takes them away with two minutes' notice. A change replaces the service.", fallback: false},
		variable{name: "subnet_ids", kind: "list(string)", description: "Private subnets of the tasks.", example: expr("module.network.private_subnet_ids")},
		variable{name: "timeouts", kind: optionalObject(
			field{"drain", expr("optional(number, 30)")},
			field{"idle", expr("optional(number, 300)")},
			field{"request", expr("optional(number, 0)")},
			field{"stop", expr("optional(number, 30)")},
		),
			description: "Seconds: drain for requests in flight when a task leaves the load balancer, stop from SIGTERM to SIGKILL; idle ends a silent connection through Service Connect, request a response that takes longer as a whole, where 0 is no bound, so that responses may stream.",
			fallback:    object{},
			validations: []validation{{
				"var.timeouts.stop >= 2 && var.timeouts.stop <= 120",
				"Fargate gives a task 2 to 120 seconds to stop.",
			}}},
	)
	outputs := append(containerOutputs(),
		output{"name", "Name of the ECS service.", "aws_ecs_service.this.name"},
		output{"target_group_arn", "Target group of the service; null if it is internal.", "one(aws_lb_target_group.this[*].arn)"},
		output{"target_group_arn_suffix", "The target group's dimension in CloudWatch; null if it is internal.", "one(aws_lb_target_group.this[*].arn_suffix)"},
	)
	network := append(containerNetwork(), serviceNetwork()...)
	return module{
		name: "service",
		about: []string{
			"One service on ECS Fargate: task definition, ECS service, roles, security group, log group, alarms, and, unless it is internal, its target group and listener rule. Deployments replace tasks without a gap (100 to 200 percent) and are stopped and rolled back by ECS's circuit breaker if the new tasks do not become healthy.",
			"Terraform owns the shape, a promotion owns what runs: the task definition here is a template that never runs, the service is created with no tasks, and Terraform ignores both from then on.",
		},
		files: []source{
			{"main.tf", serviceMain()},
			{"load_balancer.tf", serviceLoadBalancer()},
			{"iam.tf", containerIAM(expr("concat([var.repository_arn], local.sidecar_repository_arns)"))},
			{"exec.tf", serviceExec()},
			{"sidecars.tf", sidecarNodes()},
			{"network.tf", network},
			{"autoscaling.tf", serviceAutoscaling()},
			{"alarms.tf", serviceAlarms()},
		},
		variables: variables,
		outputs:   outputs,
		tests:     []source{{"tests/service.tftest.hcl", serviceTest()}},
	}
}

func serviceMain() []node {
	nodes := []node{containerLocals(`concat(values(var.secrets), flatten([
    for sidecar in values(var.sidecars) : concat(values(sidecar.secrets), sidecar.log_router == null ? [] : values(sidecar.log_router.secrets))
  ]))`), locals(
		set("ports", expr(`concat(
    [for port in var.port[*] : { name = var.name, number = port, protocol = "http" }],
    [for name, port in var.ports : { name = "${var.name}-${name}", number = port.number, protocol = port.protocol }],
  )`)),
	), containerLog()}
	nodes = append(nodes, taskDefinition(
		serviceLog, "local.sidecars",
		note("null keeps the image's own."),
		field{"command", expr("var.command")},
		field{"entryPoint", expr("var.entry_point")},
		note("Service Connect finds a port by its name. A worker has none."),
		field{"portMappings", expr(`[for port in local.ports : {
      name          = port.name
      containerPort = port.number
      hostPort      = port.number
      protocol      = "tcp"
      appProtocol   = port.protocol == "tcp" ? null : port.protocol
    }]`)},
		note("Without one ECS calls a task healthy as soon as it runs; behind a load balancer the target group's check is enough."),
		field{"healthCheck", expr(`var.health_check.command == null ? null : {
      command     = var.health_check.command
      interval    = var.health_check.interval
      retries     = var.health_check.retries
      startPeriod = var.health_check.start_period
      timeout     = var.health_check.timeout
    }`)},
		field{"dependsOn", expr("length(var.depends_on_sidecars) == 0 ? null : [for container, condition in var.depends_on_sidecars : { containerName = container, condition = condition }]")},
		note("From SIGTERM to SIGKILL."),
		field{"stopTimeout", expr("var.timeouts.stop")},
	)...)
	return append(nodes,
		resource("aws_ecs_service", "this",
			set("name", expr("var.name")),
			set("cluster", expr("var.cluster_name")),
			set("task_definition", expr("aws_ecs_task_definition.template.arn")),
			comment("None until the first promotion, so that nothing ever starts the template's image."),
			set("desired_count", 0),
			set("launch_type", expr(`var.spot ? null : "FARGATE"`)),
			comment("A new task serves before an old one goes."),
			set("deployment_minimum_healthy_percent", 100),
			set("deployment_maximum_percent", 200),
			set("health_check_grace_period_seconds", expr("var.load_balancer == null ? null : var.health_check.start_period")),
			set("availability_zone_rebalancing", "ENABLED"),
			set("enable_ecs_managed_tags", true),
			set("enable_execute_command", expr("var.session_log_arn != null")),
			set("propagate_tags", "SERVICE"),
			dynamic("capacity_provider_strategy", expr(`var.spot ? ["FARGATE_SPOT"] : []`),
				set("capacity_provider", expr("capacity_provider_strategy.value")),
				set("weight", 1),
			),
			nested("deployment_circuit_breaker",
				set("enable", true),
				set("rollback", true),
			),
			nested("network_configuration",
				set("subnets", expr("var.subnet_ids")),
				set("security_groups", row{expr("aws_security_group.this.id")}),
				set("assign_public_ip", false),
			),
			nested("service_connect_configuration",
				set("enabled", true),
				set("namespace", expr("var.namespace_arn")),
				comment("A worker has no name of its own; it calls others by theirs."),
				dynamic("service", expr("local.ports"),
					set("port_name", expr("service.value.name")),
					set("discovery_name", expr("service.value.name")),
					nested("client_alias",
						set("dns_name", expr("service.value.name")),
						set("port", expr("service.value.number")),
					),
					comment("AWS's own bound is 15 seconds for a whole response, which ends every stream. TCP has no requests, and ECS refuses their bound."),
					dynamic("timeout", expr(`service.value.protocol == "tcp" ? [] : [var.timeouts]`),
						set("idle_timeout_seconds", expr("timeout.value.idle")),
						set("per_request_timeout_seconds", expr("timeout.value.request")),
					),
				),
			),
			dynamic("load_balancer", expr("aws_lb_target_group.this"),
				set("target_group_arn", expr("load_balancer.value.arn")),
				set("container_name", expr("var.name")),
				set("container_port", expr("var.port")),
			),
			nested("lifecycle",
				comment("A promotion and autoscaling own these two."),
				set("ignore_changes", row{expr("task_definition"), expr("desired_count")}),
			),
			comment("ECS refuses a target group that no listener uses yet, and tasks need their role's policy to start."),
			set("depends_on", row{expr("aws_lb_listener_rule.this"), expr("aws_iam_role_policy.execution")}),
		),
	)
}

// serviceExec is what ECS's agent may do with the task's role, to open sessions in the
// task and to record them.
func serviceExec() []node {
	return []node{
		taskPolicy("exec", "var.session_log_arn == null ? 0 : 1", policy(
			noted("AWS limits none of these to a resource.",
				allow("Channel", list{
					"logs:DescribeLogGroups",
					"ssmmessages:CreateControlChannel",
					"ssmmessages:CreateDataChannel",
					"ssmmessages:OpenControlChannel",
					"ssmmessages:OpenDataChannel",
				}, "*")),
			allow("Record", list{"logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"}, expr(`"${var.session_log_arn}:*"`)),
		)),
	}
}

func serviceLoadBalancer() []node {
	return []node{
		locals(
			comment("Where 32 characters are not enough, the end gives way to a hash. A deploy role may use the target groups that begin with the environment's name, so that is kept, or cut the same way for all of them."),
			set("group_prefix", cutName("local.prefix", config.TargetGroupPrefix)),
			set("group_start", expr(`length(local.prefix) < 25 ? trimsuffix(substr(local.family, 0, 25), "-") : local.group_prefix`)),
			set("target_group", expr(`length(local.family) <= 32 ? local.family : "${local.group_start}-${substr(sha256(local.family), 0, 6)}"`)),
		),
		resource("aws_lb_target_group", "this",
			set("count", expr("var.load_balancer == null ? 0 : 1")),
			set("name", expr("local.target_group")),
			comment("A default that ECS overrides for each task. A constant, since another value would replace the group under a running service."),
			set("port", 80),
			set("protocol", "HTTP"),
			set("target_type", "ip"),
			set("vpc_id", expr("var.vpc_id")),
			comment("Requests in flight get this long to end."),
			set("deregistration_delay", expr("var.timeouts.drain")),
			nested("health_check",
				set("path", expr("var.health_check.path")),
				set("matcher", expr("var.health_check.matcher")),
				set("interval", expr("var.health_check.interval")),
				set("timeout", expr("var.health_check.timeout")),
				set("healthy_threshold", 2),
				set("unhealthy_threshold", expr("var.health_check.retries")),
			),
		),
		resource("aws_lb_listener_rule", "this",
			set("count", expr("var.load_balancer == null ? 0 : 1")),
			set("listener_arn", expr("var.load_balancer.listener_arn")),
			set("priority", expr("var.load_balancer.priority")),
			nested("action",
				set("type", "forward"),
				set("target_group_arn", expr("aws_lb_target_group.this[0].arn")),
			),
			conditions("host_header", "var.load_balancer.hosts"),
			conditions("path_pattern", "var.load_balancer.routes"),
		),
	}
}

// conditions are a listener rule's on one field: none while the list is empty.
func conditions(field, values string) block {
	return dynamic("condition", expr("length("+values+") == 0 ? [] : ["+values+"]"), nested(field, set("values", expr("condition.value"))))
}

// serviceNetwork is the way from the load balancer to the tasks.
func serviceNetwork() []node {
	public := set("count", expr("var.load_balancer == null ? 0 : 1"))
	return []node{
		tcpRule("ingress", "from_load_balancer", public, "aws_security_group.this.id", "${var.name} from the load balancer", "var.load_balancer.security_group_id", "var.port"),
		tcpRule("egress", "at_load_balancer", public, "var.load_balancer.security_group_id", "load balancer to ${var.name}", "aws_security_group.this.id", "var.port"),
	}
}

func serviceAutoscaling() []node {
	policy := func(name, target string, metric block) block {
		return resource("aws_appautoscaling_policy", name,
			set("count", expr("one(var.autoscaling[*]."+target+") == null ? 0 : 1")),
			set("name", expr(`"${local.family}-`+name+`"`)),
			set("policy_type", "TargetTrackingScaling"),
			set("service_namespace", expr("aws_appautoscaling_target.this[0].service_namespace")),
			set("scalable_dimension", expr("aws_appautoscaling_target.this[0].scalable_dimension")),
			set("resource_id", expr("aws_appautoscaling_target.this[0].resource_id")),
			nested("target_tracking_scaling_policy_configuration",
				set("target_value", expr("var.autoscaling."+target)),
				comment("Quick to grow, slow to shrink."),
				set("scale_out_cooldown", 60),
				set("scale_in_cooldown", 300),
				metric,
			),
		)
	}
	predefined := func(body ...node) block { return nested("predefined_metric_specification", body...) }
	stat := func(statistic, namespace, name string, dimensions ...node) block {
		return nested("metric_stat",
			set("stat", statistic),
			nested("metric", append([]node{set("namespace", namespace), set("metric_name", name)}, dimensions...)...),
		)
	}
	dimension := func(name string, value any) node {
		return nested("dimensions", set("name", name), set("value", value))
	}
	return []node{
		resource("aws_appautoscaling_target", "this",
			set("count", expr("var.autoscaling == null ? 0 : 1")),
			set("service_namespace", "ecs"),
			set("scalable_dimension", "ecs:service:DesiredCount"),
			set("resource_id", expr(`"service/${var.cluster_name}/${aws_ecs_service.this.name}"`)),
			comment("No more tasks than run: before the first promotion, none. The promotion sets both numbers."),
			set("min_capacity", expr("min(var.autoscaling.min_tasks, aws_ecs_service.this.desired_count)")),
			set("max_capacity", expr("var.autoscaling.max_tasks")),
			nested("lifecycle",
				comment("A promotion owns it."),
				set("ignore_changes", row{expr("min_capacity")}),
			),
		),
		policy("cpu", "target_cpu_percent", predefined(set("predefined_metric_type", "ECSServiceAverageCPUUtilization"))),
		policy("memory", "target_memory_percent", predefined(set("predefined_metric_type", "ECSServiceAverageMemoryUtilization"))),
		policy("requests", "target_requests", predefined(
			set("predefined_metric_type", "ALBRequestCountPerTarget"),
			set("resource_label", expr(`"${var.load_balancer.arn_suffix}/${aws_lb_target_group.this[0].arn_suffix}"`)),
		)),
		policy("backlog", "target_backlog", nested("customized_metric_specification",
			dynamic("metrics", expr(`{ for i, queue in var.backlog_queues : "q${i}" => queue }`),
				set("id", expr("metrics.key")),
				set("return_data", false),
				stat("Average", "AWS/SQS", "ApproximateNumberOfMessagesVisible", dimension("QueueName", expr("metrics.value"))),
			),
			nested("metrics",
				set("id", "tasks"),
				set("return_data", false),
				stat("Average", "ECS/ContainerInsights", "RunningTaskCount",
					dimension("ClusterName", expr("var.cluster_name")), dimension("ServiceName", expr("aws_ecs_service.this.name"))),
			),
			nested("metrics",
				set("id", "backlog"),
				set("label", "messages for each task"),
				set("expression", expr(`"(${join(" + ", [for i, queue in var.backlog_queues : "FILL(q${i}, 0)"])}) / FILL(tasks, 1)"`)),
				set("return_data", true),
			),
		)),
		resource("aws_appautoscaling_scheduled_action", "minimum",
			set("for_each", expr("var.minimums")),
			set("name", expr(`"${local.family}-${each.key}"`)),
			set("service_namespace", expr("aws_appautoscaling_target.this[0].service_namespace")),
			set("scalable_dimension", expr("aws_appautoscaling_target.this[0].scalable_dimension")),
			set("resource_id", expr("aws_appautoscaling_target.this[0].resource_id")),
			set("schedule", expr("each.value.expression")),
			set("timezone", expr("each.value.time_zone")),
			nested("scalable_target_action", set("min_capacity", expr("each.value.min_tasks"))),
		),
	}
}

func serviceAlarms() []node {
	const minutes = "${var.alarms.period_seconds / 60} minutes"
	// As many data points as minutes, so that a single slow minute raises no alarm.
	each := expr("var.alarms.period_seconds / 60")
	service := func(a metricAlarm) block {
		a.name = expr(`"${local.family}-` + strings.ReplaceAll(a.resource, "_", "-") + `"`)
		a.about = expr(`"${var.name}: ` + a.about.(string) + minutes + `"`)
		a.dimensions = object{{"ClusterName", expr("var.cluster_name")}, {"ServiceName", expr("aws_ecs_service.this.name")}}
		if a.namespace == "AWS/ApplicationELB" {
			a.where = set("count", expr("var.load_balancer == null ? 0 : 1"))
			a.dimensions = object{{"LoadBalancer", expr("var.load_balancer.arn_suffix")}, {"TargetGroup", expr("aws_lb_target_group.this[0].arn_suffix")}}
		}
		a.topic = "var.alarms.topic_arn"
		return a.block()
	}
	return []node{
		service(metricAlarm{
			resource: "unhealthy", about: "a task has been unhealthy for ",
			namespace: "AWS/ApplicationELB", metric: "UnHealthyHostCount", statistic: "Maximum", evaluations: each, threshold: 0,
		}),
		service(metricAlarm{
			resource: "tasks", about: "fewer tasks than ${var.min_tasks} for ",
			namespace: "ECS/ContainerInsights", metric: "RunningTaskCount", statistic: "Maximum", evaluations: each, below: true, threshold: expr("var.min_tasks"),
			note: "A service that is down reports nothing. So the alarm also rings before the first promotion.", without: "breaching",
		}),
		service(metricAlarm{
			resource: "cpu", about: "cpu above ${var.alarms.cpu_percent} % for ",
			namespace: "AWS/ECS", metric: "CPUUtilization", statistic: "Average", evaluations: each, threshold: expr("var.alarms.cpu_percent"),
		}),
		service(metricAlarm{
			resource: "memory", about: "memory above ${var.alarms.memory_percent} % for ",
			namespace: "AWS/ECS", metric: "MemoryUtilization", statistic: "Average", evaluations: each, threshold: expr("var.alarms.memory_percent"),
		}),
		service(metricAlarm{
			resource: "http_5xx", about: "more than ${var.alarms.http_5xx} responses 5xx in ",
			namespace: "AWS/ApplicationELB", metric: "HTTPCode_Target_5XX_Count", statistic: "Sum", period: expr("var.alarms.period_seconds"), threshold: expr("var.alarms.http_5xx"),
		}),
		comment("The time until the service begins to answer, since a stream may last. Without requests the metric is missing."),
		service(metricAlarm{
			resource: "response_time", about: "answers take longer than ${var.alarms.response_seconds} s for ",
			namespace: "AWS/ApplicationELB", metric: "TargetResponseTime", statistic: "Average", evaluations: each, threshold: expr("var.alarms.response_seconds"),
		}),
	}
}
