package render

// bucket is an S3 bucket, for a service or for logs that AWS delivers.
func bucket() module {
	return module{
		name: "bucket",
		about: []string{
			"One private bucket of S3, encrypted, which answers over TLS only. With versioned, what was overwritten or deleted stays for a month.",
			"With logs, AWS may deliver what it names: load-balancer are the access logs of a load balancer, network the flow logs of a VPC. Each lies below a prefix of its name and expires.",
		},
		files: []source{{"main.tf", bucketMain()}},
		variables: []variable{
			{name: "account", kind: "string", description: "AWS account, the only one whose logs the bucket takes.", example: "123456789012"},
			{name: "force_destroy", kind: "bool", description: "Whether a destroy deletes what is in the bucket, instead of failing on it.", fallback: false},
			{name: "logs", kind: "map(number)", description: "Days that logs are kept, by kind of log: load-balancer, network.",
				fallback: object{}, example: object{{"load-balancer", 30}, {"network", 14}},
				validations: []validation{{
					`alltrue([for name, days in var.logs : contains(["load-balancer", "network"], name) && days >= 1])`,
					"load-balancer or network, and a day at least.",
				}}},
			{name: "name", kind: "string", description: "Name of the bucket, unique across AWS.", example: "shop-staging-logs-123456789012",
				validations: []validation{{
					`can(regex("^[a-z0-9]([a-z0-9-]{1,61}[a-z0-9])$", var.name))`,
					"3 to 63 lower-case letters, digits and hyphens, no hyphen at either end.",
				}}},
			{name: "region", kind: "string", description: "AWS region.", example: "us-west-2"},
			{name: "versioned", kind: "bool", description: "Whether what is overwritten or deleted stays for a month.", fallback: false},
		},
		outputs: []output{
			{"arn", "The bucket, for policies.", "aws_s3_bucket.this.arn"},
			{"name", "Name of the bucket, once it takes logs.", "aws_s3_bucket.this.bucket"},
		},
		// AWS makes a test write when delivery is set up, so the policy has to exist.
		ready: map[string]row{
			"arn":  {expr("aws_s3_bucket_policy.this")},
			"name": {expr("aws_s3_bucket_policy.this")},
		},
		tests: []source{{"tests/bucket.tftest.hcl", bucketTest()}},
	}
}

func bucketMain() []node {
	deliver := func(log, sid, service, action string, resource expr, condition object) loop {
		return loop{"log", expr(`setintersection(keys(var.logs), ["` + log + `"])`), object{
			{"Sid", sid},
			{"Effect", "Allow"},
			{"Principal", object{{"Service", service}}},
			{"Action", action},
			{"Resource", resource},
			{"Condition", condition},
		}}
	}
	account := field{"aws:SourceAccount", row{expr("var.account")}}
	source := field{"ArnLike", object{{"aws:SourceArn", row{expr(`"arn:aws:logs:${var.region}:${var.account}:*"`)}}}}
	written := expr(`"${aws_s3_bucket.this.arn}/${log}/AWSLogs/${var.account}/*"`)
	flow := "delivery.logs.amazonaws.com"
	return []node{
		resource("aws_s3_bucket", "this",
			set("bucket", expr("var.name")),
			set("force_destroy", expr("var.force_destroy")),
		),
		resource("aws_s3_bucket_public_access_block", "this",
			set("bucket", expr("aws_s3_bucket.this.id")),
			set("block_public_acls", true),
			set("block_public_policy", true),
			set("ignore_public_acls", true),
			set("restrict_public_buckets", true),
		),
		resource("aws_s3_bucket_server_side_encryption_configuration", "this",
			set("bucket", expr("aws_s3_bucket.this.id")),
			nested("rule", nested("apply_server_side_encryption_by_default",
				comment("A load balancer cannot write to a bucket encrypted with a KMS key."),
				set("sse_algorithm", "AES256"),
			)),
		),
		resource("aws_s3_bucket_versioning", "this",
			set("count", expr("var.versioned ? 1 : 0")),
			set("bucket", expr("aws_s3_bucket.this.id")),
			nested("versioning_configuration", set("status", "Enabled")),
		),
		resource("aws_s3_bucket_lifecycle_configuration", "this",
			set("bucket", expr("aws_s3_bucket.this.id")),
			nested("rule",
				set("id", "leftovers"),
				set("status", "Enabled"),
				nested("filter"),
				nested("abort_incomplete_multipart_upload", set("days_after_initiation", 7)),
				nested("noncurrent_version_expiration", set("noncurrent_days", 30)),
			),
			dynamic("rule", expr("var.logs"),
				set("id", expr("rule.key")),
				set("status", "Enabled"),
				nested("filter", set("prefix", expr(`"${rule.key}/"`))),
				nested("expiration", set("days", expr("rule.value"))),
			),
		),
		comment("The statements for flow logs are those that AWS would add by itself, word for word: AWS adds only those that are missing."),
		resource("aws_s3_bucket_policy", "this",
			set("bucket", expr("aws_s3_bucket.this.id")),
			set("policy", policy(
				object{
					{"Sid", "TLS"},
					{"Effect", "Deny"},
					{"Principal", "*"},
					{"Action", "s3:*"},
					{"Resource", row{expr("aws_s3_bucket.this.arn"), expr(`"${aws_s3_bucket.this.arn}/*"`)}},
					when("Bool", "aws:SecureTransport", "false"),
				},
				deliver("load-balancer", "AccessLogs", "logdelivery.elasticloadbalancing.amazonaws.com", "s3:PutObject", written,
					object{{"ArnLike", object{{"aws:SourceArn", expr(`"arn:aws:elasticloadbalancing:${var.region}:${var.account}:loadbalancer/*"`)}}}}),
				deliver("network", "AWSLogDeliveryWrite", flow, "s3:PutObject", written,
					object{{"StringEquals", object{account, {"s3:x-amz-acl", "bucket-owner-full-control"}}}, source}),
				deliver("network", "AWSLogDeliveryAclCheck", flow, "s3:GetBucketAcl", "aws_s3_bucket.this.arn",
					object{{"StringEquals", object{account}}, source}),
			)),
			set("depends_on", row{expr("aws_s3_bucket_public_access_block.this")}),
		),
	}
}

