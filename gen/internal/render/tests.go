package render

// With a mock provider, terraform test proves what a module's users rely on: what a
// change could break without an error.

// run is one run block of a test: a plan, with variables and assertions.
func run(name string, variables []node, assertions ...block) block {
	body := []node{set("command", expr("plan"))}
	if len(variables) > 0 {
		body = append(body, nested("variables", variables...))
	}
	for _, a := range assertions {
		body = append(body, a)
	}
	return labelled("run", name, body...)
}

func assert(condition expr, message string) block {
	return nested("assert", set("condition", condition), set("error_message", message))
}

// refuses is a run whose plan must fail on a variable's validation.
func refuses(name, variable string, value any) block {
	return labelled("run", name,
		set("command", expr("plan")),
		nested("variables", set(variable, value)),
		set("expect_failures", row{expr("var." + variable)}),
	)
}

func networkTest() []node {
	return []node{
		labelled("mock_provider", "aws"),
		nested("variables",
			set("name", "test"),
			set("region", "us-west-2"),
			set("cidr_block", "10.0.0.0/16"),
			set("availability_zones", row{"us-west-2a", "us-west-2b"}),
		),
		run("one_nat_gateway_serves_all_zones", nil,
			assert("length(aws_nat_gateway.this) == 1", "One NAT gateway is enough unless more are asked for."),
			assert("length(aws_flow_log.this) == 0", "Flow logs are kept where somebody wants them."),
			assert("length(aws_route.private_nat) == 2", "Every private subnet has a way out."),
		),
		run("a_nat_gateway_in_each_zone", []node{set("nat_gateway_count", 2)},
			assert("length(aws_nat_gateway.this) == 2", "Each zone has a NAT gateway of its own."),
		),
		run("subnets_do_not_overlap", nil,
			assert(`length(distinct(concat(
      [for subnet in aws_subnet.public : subnet.cidr_block],
      [for subnet in aws_subnet.private : subnet.cidr_block],
      [for subnet in aws_subnet.isolated : subnet.cidr_block],
    ))) == 6`, "Six subnets, six blocks."),
		),
		run("another_zone_moves_no_subnet", []node{set("availability_zones", row{"us-west-2a", "us-west-2b", "us-west-2c"})},
			assert(`aws_subnet.private["us-west-2b"].cidr_block == "10.0.96.0/20"`, "A zone at the end leaves the others where they were."),
		),
		run("flow_logs_go_to_the_bucket", []node{set("flow_logs", object{{"bucket_arn", "arn:aws:s3:::logs"}})},
			assert(`aws_flow_log.this[0].log_destination == "arn:aws:s3:::logs/network/" && aws_flow_log.this[0].traffic_type == "ALL"`, "What connected and what was refused lies below the prefix that the bucket's policy allows."),
		),
		refuses("a_block_that_is_too_small", "cidr_block", "10.0.0.0/24"),
	}
}

func databaseTest() []node {
	return []node{
		labelled("mock_provider", "aws"),
		nested("variables",
			set("name", "test-db"),
			set("backup_retention_days", 7),
			set("database_name", "test"),
			set("engine_version", "16"),
			set("instance_class", "db.t4g.micro"),
			set("max_storage_gib", 100),
			set("password", "not-a-real-password"),
			set("storage_gib", 20),
			set("subnet_ids", row{"subnet-1", "subnet-2"}),
			set("username", "test"),
			set("vpc_id", "vpc-1"),
		),
		run("protected_unless_asked_otherwise", nil,
			assert("aws_db_instance.this.deletion_protection", "Deletion protection is on by default."),
			assert("!aws_db_instance.this.skip_final_snapshot", "A protected database leaves a final snapshot."),
			assert(`aws_db_instance.this.final_snapshot_identifier == "test-db-final-1"`, "No other life of the environment gives its snapshot the same name."),
			assert("!aws_db_instance.this.delete_automated_backups", "Backups of a protected database outlive it."),
			assert("!aws_db_instance.this.apply_immediately", "What restarts the database waits for the maintenance window."),
			assert(`aws_cloudwatch_log_group.this["postgresql"].name == "/aws/rds/instance/test-db/postgresql" && aws_cloudwatch_log_group.this["postgresql"].retention_in_days == 30`, "The database's log expires."),
			assert("!aws_db_instance.this.performance_insights_enabled", "Performance Insights are off until somebody wants them."),
			assert("aws_db_instance.this.storage_encrypted", "Storage is encrypted."),
			assert("!aws_db_instance.this.publicly_accessible", "The database has no public address."),
			assert(`anytrue([for p in aws_db_parameter_group.this.parameter : p.name == "rds.force_ssl" && p.value == "1"])`, "Connections without TLS are refused."),
		),
		run("load_is_recorded_if_asked_for", []node{set("performance_insights", true)},
			assert("aws_db_instance.this.performance_insights_enabled", "Performance Insights are on."),
		),
		run("a_large_volume_has_the_figures_that_gp3_starts_with", []node{set("max_storage_gib", 800), set("storage_gib", 400)},
			assert("aws_db_instance.this.iops == 12000 && aws_db_instance.this.storage_throughput == 500", "A volume that grows past 400 GiB needs them."),
		),
		run("unprotected_goes_without_a_trace", []node{set("deletion_protection", false)},
			assert("aws_db_instance.this.skip_final_snapshot", "An unprotected database leaves no snapshot."),
		),
		run("parameters_beside_those_of_every_database", []node{set("parameters", object{{"max_connections", object{{"at_reboot", true}, {"value", "400"}}}, {"log_min_duration_statement", object{{"value", "250"}}}})},
			assert(`{ for p in aws_db_parameter_group.this.parameter : p.name => "${p.value} ${p.apply_method}" } == {
      "log_min_duration_statement" = "250 immediate"
      "max_connections"            = "400 pending-reboot"
      "rds.force_ssl"              = "1 pending-reboot"
    }`, "What is static waits for a reboot; TLS stays."),
		),
		refuses("connections_without_tls", "parameters", object{{"rds.force_ssl", object{{"value", "0"}}}}),
		refuses("no_backups", "backup_retention_days", 0),
	}
}

