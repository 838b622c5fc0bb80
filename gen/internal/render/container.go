package render

import (
	"fmt"
	"slices"
	"strings"

	"github.com/specboard/platform/gen/config"
)

// Services and one-off tasks share this: roles that may read their own image,
// secrets and log and nothing else, and security group rules that let them
// reach their peers and nothing else.

// containerVariables are the inputs of a container, service or task.
func containerVariables() []variable {
	return []variable{
		{name: "account", kind: "string", description: "AWS account, for the names of roles and logs.", example: "123456789012"},
		{name: "cpu", kind: "number", description: "CPU units of a task; 1024 are one vCPU.", example: 256,
			validations: []validation{{
				"contains([256, 512, 1024, 2048, 4096, 8192, 16384], var.cpu)",
				"A Fargate size: 256, 512, 1024, 2048, 4096, 8192 or 16384.",
			}}},
		{name: "cpu_architecture", kind: "string", description: "What the image is built for: X86_64 or ARM64.", fallback: "X86_64"},
		{name: "environment", kind: "map(string)", description: "Environment variables with public values.", fallback: object{}},
		{name: "environment_name", kind: "string", description: "Name of the environment, a part of names and paths.", example: "staging"},
		{name: "image", kind: "string", example: "123456789012.dkr.ecr.us-west-2.amazonaws.com/shop/api:template",
			description: "Placeholder image of the template. It never runs: a promotion copies the template and puts a release's digest in."},
		{name: "log_retention_days", kind: "number", description: "Days that CloudWatch keeps the log.", fallback: 30},
		{name: "memory", kind: "number", description: "Memory of a task in MiB; Fargate allows certain values for each cpu.", example: 512,
			validations: []validation{{
				"var.cpu == 256 ? contains([512, 1024, 2048], var.memory) : var.memory >= 2 * var.cpu && var.memory <= (var.cpu < 4096 ? 8 : 7.5) * var.cpu && var.memory % (var.cpu < 8192 ? 1024 : var.cpu / 2) == 0",
				"Memory that Fargate pairs with the cpu: 512, 1024 or 2048 MiB with 256, otherwise from twice to eight times the cpu in steps of 1024, from 8192 up of half the cpu.",
			}}},
		{name: "name", kind: "string", description: "Name of the container, its log group and the end of its family.", example: "api"},
		{name: "peers", kind: "map(object({\n    port              = number\n    security_group_id = string\n  }))",
			description: "What it may open connections to inside the VPC, by name. Both security groups get their rule.",
			fallback:    object{}},
		{name: "permissions_boundary", kind: "string",
			description: "ARN of the policy that bounds both roles.",
			example:     "arn:aws:iam::123456789012:policy/shop/shop-staging-boundary"},
		{name: "ephemeral_storage_gib", kind: "number", description: "Disk of a task, 21 to 200 GiB; null is the 20 that Fargate includes.",
			fallback: expr("null"), nullable: true,
			validations: []validation{{
				"var.ephemeral_storage_gib == null ? true : var.ephemeral_storage_gib >= 21 && var.ephemeral_storage_gib <= 200", "21 to 200 GiB.",
			}}},
		{name: "permissions", kind: "list(object({\n    actions   = list(string)\n    resources = list(string)\n  }))",
			description: "What the container's own role allows; the boundary has to allow it as well.", fallback: list{}},
		{name: "platform", kind: "string", description: "Name of the platform, the first part of names and paths.", example: "shop"},
		{name: "mail_from", kind: "string", nullable: true, fallback: expr("null"),
			description: "The only address that the container may send mail from, with SES's identity of its domain; null if it sends none."},
		{name: "buckets", kind: "list(string)",
			description: "ARNs of the buckets whose objects the container may list, read, write and delete.",
			fallback:    list{}},
		{name: "queues", kind: optionalObject(
			field{"receives", expr("optional(list(string), [])")},
			field{"sends", expr("optional(list(string), [])")},
		),
			description: "ARNs of the queues that the container receives messages from, and sends them to.",
			fallback:    object{}},
		{name: "region", kind: "string", description: "AWS region of the log.", example: "us-west-2"},
		{name: "repository_arn", kind: "string", description: "ECR repository that the image is pulled from.",
			example: "arn:aws:ecr:us-west-2:123456789012:repository/shop/api"},
		{name: "secrets", kind: "map(string)",
			description: "Secrets by environment variable: ARNs, with a JSON key appended where only that is wanted. The values reach the container and no one else.",
			fallback:    object{}},
		{name: "security", kind: optionalObject(
			field{"drop", expr(fmt.Sprintf(`optional(list(string), ["%s"])`, strings.Join(config.Restricted(), `", "`)))},
			field{"own_init", expr("optional(bool, false)")},
			field{"read_only_root", expr("optional(bool, false)")},
			field{"user", expr("optional(string)")},
			field{"writable", expr("optional(list(string), [])")},
		),
			description: "What the container may do: the Linux capabilities that it lacks, whether its own process is process 1 in place of an init process, whether it may write to its root file system, another user than the image's, and the folders that stay writable, on the task's disk.",
			fallback:    object{},
			validations: []validation{{
				`alltrue([for folder in var.security.writable : startswith(folder, "/")]) && (length(var.security.writable) == 0 || var.security.read_only_root)`,
				"Writable folders are absolute paths, and there are some only where the root is read-only.",
			}}},
		{name: "vpc_id", kind: "string", description: "VPC of the tasks.", example: expr("module.network.vpc_id")},
	}
}

