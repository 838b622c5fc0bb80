package render

import "github.com/specboard/platform/gen/config"

// schedules start the one-off tasks of an environment at their times.
func schedules() module {
	return module{
		name: "schedules",
		about: []string{
			"One-off tasks that EventBridge Scheduler starts at their times: a schedule group, and for each task its schedule, the role that starts it and nothing else, and an alarm for a run that fails. A start that Scheduler gives up rings an alarm of the whole group.",
			"Terraform owns the shape, a promotion owns what runs: a schedule is created switched off, and a promotion switches it on and has it start the release's revision. From then on Terraform ignores both.",
			"Scheduler starts a task whether or not the run before has ended, and now and then twice. A task that must not run beside itself takes a lock, such as PostgreSQL's advisory one.",
		},
		files: []source{
			{"main.tf", schedulesMain()},
			{"iam.tf", schedulesIAM()},
			{"alarms.tf", schedulesAlarms()},
		},
		variables: []variable{
			{name: "account", kind: "string", description: "AWS account.", example: "123456789012"},
			{name: "cluster_name", kind: "string", description: "ECS cluster that the tasks run in.", example: expr("module.cluster.name")},
			{name: "environment_name", kind: "string", description: "Name of the environment, a part of names and paths.", example: "staging"},
			{name: "permissions_boundary", kind: "string", description: "ARN of the policy that bounds the roles.",
				example: "arn:aws:iam::123456789012:policy/shop/shop-staging-boundary"},
			{name: "platform", kind: "string", description: "Name of the platform, the first part of names and paths.", example: "shop"},
			{name: "region", kind: "string", description: "AWS region of the cluster.", example: "us-west-2"},
			{name: "schedules", kind: "map(object({\n    expression        = string\n    maximum_age       = number\n    retries           = number\n    security_group_id = string\n    template_arn      = string\n    time_zone         = string\n  }))",
				description: "By the task's name: when it runs, in Scheduler's syntax and time zone, how many seconds late and after how many failed starts it may still begin, and what the task module made.",
				example: object{{"migrate", object{
					{"expression", "cron(30 2 * * ? *)"},
					{"maximum_age", 3600},
					{"retries", 3},
					{"security_group_id", expr("module.task.security_group_id")},
					{"template_arn", expr("module.task.template_arn")},
					{"time_zone", "UTC"},
				}}},
				validations: []validation{{
					"alltrue([for s in values(var.schedules) : s.retries >= 0 && s.retries <= 185 && s.maximum_age >= 60 && s.maximum_age <= 86400])",
					"Scheduler tries up to 185 times, for a minute to a day.",
				}}},
			{name: "subnet_ids", kind: "list(string)", description: "Private subnets of the tasks.", example: expr("module.network.private_subnet_ids")},
			{name: "topic_arn", kind: "string", description: "Topic that failed runs notify; EventBridge may publish to it.", example: expr("module.alarms.topic_arn")},
		},
		tests: []source{{"tests/schedules.tftest.hcl", schedulesTest()}},
		outputs: []output{
			{"group_name", "Schedule group, the dimension of Scheduler's metrics.", "aws_scheduler_schedule_group.this.name"},
		},
	}
}

