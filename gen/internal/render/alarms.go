package render

import "strings"

// alarms is the topic that alarms go to, the alarms that belong to no service,
// and the dashboard.
func alarms() module {
	return module{
		name: "alarms",
		about: []string{
			"The topic that every alarm of an environment notifies, its subscribers, the alarms of the load balancer, the database and the cache, a message about each deployment that ECS gives up, and a CloudWatch dashboard of the whole environment.",
			"An e-mail subscription starts once the recipient has followed the link that AWS sends.",
		},
		files: []source{
			{"main.tf", alarmsMain()},
			{"dashboard.tf", alarmsDashboard()},
		},
		variables: []variable{
			{name: "account", kind: "string", description: "AWS account whose alarms may notify.", example: "123456789012"},
			{name: "cache_node_ids", kind: "list(string)", description: "Nodes of the cache, of which any may be the primary.", fallback: list{}, example: expr("module.cache.node_ids")},
			{name: "cluster_name", kind: "string", description: "ECS cluster on the dashboard.", example: expr("module.cluster.name")},
			{name: "database_connections", kind: "number", description: "Connections to the database, above which the alarm rings.", fallback: 60, example: 68},
			{name: "database_identifier", kind: "string", description: "Instance of the database; null without one.", nullable: true, fallback: expr("null"), example: expr("module.database.identifier")},
			{name: "database_storage_gib", kind: "number", description: "Storage that is allocated now, in GiB; the alarm rings when less than a twentieth is free.", fallback: 20, example: expr("module.database.allocated_storage_gib")},
			{name: "emails", kind: "list(string)", description: "Addresses that are notified.", fallback: list{}},
			{name: "load_balancer_arn_suffix", kind: "string", description: "Dimension of the load balancer; null without one.", nullable: true, fallback: expr("null"), example: expr("module.load_balancer.arn_suffix")},
			{name: "name", kind: "string", description: "Name of the topic and the dashboard, and prefix of the alarms.", example: "shop-staging"},
			{name: "region", kind: "string", description: "AWS region of the metrics.", example: "us-west-2"},
			{name: "service_names", kind: "list(string)", description: "ECS services on the dashboard.", example: list{"api", "frontend"}},
			{name: "thresholds", kind: "object({\n    cpu_percent    = number\n    http_5xx       = optional(number)\n    memory_percent = number\n    period_seconds = number\n  })",
				description: "Thresholds, each over period_seconds; http_5xx is null without a load balancer.",
				example: object{
					{"cpu_percent", 80},
					{"http_5xx", 10},
					{"memory_percent", 80},
					{"period_seconds", 300},
				}},
		},
		tests: []source{{"tests/alarms.tftest.hcl", alarmsTest()}},
		outputs: []output{
			{"dashboard_name", "CloudWatch dashboard.", "aws_cloudwatch_dashboard.this.dashboard_name"},
			{"topic_arn", "Topic that alarms notify.", "aws_sns_topic.this.arn"},
		},
	}
}

