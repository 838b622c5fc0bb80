package render

import (
	"strconv"
	"strings"

	"github.com/specboard/platform/gen/config"
)

// validationDigits are those of the name of a record by which ACM validates a name.
const validationDigits = 32

// github is the trust between GitHub's workflows and the account.
func github() module {
	nodes := []node{
		resource("aws_iam_openid_connect_provider", "this",
			set("url", "https://token.actions.githubusercontent.com"),
			set("client_id_list", row{"sts.amazonaws.com"}),
			nested("lifecycle",
				comment("An account has one provider of GitHub's. Where it existed before, others use it too: their audiences and tags stay."),
				set("ignore_changes", row{expr("client_id_list"), expr("tags"), expr("tags_all")}),
			),
		),
		locals(
			comment("Repositories that were created, renamed or transferred since 15 July 2026 name themselves with their ids, which no other repository ever gets."),
			set("subject", expr(`var.repository_ids == null ? "repo:${var.repository}" : "repo:${replace(var.repository, "/", "@${var.repository_ids.owner}/")}@${var.repository_ids.repository}"`)),
			set("claims", expr(`merge(
    { "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com" },
    var.repository_ids == null ? {} : { "token.actions.githubusercontent.com:repository_id" = var.repository_ids.repository },
  )`)),
			set("arn_of_roles", expr(`"arn:aws:iam::${var.account}:role/${var.platform}"`)),
			set("arn_of_bucket", expr(`"arn:aws:s3:::${var.state_bucket}"`)),
			set("arn_of_repositories", expr(`"arn:aws:ecr:${var.region}:${var.account}:repository/${var.platform}/*"`)),
		),
		locals(
			set("prefixes", expr(`{ for name in keys(var.environments) : name => "${var.platform}-${name}" }`)),
			comment("Names of environments where AWS allows fewer characters: what does not fit is cut and ends with a hash."),
			set("load_balancers", cutNames("local.prefixes", config.LoadBalancerName)),
			set("caches", cutNames("local.prefixes", config.CacheName)),
			set("target_groups", cutNames("local.prefixes", config.TargetGroupPrefix)),
			comment("Records that a deploy role may change: those of the environment's names, and ACM's validation records of them, which are an underscore and 32 digits; and the keys of its mail."),
			set("names", expr(`{ for name, e in var.environments : name => flatten([
    [for host in concat(e.domain[*], e.hosts) : [host, "_`+strings.Repeat("?", validationDigits)+`.${host}"]],
    e.mail ? ["*._domainkey.${e.domain}"] : [],
  ]) }`)),
			comment("A ? is a dot as well. So these are the names among them that are below another environment's, by their length: nothing else."),
			set("foreign_names", expr(`{ for name, e in var.environments : name => flatten([
    for host in concat(e.domain[*], e.hosts) : [
      for other in values(var.environments) : [
        for domain in other.domain[*] : "_${substr("`+strings.Repeat("?", validationDigits)+`", 0, `+strconv.Itoa(validationDigits)+` + length(host) - length(domain))}.${domain}"
        if endswith(domain, ".${host}") && length(domain) - length(host) < `+strconv.Itoa(validationDigits)+`
      ]
    ]
  ]) }`)),
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
			"The roles that GitHub's workflows assume by OpenID Connect, without any stored key: plan (reads shapes), build (pushes images), and one deploy role per environment, which trusts only jobs of the GitHub environment of that name that run on one of the environment's refs.",
			"A deploy role changes only what bears its environment's name or its tag `Environment`. It creates roles only below its environment's path, and only with the environment's permissions boundary, so it cannot hand out more than tasks may have. In a protected environment no workflow can delete the database, the cache or a secret; in none can it delete the log of people's sessions in tasks or a stream of it.",
			"Some things IAM cannot prevent within one account. A deploy role can start its own tasks in subnets, security groups and target groups of another environment, since ECS attaches them under its own role; so the database and the cache ask for a credential of their environment, and not only for a network path. Roles that push images can move any tag, since IAM knows no tags of images; deployments name digests. A deploy role can tag a certificate or a scalable target that bears no tag `Environment`, and any Cloud Map namespace, since AWS asks for that permission when they are created and names no resource; it cannot delete namespaces. It can change records below its names that begin with an underscore and are as long as those by which ACM validates them, except those below another environment's name. What Terraform has to set, it can also set to something harmful: it can turn off the backups of its own database, have the objects of its own buckets expire, shorten how long its queues keep messages and its log groups keep lines, that of sessions to a day, delete the log group of a service, and let strangers into its own buckets, queues, topics and task roles, whose policies it writes. What must survive that belongs into another account.",
			"A merge queue's refs can assume no role: require the plan on the pull request. GitHub's environments of these names need their own rules (reviewers, and which branches and tags may deploy): the role trusts the name alone.",
		},
		files: []source{
			{"main.tf", nodes},
			{"look.tf", githubLook()},
			{"plan.tf", githubPlan()},
			{"build.tf", githubBuild()},
			{"boundary.tf", githubBoundary()},
			{"deploy.tf", githubDeploy()},
			{"operate.tf", githubOperate()},
		},
		variables: []variable{
			{name: "account", kind: "string", description: "AWS account.", example: "123456789012"},
			{name: "branch", kind: "string", description: "Branch whose pushes build images.", fallback: "main"},
			{name: "environments", kind: "map(object({\n    database_secret = optional(string)\n    domain    = optional(string)\n    exec      = optional(bool, false)\n    histories = list(string)\n    hosts     = optional(list(string), [])\n    mail      = optional(bool, false)\n    permissions = optional(list(object({\n      actions   = list(string)\n      resources = list(string)\n    })), [])\n    protected = bool\n    refs      = list(string)\n  }))",
				description: "The environments that are deployed to: the DNS name of each, unless there is no zone, and its further ones, whether people may run commands in its tasks, the secret with which they open a console of its database, whether they send mail, the environments whose history it reads, what its tasks may do besides what all need, whether its data is protected from workflows, and the refs it is deployed from.",
				example: object{{"staging", object{
					{"domain", "staging.shop.io"}, {"histories", row{"staging"}}, {"protected", false}, {"refs", row{"refs/heads/main"}},
				}}}},
			{name: "platform", kind: "string", description: "Name of the platform, the first part of names and paths.", example: "shop"},
			{name: "region", kind: "string", description: "AWS region of the platform.", example: "us-west-2"},
			{name: "repository", kind: "string", description: "GitHub repository, as owner/name.", example: "acme/shop"},
			{name: "repository_ids", kind: "object({\n    owner      = string\n    repository = string\n  })", nullable: true, fallback: expr("null"),
				description: "GitHub's ids of the repository and its owner. Null: the repository was created before 15 July 2026 and names itself without them."},
			{name: "state_bucket", kind: "string", description: "Bucket of state, history and locks.", example: "shop-state-123456789012"},
			{name: "zone_id", kind: "string", nullable: true, fallback: expr("null"), description: "Hosted zone in which environments change their own names; null without load balancers.", example: "Z0123456789ABCDEFGHIJ"},
		},
		tests: []source{{"tests/github.tftest.hcl", githubTest()}},
		outputs: []output{
			{"operate_policy_arns", "Policies for people who run commands in tasks, by environment.", "{ for name, policy in aws_iam_policy.operate : name => policy.arn }"},
			{"boundary_arns", "Permissions boundary of each environment's roles.", "{ for name, boundary in aws_iam_policy.boundary : name => boundary.arn }"},
			{"role_arns", "Roles by purpose: plan, build and deploy-<environment>.", "merge(\n    { plan = aws_iam_role.plan.arn, build = aws_iam_role.build.arn },\n    { for name, role in aws_iam_role.deploy : \"deploy-${name}\" => role.arn },\n  )"},
		},
	}
}

