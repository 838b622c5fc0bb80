package render

// network is the VPC: per zone a public, a private and an isolated subnet.
func network() module {
	return module{
		name: "network",
		about: []string{
			"One VPC with three kinds of subnets in every availability zone: public ones for the load balancer and the NAT gateways, private ones for tasks, which reach the internet through a NAT gateway, and isolated ones for data stores, which reach nothing outside the VPC.",
			"With one NAT gateway all zones share it: cheaper, and outgoing traffic stops if its zone fails. With one per zone each zone stands alone.",
		},
		files: []source{{"main.tf", networkMain()}},
		variables: []variable{
			{
				name: "availability_zones", kind: "list(string)",
				description: "Availability zones to use, in order. Adding one at the end keeps the subnets of the others.",
				example:     list{"us-west-2a", "us-west-2b"},
				validations: []validation{{
					"length(var.availability_zones) >= 2 && length(var.availability_zones) <= 5",
					"Two to five availability zones: the load balancer and the database need two.",
				}},
			},
			{
				name: "cidr_block", kind: "string",
				description: "IPv4 block of the VPC, a /16 to /20. Every subnet gets 1/16 of it.",
				example:     "10.10.0.0/16",
				validations: []validation{{
					`can(cidrnetmask(var.cidr_block)) && tonumber(split("/", var.cidr_block)[1]) >= 16 && tonumber(split("/", var.cidr_block)[1]) <= 20`,
					"An IPv4 block from /16 to /20, such as 10.10.0.0/16.",
				}},
			},
			{
				name: "flow_logs", kind: "object({\n    bucket_arn = string\n  })", nullable: true, fallback: expr("null"),
				description: "Bucket that takes the flow logs: which addresses connected, and which were refused. Null: none are kept.",
				example:     object{{"bucket_arn", expr("module.bucket.arn")}},
			},
			{
				name: "name", kind: "string",
				description: "Prefix of the names of everything in the network.",
				example:     "shop-staging",
			},
			{
				name: "nat_gateway_count", kind: "number",
				description: "Number of NAT gateways: 1, or one per availability zone.",
				fallback:    1,
				validations: []validation{{
					"var.nat_gateway_count >= 1 && floor(var.nat_gateway_count) == var.nat_gateway_count",
					"At least one NAT gateway: tasks pull their images through it.",
				}},
			},
			{
				name: "region", kind: "string",
				description: "AWS region, for the name of the S3 endpoint.",
				example:     "us-west-2",
			},
		},
		outputs: []output{
			{"isolated_subnet_ids", "Subnets of the data stores, in the order of the zones.", "[for zone in var.availability_zones : aws_subnet.isolated[zone].id]"},
			{"private_subnet_ids", "Subnets of tasks, in the order of the zones.", "[for zone in var.availability_zones : aws_subnet.private[zone].id]"},
			{"public_subnet_ids", "Subnets of the load balancer, in the order of the zones.", "[for zone in var.availability_zones : aws_subnet.public[zone].id]"},
			{"vpc_id", "The VPC.", "aws_vpc.this.id"},
		},
		// AWS refuses a public load balancer in a VPC whose internet gateway
		// is not attached yet, and a task needs a route to the internet to
		// pull its image.
		ready: map[string]row{
			"isolated_subnet_ids": {expr("aws_route_table_association.isolated")},
			"private_subnet_ids":  {expr("aws_route.private_nat"), expr("aws_route_table_association.private"), expr("aws_vpc_endpoint.s3")},
			"public_subnet_ids":   {expr("aws_route.public_internet"), expr("aws_route_table_association.public")},
		},
		tests: []source{{"tests/network.tftest.hcl", networkTest()}},
	}
}

// named is the Name tag that AWS's console shows.
func named(value any) argument { return set("tags", object{{"Name", value}}) }