func secretsTest() []node {
	return []node{
		labelled("mock_provider", "aws"),
		nested("variables",
			set("prefix", "test/platform"),
			set("secrets", object{
				{"generated", object{{"description", "Generated"}, {"version", 1}}},
				{"provided", object{{"description", "Provided"}}},
			}),
			set("values", object{{"generated", "not-a-real-secret"}}),
		),
		run("provided_secrets_stay_empty", nil,
			assert("length(aws_secretsmanager_secret.this) == 2", "Both secrets exist."),
			assert(`keys(aws_secretsmanager_secret_version.generated) == ["generated"]`, "Only the generated one gets a value."),
			assert(`aws_secretsmanager_secret.this["provided"].name == "test/platform/provided"`, "The name is the prefix and the secret's own."),
		),
		refuses("a_recovery_window_that_aws_refuses", "recovery_window_days", 3),
	}
}

// containerTestVariables are variables for tests of a service or task, with its own.
func containerTestVariables(own ...node) block {
	all := append(own,
		set("account", "123456789012"),
		set("cpu", 256),
		set("environment_name", "test"),
		set("image", "123456789012.dkr.ecr.us-west-2.amazonaws.com/platform/api:template"),
		set("memory", 512),
		set("platform", "platform"),
		set("region", "us-west-2"),
		set("repository_arn", "arn:aws:ecr:us-west-2:123456789012:repository/platform/api"),
		set("vpc_id", "vpc-1"),
	)
	sortArguments(all)
	return nested("variables", all...)
}