// containerLocals are the names that services and tasks derive.
// references are the secrets of all its containers.
func containerLocals(references expr) block {
	return locals(
		set("prefix", expr(`"${var.platform}-${var.environment_name}"`)),
		set("family", expr(`"${local.prefix}-${var.name}"`)),
		comment("AWS allows 64 characters in a role's name, and 10 are for what it is."),
		set("role", cutName("local.family", config.RoleFamily)),
		set("secret_references", references),
		comment("A reference may end in :key::, to take one key of a JSON document; permission is given for the whole secret, whose ARN has seven parts."),
		set("secret_arns", expr(`distinct([for reference in local.secret_references : join(":", slice(split(":", reference), 0, 7))])`)),
	)
}

// cutName is a name as AWS takes it, where it allows so many characters: a longer
// one is cut and ends with a hash, as config.Cut does it.
func cutName(name string, most int) expr {
	return expr(fmt.Sprintf(`length(%[1]s) <= %[2]d ? %[1]s : "${trimsuffix(substr(%[1]s, 0, %[3]d), "-")}-${substr(sha256(%[1]s), 0, 6)}"`, name, most, most-7))
}

// cutNames are the values of a map, each cut by cutName.
func cutNames(names string, most int) expr {
	return expr("{ for key, name in " + names + " : key => " + string(cutName("name", most)) + " }")
}

