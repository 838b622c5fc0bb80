package render

// repository is where the images of one service are kept.
func repository() module {
	return module{
		name: "repository",
		about: []string{
			"The ECR repository of one service's images, shared by all environments, since a promotion deploys the very images that staging ran.",
			"Images that were promoted bear a tag release-*. Of these the last ten are kept whatever else is pushed, and of all others the last ten: counting pushes alone, ten merges would expire what production runs.",
		},
		files: []source{{"main.tf", []node{
			resource("aws_ecr_repository", "this",
				set("name", expr("var.name")),
				comment("The tag latest moves. Deployments name digests, which cannot."),
				set("image_tag_mutability", "MUTABLE"),
				nested("encryption_configuration", set("encryption_type", "AES256")),
				nested("image_scanning_configuration", set("scan_on_push", true)),
			),
			comment("An image that matches a rule is never expired by a rule of lower priority."),
			resource("aws_ecr_lifecycle_policy", "this",
				set("repository", expr("aws_ecr_repository.this.name")),
				set("policy", call{"jsonencode", object{{"rules", list{
					object{
						{"rulePriority", 1},
						{"description", expr(`"Keep the last ${var.keep_releases} promoted images"`)},
						{"selection", object{
							{"tagStatus", "tagged"},
							{"tagPrefixList", row{"release-"}},
							{"countType", "imageCountMoreThan"},
							{"countNumber", expr("var.keep_releases")},
						}},
						{"action", object{{"type", "expire"}}},
					},
					object{
						{"rulePriority", 2},
						{"description", expr(`"Keep the last ${var.keep_others} other images"`)},
						{"selection", object{
							{"tagStatus", "any"},
							{"countType", "imageCountMoreThan"},
							{"countNumber", expr("var.keep_others")},
						}},
						{"action", object{{"type", "expire"}}},
					},
				}}}}),
			),
		}}},
		variables: []variable{
			{name: "keep_others", kind: "number", description: "How many images that were never promoted are kept.", fallback: 10},
			{name: "keep_releases", kind: "number", description: "How many promoted images are kept: the releases that a rollback can reach.", fallback: 10},
			{name: "name", kind: "string", description: "Name of the repository.", example: "doc-platform/api"},
		},
		outputs: []output{
			{"arn", "The repository.", "aws_ecr_repository.this.arn"},
			{"url", "Where images are pushed to and pulled from.", "aws_ecr_repository.this.repository_url"},
		},
	}
}