func serviceTest() []node {
	return []node{
		labelled("mock_provider", "aws"),
		containerTestVariables(
			set("alarms", object{
				{"cpu_percent", 80}, {"http_5xx", 10}, {"memory_percent", 80}, {"period_seconds", 300},
				{"topic_arn", "arn:aws:sns:us-west-2:123456789012:test"},
			}),
			set("cluster_name", "test"),
			set("health_check", object{{"command", row{"CMD", "/bin/check"}}}),
			set("name", "api"),
			set("namespace_arn", "arn:aws:servicediscovery:us-west-2:123456789012:namespace/ns-1"),
			set("permissions_boundary", "arn:aws:iam::123456789012:policy/test-boundary"),
			set("port", 3001),
			set("subnet_ids", row{"subnet-1", "subnet-2"}),
		),
		run("internal_and_fixed_by_default", nil,
			assert("length(aws_lb_target_group.this) == 0", "An internal service has no target group."),
			assert(`aws_cloudwatch_metric_alarm.tasks.treat_missing_data == "breaching" && aws_cloudwatch_metric_alarm.tasks.threshold == 1`, "A service that is down rings."),
			assert("length(aws_cloudwatch_metric_alarm.response_time) == 0", "Only a load balancer measures how long answers take."),
			assert("length(aws_appautoscaling_target.this) == 0", "Without autoscaling the number of tasks is fixed."),
			assert(`aws_ecs_service.this.launch_type == "FARGATE" && length(aws_ecs_service.this.capacity_provider_strategy) == 0`, "AWS takes no task away."),
			assert("aws_ecs_service.this.desired_count == 0", "Nothing runs before the first promotion."),
			assert("aws_ecs_service.this.deployment_minimum_healthy_percent == 100 && aws_ecs_service.this.deployment_maximum_percent == 200", "New tasks serve before old ones go."),
			assert("aws_ecs_service.this.deployment_circuit_breaker[0].rollback", "A failed deployment goes back by itself."),
			assert("aws_ecs_task_definition.template.skip_destroy && !aws_ecs_task_definition.template.track_latest", "No revision that a rollback needs is deregistered."),
			assert("jsondecode(aws_ecs_task_definition.template.container_definitions)[0].linuxParameters.initProcessEnabled", "Processes that have lost their parent are reaped."),
			assert(`contains(jsondecode(aws_ecs_task_definition.template.container_definitions)[0].linuxParameters.capabilities.drop, "NET_RAW")`, "No container forges packets."),
			assert("length(local.secret_statements) == 0 && length(aws_iam_role_policy.task) == 0", "A service without secrets may read none, and its code may do nothing in AWS."),
			assert("length(aws_ecs_task_definition.template.ephemeral_storage) == 0", "Fargate includes 20 GiB."),
			assert("!aws_ecs_service.this.enable_execute_command && length(aws_iam_role_policy.exec) == 0", "Nobody opens a session in a task."),
			assert("aws_ecs_service.this.service_connect_configuration[0].service[0].timeout[0].per_request_timeout_seconds == 0", "A response may stream for as long as it likes."),
		),
		run("entered_if_asked_for", []node{set("session_log_arn", "arn:aws:logs:us-west-2:123456789012:log-group:/platform/test/exec/sessions")},
			assert("aws_ecs_service.this.enable_execute_command && length(aws_iam_role_policy.exec) == 1", "Sessions can be opened, and the role of the task lets them."),
		),
		run("without_an_init_process_if_asked_for", []node{set("security", object{{"own_init", true}})},
			assert("jsondecode(aws_ecs_task_definition.template.container_definitions)[0].linuxParameters.initProcessEnabled == null", "The image's own process is process 1."),
		),
		run("confined_if_asked_for", []node{set("security", object{{"drop", row{"ALL"}}, {"read_only_root", true}, {"user", "1000:1000"}, {"writable", row{"/tmp"}}})},
			assert(`alltrue([for c in jsondecode(aws_ecs_task_definition.template.container_definitions) : c.readonlyRootFilesystem && c.user == "1000:1000" && c.linuxParameters.capabilities.drop[0] == "ALL"])`, "The container is confined."),
			assert(`[for m in jsondecode(aws_ecs_task_definition.template.container_definitions)[0].mountPoints : "${m.sourceVolume} ${m.containerPath}"] == ["writable-0 /tmp"] && one(aws_ecs_task_definition.template.volume).name == "writable-0"`, "The folder is on the task's disk."),
		),
		run("public_and_scaled", []node{
			set("health_check", object{{"path", "/ready"}, {"matcher", "204"}}),
			set("min_tasks", 2),
			set("name", "notifications-of-everything-that-a-customer-may-want"),
			set("timeouts", object{{"drain", 90}}),
			set("autoscaling", object{{"max_tasks", 4}, {"min_tasks", 2}, {"target_cpu_percent", 60}, {"target_requests", 900}}),
			set("load_balancer", object{
				{"arn_suffix", "app/test/1"},
				{"listener_arn", "arn:aws:elasticloadbalancing:us-west-2:123456789012:listener/app/test/1/2"},
				{"priority", 100},
				{"routes", row{"/api/*"}},
				{"security_group_id", "sg-1"},
			}),
			set("secrets", object{{"DB_PASSWORD", "arn:aws:secretsmanager:us-west-2:123456789012:secret:test/platform/db-AbCdEf:password::"}}),
			set("peers", object{{"database", object{{"port", 5432}, {"security_group_id", "sg-2"}}}}),
		},
			assert(`aws_lb_target_group.this[0].health_check[0].path == "/ready" && aws_lb_target_group.this[0].health_check[0].matcher == "204"`, "The load balancer asks what it is told to."),
			assert(`aws_lb_target_group.this[0].name == "platform-test-notificatio-946f1f" && aws_iam_role.execution.name == "platform-test-notifications-of-everything-that-946f1f-execution"`, "A name that is too long ends in a hash."),
			assert(`length(aws_appautoscaling_policy.cpu) == 1 && length(aws_appautoscaling_policy.requests) == 1 && length(aws_appautoscaling_policy.memory) == 0`, "It follows both of its targets."),
			assert("aws_cloudwatch_metric_alarm.tasks.threshold == 2 && aws_cloudwatch_metric_alarm.response_time[0].threshold == 2", "Fewer tasks than promised ring, and answers that take two seconds."),
			assert(`tonumber(aws_lb_target_group.this[0].deregistration_delay) == 90`, "Requests in flight get the time they need."),
			assert("aws_appautoscaling_target.this[0].min_capacity == 0", "Nothing runs before the first promotion, which raises the lower bound."),
			assert(`aws_vpc_security_group_ingress_rule.at_peer["database"].from_port == 5432`, "The peer lets the service in."),
			assert(`one(local.secret_arns) == "arn:aws:secretsmanager:us-west-2:123456789012:secret:test/platform/db-AbCdEf"`, "Permission is given for the secret, not for its key."),
		),
		run("what_it_asks_for_besides", []node{
			set("autoscaling", object{{"max_tasks", 4}, {"min_tasks", 2}, {"target_memory_percent", 70}}),
			set("buckets", row{"arn:aws:s3:::test-uploads"}),
			set("ephemeral_storage_gib", 50),
			set("permissions", list{object{{"actions", row{"ses:SendEmail"}}, {"resources", row{"*"}}}}),
		},
			assert(`aws_appautoscaling_policy.memory[0].target_tracking_scaling_policy_configuration[0].target_value == 70 && length(concat(aws_appautoscaling_policy.cpu, aws_appautoscaling_policy.requests)) == 0`, "Memory alone decides."),
			assert("aws_ecs_task_definition.template.ephemeral_storage[0].size_in_gib == 50", "A task has the disk that it needs."),
			assert(`[for s in jsondecode(aws_iam_role_policy.buckets[0].policy).Statement : s.Resource] == [["arn:aws:s3:::test-uploads/*"], ["arn:aws:s3:::test-uploads"]]`, "It may use the objects of its bucket, and of no other."),
			assert(`jsondecode(aws_iam_role_policy.task[0].policy).Statement == [{ Action = ["ses:SendEmail"], Effect = "Allow", Resource = ["*"] }]`, "The container's role allows what is asked for, and nothing else."),
		),
		run("sidecars_run_in_every_task", []node{
			set("depends_on_sidecars", object{{"otel", "HEALTHY"}}),
			set("sidecars", object{
				{"logs", object{{"image", "public.ecr.aws/aws-observability/aws-for-fluent-bit:2.32.5"}, {"log_router", object{{"type", "fluentbit"}}}}},
				{"otel", object{
					{"environment", object{{"APP_ENV", "test"}}},
					{"essential", false},
					{"health_command", row{"CMD", "/healthcheck"}},
					{"image", "123456789012.dkr.ecr.us-west-2.amazonaws.com/platform/otel:1"},
					{"memory", 128},
					{"ports", row{4317}},
					{"secrets", object{{"KEY", "arn:aws:secretsmanager:us-west-2:123456789012:secret:test/platform/otel-AbCdEf"}}},
				}},
			}),
		},
			assert(`[for c in local.sidecars : [c.name, c.essential]] == [["logs", true], ["otel", false]]`, "Each is a container, essential unless asked otherwise."),
			assert(`local.sidecars[1].portMappings[0].containerPort == 4317 && local.sidecars[1].healthCheck.command[1] == "/healthcheck" && local.sidecars[1].memory == 128`, "It listens, is checked and bounded as asked."),
			assert(`local.sidecars[0].firelensConfiguration.type == "fluentbit" && local.sidecars[1].firelensConfiguration == null`, "One routes the log."),
			assert(`local.routed_to_cloudwatch.log_group_name == "/platform/test/api" && length(aws_iam_role_policy.log_router) == 1`, "The router writes where the service itself would, and may."),
			assert(`one(local.sidecar_repository_arns) == "arn:aws:ecr:us-west-2:123456789012:repository/platform/otel"`, "An image of the account's may be pulled."),
			assert(`one(local.secret_arns) == "arn:aws:secretsmanager:us-west-2:123456789012:secret:test/platform/otel-AbCdEf" && length(local.secret_statements) == 1`, "Its secret may be read."),
		),
		run("scaled_by_queues_and_by_the_clock", []node{
			set("autoscaling", object{{"max_tasks", 8}, {"min_tasks", 2}, {"target_backlog", 100}}),
			set("backlog_queues", row{"test-mail", "test-fax"}),
			set("minimums", object{{"day", object{{"expression", "cron(0 7 ? * MON-FRI *)"}, {"min_tasks", 4}, {"time_zone", "Europe/Berlin"}}}, {"night", object{{"expression", "cron(0 19 * * ? *)"}, {"min_tasks", 2}}}}),
		},
			assert(`[for m in aws_appautoscaling_policy.backlog[0].target_tracking_scaling_policy_configuration[0].customized_metric_specification[0].metrics : m.expression if m.return_data] == ["(FILL(q0, 0) + FILL(q1, 0)) / FILL(tasks, 1)"]`, "All that waits is divided by the tasks."),
			assert(`aws_appautoscaling_scheduled_action.minimum["day"].scalable_target_action[0].min_capacity == "4" && aws_appautoscaling_scheduled_action.minimum["day"].timezone == "Europe/Berlin" && aws_appautoscaling_scheduled_action.minimum["night"].timezone == "UTC"`, "More tasks run by day."),
			assert(`aws_appautoscaling_scheduled_action.minimum["night"].scalable_target_action[0].max_capacity == null`, "The upper bound stays."),
		),
		run("on_spot", []node{set("spot", true)},
			assert(`one(aws_ecs_service.this.capacity_provider_strategy).capacity_provider == "FARGATE_SPOT"`, "Tasks run on Spot."),
		),
		run("several_ports", []node{set("ports", object{{"events", object{{"number", 9000}, {"protocol", "tcp"}}}, {"metrics", object{{"number", 9090}}}})},
			assert(`[for s in aws_ecs_service.this.service_connect_configuration[0].service : "${s.discovery_name}:${s.client_alias[0].port}"] == ["api:3001", "api-events:9000", "api-metrics:9090"]`, "Callers reach each by a name of its own."),
			assert(`length(aws_ecs_service.this.service_connect_configuration[0].service[1].timeout) == 0 && aws_ecs_service.this.service_connect_configuration[0].service[2].timeout[0].per_request_timeout_seconds == 0`, "TCP knows no requests."),
			assert(`[for p in jsondecode(aws_ecs_task_definition.template.container_definitions)[0].portMappings : p.containerPort] == [3001, 9000, 9090]`, "The container listens on all."),
		),
		run("a_host_of_its_own", []node{set("load_balancer", object{
			{"arn_suffix", "app/test/0123456789abcdef"},
			{"hosts", row{"admin.example.com"}},
			{"listener_arn", "arn:aws:elasticloadbalancing:us-west-2:123456789012:listener/app/test/0123456789abcdef/0123456789abcdef"},
			{"priority", 300},
			{"security_group_id", "sg-1"},
		})},
			assert(`one(one(aws_lb_listener_rule.this[0].condition).host_header).values == toset(["admin.example.com"])`, "Every path of that host, and no other host."),
		),
		run("a_worker_listens_on_nothing", []node{
			set("command", row{"work"}),
			set("name", "mail"),
			set("port", expr("null")),
		},
			assert("length(jsondecode(aws_ecs_task_definition.template.container_definitions)[0].portMappings) == 0", "A worker has no port."),
			assert(`jsondecode(aws_ecs_task_definition.template.container_definitions)[0].command[0] == "work"`, "A worker has a command of its own."),
			assert("length(aws_ecs_service.this.service_connect_configuration[0].service) == 0", "Nobody finds a worker by name."),
		),
		refuses("a_size_that_fargate_does_not_have", "cpu", 300),
		refuses("memory_that_fargate_does_not_pair_with_the_cpu", "memory", 1536),
		refuses("an_internal_service_that_nobody_checks", "health_check", object{}),
		refuses("a_disk_that_fargate_includes", "ephemeral_storage_gib", 20),
		refuses("a_backlog_of_nothing", "autoscaling", object{{"max_tasks", 4}, {"min_tasks", 2}, {"target_backlog", 100}}),
		refuses("requests_that_nobody_counts", "autoscaling", object{{"max_tasks", 4}, {"min_tasks", 2}, {"target_requests", 100}}),
		refuses("a_protocol_that_nobody_speaks", "ports", object{{"events", object{{"number", 9000}, {"protocol", "udp"}}}}),
		refuses("a_sidecar_of_any_version", "sidecars", object{{"otel", object{{"image", "otel/collector:latest"}}}}),
		refuses("a_stop_that_fargate_does_not_wait_for", "timeouts", object{{"stop", 300}}),
	}
}

