package render

import "github.com/specboard/platform/gen/config"

// loadBalancer is the public entrance: ALB, certificate and DNS name.
func loadBalancer() module {
	return module{
		name: "load_balancer",
		about: []string{
			"The public application load balancer of an environment, its certificate and its DNS record. HTTP is redirected to HTTPS, TLS starts at 1.2, and a path that no service claims is answered with 404.",
			"Services add their own listener rules and the rules of their security groups (see the service module).",
		},
		files: []source{
			{"main.tf", loadBalancerMain()},
			{"dns.tf", loadBalancerDNS()},
		},
		variables: []variable{
			{name: "access_logs", kind: "object({\n    bucket = string\n  })", nullable: true, fallback: expr("null"),
				description: "Bucket that takes a line for each request. Null: none are kept.",
				example:     object{{"bucket", expr("module.bucket.name")}}},
			{name: "allowed_cidrs", kind: "list(string)",
				description: "IPv4 blocks of the clients that may connect.",
				fallback:    row{"0.0.0.0/0"},
				validations: []validation{{
					"length(var.allowed_cidrs) >= 1 && length(var.allowed_cidrs) <= 30 && alltrue([for block in var.allowed_cidrs : can(cidrnetmask(block))])",
					"1 to 30 IPv4 blocks: a security group has 60 rules, and each block takes two.",
				}}},
			{name: "deletion_protection", kind: "bool",
				description: "Whether AWS refuses to delete the load balancer.",
				fallback:    true},
			{name: "domain", kind: "string",
				description: "DNS name that users type, and that the certificate is for.",
				example:     "staging.shop.io"},
			{name: "hosts", kind: "list(string)",
				description: "Further DNS names in the zone, which the certificate is for as well.",
				fallback:    list{},
				validations: []validation{{"length(distinct(var.hosts)) == length(var.hosts) && length(var.hosts) <= 9 && !contains(var.hosts, var.domain)", "Up to nine names, each once and none the domain: a certificate has ten."}}},
			{name: "idle_timeout", kind: "number",
				description: "Seconds after which a connection ends on which nothing passes.",
				fallback:    300,
				validations: []validation{{"var.idle_timeout >= 1 && var.idle_timeout <= 4000", "1 to 4000 seconds."}}},
			{name: "name", kind: "string",
				description: "Name of the load balancer, cut to 32 characters with a hash at its end, and prefix of its security group.",
				example:     "shop-staging",
				validations: []validation{{
					`can(regex("^[A-Za-z0-9]([A-Za-z0-9-]{0,62}[A-Za-z0-9])?$", var.name)) && !startswith(var.name, "internal-")`,
					"Up to 64 letters, digits and hyphens, no hyphen at either end, and not beginning with internal-.",
				}}},
			{name: "redirects", kind: "map(object({\n    host        = optional(string)\n    path        = optional(string)\n    status      = optional(number, 301)\n    to_host     = optional(string, \"#{host}\")\n    to_path     = optional(string, \"/#{path}\")\n    to_port     = optional(string, \"#{port}\")\n    to_protocol = optional(string, \"#{protocol}\")\n    to_query    = optional(string, \"#{query}\")\n  }))",
				description: "What is sent elsewhere, by the priorities of the listener rules: requests for a host, a path pattern, or both. The parts of the address that to_ does not set stay.",
				fallback:    object{},
				validations: []validation{{
					"alltrue([for priority, r in var.redirects : can(tonumber(priority)) && (r.host != null || r.path != null)])", "A number for each key, and a host or a path.",
				}, {
					"alltrue([for r in values(var.redirects) : contains([301, 302], r.status)])", "301 or 302.",
				}}},
			{name: "subnet_ids", kind: "list(string)",
				description: "Public subnets, in at least two availability zones.",
				example:     expr("module.network.public_subnet_ids")},
			{name: "vpc_id", kind: "string",
				description: "VPC of the load balancer.",
				example:     expr("module.network.vpc_id")},
			{name: "zone_id", kind: "string",
				description: "Hosted zone that domain lies in.",
				example:     expr("data.aws_route53_zone.this.zone_id")},
		},
		tests: []source{{"tests/load_balancer.tftest.hcl", loadBalancerTest()}},
		outputs: []output{
			{"arn", "The load balancer.", "aws_lb.this.arn"},
			{"arn_suffix", "The load balancer's dimension in CloudWatch.", "aws_lb.this.arn_suffix"},
			{"dns_name", "AWS's own name of the load balancer.", "aws_lb.this.dns_name"},
			{"listener_arn", "HTTPS listener, for listener rules.", "aws_lb_listener.https.arn"},
			{"security_group_id", "Security group of the load balancer.", "aws_security_group.this.id"},
		},
	}
}