// trust lets jobs assume a role whose claims meet a condition.
func trust(condition object) call {
	return policy(object{
		{"Effect", "Allow"},
		{"Action", "sts:AssumeRoleWithWebIdentity"},
		{"Principal", object{{"Federated", expr("aws_iam_openid_connect_provider.this.arn")}}},
		{"Condition", condition},
	})
}

const subjectClaim, refClaim = "token.actions.githubusercontent.com:sub", "token.actions.githubusercontent.com:ref"

func workflowRole(name, about string, subjects list) []node {
	return []node{
		comment(about),
		resource("aws_iam_role", name,
			set("name", expr(`"${var.platform}-`+name+`"`)),
			set("path", expr(`"/${var.platform}/"`)),
			set("description", expr(`"GitHub workflows of ${var.repository}: `+name+`"`)),
			set("assume_role_policy", trust(object{
				{"StringEquals", expr("local.claims")},
				{"StringLike", object{{subjectClaim, subjects}}},
			})),
		),
	}
}

// allow is a statement.
func allow(sid string, actions, resources any, more ...field) object {
	return append(object{{"Sid", sid}, {"Effect", "Allow"}, {"Action", actions}, {"Resource", resources}}, more...)
}

// noted is a statement with a comment in it.
func noted(text string, statement object) object { return append(object{note(text)}, statement...) }

