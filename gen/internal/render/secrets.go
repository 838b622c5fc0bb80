package render

// secrets are the environment's secrets in Secrets Manager.
func secrets() module {
	return module{
		name: "secrets",
		about: []string{
			"The secrets of one environment. Generated values arrive as ephemeral values and are stored through a write-only argument, so no plan and no state holds one; they are written once, and again only when their version is raised. Provided secrets are created empty, for a person to fill.",
		},
		files: []source{{"main.tf", []node{
			resource("aws_secretsmanager_secret", "this",
				set("for_each", expr("var.secrets")),
				set("name", expr(`"${var.prefix}/${each.key}"`)),
				set("description", expr("each.value.description")),
				set("recovery_window_in_days", expr("var.recovery_window_days")),
			),
			resource("aws_secretsmanager_secret_version", "generated",
				set("for_each", expr("{ for name, secret in var.secrets : name => secret if secret.version != null }")),
				set("secret_id", expr("aws_secretsmanager_secret.this[each.key].id")),
				set("secret_string_wo", expr("var.values[each.key]")),
				set("secret_string_wo_version", expr("each.value.version")),
			),
		}}},
		variables: []variable{
			{name: "prefix", kind: "string", description: "What the secrets' names begin with.", example: "staging/shop"},
			{name: "recovery_window_days", kind: "number",
				description: "Days in which a deleted secret can be restored; 0 deletes at once and frees the name.",
				fallback:    30,
				validations: []validation{{
					"var.recovery_window_days == 0 || (var.recovery_window_days >= 7 && var.recovery_window_days <= 30)",
					"0, or 7 to 30 days.",
				}}},
			{name: "secrets", kind: "map(object({\n    description = string\n    version     = optional(number)\n  }))",
				description: "The secrets by name. Those with a version are generated; raise it to generate a new value. The others are provided by a person.",
				example: object{
					{"session-secret", object{{"description", "Signs sessions"}, {"version", 1}}},
					{"invite-keys", object{{"description", "Invitation keys"}}},
				}},
			{name: "values", kind: "map(string)", ephemeral: true,
				description: "Values of the generated secrets, by name.",
				example: object{
					{"session-secret", expr("var.session_secret")},
				}},
		},
		outputs: []output{
			{"arns", "The secrets, by name.", "{ for name, secret in aws_secretsmanager_secret.this : name => secret.arn }"},
			{"stored_arns", "The generated secrets, by name, once their values are stored.", "{ for name, version in aws_secretsmanager_secret_version.generated : name => version.secret_id }"},
		},
		tests: []source{{"tests/secrets.tftest.hcl", secretsTest()}},
	}
}