func githubTest() []node {
	statement := func(policy, sid, attribute string) string {
		return `one([for s in jsondecode(` + policy + `.policy).Statement : s.` + attribute + ` if s.Sid == "` + sid + `"])`
	}
	trusted := func(role, operator string) string {
		return `jsondecode(` + role + `.assume_role_policy).Statement[0].Condition.` + operator
	}
	environment := func(protected bool, histories ...any) object {
		return object{{"domain", "example.com"}, {"histories", row(histories)}, {"protected", protected}, {"refs", row{"refs/heads/main"}}}
	}
	return []node{
		labelled("mock_provider", "aws",
			set("override_during", expr("plan")),
			labelled("mock_resource", "aws_iam_openid_connect_provider", set("defaults", mocked()["aws_iam_openid_connect_provider"])),
			labelled("mock_resource", "aws_iam_policy", set("defaults", mocked()["aws_iam_policy"])),
		),
		nested("variables",
			set("account", "123456789012"),
			set("environments", object{{"production", environment(true, "production", "staging")}, {"staging", environment(false, "staging")}}),
			set("platform", "platform"),
			set("region", "us-west-2"),
			set("repository", "owner/name"),
			set("state_bucket", "platform-state-123456789012"),
			set("zone_id", "Z0123456789ABCDEFGHIJ"),
		),
		run("each_role_trusts_its_own_jobs", nil,
			assert(expr(trusted(`aws_iam_role.deploy["staging"]`, "StringEquals")+`["`+subjectClaim+`"] == "repo:owner/name:environment:staging"`), "A deploy role trusts the jobs of its GitHub environment."),
			assert(expr(trusted(`aws_iam_role.deploy["staging"]`, "StringLike")+`["`+refClaim+`"] == ["refs/heads/main"]`), "A pull request's job may name the environment, but runs on another ref."),
			assert(expr(trusted("aws_iam_role.build", "StringLike")+`["`+subjectClaim+`"] == ["repo:owner/name:ref:refs/heads/main"]`), "Images come from the main branch."),
			assert(expr("anytrue([for subject in "+trusted("aws_iam_role.plan", "StringLike")+`["`+subjectClaim+`"] : subject == "repo:owner/name:pull_request"])`), "Pull requests are planned."),
			assert(expr(trusted("aws_iam_role.plan", "StringEquals")+`["token.actions.githubusercontent.com:aud"] == "sts.amazonaws.com"`), "A token for another audience is none for AWS."),
		),
		run("ids_name_the_repository_for_good", []node{set("repository_ids", object{{"owner", "1"}, {"repository", "2"}})},
			assert(expr(trusted(`aws_iam_role.deploy["staging"]`, "StringEquals")+`["`+subjectClaim+`"] == "repo:owner@1/name@2:environment:staging"`), "The subject holds both ids."),
			assert(expr(trusted("aws_iam_role.plan", "StringEquals")+`["token.actions.githubusercontent.com:repository_id"] == "2"`), "Another repository of the same name is not trusted."),
		),
		run("roles_stay_in_their_environment", nil,
			assert(expr(statement(`aws_iam_policy.data["production"]`, "Destroy", "Effect")+` == "Deny" && `+statement(`aws_iam_policy.data["staging"]`, "Destroy", "Effect")+` == "Allow"`), "No workflow deletes what a protected environment stores."),
			assert(expr(statement(`aws_iam_policy.release["production"]`, "ReadHistories", "Resource")+` == [for name in ["production", "staging"] : "arn:aws:s3:::platform-state-123456789012/history/${name}/*"]`), "It reads the histories that its proof lies in, and no others."),
			assert(expr(statement(`aws_iam_policy.release["staging"]`, "BoundedRoles", "Resource")+` == "arn:aws:iam::123456789012:role/platform/staging/*"`), "It creates roles below its own path."),
			assert(expr(statement(`aws_iam_policy.services["staging"]`, "RunTasks", "Condition")+`.ArnEquals["ecs:cluster"] == "arn:aws:ecs:us-west-2:123456789012:cluster/platform-staging"`), "It runs tasks in its own cluster."),
			assert(expr(statement(`aws_iam_policy.release["staging"]`, "Record", "Condition")+`.Null["s3:if-none-match"] == "false"`), "A record is written once."),
			assert(`alltrue([for policies in [aws_iam_policy.network, aws_iam_policy.services, aws_iam_policy.data, aws_iam_policy.jobs, aws_iam_policy.release, aws_iam_policy.boundary] : alltrue([for p in policies : length(p.policy) <= 6144])])`, "IAM takes 6,144 characters."),
		),
		run("the_boundary_allows_what_tasks_ask_for", []node{
			set("environments", object{{"staging", append(environment(false, "staging"), field{"permissions", list{object{{"actions", row{"ses:SendEmail"}}, {"resources", row{"*"}}}}})}}),
		},
			assert(expr(`anytrue([for s in jsondecode(aws_iam_policy.boundary["staging"].policy).Statement : s.Action == ["ses:SendEmail"] && s.Resource == ["*"]])`), "A permission that the boundary lacks would be none."),
		),
		run("further_names_are_its_own", []node{
			set("environments", object{{"staging", append(environment(false, "staging"), field{"hosts", row{"admin.example.com"}})}}),
		},
			assert(expr(statement(`aws_iam_policy.release["staging"]`, "Names", "Condition")+`["ForAllValues:StringLike"]["route53:ChangeResourceRecordSetsNormalizedRecordNames"] == ["example.com", "_????????????????????????????????.example.com", "admin.example.com", "_????????????????????????????????.admin.example.com"]`), "It changes the records of its names, and their validation."),
		),
		run("without_a_zone_nobody_changes_names", []node{
			set("zone_id", expr("null")),
			set("environments", object{{"staging", object{{"histories", row{"staging"}}, {"protected", false}, {"refs", row{"refs/heads/main"}}}}}),
		},
			assert(expr(`!strcontains(aws_iam_policy.release["staging"].policy, "route53")`), "There is no zone to change."),
		),
	}
}

