package render

// githubOperate is the policy of people who run commands in an environment's tasks or
// open a console of its database. No role of a workflow has it.
func githubOperate() []node {
	own := "${var.platform}-${each.key}"
	target := expr(`"ecs:` + own + `_*"`) // ecs:CLUSTER_TASK_CONTAINER
	return []node{
		comment("For people, to be attached to a permission set, a group or a role of theirs: no workflow has it. A session is opened in the containers of the environment's tasks, and never in Service Connect's proxy, which sees the traffic of all."),
		resource("aws_iam_policy", "operate",
			set("for_each", expr("{ for name, environment in var.environments : name => environment if environment.exec }")),
			set("name", expr(`"`+own+`-operate"`)),
			set("path", expr(`"/${var.platform}/"`)),
			set("description", expr(`"Commands in tasks of ${each.key}, and a console of its database"`)),
			set("policy", policy(
				allow("Look", list{
					"ecs:DescribeServices",
					"ecs:DescribeTaskDefinition",
					"ecs:DescribeTasks",
					"ecs:ListTasks",
					"rds:DescribeDBInstances",
				}, "*"),
				allow("Run", "ecs:ExecuteCommand", arns("ecs", "cluster/"+own, "task/"+own+"/*"),
					when("StringNotLike", "ecs:container-name", "ecs-service-connect-*")),
				object{
					note("A tunnel through a task; the document opens nothing else."),
					{"Sid", "Tunnel"},
					{"Effect", "Allow"},
					{"Action", "ssm:StartSession"},
					{"Resource", append(arns("ecs", "task/"+own+"/*"),
						expr(`"arn:aws:ssm:${var.region}::document/AWS-StartPortForwardingSessionToRemoteHost"`))},
					note("Whoever names no document gets a shell, and AWS asks for no permission to use that one unless a policy says so."),
					when("BoolIfExists", "ssm:SessionDocumentAccessCheck", "true"),
				},
				noted("The client opens a channel with its caller's credentials, and with a token that only the start of the session or its resumption gives. AWS names no resource of this action.",
					allow("Channel", "ssmmessages:OpenDataChannel", "*")),
				noted("The client resumes and ends its caller's own tunnels, by the tags that Session Manager gives each session: who started it (AWS's examples have the id with and without an ending), and in which task.",
					allow("OwnTunnels", list{"ssm:ResumeSession", "ssm:TerminateSession"}, arns("ssm", "session/*"), field{"Condition", object{{"StringLike", object{
						{"ssm:resourceTag/aws:ssmmessages:session-id", row{"${aws:userid}", "${aws:userid}-*"}},
						{"ssm:resourceTag/aws:ssmmessages:target-id", target},
					}}}})),
				noted("ECS starts the sessions of commands, under its own role: so only the task says which environment they are of, and nothing says whose.",
					allow("Commands", list{"ssm:ResumeSession", "ssm:TerminateSession"}, arns("ssm", "session/ecs-execute-command-*"), when("StringLike", "ssm:resourceTag/aws:ssmmessages:target-id", target))),
				loop{"secret", "each.value.database_secret[*]", allow("DatabasePassword", "secretsmanager:GetSecretValue", arns("secretsmanager", "secret:${secret}-??????"))},
				noted("Whether somebody is at work there, or it is frozen: without the list, what is absent would be denied.",
					allow("Lock", "s3:GetObject", list{
						expr(`"${local.arn_of_bucket}/locks/${each.key}.json"`),
						expr(`"${local.arn_of_bucket}/history/${each.key}/freeze.journal.json"`),
					})),
				allow("Bucket", "s3:ListBucket", expr("local.arn_of_bucket")),
				noted("Who runs what is written before it is run.",
					allow("Record", list{"logs:CreateLogStream", "logs:FilterLogEvents", "logs:GetLogEvents", "logs:PutLogEvents"}, arns("logs", "log-group:/${var.platform}/${each.key}/exec/sessions:*"))),
			)),
		),
	}
}
