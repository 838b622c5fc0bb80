package render

// github is the trust between GitHub's workflows and the account.
func github() module {
	nodes := []node{
		resource("aws_iam_openid_connect_provider", "this",
			set("url", "https://token.actions.githubusercontent.com"),
			set("client_id_list", row{"sts.amazonaws.com"}),
		),
		locals(
			set("subject", expr(`"repo:${var.repository}"`)),
			set("arn_of_roles", expr(`"arn:aws:iam::${var.account}:role/${var.platform}"`)),
			set("arn_of_bucket", expr(`"arn:aws:s3:::${var.state_bucket}"`)),
		),
	}
	nodes = append(nodes, workflowRole("plan", "Plans on pull requests, for releases and for drift. Pull requests run code that nobody has reviewed yet, so this role reads shapes and never values.",
		list{
			expr(`"${local.subject}:pull_request"`),
			expr(`"${local.subject}:ref:refs/heads/${var.branch}"`),
			expr(`"${local.subject}:ref:refs/tags/*"`),
		})...)
	nodes = append(nodes, workflowRole("build", "Builds and pushes images, from the main branch only.",
		list{expr(`"${local.subject}:ref:refs/heads/${var.branch}"`)})...)
	return module{
		name: "github",
		about: []string{
			"The roles that GitHub's workflows assume by OpenID Connect, without any stored key: plan (read only), build (push images), and one deploy role per environment, which trusts only jobs of the GitHub environment of that name and can touch only what belongs to it.",
			"A deploy role creates roles only below its environment's path, and only with the environment's permissions boundary, so it cannot hand out more than tasks may have.",
		},
		files: []source{
			{"main.tf", nodes},
			{"plan.tf", githubPlan()},
			{"build.tf", githubBuild()},
			{"boundary.tf", githubBoundary()},
			{"deploy.tf", githubDeploy()},
		},
		variables: []variable{
			{name: "account", kind: "string", description: "AWS account.", example: "123456789012"},
			{name: "branch", kind: "string", description: "Branch whose pushes build images.", fallback: "main"},
			{name: "environments", kind: "map(object({\n    domain = string\n  }))",
				description: "The environments that are deployed to, and the DNS name of each.",
				example:     object{{"staging", object{{"domain", "staging.specboard.io"}}}}},
			{name: "platform", kind: "string", description: "Name of the platform, the first part of names and paths.", example: "doc-platform"},
			{name: "region", kind: "string", description: "AWS region of the platform.", example: "us-west-2"},
			{name: "repository", kind: "string", description: "GitHub repository, as owner/name.", example: "specboard/doc-platform"},
			{name: "repository_arns", kind: "list(string)", description: "ECR repositories.", example: expr("[for repository in module.repository : repository.arn]")},
			{name: "state_bucket", kind: "string", description: "Bucket of state, history and locks.", example: "doc-platform-state-123456789012"},
		},
		outputs: []output{
			{"boundary_arns", "Permissions boundary of each environment's roles.", "{ for name, boundary in aws_iam_policy.boundary : name => boundary.arn }"},
			{"role_arns", "Roles by purpose: plan, build and deploy-<environment>.", "merge(\n    { plan = aws_iam_role.plan.arn, build = aws_iam_role.build.arn },\n    { for name, role in aws_iam_role.deploy : \"deploy-${name}\" => role.arn },\n  )"},
		},
	}
}

// trust lets jobs with one of the subjects assume a role.
func trust(subjects any, patterns bool) call {
	audience := field{"token.actions.githubusercontent.com:aud", "sts.amazonaws.com"}
	subject := field{"token.actions.githubusercontent.com:sub", subjects}
	condition := object{{"StringEquals", object{audience, subject}}}
	if patterns {
		condition = object{{"StringEquals", object{audience}}, {"StringLike", object{subject}}}
	}
	return policy(object{
		{"Effect", "Allow"},
		{"Action", "sts:AssumeRoleWithWebIdentity"},
		{"Principal", object{{"Federated", expr("aws_iam_openid_connect_provider.this.arn")}}},
		{"Condition", condition},
	})
}

func workflowRole(name, about string, subjects list) []node {
	return []node{
		comment(about),
		resource("aws_iam_role", name,
			set("name", expr(`"${var.platform}-`+name+`"`)),
			set("path", expr(`"/${var.platform}/"`)),
			set("description", expr(`"GitHub workflows of ${var.repository}: `+name+`"`)),
			set("assume_role_policy", trust(subjects, true)),
		),
	}
}