func networkMain() []node {
	subnet := func(kind string, offset string) block {
		return resource("aws_subnet", kind,
			set("for_each", expr("local.zones")),
			set("vpc_id", expr("aws_vpc.this.id")),
			set("availability_zone", expr("each.key")),
			set("cidr_block", expr("cidrsubnet(var.cidr_block, 4, each.value"+offset+")")),
			named(expr(`"${var.name}-`+kind+`-${each.key}"`)),
		)
	}
	return []node{
		locals(
			comment("Subnets and routes are keyed by zone, not by number, so that a zone more moves nothing."),
			set("zones", expr("{ for index, zone in var.availability_zones : zone => index }")),
			comment("The zones that have a NAT gateway of their own; the others use the first."),
			set("nat_zones", expr("slice(var.availability_zones, 0, min(var.nat_gateway_count, length(var.availability_zones)))")),
		),
		resource("aws_vpc", "this",
			set("cidr_block", expr("var.cidr_block")),
			set("enable_dns_support", true),
			set("enable_dns_hostnames", true),
			named(expr("var.name")),
		),
		resource("aws_internet_gateway", "this",
			set("vpc_id", expr("aws_vpc.this.id")),
			named(expr("var.name")),
		),
		comment("Each kind has five of the sixteen blocks: room for five zones, and no block moves when one is added."),
		subnet("public", ""),
		subnet("private", " + 5"),
		subnet("isolated", " + 10"),
		resource("aws_eip", "nat",
			set("for_each", expr("toset(local.nat_zones)")),
			set("domain", "vpc"),
			named(expr(`"${var.name}-nat-${each.key}"`)),
		),
		resource("aws_nat_gateway", "this",
			set("for_each", expr("toset(local.nat_zones)")),
			set("allocation_id", expr("aws_eip.nat[each.key].id")),
			set("subnet_id", expr("aws_subnet.public[each.key].id")),
			named(expr(`"${var.name}-${each.key}"`)),
			set("depends_on", row{expr("aws_internet_gateway.this")}),
		),
		resource("aws_route_table", "public",
			set("vpc_id", expr("aws_vpc.this.id")),
			named(expr(`"${var.name}-public"`)),
		),
		resource("aws_route", "public_internet",
			set("route_table_id", expr("aws_route_table.public.id")),
			set("destination_cidr_block", "0.0.0.0/0"),
			set("gateway_id", expr("aws_internet_gateway.this.id")),
		),
		resource("aws_route_table_association", "public",
			set("for_each", expr("local.zones")),
			set("subnet_id", expr("aws_subnet.public[each.key].id")),
			set("route_table_id", expr("aws_route_table.public.id")),
		),
		resource("aws_route_table", "private",
			set("for_each", expr("local.zones")),
			set("vpc_id", expr("aws_vpc.this.id")),
			named(expr(`"${var.name}-private-${each.key}"`)),
		),
		resource("aws_route", "private_nat",
			set("for_each", expr("local.zones")),
			set("route_table_id", expr("aws_route_table.private[each.key].id")),
			set("destination_cidr_block", "0.0.0.0/0"),
			set("nat_gateway_id", expr("aws_nat_gateway.this[contains(local.nat_zones, each.key) ? each.key : local.nat_zones[0]].id")),
		),
		resource("aws_route_table_association", "private",
			set("for_each", expr("local.zones")),
			set("subnet_id", expr("aws_subnet.private[each.key].id")),
			set("route_table_id", expr("aws_route_table.private[each.key].id")),
		),
		comment("No route but the VPC's own: a data store can be reached and can reach nothing."),
		resource("aws_route_table", "isolated",
			set("vpc_id", expr("aws_vpc.this.id")),
			named(expr(`"${var.name}-isolated"`)),
		),
		resource("aws_route_table_association", "isolated",
			set("for_each", expr("local.zones")),
			set("subnet_id", expr("aws_subnet.isolated[each.key].id")),
			set("route_table_id", expr("aws_route_table.isolated.id")),
		),
		resource("aws_flow_log", "this",
			set("count", expr("var.flow_logs == null ? 0 : 1")),
			set("vpc_id", expr("aws_vpc.this.id")),
			set("traffic_type", "ALL"),
			set("log_destination_type", "s3"),
			set("log_destination", expr(`"${var.flow_logs.bucket_arn}/network/"`)),
			named(expr("var.name")),
		),
		comment("Image layers come from S3. The gateway endpoint is free; through NAT they would cost by the gigabyte."),
		resource("aws_vpc_endpoint", "s3",
			set("vpc_id", expr("aws_vpc.this.id")),
			set("service_name", expr(`"com.amazonaws.${var.region}.s3"`)),
			set("vpc_endpoint_type", "Gateway"),
			set("route_table_ids", expr("[for table in aws_route_table.private : table.id]")),
			named(expr(`"${var.name}-s3"`)),
		),
	}
}