func loadBalancerMain() []node {
	fromInternet := func(name string, port int) block {
		return resource("aws_vpc_security_group_ingress_rule", name,
			set("for_each", expr("toset(var.allowed_cidrs)")),
			set("security_group_id", expr("aws_security_group.this.id")),
			set("description", expr(`"`+name+` from ${each.value == "0.0.0.0/0" ? "the internet" : each.value}"`)),
			set("cidr_ipv4", expr("each.value")),
			set("ip_protocol", "tcp"),
			set("from_port", port),
			set("to_port", port),
			named(expr(`"`+name+` from ${each.value == "0.0.0.0/0" ? "the internet" : each.value}"`)),
		)
	}
	keyed := func(name string) block {
		rule := "aws_vpc_security_group_ingress_rule." + name
		return nested("moved", set("from", expr(rule)), set("to", expr(rule+`["0.0.0.0/0"]`)))
	}
	return []node{
		comment("The only security group that is open to the world. Each service adds the way from here to itself."),
		resource("aws_security_group", "this",
			set("name", expr(`"${var.name}-load-balancer"`)),
			set("description", "Public load balancer"),
			set("vpc_id", expr("var.vpc_id")),
			named(expr(`"${var.name}-load-balancer"`)),
			keptGroup(),
		),
		fromInternet("http", 80),
		fromInternet("https", 443),
		comment("Rules that were made before there was a list of addresses."),
		keyed("http"),
		keyed("https"),
		resource("aws_lb", "this",
			set("name", cutName("var.name", config.LoadBalancerName)),
			set("load_balancer_type", "application"),
			set("subnets", expr("var.subnet_ids")),
			set("security_groups", row{expr("aws_security_group.this.id")}),
			set("drop_invalid_header_fields", true),
			set("idle_timeout", expr("var.idle_timeout")),
			set("enable_deletion_protection", expr("var.deletion_protection")),
			dynamic("access_logs", expr("var.access_logs[*]"),
				set("bucket", expr("access_logs.value.bucket")),
				set("prefix", "load-balancer"),
				set("enabled", true),
			),
		),
		resource("aws_lb_listener", "http",
			set("load_balancer_arn", expr("aws_lb.this.arn")),
			set("port", 80),
			set("protocol", "HTTP"),
			nested("default_action",
				set("type", "redirect"),
				nested("redirect",
					set("port", "443"),
					set("protocol", "HTTPS"),
					set("status_code", "HTTP_301"),
				),
			),
		),
		resource("aws_lb_listener", "https",
			set("load_balancer_arn", expr("aws_lb.this.arn")),
			set("port", 443),
			set("protocol", "HTTPS"),
			comment("TLS 1.2 and 1.3 only, with forward secrecy."),
			set("ssl_policy", "ELBSecurityPolicy-TLS13-1-2-2021-06"),
			set("certificate_arn", expr("aws_acm_certificate_validation.this.certificate_arn")),
			nested("default_action",
				set("type", "fixed-response"),
				nested("fixed_response",
					set("content_type", "text/plain"),
					set("message_body", "Not found"),
					set("status_code", "404"),
				),
			),
		),
		comment("Keyed by priority, which AWS keeps unique: what a redirect matches and where it leads change in place."),
		resource("aws_lb_listener_rule", "redirect",
			set("for_each", expr("var.redirects")),
			set("listener_arn", expr("aws_lb_listener.https.arn")),
			set("priority", expr("tonumber(each.key)")),
			nested("action",
				set("type", "redirect"),
				nested("redirect",
					set("host", expr("each.value.to_host")),
					set("path", expr("each.value.to_path")),
					set("port", expr("each.value.to_port")),
					set("protocol", expr("each.value.to_protocol")),
					set("query", expr("each.value.to_query")),
					set("status_code", expr(`"HTTP_${each.value.status}"`)),
				),
			),
			conditions("host_header", "each.value.host[*]"),
			conditions("path_pattern", "each.value.path[*]"),
		),
	}
}

func loadBalancerDNS() []node {
	validation := func(domain, attribute string) expr {
		return expr("one([for option in aws_acm_certificate.this.domain_validation_options : option.resource_record_" + attribute + " if option.domain_name == " + domain + "])")
	}
	proof := func(name, domain string, each ...node) block {
		return resource("aws_route53_record", name, append(each,
			set("zone_id", expr("var.zone_id")),
			set("name", validation(domain, "name")),
			set("type", validation(domain, "type")),
			set("records", row{validation(domain, "value")}),
			set("ttl", 60),
			comment("A certificate of the same name asks for the same record, also from another account or an earlier attempt."),
			set("allow_overwrite", true),
		)...)
	}
	alias := func(name, domain string, each ...node) block {
		return resource("aws_route53_record", name, append(each,
			set("zone_id", expr("var.zone_id")),
			set("name", expr(domain)),
			set("type", "A"),
			nested("alias",
				set("name", expr("aws_lb.this.dns_name")),
				set("zone_id", expr("aws_lb.this.zone_id")),
				set("evaluate_target_health", true),
			),
		)...)
	}
	forHosts := set("for_each", expr("toset(var.hosts)"))
	return []node{
		resource("aws_acm_certificate", "this",
			set("domain_name", expr("var.domain")),
			comment("With the domain, as AWS lists them: a name that is taken away must not stay."),
			set("subject_alternative_names", expr("concat([var.domain], var.hosts)")),
			set("validation_method", "DNS"),
			nested("lifecycle", set("create_before_destroy", true)),
		),
		comment("Keyed by the names; no for_each over values that are known at apply only."),
		proof("validation", "var.domain"),
		proof("host_validation", "each.value", forHosts),
		comment("Waits until AWS has issued the certificate, which needs the domain to be delegated to the zone."),
		resource("aws_acm_certificate_validation", "this",
			set("certificate_arn", expr("aws_acm_certificate.this.arn")),
			set("validation_record_fqdns", expr("concat([aws_route53_record.validation.fqdn], [for host in var.hosts : aws_route53_record.host_validation[host].fqdn])")),
		),
		alias("this", "var.domain"),
		alias("host", "each.value", forHosts),
	}
}
