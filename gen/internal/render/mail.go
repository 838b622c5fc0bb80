package render

// mail is an identity of SES for the domain of an environment.
func mail() module {
	return module{
		name: "mail",
		about: []string{
			"The identity of Amazon SES with which an environment sends mail from its domain. SES signs what it sends (Easy DKIM), by keys that it publishes through three records here, and so knows that the domain is yours. DMARC compares the address with that signature, so no MAIL FROM domain of your own is needed.",
			"SES sends to verified addresses alone until AWS has moved the account out of its sandbox, once for each region. Who may send, and from which address, is said where services and tasks are declared: their roles get it.",
		},
		files: []source{{"main.tf", mailMain()}},
		variables: []variable{
			{name: "dkim_domain", kind: "string", description: "Domain at which SES publishes the keys of the region.", example: "dkim.amazonses.com"},
			{name: "dmarc", kind: "string", nullable: true, fallback: expr("null"), example: "v=DMARC1; p=quarantine",
				description: "What receivers do with mail that pretends to be of the domain, as the DMARC record says it. Null: there is no such record here.",
				validations: []validation{{`var.dmarc == null ? true : startswith(var.dmarc, "v=DMARC1;")`, "A DMARC record, which begins with v=DMARC1;."}}},
			{name: "domain", kind: "string", description: "Domain that mail comes from.", example: "staging.shop.io"},
			{name: "zone_id", kind: "string", description: "Hosted zone that domain lies in.", example: expr("data.aws_route53_zone.this.zone_id")},
		},
		tests: []source{{"tests/mail.tftest.hcl", mailTest()}},
		outputs: []output{
			{"identity_arn", "The identity, for policies.", "aws_sesv2_email_identity.this.arn"},
		},
	}
}

func mailMain() []node {
	return []node{
		resource("aws_sesv2_email_identity", "this",
			set("email_identity", expr("var.domain")),
			nested("dkim_signing_attributes", set("next_signing_key_length", "RSA_2048_BIT")),
			nested("lifecycle",
				comment("An identity that was made by hand keeps its default configuration set."),
				set("ignore_changes", row{expr("configuration_set_name")}),
			),
		),
		comment("SES always has three keys, so that it can change them one after another."),
		resource("aws_route53_record", "dkim",
			set("count", 3),
			set("zone_id", expr("var.zone_id")),
			set("name", expr(`"${aws_sesv2_email_identity.this.dkim_signing_attributes[0].tokens[count.index]}._domainkey.${var.domain}"`)),
			set("type", "CNAME"),
			set("ttl", 600),
			set("records", row{expr(`"${aws_sesv2_email_identity.this.dkim_signing_attributes[0].tokens[count.index]}.${var.dkim_domain}"`)}),
		),
		resource("aws_route53_record", "dmarc",
			set("count", expr("var.dmarc == null ? 0 : 1")),
			set("zone_id", expr("var.zone_id")),
			set("name", expr(`"_dmarc.${var.domain}"`)),
			set("type", "TXT"),
			set("ttl", 600),
			set("records", row{expr("var.dmarc")}),
		),
	}
}

// mockedIdentity is what a mock provider must not make up of an identity.
func mockedIdentity() object {
	return object{
		{"arn", "arn:aws:ses:us-west-2:123456789012:identity/staging.shop.io"},
		{"dkim_signing_attributes", object{{"tokens", list{"one", "two", "three"}}}},
	}
}

func mailTest() []node {
	return []node{
		labelled("mock_provider", "aws", labelled("mock_resource", "aws_sesv2_email_identity", set("defaults", mockedIdentity()))),
		nested("variables",
			set("dkim_domain", "dkim.eu-south-1.amazonses.com"),
			set("domain", "staging.shop.io"),
			set("zone_id", "Z0123456789ABCDEFGHIJ"),
		),
		labelled("run", "what_is_sent_is_signed",
			set("command", expr("apply")),
			assert(`aws_route53_record.dkim[2].name == "three._domainkey.staging.shop.io" && aws_route53_record.dkim[2].records == toset(["three.dkim.eu-south-1.amazonses.com"])`, "The keys are published."),
			assert(`length(aws_route53_record.dmarc) == 0`, "Nobody else's mail is judged unless that is asked for."),
		),
		labelled("run", "forgeries_are_judged",
			set("command", expr("apply")),
			nested("variables", set("dmarc", "v=DMARC1; p=quarantine")),
			assert(`aws_route53_record.dmarc[0].name == "_dmarc.staging.shop.io" && aws_route53_record.dmarc[0].type == "TXT"`, "The record is where receivers look."),
		),
	}
}
