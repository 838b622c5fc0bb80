package render

import "github.com/specboard/platform/gen/config"

// queues are those of an environment, each with its dead-letter queue.
func queues() module {
	return module{
		name: "queues",
		about: []string{
			"Queues of SQS, each with a dead-letter queue that takes the messages which were received too often, keeps them for at least ten days and rings an alarm. Another alarm rings when messages wait for too long. Messages are encrypted with keys of SQS's own.",
			"Who may send and receive is said where services and tasks are declared: their roles get it.",
		},
		files: []source{
			{"main.tf", queuesMain()},
			{"alarms.tf", queuesAlarms()},
		},
		variables: []variable{
			{name: "prefix", kind: "string", description: "What the queues' names begin with.", example: "shop-staging"},
			{name: "queues", kind: "map(object({\n    alarm_age  = number\n    receives   = number\n    visibility = number\n  }))",
				description: "By name: how many seconds a message stays hidden once it is received, how often it is received before it is a dead letter, and how many seconds it may wait before the alarm rings.",
				example:     object{{"mail", object{{"alarm_age", 900}, {"receives", 5}, {"visibility", 300}}}},
				validations: []validation{{
					"alltrue([for q in values(var.queues) : q.receives >= 1 && q.receives <= 1000 && q.visibility >= 1 && q.visibility <= 43200])",
					"SQS counts up to 1000 receptions, and hides a message for up to 12 hours.",
				}}},
			{name: "topic_arn", kind: "string", description: "Topic that the alarms notify.", example: expr("module.alarms.topic_arn")},
		},
		tests: []source{{"tests/queues.tftest.hcl", queuesTest()}},
		outputs: []output{
			{"arns", "Queues by name.", "{ for name, queue in aws_sqs_queue.this : name => queue.arn }"},
			{"names", "Names in SQS, by name.", "{ for name, queue in aws_sqs_queue.this : name => queue.name }"},
			{"urls", "Where containers find them, by name.", "{ for name, queue in aws_sqs_queue.this : name => queue.url }"},
		},
	}
}

func queuesMain() []node {
	return []node{
		locals(
			set("full_names", expr(`{ for name in keys(var.queues) : name => "${var.prefix}-${name}" }`)),
			comment("AWS allows 80 characters, and 5 are for -dead: what does not fit is cut and ends with a hash."),
			set("names", cutNames("local.full_names", config.QueueName)),
		),
		comment("Two weeks, the longest that SQS keeps a message. They count from when it was sent, so a message that waited four days first is kept for ten more."),
		resource("aws_sqs_queue", "dead",
			set("for_each", expr("var.queues")),
			set("name", expr(`"${local.names[each.key]}-dead"`)),
			set("message_retention_seconds", 1209600),
			set("sqs_managed_sse_enabled", true),
		),
		resource("aws_sqs_queue", "this",
			set("for_each", expr("var.queues")),
			set("name", expr("local.names[each.key]")),
			set("visibility_timeout_seconds", expr("each.value.visibility")),
			comment("A receiver waits for messages instead of asking for them all the time."),
			set("receive_wait_time_seconds", 20),
			set("sqs_managed_sse_enabled", true),
			set("redrive_policy", call{"jsonencode", object{
				{"deadLetterTargetArn", expr("aws_sqs_queue.dead[each.key].arn")},
				{"maxReceiveCount", expr("each.value.receives")},
			}}),
		),
	}
}

func queuesAlarms() []node {
	alarm := func(name, about, queue, metric string, threshold any) block {
		return metricAlarm{
			resource: name, where: set("for_each", expr("var.queues")),
			name: expr(`"${var.prefix}-${each.key}-` + name + `"`), about: expr(`"` + about + `"`),
			namespace: "AWS/SQS", metric: metric, dimensions: object{{"QueueName", expr("aws_sqs_queue." + queue + "[each.key].name")}},
			statistic: "Maximum", threshold: threshold, topic: "var.topic_arn",
		}.block()
	}
	return []node{
		alarm("dead", "Messages of ${each.key} could not be handled", "dead", "ApproximateNumberOfMessagesVisible", 0),
		alarm("age", "Messages of ${each.key} wait for more than ${each.value.alarm_age} seconds", "this", "ApproximateAgeOfOldestMessage", expr("each.value.alarm_age")),
	}
}

func queuesTest() []node {
	return []node{
		labelled("mock_provider", "aws",
			labelled("mock_resource", "aws_sqs_queue", set("defaults", object{{"arn", "arn:aws:sqs:us-west-2:123456789012:example"}})),
		),
		nested("variables",
			set("prefix", "platform-test"),
			set("queues", object{{"mail", object{{"alarm_age", 900}, {"receives", 5}, {"visibility", 300}}}}),
			set("topic_arn", "arn:aws:sns:us-west-2:123456789012:platform-test-alarms"),
		),
		labelled("run", "dead_letters_are_kept_and_told",
			set("command", expr("apply")),
			assert(`jsondecode(aws_sqs_queue.this["mail"].redrive_policy) == { deadLetterTargetArn = aws_sqs_queue.dead["mail"].arn, maxReceiveCount = 5 }`, "What cannot be handled goes to the dead-letter queue."),
			assert(`aws_sqs_queue.this["mail"].sqs_managed_sse_enabled && aws_sqs_queue.dead["mail"].sqs_managed_sse_enabled`, "Messages are encrypted."),
			assert(`aws_sqs_queue.dead["mail"].message_retention_seconds == 1209600`, "Dead letters are kept as long as SQS can."),
			assert(`aws_cloudwatch_metric_alarm.dead["mail"].dimensions.QueueName == "platform-test-mail-dead" && aws_cloudwatch_metric_alarm.age["mail"].threshold == 900`, "Both alarms look at the right queue."),
		),
	}
}
