package render

// task is a one-off container, such as the database migration.
func task() module {
	variables := append(containerVariables(),
		variable{name: "command", kind: "list(string)",
			description: "Command that replaces the image's own.",
			example:     row{"migrate", "up"}},
	)
	nodes := []node{containerLocals("values(var.secrets)"), containerLog()}
	nodes = append(nodes, taskDefinition(containerAwslogs(), "", field{"command", expr("var.command")})...)
	return module{
		name: "task",
		about: []string{
			"A one-off task on ECS Fargate, such as a migration: task definition, roles, security group and log group, and no service. A promotion copies the template, puts the release's image in, runs it once and waits for its exit code.",
		},
		files: []source{
			{"main.tf", nodes},
			{"iam.tf", containerIAM(expr("var.repository_arn"))},
			{"network.tf", containerNetwork()},
		},
		variables: variables,
		tests:     []source{{"tests/task.tftest.hcl", taskTest()}},
		outputs:   containerOutputs(),
	}
}