func loadBalancerTest() []node {
	return []node{
		labelled("mock_provider", "aws"),
		nested("variables",
			set("domain", "example.com"),
			set("name", "test"),
			set("subnet_ids", row{"subnet-1", "subnet-2"}),
			set("vpc_id", "vpc-1"),
			set("zone_id", "Z0123456789ABCDEFGHIJ"),
		),
		// The validation record is known at apply only.
		run("only_tls_gets_in", nil,
			assert(`aws_lb_listener.http.default_action[0].redirect[0].protocol == "HTTPS" && aws_lb_listener.http.default_action[0].redirect[0].status_code == "HTTP_301"`, "HTTP is redirected."),
			assert(`startswith(aws_lb_listener.https.ssl_policy, "ELBSecurityPolicy-TLS13-1-2")`, "TLS starts at 1.2."),
			assert(`aws_lb_listener.https.default_action[0].fixed_response[0].status_code == "404"`, "A path that no service claims is not found."),
			assert("aws_lb.this.enable_deletion_protection && aws_lb.this.drop_invalid_header_fields", "Protected unless asked otherwise; headers that servers read differently are dropped."),
			assert("aws_lb.this.idle_timeout == 300", "A stream may pause for five minutes."),
		),
		run("a_name_that_is_too_long", []node{set("name", "a-load-balancer-with-a-name-of-more-than-32")},
			assert(`aws_lb.this.name == "a-load-balancer-with-a-na-ea3ff5"`, "A name that is too long ends in a hash."),
		),
		run("requests_are_logged", []node{set("access_logs", object{{"bucket", "logs"}})},
			assert(`aws_lb.this.access_logs[0].enabled && aws_lb.this.access_logs[0].bucket == "logs" && aws_lb.this.access_logs[0].prefix == "load-balancer"`, "Below the prefix that the bucket's policy allows."),
		),
		run("only_the_listed_addresses_connect", []node{set("allowed_cidrs", list{"192.0.2.0/24", "198.51.100.7/32"})},
			assert(`keys(aws_vpc_security_group_ingress_rule.https) == ["192.0.2.0/24", "198.51.100.7/32"] && keys(aws_vpc_security_group_ingress_rule.http) == keys(aws_vpc_security_group_ingress_rule.https)`, "Nobody else reaches a port."),
		),
		run("further_names", []node{set("hosts", row{"admin.example.com", "www.example.com"})},
			assert(`aws_acm_certificate.this.domain_name == "example.com" && length(aws_acm_certificate.this.subject_alternative_names) == 3`, "One certificate is for all names."),
			assert(`aws_route53_record.host["admin.example.com"].name == "admin.example.com" && length(aws_route53_record.host) == 2 && length(aws_route53_record.host_validation) == 2`, "Each leads to the load balancer, and is validated."),
		),
		run("what_is_sent_elsewhere", []node{set("hosts", row{"www.example.com"}), set("redirects", object{
			{"10", object{{"path", "/blog/*"}, {"status", 302}, {"to_path", "/news"}}},
			{"49999", object{{"host", "www.example.com"}, {"to_host", "example.com"}, {"to_port", "443"}, {"to_protocol", "HTTPS"}}},
		})},
			assert(`aws_lb_listener_rule.redirect["10"].priority == 10 && one(one(aws_lb_listener_rule.redirect["10"].condition).path_pattern).values == toset(["/blog/*"])`, "A path, with the priority that is its key."),
			assert(`one(aws_lb_listener_rule.redirect["10"].action[0].redirect).status_code == "HTTP_302" && one(aws_lb_listener_rule.redirect["10"].action[0].redirect).host == "#{host}"`, "What is not set stays."),
			assert(`one(one(aws_lb_listener_rule.redirect["49999"].condition).host_header).values == toset(["www.example.com"]) && one(aws_lb_listener_rule.redirect["49999"].action[0].redirect).host == "example.com"`, "One name leads to the other."),
		),
		refuses("a_redirect_of_nothing", "redirects", object{{"1", object{{"to_host", "example.com"}}}}),
		refuses("a_status_that_is_no_redirect", "redirects", object{{"1", object{{"path", "/a"}, {"status", 200}}}}),
		refuses("the_domain_as_a_further_name", "hosts", row{"example.com"}),
		refuses("no_client_at_all", "allowed_cidrs", row{}),
		refuses("no_idle_timeout", "idle_timeout", 0),
	}
}