// containerIAM is the two roles of a container: the one with which ECS starts
// it, and its own. repositories are those of its images.
func containerIAM(repositories any) []node {
	role := func(name, about, suffix string) []node {
		return []node{
			comment(about),
			resource("aws_iam_role", name,
				set("name", expr(`"${local.role}-`+suffix+`"`)),
				set("path", expr(`"/${var.platform}/${var.environment_name}/"`)),
				set("permissions_boundary", expr("var.permissions_boundary")),
				set("assume_role_policy", expr("local.assumed_by_tasks")),
			),
		}
	}
	nodes := []node{
		locals(
			set("assumed_by_tasks", policy(object{
				{"Effect", "Allow"},
				{"Action", "sts:AssumeRole"},
				{"Principal", object{{"Service", "ecs-tasks.amazonaws.com"}}},
				{"Condition", object{{"StringEquals", object{{"aws:SourceAccount", expr("var.account")}}}}},
			})),
		),
	}
	nodes = append(nodes, role("execution", "ECS acts under this role before the container starts: it pulls the image, reads the secrets and opens the log.", "execution")...)
	nodes = append(nodes,
		resource("aws_iam_role_policy", "execution",
			set("name", "execution"),
			set("role", expr("aws_iam_role.execution.id")),
			set("policy", document(expr("concat(local.execution_statements, local.secret_statements)"))),
		),
		locals(
			set("execution_statements", list{
				object{
					{"Sid", "Registry"},
					{"Effect", "Allow"},
					note("The one action that AWS does not limit to a repository."),
					{"Action", "ecr:GetAuthorizationToken"},
					{"Resource", "*"},
				},
				allow("Image", list{"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"}, repositories),
				allow("Log", list{"logs:CreateLogStream", "logs:PutLogEvents"}, expr(`"${aws_cloudwatch_log_group.this.arn}:*"`)),
			}),
			comment("IAM takes no statement without a resource, so a container without secrets gets none."),
			set("secret_statements", expr(`length(local.secret_references) == 0 ? [] : [{
    Sid      = "Secrets"
    Effect   = "Allow"
    Action   = "secretsmanager:GetSecretValue"
    Resource = local.secret_arns
  }]`)),
		),
	)
	nodes = append(nodes, role("task", "The container's own role. It has no permissions but those that the application asks for, and those to use its queues and buckets and to send its mail.", "task")...)
	return append(nodes,
		taskPolicy("task", "length(var.permissions) == 0 ? 0 : 1", document(loop{"permission", "var.permissions", granted("permission")})),
		taskPolicy("buckets", "length(var.buckets) == 0 ? 0 : 1", policy(
			allow("Objects", list{"s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"}, expr(`[for arn in var.buckets : "${arn}/*"]`)),
			allow("List", "s3:ListBucket", expr("var.buckets")),
		)),
		taskPolicy("mail", "var.mail_from == null ? 0 : 1", policy(
			comment("The address decides, not the identity: in its sandbox SES asks for that of the recipient too. It asks for a configuration set as well, the request's or the identity's default."),
			allow("Send", list{"ses:SendEmail", "ses:SendRawEmail"}, arns("ses", "configuration-set/*", "identity/*"),
				when("StringEquals", "ses:FromAddress", expr("var.mail_from"))),
		)),
		taskPolicy("queues", "length(local.queue_statements) == 0 ? 0 : 1", document(expr("local.queue_statements"))),
		locals(
			set("queue_statements", expr(`concat(
    length(var.queues.receives) == 0 ? [] : [{
      Sid      = "Receive"
      Effect   = "Allow"
      Action   = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
      Resource = var.queues.receives
    }],
    length(var.queues.sends) == 0 ? [] : [{
      Sid      = "Send"
      Effect   = "Allow"
      Action   = ["sqs:GetQueueAttributes", "sqs:SendMessage"]
      Resource = var.queues.sends
    }],
  )`)),
		),
	)
}

// policy is an IAM policy document. A loop among the statements stands for as
// many as it gives.
func policy(statements ...any) call {
	var all any = list(statements)
	if slices.ContainsFunc(statements, func(s any) bool { _, ok := s.(loop); return ok }) {
		all = call{"flatten", all}
	}
	return document(all)
}

// document is an IAM policy document of statements.
func document(statements any) call {
	return call{"jsonencode", object{{"Version", "2012-10-17"}, {"Statement", statements}}}
}

// taskPolicy is a policy of the container's own role.
func taskPolicy(name string, count expr, policy call) block {
	return resource("aws_iam_role_policy", name,
		set("count", count),
		set("name", strings.ReplaceAll(name, "_", "-")),
		set("role", expr("aws_iam_role.task.id")),
		set("policy", policy),
	)
}

// keptGroup keeps a security group, whose name never changes, when its description does.
func keptGroup() block {
	return nested("lifecycle",
		comment("Another description would replace the group under what uses it, which AWS refuses."),
		set("ignore_changes", row{expr("description")}),
	)
}

// containerNetwork is the security group of a container, with rules for its
// calls to AWS and to its peers.
func containerNetwork() []node {
	perPeer := set("for_each", expr("var.peers"))
	return []node{
		resource("aws_security_group", "this",
			set("name", expr("local.family")),
			set("description", expr(`"Tasks of ${local.family}"`)),
			set("vpc_id", expr("var.vpc_id")),
			named(expr("local.family")),
			keptGroup(),
		),
		comment("Images, secrets and logs come from AWS's own endpoints, by HTTPS through the NAT gateway."),
		resource("aws_vpc_security_group_egress_rule", "https",
			set("security_group_id", expr("aws_security_group.this.id")),
			set("description", "HTTPS out"),
			set("cidr_ipv4", "0.0.0.0/0"),
			set("ip_protocol", "tcp"),
			set("from_port", 443),
			set("to_port", 443),
			named(expr(`"${var.name} HTTPS out"`)),
		),
		tcpRule("egress", "to_peer", perPeer, "aws_security_group.this.id", "${var.name} to ${each.key}", "each.value.security_group_id", "each.value.port"),
		tcpRule("ingress", "at_peer", perPeer, "each.value.security_group_id", "${each.key} from ${var.name}", "aws_security_group.this.id", "each.value.port"),
	}
}