// when is a statement's condition.
func when(operator, key string, value any) field {
	return field{"Condition", object{{operator, object{{key, value}}}}}
}

// arns are ARNs of a service in the platform's region and account.
func arns(service string, kinds ...string) list {
	var all list
	for _, k := range kinds {
		all = append(all, expr(`"arn:aws:`+service+`:${var.region}:${var.account}:`+k+`"`))
	}
	return all
}

// githubLook is what plans may read, of shared and of the environments. AWS
// allows no resource restriction for most of these actions.
func githubLook() []node {
	return []node{
		comment("What a plan reads: shapes, and no value that is stored. AWS's own ReadOnlyAccess reads the contents of queues, tables and functions too, and grows by itself."),
		resource("aws_iam_policy", "look",
			set("name", expr(`"${var.platform}-look"`)),
			set("path", expr(`"/${var.platform}/"`)),
			set("description", "What plans read"),
			set("policy", policy(
				allow("Look", list{
					"acm:DescribeCertificate",
					"acm:ListTagsForCertificate",
					"application-autoscaling:DescribeScalableTargets",
					"application-autoscaling:DescribeScalingPolicies",
					"application-autoscaling:DescribeScheduledActions",
					"application-autoscaling:ListTagsForResource",
					"cloudwatch:DescribeAlarms",
					"cloudwatch:GetDashboard",
					"cloudwatch:ListTagsForResource",
					"ec2:DescribeAccountAttributes",
					"ec2:DescribeAddresses",
					"ec2:DescribeAddressesAttribute",
					"ec2:DescribeAvailabilityZones",
					"ec2:DescribeFlowLogs",
					"ec2:DescribeInternetGateways",
					"ec2:DescribeNatGateways",
					"ec2:DescribeNetworkAcls",
					"ec2:DescribeNetworkInterfaces",
					"ec2:DescribePrefixLists",
					"ec2:DescribeRouteTables",
					"ec2:DescribeSecurityGroupRules",
					"ec2:DescribeSecurityGroups",
					"ec2:DescribeSubnets",
					"ec2:DescribeVpcAttribute",
					"ec2:DescribeVpcEndpoints",
					"ec2:DescribeVpcs",
					"ec2:GetSecurityGroupsForVpc",
					"ecr:DescribeRepositories",
					"ecr:GetLifecyclePolicy",
					"ecr:ListTagsForResource",
					"ecs:DescribeClusters",
					"ecs:DescribeServiceDeployments",
					"ecs:DescribeServiceRevisions",
					"ecs:DescribeServices",
					"ecs:DescribeTaskDefinition",
					"ecs:DescribeTasks",
					"ecs:ListServiceDeployments",
					"ecs:ListTasks",
					"elasticache:DescribeCacheClusters",
					"elasticache:DescribeCacheSubnetGroups",
					"elasticache:DescribeReplicationGroups",
					"elasticache:ListTagsForResource",
					"elasticloadbalancing:DescribeCapacityReservation",
					"elasticloadbalancing:DescribeListenerAttributes",
					"elasticloadbalancing:DescribeListeners",
					"elasticloadbalancing:DescribeLoadBalancerAttributes",
					"elasticloadbalancing:DescribeLoadBalancers",
					"elasticloadbalancing:DescribeRules",
					"elasticloadbalancing:DescribeTags",
					"elasticloadbalancing:DescribeTargetGroupAttributes",
					"elasticloadbalancing:DescribeTargetGroups",
					"elasticloadbalancing:DescribeTargetHealth",
					"events:DescribeRule",
					"events:ListTagsForResource",
					"events:ListTargetsByRule",
					"logs:DescribeLogGroups",
					"logs:ListTagsForResource",
					"rds:DescribeDBInstances",
					"rds:DescribeDBParameterGroups",
					"rds:DescribeDBParameters",
					"rds:DescribeDBSubnetGroups",
					"rds:ListTagsForResource",
					"route53:GetChange",
					"route53:GetHostedZone",
					"route53:ListHostedZones",
					"route53:ListHostedZonesByName",
					"route53:ListResourceRecordSets",
					"route53:ListTagsForResource",
					"scheduler:GetSchedule",
					"scheduler:GetScheduleGroup",
					"scheduler:ListTagsForResource",
					"servicediscovery:GetNamespace",
					"servicediscovery:GetOperation",
					"servicediscovery:ListTagsForResource",
					"ses:GetEmailIdentity",
					"ses:ListTagsForResource",
					"sns:GetSubscriptionAttributes",
					"sns:GetTopicAttributes",
					"sns:ListTagsForResource",
					"sqs:GetQueueAttributes",
					"sqs:ListQueueTags",
					"tag:GetResources",
					"wafv2:GetWebACL",
					"wafv2:GetWebACLForResource",
					"wafv2:ListTagsForResource",
				}, "*"),
				noted("A plan asks for a random value that it throws away; what Terraform stores it asks for again at apply.",
					allow("RandomPassword", "secretsmanager:GetRandomPassword", "*")),
				allow("LookAtSecrets", list{
					"secretsmanager:DescribeSecret",
					"secretsmanager:GetResourcePolicy",
					"secretsmanager:ListSecretVersionIds",
				}, arns("secretsmanager", "secret:*/${var.platform}/*")),
				allow("LookAtRoles", list{
					"iam:GetOpenIDConnectProvider",
					"iam:GetPolicy",
					"iam:GetPolicyVersion",
					"iam:GetRole",
					"iam:GetRolePolicy",
					"iam:ListAttachedRolePolicies",
					"iam:ListInstanceProfilesForRole",
					"iam:ListRolePolicies",
				}, list{
					expr(`"${local.arn_of_roles}/*"`),
					expr(`"arn:aws:iam::${var.account}:policy/${var.platform}/*"`),
					expr("aws_iam_openid_connect_provider.this.arn"),
				}),
				allow("Bucket", "s3:ListBucket", expr("local.arn_of_bucket")),
				noted("Their settings and the names of what is in them, never an object.",
					allow("LookAtBuckets", list{
						"s3:GetAccelerateConfiguration",
						"s3:GetBucketAcl",
						"s3:GetBucketCORS",
						"s3:GetBucketLogging",
						"s3:GetBucketObjectLockConfiguration",
						"s3:GetBucketPolicy",
						"s3:GetBucketPublicAccessBlock",
						"s3:GetBucketRequestPayment",
						"s3:GetBucketTagging",
						"s3:GetBucketVersioning",
						"s3:GetBucketWebsite",
						"s3:GetEncryptionConfiguration",
						"s3:GetLifecycleConfiguration",
						"s3:GetReplicationConfiguration",
						"s3:ListBucket",
					}, expr(`[for name in values(local.load_balancers) : "arn:aws:s3:::${name}-*-${var.account}"]`))),
			)),
		),
	}
}