func alarmsMain() []node {
	alarm := func(a metricAlarm) block {
		number := "" // of the cache's node; the first is named as if there were no others
		switch a.namespace {
		case "AWS/ApplicationELB":
			a.where = set("count", expr("var.thresholds.http_5xx == null ? 0 : 1"))
			a.dimensions = object{{"LoadBalancer", expr("var.load_balancer_arn_suffix")}}
		case "AWS/RDS":
			a.where = set("count", expr("var.database_identifier == null ? 0 : 1"))
			a.dimensions = object{{"DBInstanceIdentifier", expr("var.database_identifier")}}
		case "AWS/ElastiCache":
			number = `${count.index == 0 ? "" : "-${count.index + 1}"}`
			a.where = set("count", expr("length(var.cache_node_ids)"))
			a.dimensions = object{{"CacheClusterId", expr("var.cache_node_ids[count.index]")}}
		}
		if a.statistic != "Sum" {
			a.evaluations = expr("var.thresholds.period_seconds / 60")
		}
		a.name = expr(`"${var.name}-` + strings.ReplaceAll(a.resource, "_", "-") + number + `"`)
		a.topic = "aws_sns_topic.this.arn"
		return a.block()
	}
	return []node{
		resource("aws_sns_topic", "this",
			set("name", expr(`"${var.name}-alarms"`)),
		),
		comment("Only this environment's alarms and EventBridge's rules may publish. For the rules, the policy of a topic can set no condition."),
		resource("aws_sns_topic_policy", "this",
			set("arn", expr("aws_sns_topic.this.arn")),
			set("policy", document(expr("concat(local.alarm_statements, local.event_statements)"))),
		),
		locals(
			set("alarm_statements", list{object{
				{"Sid", "Alarms"},
				{"Effect", "Allow"},
				{"Principal", object{{"Service", "cloudwatch.amazonaws.com"}}},
				{"Action", "sns:Publish"},
				{"Resource", expr("aws_sns_topic.this.arn")},
				{"Condition", object{
					{"StringEquals", object{{"aws:SourceAccount", expr("var.account")}}},
					{"ArnLike", object{{"aws:SourceArn", expr(`"arn:aws:cloudwatch:${var.region}:${var.account}:alarm:${var.name}-*"`)}}},
				}},
			}}),
			set("event_statements", list{object{
				{"Sid", "Events"},
				{"Effect", "Allow"},
				{"Principal", object{{"Service", "events.amazonaws.com"}}},
				{"Action", "sns:Publish"},
				{"Resource", expr("aws_sns_topic.this.arn")},
			}}),
		),
		resource("aws_sns_topic_subscription", "email",
			set("for_each", expr("toset(var.emails)")),
			set("topic_arn", expr("aws_sns_topic.this.arn")),
			set("protocol", "email"),
			set("endpoint", expr("each.value")),
		),
		comment("Responses of the load balancer itself: no healthy target, or none that answered."),
		alarm(metricAlarm{
			resource: "load_balancer_5xx", about: "The load balancer answers 5xx by itself",
			namespace: "AWS/ApplicationELB", metric: "HTTPCode_ELB_5XX_Count", statistic: "Sum", period: expr("var.thresholds.period_seconds"), threshold: expr("var.thresholds.http_5xx"),
		}),
		alarm(metricAlarm{
			resource: "database_cpu", about: "The database is short of CPU",
			namespace: "AWS/RDS", metric: "CPUUtilization", statistic: "Average", threshold: expr("var.thresholds.cpu_percent"),
		}),
		comment("RDS adds storage when less than a tenth is free. If less than half of that is free, RDS has not done so. A database that is stopped or has failed reports nothing."),
		alarm(metricAlarm{
			resource: "database_storage", about: "Less than 5 % of the database's storage is free, or the database does not run",
			namespace: "AWS/RDS", metric: "FreeStorageSpace", statistic: "Average", below: true, threshold: expr("var.database_storage_gib * 1024 * 1024 * 1024 / 20"), without: "breaching",
		}),
		alarm(metricAlarm{
			resource: "database_connections", about: "The database has nearly as many connections as it takes",
			namespace: "AWS/RDS", metric: "DatabaseConnections", statistic: "Average", threshold: expr("var.database_connections"),
		}),
		comment("The smallest instance has one gibibyte; with less than a tenth of it free the engine begins to swap."),
		alarm(metricAlarm{
			resource: "database_memory", about: "Less than 100 MiB of the database's memory is free",
			namespace: "AWS/RDS", metric: "FreeableMemory", statistic: "Average", below: true, threshold: expr("100 * 1024 * 1024"),
		}),
		comment("Only burstable instances have credits, and report them every five minutes. A new instance has no credits. RDS slows no instance down, but charges for more than a day's credits."),
		alarm(metricAlarm{
			resource: "database_credits", about: "The database uses more CPU than its credits pay for, which costs extra",
			namespace: "AWS/RDS", metric: "CPUSurplusCreditsCharged", statistic: "Sum", period: 300, threshold: 0,
		}),
		comment("Redis does its work on one core: this metric is that core's, not the machine's."),
		alarm(metricAlarm{
			resource: "cache_cpu", about: "A node of the cache is short of CPU",
			namespace: "AWS/ElastiCache", metric: "EngineCPUUtilization", statistic: "Average", threshold: expr("var.thresholds.cpu_percent"),
		}),
		comment("A node that has failed reports nothing."),
		alarm(metricAlarm{
			resource: "cache_memory", about: "A node of the cache is short of memory, or does not run",
			namespace: "AWS/ElastiCache", metric: "DatabaseMemoryUsagePercentage", statistic: "Average", threshold: expr("var.thresholds.memory_percent"), without: "breaching",
		}),
		comment("A deployment that ECS gives up and rolls back: its new tasks did not become healthy."),
		resource("aws_cloudwatch_event_rule", "deployments",
			set("name", expr(`"${var.name}-deployments"`)),
			set("description", expr(`"Deployments in ${var.name} that failed"`)),
			set("event_pattern", call{"jsonencode", object{
				{"source", row{"aws.ecs"}},
				{"detail-type", row{"ECS Deployment State Change"}},
				{"resources", list{object{{"prefix", expr(`"arn:aws:ecs:${var.region}:${var.account}:service/${var.cluster_name}/"`)}}}},
				{"detail", object{{"eventName", row{"SERVICE_DEPLOYMENT_FAILED"}}}},
			}}),
		),
		resource("aws_cloudwatch_event_target", "deployments",
			set("rule", expr("aws_cloudwatch_event_rule.deployments.name")),
			set("target_id", "alarms"),
			set("arn", expr("aws_sns_topic.this.arn")),
		),
	}
}