func cacheTest() []node {
	return []node{
		labelled("mock_provider", "aws"),
		nested("variables",
			set("engine_version", "7.1"),
			set("name", "test"),
			set("node_type", "cache.t4g.micro"),
			set("subnet_ids", row{"subnet-1", "subnet-2"}),
			set("vpc_id", "vpc-1"),
		),
		run("one_encrypted_node_by_default", nil,
			assert(`aws_elasticache_replication_group.this.transit_encryption_enabled && aws_elasticache_replication_group.this.transit_encryption_mode == "required"`, "Connections without TLS are refused."),
			assert(`tobool(aws_elasticache_replication_group.this.at_rest_encryption_enabled)`, "Storage is encrypted."),
			assert("!aws_elasticache_replication_group.this.automatic_failover_enabled", "One node has nothing to fail over to."),
			assert("!aws_elasticache_replication_group.this.apply_immediately", "What restarts the node waits for the maintenance window."),
		),
		run("replicas_fail_over", []node{set("node_count", 2)},
			assert("aws_elasticache_replication_group.this.automatic_failover_enabled && aws_elasticache_replication_group.this.multi_az_enabled", "The replica takes over, from another zone."),
			assert("length(output.node_ids) == 2", "Both nodes can be watched before there are any."),
		),
		run("valkey_has_its_own_parameters", []node{set("engine", "valkey"), set("engine_version", "8.0")},
			assert(`aws_elasticache_replication_group.this.engine == "valkey" && aws_elasticache_replication_group.this.parameter_group_name == "default.valkey8"`, "The group of the engine and its version."),
		),
		run("no_token_by_default", nil,
			assert("length(aws_secretsmanager_secret.url) == 0 && output.url_arn == null", "Nothing is stored."),
		),
		run("a_token_is_stored_as_pending", []node{set("token", "0123456789abcdef"), set("token_version", 1), set("secret_name", "test/cache-url")},
			assert(`aws_secretsmanager_secret_version.url[0].version_stages == toset(["AWSPENDING"]) && aws_secretsmanager_secret_version.url[0].secret_string == null`, "Tasks do not read it yet, and the state does not hold it."),
		),
		refuses("a_database_class", "node_type", "db.t4g.micro"),
		refuses("another_engine", "engine", "memcached"),
	}
}

