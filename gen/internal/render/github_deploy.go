package render

// githubDeploy is the deploy role of each environment. Nearly everything it
// touches has a name that begins with the environment's; what has none is told
// apart by its tag.
func githubDeploy() []node {
	allow := func(sid string, actions list, resources any, more ...field) object {
		return append(object{
			{"Sid", sid},
			{"Effect", "Allow"},
			{"Action", actions},
			{"Resource", resources},
		}, more...)
	}
	condition := func(operator, key string, value any) field {
		return field{"Condition", object{{operator, object{{key, value}}}}}
	}
	named := func(service, kind string) expr {
		return expr(`"arn:aws:` + service + `:${var.region}:${var.account}:` + kind + `"`)
	}
	roles := expr(`"${local.arn_of_roles}/${each.key}/*"`)

	return []node{
		comment("Trusts only jobs that run in the GitHub environment of the same name, where reviewers and branches are set."),
		resource("aws_iam_role", "deploy",
			set("for_each", expr("var.environments")),
			set("name", expr(`"${var.platform}-deploy-${each.key}"`)),
			set("path", expr(`"/${var.platform}/"`)),
			set("description", expr(`"GitHub workflows of ${var.repository}: deploy ${each.key}"`)),
			set("assume_role_policy", trust(expr(`"${local.subject}:environment:${each.key}"`), false)),
			comment("A first deployment waits for databases and certificates."),
			set("max_session_duration", 7200),
		),
		resource("aws_iam_policy", "infrastructure",
			set("for_each", expr("var.environments")),
			set("name", expr(`"${var.platform}-deploy-${each.key}-infrastructure"`)),
			set("path", expr(`"/${var.platform}/"`)),
			set("description", expr(`"What Terraform manages in ${each.key}"`)),
			set("policy", policy(
				allow("Named", list{
					"cloudwatch:*",
					"ecs:*",
					"elasticache:*",
					"elasticloadbalancing:*",
					"logs:*",
					"rds:*",
					"sns:*",
				}, list{
					named("cloudwatch", "alarm:${var.platform}-${each.key}-*"),
					expr(`"arn:aws:cloudwatch::${var.account}:dashboard/${var.platform}-${each.key}"`),
					named("ecs", "*/${var.platform}-${each.key}"),
					named("ecs", "*/${var.platform}-${each.key}/*"),
					named("ecs", "*/${var.platform}-${each.key}-*"),
					named("elasticache", "*:${var.platform}-${each.key}"),
					named("elasticache", "*:${var.platform}-${each.key}-*"),
					named("elasticloadbalancing", "*/app/${var.platform}-${each.key}/*"),
					named("elasticloadbalancing", "targetgroup/${var.platform}-${each.key}-*"),
					named("logs", "log-group:/${var.platform}/${each.key}/*"),
					named("rds", "*:${var.platform}-${each.key}"),
					named("rds", "*:${var.platform}-${each.key}-*"),
					named("sns", "${var.platform}-${each.key}-*"),
				}),
				allow("Unnamed", list{
					"acm:*",
					"application-autoscaling:*",
					"ec2:*Address*",
					"ec2:*InternetGateway*",
					"ec2:*NatGateway*",
					"ec2:*Route*",
					"ec2:*SecurityGroup*",
					"ec2:*Subnet*",
					"ec2:*Tags",
					"ec2:*Vpc*",
					"servicediscovery:*",
				}, "*", condition("StringEquals", "aws:RequestedRegion", expr("var.region"))),
				allow("Look", list{
					"cloudwatch:DescribeAlarms",
					"ec2:Describe*",
					"ecs:Describe*",
					"ecs:List*",
					"elasticache:Describe*",
					"elasticloadbalancing:Describe*",
					"logs:Describe*",
					"logs:ListTagsForResource",
					"rds:Describe*",
				}, "*"),
				object{
					note("What bears the tag of another environment is out of reach, whatever the statements above allow."),
					{"Sid", "NotOthers"},
					{"Effect", "Deny"},
					{"Action", list{
						"acm:*",
						"application-autoscaling:*",
						"ec2:*",
						"servicediscovery:*",
					}},
					{"Resource", "*"},
					{"Condition", object{
						{"Null", object{{"aws:ResourceTag/Environment", "false"}}},
						{"StringNotEquals", object{{"aws:ResourceTag/Environment", expr("each.key")}}},
					}},
				},
			)),
		),
		resource("aws_iam_policy", "release",
			set("for_each", expr("var.environments")),
			set("name", expr(`"${var.platform}-deploy-${each.key}-release"`)),
			set("path", expr(`"/${var.platform}/"`)),
			set("description", expr(`"Roles, secrets, names, state and images of ${each.key}"`)),
			set("policy", policy(
				allow("BoundedRoles", list{"iam:CreateRole", "iam:PutRolePermissionsBoundary"}, roles,
					condition("StringEquals", "iam:PermissionsBoundary", expr("aws_iam_policy.boundary[each.key].arn"))),
				allow("Roles", list{
					"iam:DeleteRole",
					"iam:DeleteRolePolicy",
					"iam:PutRolePolicy",
					"iam:TagRole",
					"iam:UntagRole",
					"iam:UpdateAssumeRolePolicy",
					"iam:UpdateRole",
				}, roles),
				allow("PassRoles", list{"iam:PassRole"}, roles,
					condition("StringEquals", "iam:PassedToService", "ecs-tasks.amazonaws.com")),
				allow("LookAtRoles", list{"iam:Get*", "iam:List*"}, "*"),
				allow("ServiceLinkedRoles", list{"iam:CreateServiceLinkedRole"}, expr(`"arn:aws:iam::${var.account}:role/aws-service-role/*"`),
					condition("StringEquals", "iam:AWSServiceName", list{
						"ecs.amazonaws.com",
						"ecs.application-autoscaling.amazonaws.com",
						"elasticache.amazonaws.com",
						"elasticloadbalancing.amazonaws.com",
						"rds.amazonaws.com",
					})),
				allow("Secrets", list{"secretsmanager:*"}, named("secretsmanager", "secret:${each.key}/${var.platform}/*")),
				allow("RandomPassword", list{"secretsmanager:GetRandomPassword"}, "*"),
				allow("LookAtNames", list{"route53:Get*", "route53:List*"}, "*"),
				allow("Names", list{"route53:ChangeResourceRecordSets"}, "arn:aws:route53:::hostedzone/*",
					condition("ForAllValues:StringLike", "route53:ChangeResourceRecordSetsNormalizedRecordNames", list{
						expr("each.value.domain"),
						expr(`"_*.${each.value.domain}"`),
					})),
				allow("Bucket", list{"s3:ListBucket", "s3:GetBucketLocation"}, expr("local.arn_of_bucket")),
				allow("State", list{"s3:GetObject", "s3:PutObject"}, list{
					expr(`"${local.arn_of_bucket}/terraform/${each.key}.tfstate"`),
					expr(`"${local.arn_of_bucket}/history/${each.key}/*"`),
				}),
				allow("Locks", list{"s3:GetObject", "s3:PutObject", "s3:DeleteObject"}, list{
					expr(`"${local.arn_of_bucket}/terraform/${each.key}.tfstate.tflock"`),
					expr(`"${local.arn_of_bucket}/locks/${each.key}.json"`),
				}),
				object{
					note("The proof of a promotion lies in the history of the environment before."),
					{"Sid", "History"},
					{"Effect", "Allow"},
					{"Action", "s3:GetObject"},
					{"Resource", expr(`"${local.arn_of_bucket}/history/*"`)},
				},
				object{
					note("A promotion tags the image it deploys, so that the lifecycle rule keeps it."),
					{"Sid", "Images"},
					{"Effect", "Allow"},
					{"Action", list{"ecr:BatchGetImage", "ecr:DescribeImages", "ecr:ListTagsForResource", "ecr:PutImage"}},
					{"Resource", expr("var.repository_arns")},
				},
			)),
		),
		resource("aws_iam_role_policy_attachment", "infrastructure",
			set("for_each", expr("var.environments")),
			set("role", expr("aws_iam_role.deploy[each.key].name")),
			set("policy_arn", expr("aws_iam_policy.infrastructure[each.key].arn")),
		),
		resource("aws_iam_role_policy_attachment", "release",
			set("for_each", expr("var.environments")),
			set("role", expr("aws_iam_role.deploy[each.key].name")),
			set("policy_arn", expr("aws_iam_policy.release[each.key].arn")),
		),
	}
}