func githubPlan() []node {
	return []node{
		resource("aws_iam_role_policy_attachment", "plan_look",
			set("role", expr("aws_iam_role.plan.name")),
			set("policy_arn", expr("aws_iam_policy.look.arn")),
		),
		resource("aws_iam_role_policy", "plan",
			set("name", "plan"),
			set("role", expr("aws_iam_role.plan.id")),
			set("policy", policy(
				noted("States, histories and locks hold no secret. A plan of a workflow takes no lock: it would have to write one.",
					allow("State", "s3:GetObject", list{
						expr(`"${local.arn_of_bucket}/terraform/*"`),
						expr(`"${local.arn_of_bucket}/history/*"`),
						expr(`"${local.arn_of_bucket}/locks/*"`),
					})),
				noted("Which digests a release would deploy.",
					allow("Images", "ecr:DescribeImages", expr("local.arn_of_repositories"))),
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
				noted("The one action that AWS does not limit to a repository.",
					allow("Registry", "ecr:GetAuthorizationToken", "*")),
				allow("Push", list{
					"ecr:BatchCheckLayerAvailability",
					"ecr:BatchGetImage",
					"ecr:CompleteLayerUpload",
					"ecr:DescribeImages",
					"ecr:GetDownloadUrlForLayer",
					"ecr:InitiateLayerUpload",
					"ecr:PutImage",
					"ecr:UploadLayerPart",
				}, expr("local.arn_of_repositories")),
			)),
		),
	}
}