func alarmsDashboard() []node {
	widget := func(title, column, line string, metrics any) object {
		return object{
			{"type", "metric"},
			{"x", expr(column)},
			{"y", expr(line)},
			{"width", 12},
			{"height", 6},
			{"properties", object{
				{"title", title},
				{"region", expr("var.region")},
				{"view", "timeSeries"},
				{"stat", "Average"},
				{"period", 60},
				{"metrics", metrics},
			}},
		}
	}
	perService := func(metric string) expr {
		return expr(`[for service in var.service_names : ["AWS/ECS", "` + metric + `", "ClusterName", var.cluster_name, "ServiceName", service]]`)
	}
	perNode := expr(`[for line in setproduct(["EngineCPUUtilization", "DatabaseMemoryUsagePercentage"], nodes) : ["AWS/ElastiCache", line[0], "CacheClusterId", line[1]]]`)
	tasks := expr(`[for service in var.service_names : ["ECS/ContainerInsights", "RunningTaskCount", "ClusterName", var.cluster_name, "ServiceName", service]]`)
	loadBalancer := func(metrics ...string) list {
		var l list
		for _, m := range metrics {
			l = append(l, row{"AWS/ApplicationELB", m, "LoadBalancer", expr("var.load_balancer_arn_suffix"), object1("stat", "Sum")})
		}
		return l
	}
	return []node{
		resource("aws_cloudwatch_dashboard", "this",
			set("dashboard_name", expr("var.name")),
			set("dashboard_body", call{"jsonencode", object{
				{"widgets", call{"flatten", list{
					widget("CPU of services, percent", "0", "0", perService("CPUUtilization")),
					widget("Memory of services, percent", "12", "0", perService("MemoryUtilization")),
					widget("Running tasks", "0", "6", tasks),
					loop{"limit", "var.thresholds.http_5xx[*]", widget("Requests and errors", "12", "6", loadBalancer("RequestCount", "HTTPCode_Target_5XX_Count", "HTTPCode_ELB_5XX_Count"))},
					loop{"database", "var.database_identifier[*]", widget("Database", "0", "12", list{
						row{"AWS/RDS", "CPUUtilization", "DBInstanceIdentifier", expr("database")},
						row{"AWS/RDS", "DatabaseConnections", "DBInstanceIdentifier", expr("database")},
					})},
					loop{"nodes", "length(var.cache_node_ids) > 0 ? [var.cache_node_ids] : []", widget("Cache, percent", "12", "12", perNode)},
				}}},
			}}),
		),
	}
}

// object1 is an object of one field, on one line.
func object1(key, value string) expr { return expr(`{ ` + key + ` = "` + value + `" }`) }
