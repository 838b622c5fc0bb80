package render

// firewall is AWS WAF in front of a load balancer.
func firewall() module {
	return module{
		name: "firewall",
		about: []string{
			"AWS WAF in front of an environment's load balancer: a limit on the requests of one address, and AWS's common rules, which block or only count. What it blocks and counts is in CloudWatch's metrics, with samples of the requests in AWS's console.",
		},
		files: []source{{"main.tf", firewallMain()}},
		variables: []variable{
			{name: "common_rules", kind: "string", description: "What AWS's common rule set does with a request that looks like an attack: count or block. Null: it is not used.",
				nullable: true, fallback: expr("null"), example: "count",
				validations: []validation{{`var.common_rules == null ? true : contains(["count", "block"], var.common_rules)`, "count or block."}}},
			{name: "load_balancer_arn", kind: "string", description: "Load balancer whose requests the firewall checks.", example: expr("module.load_balancer.arn")},
			{name: "name", kind: "string", description: "Name of the web ACL, and prefix of its alarm.", example: "shop-staging"},
			{name: "rate", kind: "number", description: "How many requests one address may make within five minutes. Further ones are answered with 429. Null: there is no limit.",
				nullable: true, fallback: expr("null"), example: 2000,
				validations: []validation{{"var.rate == null ? true : var.rate >= 10 && var.rate <= 2000000000", "10 to 2000000000."}}},
			{name: "region", kind: "string", description: "AWS region.", example: "us-west-2"},
			{name: "topic_arn", kind: "string", description: "Topic that the alarm notifies.", example: expr("module.alarms.topic_arn")},
		},
		tests:   []source{{"tests/firewall.tftest.hcl", firewallTest()}},
		outputs: []output{{"arn", "The web ACL.", "aws_wafv2_web_acl.this.arn"}},
	}
}

func firewallMain() []node {
	metric := func(name any) block {
		return nested("visibility_config",
			set("cloudwatch_metrics_enabled", true),
			set("metric_name", name),
			set("sampled_requests_enabled", true),
		)
	}
	override := func(way, asked string) block {
		return dynamic(way, expr(`rule.value == "`+asked+`" ? [1] : []`))
	}
	return []node{
		resource("aws_wafv2_web_acl", "this",
			set("name", expr("var.name")),
			set("description", expr(`"Requests to ${var.name}"`)),
			set("scope", "REGIONAL"),
			nested("default_action", nested("allow")),
			dynamic("rule", expr("var.rate[*]"),
				set("name", "rate"),
				set("priority", 1),
				nested("action", nested("block", nested("custom_response", set("response_code", 429)))),
				nested("statement", nested("rate_based_statement",
					set("aggregate_key_type", "IP"),
					set("evaluation_window_sec", 300),
					set("limit", expr("rule.value")),
				)),
				metric("rate"),
			),
			dynamic("rule", expr("var.common_rules[*]"),
				set("name", "common"),
				set("priority", 2),
				nested("override_action", override("count", "count"), override("none", "block")),
				nested("statement", nested("managed_rule_group_statement",
					set("name", "AWSManagedRulesCommonRuleSet"),
					set("vendor_name", "AWS"),
				)),
				metric("common"),
			),
			metric(expr("var.name")),
		),
		resource("aws_wafv2_web_acl_association", "this",
			set("resource_arn", expr("var.load_balancer_arn")),
			set("web_acl_arn", expr("aws_wafv2_web_acl.this.arn")),
		),
		comment("More requests were refused than one address may make: one address makes more than twice as many, or several make too many."),
		resource("aws_cloudwatch_metric_alarm", "rate",
			set("count", expr("length(var.rate[*])")),
			set("alarm_name", expr(`"${var.name}-firewall-rate"`)),
			set("alarm_description", expr(`"${var.name} refuses requests: an address makes more than ${var.rate} in 5 minutes."`)),
			set("namespace", "AWS/WAFV2"),
			set("metric_name", "BlockedRequests"),
			set("dimensions", object{{"Region", expr("var.region")}, {"Rule", "rate"}, {"WebACL", expr("var.name")}}),
			set("statistic", "Sum"),
			set("comparison_operator", "GreaterThanThreshold"),
			set("threshold", expr("var.rate")),
			set("evaluation_periods", 1),
			set("period", 300),
			set("treat_missing_data", "notBreaching"),
			set("alarm_actions", row{expr("var.topic_arn")}),
			set("ok_actions", row{expr("var.topic_arn")}),
		),
	}
}

func firewallTest() []node {
	return []node{
		labelled("mock_provider", "aws",
			set("override_during", expr("plan")),
			labelled("mock_resource", "aws_wafv2_web_acl", set("defaults", mocked()["aws_wafv2_web_acl"])),
		),
		nested("variables",
			set("load_balancer_arn", "arn:aws:elasticloadbalancing:us-west-2:123456789012:loadbalancer/app/test/0123456789abcdef"),
			set("name", "test"),
			set("region", "us-west-2"),
			set("topic_arn", "arn:aws:sns:us-west-2:123456789012:test"),
		),
		run("an_address_is_bounded", []node{set("rate", 2000)},
			assert(`one(aws_wafv2_web_acl.this.rule).statement[0].rate_based_statement[0].limit == 2000`, "Requests are counted."),
			assert(`one(aws_wafv2_web_acl.this.rule).action[0].block[0].custom_response[0].response_code == 429`, "The answer says why."),
			assert(`aws_cloudwatch_metric_alarm.rate[0].threshold == 2000 && aws_cloudwatch_metric_alarm.rate[0].dimensions.Rule == "rate"`, "Somebody is told."),
		),
		run("common_rules_count", []node{set("common_rules", "count")},
			assert(`length(one(aws_wafv2_web_acl.this.rule).override_action[0].count) == 1 && length(one(aws_wafv2_web_acl.this.rule).override_action[0].none) == 0`, "Nothing is blocked."),
			assert("length(aws_cloudwatch_metric_alarm.rate) == 0", "Without a bound nothing rings."),
		),
		run("common_rules_block", []node{set("common_rules", "block")},
			assert(`length(one(aws_wafv2_web_acl.this.rule).override_action[0].none) == 1`, "The rules do what they say."),
		),
		refuses("a_rate_that_aws_does_not_count_to", "rate", 9),
		refuses("a_way_that_there_is_not", "common_rules", "allow"),
	}
}