func schedulesMain() []node {
	return []node{
		locals(
			set("prefix", expr(`"${var.platform}-${var.environment_name}"`)),
			set("families", expr(`{ for name in keys(var.schedules) : name => "${local.prefix}-${name}" }`)),
			comment("What begins the roles of a task: AWS allows 64 characters in a role's name, and 10 are for what it is."),
			set("roles", cutNames("local.families", config.RoleFamily)),
			comment("What begins the rules of a task, of 64 characters too, with 7 for -failed."),
			set("rules", cutNames("local.families", config.RuleFamily)),
			set("cluster_arn", expr(`"arn:aws:ecs:${var.region}:${var.account}:cluster/${var.cluster_name}"`)),
		),
		resource("aws_scheduler_schedule_group", "this",
			set("name", expr("local.prefix")),
		),
		resource("aws_scheduler_schedule", "this",
			set("for_each", expr("var.schedules")),
			set("name", expr("each.key")),
			set("group_name", expr("aws_scheduler_schedule_group.this.name")),
			set("schedule_expression", expr("each.value.expression")),
			set("schedule_expression_timezone", expr("each.value.time_zone")),
			comment("Off until the first promotion, so that nothing ever starts the template's image."),
			set("state", "DISABLED"),
			nested("flexible_time_window", set("mode", "OFF")),
			nested("target",
				set("arn", expr("local.cluster_arn")),
				set("role_arn", expr("aws_iam_role.start[each.key].arn")),
				nested("ecs_parameters",
					set("task_definition_arn", expr("each.value.template_arn")),
					set("launch_type", "FARGATE"),
					comment("By which the rule below tells scheduled runs from others."),
					set("group", expr(`"schedule:${each.key}"`)),
					nested("network_configuration",
						set("subnets", expr("var.subnet_ids")),
						set("security_groups", row{expr("each.value.security_group_id")}),
						set("assign_public_ip", false),
					),
				),
				nested("retry_policy",
					set("maximum_event_age_in_seconds", expr("each.value.maximum_age")),
					set("maximum_retry_attempts", expr("each.value.retries")),
				),
			),
			nested("lifecycle",
				comment("A promotion owns these two."),
				set("ignore_changes", row{expr("state"), expr("target[0].ecs_parameters[0].task_definition_arn")}),
			),
		),
	}
}

func schedulesIAM() []node {
	return []node{
		comment("Scheduler starts a task under this role: of its own family, in this cluster, with its own two roles."),
		resource("aws_iam_role", "start",
			set("for_each", expr("var.schedules")),
			set("name", expr(`"${local.roles[each.key]}-schedule"`)),
			set("path", expr(`"/${var.platform}/${var.environment_name}/"`)),
			set("permissions_boundary", expr("var.permissions_boundary")),
			set("assume_role_policy", policy(object{
				{"Effect", "Allow"},
				{"Action", "sts:AssumeRole"},
				{"Principal", object{{"Service", "scheduler.amazonaws.com"}}},
				{"Condition", object{{"StringEquals", object{
					{"aws:SourceAccount", expr("var.account")},
					{"aws:SourceArn", expr("aws_scheduler_schedule_group.this.arn")},
				}}}},
			})),
		),
		resource("aws_iam_role_policy", "start",
			set("for_each", expr("var.schedules")),
			set("name", "start"),
			set("role", expr("aws_iam_role.start[each.key].id")),
			set("policy", policy(
				allow("Run", "ecs:RunTask", expr(`"arn:aws:ecs:${var.region}:${var.account}:task-definition/${local.families[each.key]}:*"`),
					when("ArnEquals", "ecs:cluster", expr("local.cluster_arn"))),
				allow("PassRoles", "iam:PassRole", list{
					expr(`"arn:aws:iam::${var.account}:role/${var.platform}/${var.environment_name}/${local.roles[each.key]}-execution"`),
					expr(`"arn:aws:iam::${var.account}:role/${var.platform}/${var.environment_name}/${local.roles[each.key]}-task"`),
				}, when("StringEquals", "iam:PassedToService", "ecs-tasks.amazonaws.com")),
			)),
		),
	}
}