func githubPlan() []node {
	return []node{
		resource("aws_iam_role_policy_attachment", "plan_read",
			set("role", expr("aws_iam_role.plan.name")),
			set("policy_arn", "arn:aws:iam::aws:policy/ReadOnlyAccess"),
		),
		resource("aws_iam_role_policy", "plan",
			set("name", "plan"),
			set("role", expr("aws_iam_role.plan.id")),
			set("policy", policy(
				object{
					note("A plan asks for a random value that it throws away; what Terraform stores it asks for again at apply."),
					{"Sid", "RandomPassword"},
					{"Effect", "Allow"},
					{"Action", "secretsmanager:GetRandomPassword"},
					{"Resource", "*"},
				},
				object{
					{"Sid", "NoValues"},
					{"Effect", "Deny"},
					{"Action", list{
						"dynamodb:BatchGetItem",
						"dynamodb:GetItem",
						"dynamodb:Query",
						"dynamodb:Scan",
						"ecr:BatchGetImage",
						"ecr:GetDownloadUrlForLayer",
						"kms:Decrypt",
						"logs:FilterLogEvents",
						"logs:GetLogEvents",
						"logs:GetLogRecord",
						"logs:GetQueryResults",
						"logs:StartLiveTail",
						"logs:StartQuery",
						"rds:Download*",
						"secretsmanager:BatchGetSecretValue",
						"secretsmanager:GetSecretValue",
						"sqs:ReceiveMessage",
						"ssm:GetParameter*",
					}},
					{"Resource", "*"},
				},
				object{
					note("Of the objects in this account, states and the history only; neither holds a secret."),
					{"Sid", "NoObjects"},
					{"Effect", "Deny"},
					{"Action", "s3:GetObject*"},
					{"NotResource", list{
						expr(`"${local.arn_of_bucket}/terraform/*"`),
						expr(`"${local.arn_of_bucket}/history/*"`),
						expr(`"${local.arn_of_bucket}/locks/*"`),
					}},
				},
			)),
		),
	}
}

func githubBuild() []node {
	return []node{
		resource("aws_iam_role_policy", "build",
			set("name", "build"),
			set("role", expr("aws_iam_role.build.id")),
			set("policy", policy(
				object{
					{"Sid", "Registry"},
					{"Effect", "Allow"},
					{"Action", "ecr:GetAuthorizationToken"},
					{"Resource", "*"},
				},
				object{
					{"Sid", "Push"},
					{"Effect", "Allow"},
					{"Action", list{
						"ecr:BatchCheckLayerAvailability",
						"ecr:BatchGetImage",
						"ecr:CompleteLayerUpload",
						"ecr:DescribeImages",
						"ecr:GetDownloadUrlForLayer",
						"ecr:InitiateLayerUpload",
						"ecr:PutImage",
						"ecr:UploadLayerPart",
					}},
					{"Resource", expr("var.repository_arns")},
				},
			)),
		),
	}
}

// githubBoundary is the most that any role of an environment can do, whatever
// its own policies say.
func githubBoundary() []node {
	return []node{
		comment("The most that a role of an environment can ever do: what tasks need, of their own environment. A deploy role cannot change it, since it lies outside the path it may write."),
		resource("aws_iam_policy", "boundary",
			set("for_each", expr("var.environments")),
			set("name", expr(`"${var.platform}-${each.key}-boundary"`)),
			set("path", expr(`"/${var.platform}/"`)),
			set("description", expr(`"Bounds every role of ${each.key}"`)),
			set("policy", policy(
				object{
					{"Sid", "Registry"},
					{"Effect", "Allow"},
					{"Action", "ecr:GetAuthorizationToken"},
					{"Resource", "*"},
				},
				object{
					{"Sid", "Images"},
					{"Effect", "Allow"},
					{"Action", list{"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"}},
					{"Resource", expr("var.repository_arns")},
				},
				object{
					{"Sid", "Secrets"},
					{"Effect", "Allow"},
					{"Action", "secretsmanager:GetSecretValue"},
					{"Resource", expr(`"arn:aws:secretsmanager:${var.region}:${var.account}:secret:${each.key}/${var.platform}/*"`)},
				},
				object{
					{"Sid", "Logs"},
					{"Effect", "Allow"},
					{"Action", list{"logs:CreateLogStream", "logs:PutLogEvents"}},
					{"Resource", expr(`"arn:aws:logs:${var.region}:${var.account}:log-group:/${var.platform}/${each.key}/*"`)},
				},
			)),
		),
	}
}
