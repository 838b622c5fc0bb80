package render

// githubOperate is the policy of people who run commands in an environment's tasks or
// open a console of its database. No role of a workflow has it.
func githubOperate() []node {
	own := "${var.platform}-${each.key}"
	target := expr(`"ecs:` + own + `_*"`) // ecs:CLUSTER_TASK_CONTAINER
	return []node{
		comment("For people: attach it to a permission set, a group or a role of theirs. No workflow has it. It opens sessions in the containers of the environment's tasks, but not in Service Connect's proxy, which sees the traffic of all of them."),
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
					note("A session without a document is a shell. AWS checks the permission for that default document only if a policy asks for the check."),
					when("BoolIfExists", "ssm:SessionDocumentAccessCheck", "true"),
				},
				noted("The client opens a channel with its caller's credentials, and with a token that only the start of the session or its resumption gives. AWS names no resource of this action.",
					allow("Channel", "ssmmessages:OpenDataChannel", "*")),
				noted("The client resumes and ends its caller's own tunnels, by the tags that Session Manager gives each session: who started it (AWS's examples have the id with and without an ending), and in which task.",
					allow("OwnTunnels", list{"ssm:ResumeSession", "ssm:TerminateSession"}, arns("ssm", "session/*"), field{"Condition", object{{"StringLike", object{
						{"ssm:resourceTag/aws:ssmmessages:session-id", row{"${aws:userid}", "${aws:userid}-*"}},
						{"ssm:resourceTag/aws:ssmmessages:target-id", target},
					}}}})),
				noted("ECS starts the sessions of commands under its own role. So the task alone tells which environment a session belongs to, and nothing tells who asked for it.",
					allow("Commands", list{"ssm:ResumeSession", "ssm:TerminateSession"}, arns("ssm", "session/ecs-execute-command-*"), when("StringLike", "ssm:resourceTag/aws:ssmmessages:target-id", target))),
				loop{"secret", "each.value.database_secret[*]", allow("DatabasePassword", "secretsmanager:GetSecretValue", arns("secretsmanager", "secret:${secret}-??????"))},
				noted("To see whether somebody holds the lock, or has frozen the environment. Without s3:ListBucket, S3 would deny a request for an absent object instead of saying that it is absent.",
					allow("Lock", "s3:GetObject", list{
						expr(`"${local.arn_of_bucket}/locks/${each.key}.json"`),
						expr(`"${local.arn_of_bucket}/history/${each.key}/freeze.journal.json"`),
					})),
				allow("Bucket", "s3:ListBucket", expr("local.arn_of_bucket")),
				noted("Who runs which command is recorded before it runs.",
					allow("Record", list{"logs:CreateLogStream", "logs:FilterLogEvents", "logs:GetLogEvents", "logs:PutLogEvents"}, arns("logs", "log-group:/${var.platform}/${each.key}/exec/sessions:*"))),
			)),
		),
	}
}