func repositoryTest() []node {
	return []node{
		labelled("mock_provider", "aws"),
		nested("variables", set("name", "platform/api")),
		run("promoted_images_outlive_others", nil,
			assert(`[for rule in jsondecode(aws_ecr_lifecycle_policy.this.policy).rules : rule.rulePriority] == [1, 2, 3]`, "Rules apply in this order."),
			assert(`jsondecode(aws_ecr_lifecycle_policy.this.policy).rules[0].selection.tagPrefixList == ["release-"] && jsondecode(aws_ecr_lifecycle_policy.this.policy).rules[0].selection.countNumber == 10`, "Ten promoted images stay whatever is pushed."),
			assert(`jsondecode(aws_ecr_lifecycle_policy.this.policy).rules[1].selection.countNumber == 60`, "Promoted images, which count here too, take the place of none of the fifty others."),
			assert(`jsondecode(aws_ecr_lifecycle_policy.this.policy).rules[2].selection.tagStatus == "untagged"`, "Attestations and other parts count in neither."),
			assert("aws_ecr_repository.this.image_scanning_configuration[0].scan_on_push", "Images are scanned."),
		),
	}
}

func alarmsTest() []node {
	return []node{
		labelled("mock_provider", "aws"),
		nested("variables",
			set("account", "123456789012"),
			set("cache_node_ids", row{"test-002", "test-003"}),
			set("cluster_name", "test"),
			set("database_identifier", "test"),
			set("database_storage_gib", 20),
			set("emails", row{"on-call@example.com"}),
			set("load_balancer_arn_suffix", "app/test/0123456789abcdef"),
			set("name", "test"),
			set("region", "us-west-2"),
			set("service_names", row{"api"}),
			set("thresholds", object{{"cpu_percent", 80}, {"http_5xx", 10}, {"memory_percent", 90}, {"period_seconds", 300}}),
		),
		run("thresholds_reach_the_alarms", nil,
			assert(`aws_sns_topic_subscription.email["on-call@example.com"].protocol == "email"`, "Each address is notified."),
			assert("aws_cloudwatch_metric_alarm.load_balancer_5xx[0].threshold == 10 && aws_cloudwatch_metric_alarm.load_balancer_5xx[0].period == 300", "Errors are counted over the whole period."),
			assert("aws_cloudwatch_metric_alarm.database_cpu[0].evaluation_periods == 5 && aws_cloudwatch_metric_alarm.database_cpu[0].period == 60", "A load lasts for the period, minute by minute."),
			assert("aws_cloudwatch_metric_alarm.database_storage[0].threshold == 1073741824", "A twentieth of 20 GiB."),
			assert("aws_cloudwatch_metric_alarm.database_connections[0].threshold == 60", "Before PostgreSQL refuses connections."),
			assert("aws_cloudwatch_metric_alarm.database_credits[0].threshold == 0 && aws_cloudwatch_metric_alarm.database_credits[0].period == 300", "Credits are told every five minutes."),
			assert(`[for a in [aws_cloudwatch_metric_alarm.database_storage[0], aws_cloudwatch_metric_alarm.cache_memory[0], aws_cloudwatch_metric_alarm.database_cpu[0]] : a.treat_missing_data] == ["breaching", "breaching", "notBreaching"]`, "A store that has died reports nothing, and rings."),
			assert(`jsondecode(aws_cloudwatch_event_rule.deployments.event_pattern).resources == [{ prefix = "arn:aws:ecs:us-west-2:123456789012:service/test/" }]`, "Deployments that failed are told, of this environment's services."),
			assert("aws_cloudwatch_metric_alarm.cache_memory[0].threshold == 90", "The cache's memory has the threshold of memory."),
			assert(`[for a in concat(aws_cloudwatch_metric_alarm.cache_cpu, aws_cloudwatch_metric_alarm.cache_memory) : [a.alarm_name, a.dimensions.CacheClusterId]] == [["test-cache-cpu", "test-002"], ["test-cache-cpu-2", "test-003"], ["test-cache-memory", "test-002"], ["test-cache-memory-2", "test-003"]]`, "Every node is watched, since any may become the primary."),
			assert(`[for m in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets[5].properties.metrics : m[3]] == ["test-002", "test-003", "test-002", "test-003"]`, "The dashboard shows every node."),
			assert(`length(jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets) == 6`, "The dashboard shows every part."),
		),
		run("only_what_there_is", []node{
			set("cache_node_ids", row{}), set("database_identifier", expr("null")), set("load_balancer_arn_suffix", expr("null")),
			set("thresholds", object{{"cpu_percent", 80}, {"memory_percent", 90}, {"period_seconds", 300}}),
		},
			assert(`length(concat(aws_cloudwatch_metric_alarm.load_balancer_5xx, aws_cloudwatch_metric_alarm.database_cpu, aws_cloudwatch_metric_alarm.cache_cpu)) == 0`, "Nothing watches what a platform does without."),
			assert(`length(jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets) == 3`, "The dashboard shows the services alone."),
		),
	}
}