// granted is the statement of one of the permissions that tasks have.
func granted(permission string) object {
	return object{{"Effect", "Allow"}, {"Action", expr(permission + ".actions")}, {"Resource", expr(permission + ".resources")}}
}

// githubBoundary is the most that any role of an environment can do, whatever
// its own policies say.
func githubBoundary() []node {
	return []node{
		comment("The most that a role of an environment can ever do: what tasks need, and what starts them by a schedule, of their own environment. A deploy role cannot change it, since it lies outside the path it may write."),
		resource("aws_iam_policy", "boundary",
			set("for_each", expr("var.environments")),
			set("name", expr(`"${var.platform}-${each.key}-boundary"`)),
			set("path", expr(`"/${var.platform}/"`)),
			set("description", expr(`"Bounds every role of ${each.key}"`)),
			set("policy", policy(
				allow("Registry", "ecr:GetAuthorizationToken", "*"),
				allow("Images", list{"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"}, expr("local.arn_of_repositories")),
				allow("Secrets", "secretsmanager:GetSecretValue", arns("secretsmanager", "secret:${each.key}/${var.platform}/*")),
				allow("Logs", list{"logs:CreateLogStream", "logs:PutLogEvents"}, arns("logs", "log-group:/${var.platform}/${each.key}/*")),
				allow("Queues", list{"sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ReceiveMessage", "sqs:SendMessage"},
					arns("sqs", "${var.platform}-${each.key}-*")),
				allow("Objects", list{"s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"},
					expr(`"arn:aws:s3:::${local.load_balancers[each.key]}-*-${var.account}/*"`)),
				allow("Buckets", "s3:ListBucket", expr(`"arn:aws:s3:::${local.load_balancers[each.key]}-*-${var.account}"`)),
				allow("Run", "ecs:RunTask", arns("ecs", "task-definition/${var.platform}-${each.key}-*:*"),
					when("ArnEquals", "ecs:cluster", expr(`"arn:aws:ecs:${var.region}:${var.account}:cluster/${var.platform}-${each.key}"`))),
				allow("PassRoles", "iam:PassRole", expr(`"${local.arn_of_roles}/${each.key}/*"`),
					when("StringEquals", "iam:PassedToService", "ecs-tasks.amazonaws.com")),
				loop{"domain", "each.value.mail ? each.value.domain[*] : []", allow("Mail", list{"ses:SendEmail", "ses:SendRawEmail"}, arns("ses", "configuration-set/*", "identity/*"),
					when("StringLike", "ses:FromAddress", expr(`"*@${domain}"`)))},
				loop{"permission", "each.value.permissions", granted("permission")},
			)),
		),
	}
}