// tcpRule lets a security group's members connect to those of a peer (egress), or be
// connected to by them (ingress), at one port.
func tcpRule(direction, name string, where node, group expr, about string, peer, port expr) block {
	return resource("aws_vpc_security_group_"+direction+"_rule", name,
		where,
		set("security_group_id", group),
		set("description", expr(`"`+about+`"`)),
		set("referenced_security_group_id", peer),
		set("ip_protocol", "tcp"),
		set("from_port", port),
		set("to_port", port),
		named(expr(`"`+about+`"`)),
	)
}

// containerLog is the log group. Its name is derived, so that a promotion can
// read it when something fails.
func containerLog() block {
	return resource("aws_cloudwatch_log_group", "this",
		set("name", expr(`"/${var.platform}/${var.environment_name}/${var.name}"`)),
		set("retention_in_days", expr("var.log_retention_days")),
	)
}

// containerAwslogs is the log of a container in CloudWatch.
func containerAwslogs() object {
	return object{
		{"logDriver", "awslogs"},
		{"options", object{
			{"awslogs-group", expr("aws_cloudwatch_log_group.this.name")},
			{"awslogs-region", expr("var.region")},
			{"awslogs-stream-prefix", expr("var.name")},
		}},
	}
}

// taskDefinition is the template that a promotion copies. definition holds
// what differs in the container between services and one-off tasks, log is where it
// logs, and sidecars are containers besides it; "" if there are none.
func taskDefinition(log any, sidecars expr, definition ...field) []node {
	container := append(object{
		{"name", expr("var.name")},
		{"image", expr("var.image")},
		{"essential", true},
	}, definition...)
	container = append(container,
		note("Sorted by name, as ECS returns them: an order of our own would look like a change."),
		field{"environment", expr("[for name, value in var.environment : { name = name, value = value }]")},
		field{"secrets", expr("[for name, reference in var.secrets : { name = name, valueFrom = reference }]")},
		field{"logConfiguration", log},
		note("Processes that have lost their parent are reaped, by ECS or the image, and no capability is added."),
		field{"linuxParameters", object{
			{"capabilities", object{{"add", row{}}, {"drop", expr("var.security.drop")}}},
			{"initProcessEnabled", expr("var.security.own_init ? null : true")},
		}},
		field{"mountPoints", expr(`[for i, folder in var.security.writable : { containerPath = folder, readOnly = false, sourceVolume = "writable-${i}" }]`)},
		field{"readonlyRootFilesystem", expr("var.security.read_only_root ? true : null")},
		field{"user", expr("var.security.user")},
	)
	containers := call{"jsonencode", list{container}}
	if sidecars != "" {
		containers = call{"jsonencode", call{"concat", listed{list{container}, sidecars}}}
	}
	return []node{
		comment("A template: a promotion registers copies of it that run a release's image. Terraform registers a new revision when the shape changes and never deregisters one, since a rollback may need it."),
		resource("aws_ecs_task_definition", "template",
			set("family", expr("local.family")),
			set("requires_compatibilities", row{"FARGATE"}),
			set("network_mode", "awsvpc"),
			set("cpu", expr("var.cpu")),
			set("memory", expr("var.memory")),
			set("execution_role_arn", expr("aws_iam_role.execution.arn")),
			set("task_role_arn", expr("aws_iam_role.task.arn")),
			set("skip_destroy", true),
			set("track_latest", false),
			set("container_definitions", containers),
			dynamic("ephemeral_storage", expr("var.ephemeral_storage_gib[*]"), set("size_in_gib", expr("ephemeral_storage.value"))),
			dynamic("volume", expr("var.security.writable"), set("name", expr(`"writable-${volume.key}"`))),
			nested("runtime_platform",
				set("operating_system_family", "LINUX"),
				set("cpu_architecture", expr("var.cpu_architecture")),
			),
		),
	}
}

// containerOutputs are the outputs of a service or task that promotions and
// other modules use.
func containerOutputs() []output {
	return []output{
		{"log_group", "Log group of the container.", "aws_cloudwatch_log_group.this.name"},
		{"security_group_id", "Security group of the tasks.", "aws_security_group.this.id"},
		{"template_arn", "The template: the task definition revision that Terraform last registered.", "aws_ecs_task_definition.template.arn"},
	}
}
