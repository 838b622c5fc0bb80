package render

// repository is where the images of one service are kept.
func repository() module {
	return module{
		name: "repository",
		about: []string{
			"The ECR repository of one service's images, shared by all environments, since a promotion deploys the very images that staging ran.",
			"Promoted images have a tag release-*. The last ten of them are kept whatever else is pushed. Of all other tagged images, at least the last fifty are kept. A push may add manifests without a tag, such as attestations. They do not count as images, and stay as long as the image they belong to. Once that is gone, they go too, a week after their push at the earliest.",
		},
		files: []source{{"main.tf", []node{
			resource("aws_ecr_repository", "this",
				set("name", expr("var.name")),
				comment("The tag latest moves. Deployments name digests, which cannot."),
				set("image_tag_mutability", "MUTABLE"),
				nested("encryption_configuration", set("encryption_type", "AES256")),
				nested("image_scanning_configuration", set("scan_on_push", true)),
			),
			comment("If an image matches a rule, no rule of lower priority expires it."),
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
							note("Promoted images count here too, although rule 1 alone expires them."),
							{"tagStatus", "tagged"},
							{"tagPatternList", row{"*"}},
							{"countType", "imageCountMoreThan"},
							{"countNumber", expr("var.keep_others + var.keep_releases")},
						}},
						{"action", object{{"type", "expire"}}},
					},
					object{
						{"rulePriority", 3},
						{"description", "Remove what no tag and no index refers to, such as the parts of an expired image"},
						{"selection", object{
							{"tagStatus", "untagged"},
							{"countType", "sinceImagePushed"},
							{"countUnit", "days"},
							{"countNumber", 7},
						}},
						{"action", object{{"type", "expire"}}},
					},
				}}}}),
			),
		}}},
		variables: []variable{
			{name: "keep_others", kind: "number", description: "How many tagged images that were never promoted are kept.", fallback: 50},
			{name: "keep_releases", kind: "number", description: "How many promoted images are kept: the releases that a rollback can reach.", fallback: 10},
			{name: "name", kind: "string", description: "Name of the repository.", example: "shop/api"},
		},
		tests: []source{{"tests/repository.tftest.hcl", repositoryTest()}},
		outputs: []output{
			{"arn", "The repository.", "aws_ecr_repository.this.arn"},
			{"url", "Where images are pushed to and pulled from.", "aws_ecr_repository.this.repository_url"},
		},
	}
}