func clusterTest() []node {
	return []node{
		labelled("mock_provider", "aws"),
		nested("variables", set("name", "test")),
		run("fargate_with_insights", nil,
			assert(`one(aws_ecs_cluster.this.setting).value == "enabled"`, "Container Insights count running tasks, which alarms need."),
			assert(`aws_ecs_cluster_capacity_providers.this.capacity_providers == toset(["FARGATE"])`, "Tasks run on Fargate."),
			assert(`aws_ecs_cluster.this.configuration[0].execute_command_configuration[0].logging == "NONE"`, "Where nobody may open sessions, none is recorded."),
		),
		run("sessions_are_recorded", []node{set("session_log", object{{"name", "/platform/test/exec/sessions"}, {"retention_days", 7}})},
			assert(`aws_ecs_cluster.this.configuration[0].execute_command_configuration[0].log_configuration[0].cloud_watch_log_group_name == "/platform/test/exec/sessions"`, "ECS records sessions in the log group."),
		),
		run("spot_if_asked_for", []node{set("spot", true)},
			assert(`aws_ecs_cluster_capacity_providers.this.capacity_providers == toset(["FARGATE", "FARGATE_SPOT"])`, "Services may run on Spot."),
		),
	}
}

func taskTest() []node {
	return []node{
		labelled("mock_provider", "aws"),
		containerTestVariables(
			set("command", row{"migrate", "up"}),
			set("name", "migrate"),
			set("permissions_boundary", "arn:aws:iam::123456789012:policy/platform/test-boundary"),
		),
		run("bounded_and_closed", nil,
			assert(`alltrue([for role in [aws_iam_role.execution, aws_iam_role.task] : role.permissions_boundary == var.permissions_boundary && role.path == "/platform/test/"])`, "Both roles are bounded and lie below the environment's path."),
			assert("length(local.secret_statements) == 0", "A task without secrets may read none."),
			assert("length(aws_vpc_security_group_ingress_rule.at_peer) == 0", "It reaches nobody unless told to."),
			assert("aws_ecs_task_definition.template.skip_destroy && !aws_ecs_task_definition.template.track_latest", "No revision that a rollback needs is deregistered."),
			assert(`aws_cloudwatch_log_group.this.name == "/platform/test/migrate"`, "The log has the name that a promotion reads."),
		),
		refuses("memory_that_fargate_does_not_pair_with_the_cpu", "memory", 1536),
	}
}