func schedulesAlarms() []node {
	return []node{
		comment("A run that fails: its container exits with another code than 0, or never began."),
		resource("aws_cloudwatch_event_rule", "failed",
			set("for_each", expr("var.schedules")),
			set("name", expr(`"${local.rules[each.key]}-failed"`)),
			set("description", expr(`"Scheduled runs of ${each.key} that failed"`)),
			set("event_pattern", call{"jsonencode", object{
				{"source", row{"aws.ecs"}},
				{"detail-type", row{"ECS Task State Change"}},
				{"detail", object{
					{"clusterArn", row{expr("local.cluster_arn")}},
					{"group", row{expr(`"schedule:${each.key}"`)}},
					{"lastStatus", row{"STOPPED"}},
					{"$or", list{
						object{{"containers", object{{"exitCode", list{object{{"anything-but", row{0}}}}}}}},
						object{{"stopCode", row{"TaskFailedToStart"}}},
					}},
				}},
			}}),
		),
		resource("aws_cloudwatch_event_target", "failed",
			set("for_each", expr("var.schedules")),
			set("rule", expr("aws_cloudwatch_event_rule.failed[each.key].name")),
			set("target_id", "alarms"),
			set("arn", expr("var.topic_arn")),
		),
		comment("A run that does not begin: Scheduler has tried as often as it may."),
		resource("aws_cloudwatch_metric_alarm", "dropped",
			set("alarm_name", expr(`"${local.prefix}-schedules-dropped"`)),
			set("alarm_description", "EventBridge Scheduler has given up the start of a scheduled task"),
			set("namespace", "AWS/Scheduler"),
			set("metric_name", "InvocationDroppedCount"),
			set("dimensions", object{{"ScheduleGroup", expr("aws_scheduler_schedule_group.this.name")}}),
			set("statistic", "Sum"),
			set("period", 60),
			set("evaluation_periods", 1),
			set("comparison_operator", "GreaterThanThreshold"),
			set("threshold", 0),
			set("treat_missing_data", "notBreaching"),
			set("alarm_actions", row{expr("var.topic_arn")}),
			set("ok_actions", row{expr("var.topic_arn")}),
		),
	}
}

func schedulesTest() []node {
	return []node{
		labelled("mock_provider", "aws",
			labelled("mock_resource", "aws_scheduler_schedule_group", set("defaults", object{{"arn", "arn:aws:scheduler:us-west-2:123456789012:schedule-group/platform-test"}})),
			labelled("mock_resource", "aws_iam_role", set("defaults", object{{"arn", "arn:aws:iam::123456789012:role/example"}})),
		),
		nested("variables",
			set("account", "123456789012"),
			set("cluster_name", "platform-test"),
			set("environment_name", "test"),
			set("permissions_boundary", "arn:aws:iam::123456789012:policy/platform/test-boundary"),
			set("platform", "platform"),
			set("region", "us-west-2"),
			set("schedules", object{{"report", object{
				{"expression", "rate(1 day)"}, {"maximum_age", 3600}, {"retries", 3}, {"security_group_id", "sg-1"},
				{"template_arn", "arn:aws:ecs:us-west-2:123456789012:task-definition/platform-test-report:1"}, {"time_zone", "UTC"},
			}}}),
			set("subnet_ids", row{"subnet-1"}),
			set("topic_arn", "arn:aws:sns:us-west-2:123456789012:platform-test-alarms"),
		),
		labelled("run", "starts_its_own_task_alone",
			set("command", expr("apply")),
			assert(`aws_scheduler_schedule.this["report"].state == "DISABLED"`, "Nothing runs before a promotion."),
			assert(`aws_iam_role.start["report"].permissions_boundary == var.permissions_boundary && aws_iam_role.start["report"].path == "/platform/test/"`, "The role is bounded and lies below the environment's path."),
			assert(`jsondecode(aws_iam_role_policy.start["report"].policy).Statement[0].Resource == "arn:aws:ecs:us-west-2:123456789012:task-definition/platform-test-report:*"`, "It runs its own family."),
			assert(`length(jsondecode(aws_iam_role_policy.start["report"].policy).Statement[1].Resource) == 2`, "It passes the task's two roles."),
			assert(`jsondecode(aws_cloudwatch_event_rule.failed["report"].event_pattern).detail.group == ["schedule:report"]`, "A failed run is told."),
		),
	}
}
