package render

import (
	"fmt"
	"slices"
)

// usage is a call of the module, as its documentation shows it: the required
// variables, and the others that have an example.
func (m module) usage() (block, error) {
	var call []node
	for _, v := range m.variables {
		if v.fallback == nil && v.example == nil {
			return block{}, fmt.Errorf("variable %s: a required variable has no example", v.name)
		}
		if v.example != nil {
			call = append(call, set(v.name, v.example))
		}
	}
	sortArguments(call)
	return moduleCall(m.name, m.name, call...), nil
}

// resources are the types of the module's blocks of one kind, sorted.
func (m module) resources(kind string) []string {
	var types []string
	for _, f := range m.files {
		for _, n := range f.body {
			if b, ok := n.(block); ok && b.kind == kind {
				types = append(types, b.labels[0])
			}
		}
	}
	slices.Sort(types)
	return slices.Compact(types)
}

// exampleFiles are examples/complete: the usage of every module, which together make
// an environment, and a test that applies it with a mock provider.
func exampleFiles(all []module) (map[string][]byte, error) {
	body := []node{
		labelled("provider", "aws", set("region", "us-west-2")),
		data("aws_route53_zone", "this", set("name", "shop.io")),
	}
	kinds := []string{}
	for _, m := range all {
		call, err := m.usage()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
		body = append(body, call)
		kinds = append(kinds, m.resources("resource")...)
	}
	slices.Sort(kinds)
	mock := []node{comment("The provider still checks the arguments, and refuses a made-up word where an ARN belongs.")}
	for _, kind := range slices.Compact(kinds) {
		if defaults := mocked()[kind]; defaults != nil {
			mock = append(mock, labelled("mock_resource", kind, set("defaults", defaults)))
		}
	}
	password := func(name, description string) node {
		return variable{name: name, kind: "string", description: description, ephemeral: true}.block()
	}
	return renderSources("examples/complete", []source{
		versions(moduleProvider()),
		{"main.tf", body},
		{"variables.tf", []node{
			password("database_password", "Password of the database's master user."),
			password("session_secret", "Secret that sessions are signed with."),
		}},
		{"tests/complete.tftest.hcl", []node{
			labelled("mock_provider", "aws", mock...),
			nested("variables",
				set("database_password", "not-a-real-password"),
				set("session_secret", "not-a-real-secret"),
			),
			labelled("run", "every_module_applies",
				set("command", expr("apply")),
				assert("module.service.security_group_id != module.task.security_group_id", "Each container has a security group of its own."),
				assert(`keys(module.github.role_arns) == ["build", "deploy-staging", "plan"]`, "Each kind of workflow has a role."),
				assert(`keys(module.secrets.stored_arns) == ["session-secret"]`, "The generated secret has a value, the other waits for a person."),
			),
		}},
	})
}

// mocked are the values that a mock provider must not make up, by the type of
// the resource.
func mocked() map[string]object {
	arn := func(service, name string) object {
		return object{{"arn", "arn:aws:" + service + ":us-west-2:123456789012:" + name}}
	}
	global := func(name string) object { return object{{"arn", "arn:aws:iam::123456789012:" + name}} }
	return map[string]object{
		"aws_acm_certificate": {
			{"arn", "arn:aws:acm:us-west-2:123456789012:certificate/example"},
			{"domain_validation_options", list{object{
				{"domain_name", "staging.shop.io"},
				{"resource_record_name", "_0123456789abcdef0123456789abcdef.staging.shop.io"},
				{"resource_record_type", "CNAME"},
				{"resource_record_value", "_example.acm-validations.aws"},
			}}},
		},
		"aws_cloudwatch_log_group":             arn("logs", "log-group:/example"),
		"aws_ecs_task_definition":              arn("ecs", "task-definition/example:1"),
		"aws_iam_openid_connect_provider":      global("oidc-provider/token.actions.githubusercontent.com"),
		"aws_iam_policy":                       global("policy/example"),
		"aws_iam_role":                         global("role/example"),
		"aws_lb":                               arn("elasticloadbalancing", "loadbalancer/app/example/0123456789abcdef"),
		"aws_lb_listener":                      arn("elasticloadbalancing", "listener/app/example/0123456789abcdef/0123456789abcdef"),
		"aws_s3_bucket":                        {{"arn", "arn:aws:s3:::example"}},
		"aws_scheduler_schedule_group":         arn("scheduler", "schedule-group/example"),
		"aws_secretsmanager_secret":            arn("secretsmanager", "secret:example-AbCdEf"),
		"aws_service_discovery_http_namespace": arn("servicediscovery", "namespace/ns-0123456789abcdef"),
		"aws_sqs_queue":                        append(arn("sqs", "example"), field{"url", "https://sqs.us-west-2.amazonaws.com/123456789012/example"}),
		"aws_sesv2_email_identity":             mockedIdentity(),
		"aws_wafv2_web_acl":                    arn("wafv2", "regional/webacl/example/01234567-89ab-cdef-0123-456789abcdef"),
		"aws_sns_topic":                        arn("sns", "example"),
	}
}