func bucketTest() []node {
	statement := func(sid string) expr {
		return expr(`[for s in jsondecode(aws_s3_bucket_policy.this.policy).Statement : s if s.Sid == "` + sid + `"]`)
	}
	return []node{
		labelled("mock_provider", "aws",
			labelled("mock_resource", "aws_s3_bucket", set("defaults", object{{"arn", "arn:aws:s3:::test-123456789012"}})),
		),
		nested("variables",
			set("account", "123456789012"),
			set("name", "test-123456789012"),
			set("region", "us-west-2"),
		),
		labelled("run", "nobody_outside_gets_in",
			set("command", expr("apply")),
			assert("aws_s3_bucket_public_access_block.this.block_public_policy && aws_s3_bucket_public_access_block.this.restrict_public_buckets", "No policy makes the bucket public."),
			assert("length(jsondecode(aws_s3_bucket_policy.this.policy).Statement) == 1 && "+statement("TLS")+"[0].Effect == \"Deny\"", "Without logs, its policy only refuses what comes without TLS."),
			assert("length(aws_s3_bucket_versioning.this) == 0 && !aws_s3_bucket.this.force_destroy", "No versions unless asked for, and no deletion of what is in it."),
		),
		labelled("run", "logs_are_delivered_and_expire",
			set("command", expr("apply")),
			nested("variables", set("logs", object{{"load-balancer", 30}, {"network", 14}})),
			assert(statement("AccessLogs")+`[0].Resource == "arn:aws:s3:::test-123456789012/load-balancer/AWSLogs/123456789012/*"`, "The load balancer writes below its prefix."),
			assert(statement("AWSLogDeliveryWrite")+`[0].Resource == "arn:aws:s3:::test-123456789012/network/AWSLogs/123456789012/*"`, "Flow logs are written below theirs."),
			assert(`{ for r in aws_s3_bucket_lifecycle_configuration.this.rule : r.id => r.expiration[0].days if r.id != "leftovers" } == { load-balancer = 30, network = 14 }`, "Each expires after its days."),
		),
		run("what_is_deleted_stays_for_a_month", []node{set("versioned", true)},
			assert(`aws_s3_bucket_versioning.this[0].versioning_configuration[0].status == "Enabled"`, "The bucket is versioned."),
			assert("aws_s3_bucket_lifecycle_configuration.this.rule[0].noncurrent_version_expiration[0].noncurrent_days == 30", "Earlier versions expire."),
		),
		refuses("logs_of_something_else", "logs", object{{"database", 3}}),
		refuses("a_name_with_dots", "name", "www.shop.io"),
	}
}
