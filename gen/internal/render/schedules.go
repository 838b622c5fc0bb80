package render

import "github.com/specboard/platform/gen/config"

// schedules start the one-off tasks of an environment at their times.
func schedules() module {
	return module{
		name: "schedules",
		about: []string{
			"One-off tasks that EventBridge Scheduler starts at their times: a schedule group, and for each task its schedule, the role that starts it and nothing else, a message about a run that fails, and an alarm when no run has begun for too long. A start that Scheduler gives up rings an alarm of the whole group at once: Scheduler's metrics name no schedule.",
			"The alarm `…-absent` looks at the events of the task's runs, which exist from the first one on. Without any it is in the state INSUFFICIENT_DATA, and it notifies when it comes back to that state: so none rings before a task has ever run. CloudWatch looks at some more periods than it is asked to before it says that data is missing, so the message comes up to three periods late.",
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
			{name: "schedules", kind: "map(object({\n    absent_after      = optional(number)\n    expression        = string\n    maximum_age       = number\n    retries           = number\n    security_group_id = string\n    template_arn      = string\n    time_zone         = string\n  }))",
				description: "By the task's name: when it runs, in Scheduler's syntax and time zone, how many seconds late and after how many failed starts it may still begin, after how many seconds without a run the alarm rings (none: never), and what the task module made.",
				example: object{{"migrate", object{
					{"absent_after", 93600},
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
				}, {
					"alltrue([for s in values(var.schedules) : try(s.absent_after >= 300 && s.absent_after <= 604800, s.absent_after == null)])",
					"An alarm of CloudWatch looks at up to seven days.",
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
			comment("After how many seconds without a run the alarm of a task rings, for those that have one."),
			set("watched", expr("{ for name, s in var.schedules : name => s.absent_after if s.absent_after != null }")),
			set("names", expr(`join(" or ", keys(var.schedules))`)),
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
	// runs are the scheduled runs of a task that have come to a status.
	runs := func(status row, more ...field) node {
		return set("event_pattern", call{"jsonencode", object{
			{"source", row{"aws.ecs"}},
			{"detail-type", row{"ECS Task State Change"}},
			{"detail", append(object{
				{"clusterArn", row{expr("local.cluster_arn")}},
				{"group", row{expr(`"schedule:${each.key}"`)}},
				{"lastStatus", status},
			}, more...)},
		}})
	}
	return []node{
		comment("A run that fails: its container exits with another code than 0, or never began. The message names the task."),
		resource("aws_cloudwatch_event_rule", "failed",
			set("for_each", expr("var.schedules")),
			set("name", expr(`"${local.rules[each.key]}-failed"`)),
			set("description", expr(`"Scheduled runs of ${each.key} that failed"`)),
			runs(row{"STOPPED"}, field{"$or", list{
				object{{"containers", object{{"exitCode", list{object{{"anything-but", row{0}}}}}}}},
				object{{"stopCode", row{"TaskFailedToStart"}}},
			}}),
		),
		resource("aws_cloudwatch_event_target", "failed",
			set("for_each", expr("var.schedules")),
			set("rule", expr("aws_cloudwatch_event_rule.failed[each.key].name")),
			set("target_id", "alarms"),
			set("arn", expr("var.topic_arn")),
			nested("input_transformer",
				comment("No reason: it may have quotation marks, which would break the message."),
				set("input_paths", object{{"code", "$.detail.stopCode"}, {"task", "$.detail.taskArn"}, {"time", "$.time"}}),
				set("input_template", expr(`"\"The scheduled run of ${each.key} in ${var.environment_name} failed at <time>: <code>, task <task>. Next: tfpipeline logs -env ${var.environment_name} -task ${each.key}\""`)),
			),
		),
		comment("The runs of a task that have begun, for the alarm below alone."),
		resource("aws_cloudwatch_event_rule", "begun",
			set("for_each", expr("local.watched")),
			set("name", expr(`"${local.rules[each.key]}-begun"`)),
			set("description", expr(`"Scheduled runs of ${each.key} that have begun"`)),
			runs(row{"PROVISIONING", "PENDING", "RUNNING"}),
		),
		comment("No run has begun for longer than two may lie apart. CloudWatch takes periods below an hour for a day at most."),
		resource("aws_cloudwatch_metric_alarm", "absent",
			set("for_each", expr("local.watched")),
			set("alarm_name", expr(`"${local.prefix}-${each.key}-absent"`)),
			set("alarm_description", expr(`"No scheduled run of ${each.key} has begun for ${floor(each.value / 3600)} hours: INSUFFICIENT_DATA says so"`)),
			set("namespace", "AWS/Events"),
			set("metric_name", "TriggeredRules"),
			set("dimensions", object{{"RuleName", expr("aws_cloudwatch_event_rule.begun[each.key].name")}}),
			set("statistic", "Sum"),
			set("period", expr("each.value <= 86400 ? 300 : 3600")),
			set("evaluation_periods", expr("ceil(each.value / (each.value <= 86400 ? 300 : 3600))")),
			set("comparison_operator", "LessThanThreshold"),
			set("threshold", 1),
			comment("There is data only when a run begins."),
			set("treat_missing_data", "missing"),
			set("insufficient_data_actions", row{expr("var.topic_arn")}),
			set("ok_actions", row{expr("var.topic_arn")}),
		),
		comment("A run that does not begin: Scheduler has tried as often as it may. Its metrics name no schedule, so the description names all that fit into the 1,024 characters of CloudWatch."),
		metricAlarm{
			resource: "dropped", name: expr(`"${local.prefix}-schedules-dropped"`),
			about:     expr(`"EventBridge Scheduler has given up the start of a scheduled task: ${length(local.names) <= 900 ? local.names : "${substr(local.names, 0, 900)}… (${length(var.schedules)} in all)"}"`),
			namespace: "AWS/Scheduler", metric: "InvocationDroppedCount", dimensions: object{{"ScheduleGroup", expr("aws_scheduler_schedule_group.this.name")}},
			statistic: "Sum", threshold: 0, topic: "var.topic_arn",
		}.block(),
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
			set("schedules", object{{"monthly", object{
				{"expression", "cron(0 0 1 * ? *)"}, {"maximum_age", 3600}, {"retries", 3}, {"security_group_id", "sg-1"},
				{"template_arn", "arn:aws:ecs:us-west-2:123456789012:task-definition/platform-test-monthly:1"}, {"time_zone", "UTC"},
			}}, {"report", object{
				{"absent_after", 93600}, {"expression", "rate(1 day)"}, {"maximum_age", 3600}, {"retries", 3}, {"security_group_id", "sg-1"},
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
			assert(`strcontains(aws_cloudwatch_event_target.failed["report"].input_transformer[0].input_template, "The scheduled run of report in test failed")`, "The message names the task."),
			assert(`keys(aws_cloudwatch_metric_alarm.absent) == ["report"] && aws_cloudwatch_metric_alarm.absent["report"].evaluation_periods == 26 && aws_cloudwatch_metric_alarm.absent["report"].period == 3600`, "A day's task that has not run for 26 hours is told; one that runs less often than an alarm can wait has none."),
			assert(`aws_cloudwatch_metric_alarm.absent["report"].dimensions.RuleName == aws_cloudwatch_event_rule.begun["report"].name && endswith(aws_cloudwatch_metric_alarm.dropped.alarm_description, "monthly or report")`, "Alarms name the task."),
		),
		labelled("run", "describes_many",
			set("command", expr("plan")),
			nested("variables", set("schedules", expr(`{ for i in range(60) : "recalculates-statistics-${i}" => {
      expression        = "rate(7 days)"
      maximum_age       = 3600
      retries           = 3
      security_group_id = "sg-1"
      template_arn      = "arn:aws:ecs:us-west-2:123456789012:task-definition/platform-test-many:1"
      time_zone         = "UTC"
    } }`))),
			assert("length(aws_cloudwatch_metric_alarm.dropped.alarm_description) <= 1024", "CloudWatch takes 1024 characters."),
			assert(`endswith(aws_cloudwatch_metric_alarm.dropped.alarm_description, "… (60 in all)")`, "A cut list says how many there are."),
		),
	}
}
