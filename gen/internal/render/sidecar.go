package render

import (
	"maps"
	"slices"
	"strings"

	"github.com/specboard/platform/gen/config"
)

// Sidecars are the further containers of a service's tasks.

// sidecarVariables are the inputs about them.
func sidecarVariables() []variable {
	return []variable{
		{name: "depends_on_sidecars", kind: "map(string)",
			description: "Sidecars that the service's own container waits for, and until when: START, HEALTHY, COMPLETE or SUCCESS.",
			fallback:    object{},
			validations: []validation{{
				"alltrue([for name in keys(var.depends_on_sidecars) : contains(keys(var.sidecars), name)])", "It waits for its own sidecars.",
			}}},
		{name: "sidecars", kind: "map(" + optionalObject(
			field{"command", expr("optional(list(string))")},
			field{"cpu", expr("optional(number, 0)")},
			field{"depends_on", expr("optional(map(string), {})")},
			field{"entry_point", expr("optional(list(string))")},
			field{"environment", expr("optional(map(string), {})")},
			field{"essential", expr("optional(bool, true)")},
			field{"health_command", expr("optional(list(string))")},
			field{"image", expr("string")},
			field{"log_router", expr("optional(object({\n      options = optional(map(string), {})\n      secrets = optional(map(string), {})\n      type    = string\n    }))")},
			field{"memory", expr("optional(number)")},
			field{"ports", expr("optional(list(number), [])")},
			field{"secrets", expr("optional(map(string), {})")},
		) + ")",
			description: "Further containers of each task, by name; a promotion leaves their images. cpu and memory are granted of the task's; depends_on is as depends_on_sidecars. One may be the FireLens log_router of the service's own container: without options it sends to the log group.",
			fallback:    object{},
			validations: []validation{{
				"length(var.sidecars) <= 9", "ECS runs up to nine containers besides the service's own.",
			}, {
				"length([for sidecar in values(var.sidecars) : sidecar if sidecar.log_router != null]) <= 1", "One log router at most.",
			}, {
				`alltrue([for sidecar in values(var.sidecars) : can(regex("(@sha256:[0-9a-f]{64}|:[A-Za-z0-9_][A-Za-z0-9._-]*)$", sidecar.image)) && !endswith(sidecar.image, ":latest")])`,
				"An image has a digest or a tag other than latest.",
			}}},
	}
}

// sidecarNodes are the containers as ECS takes them, and what their images and logs
// need.
func sidecarNodes() []node {
	return []node{
		locals(
			set("sidecars", loop{"name, sidecar", "var.sidecars", object{
				{"name", expr("name")},
				{"image", expr("sidecar.image")},
				{"essential", expr("sidecar.essential")},
				{"command", expr("sidecar.command")},
				{"entryPoint", expr("sidecar.entry_point")},
				{"cpu", expr("sidecar.cpu")},
				{"memory", expr("sidecar.memory")},
				{"dependsOn", expr("length(sidecar.depends_on) == 0 ? null : [for container, condition in sidecar.depends_on : { containerName = container, condition = condition }]")},
				{"environment", expr("[for name, value in sidecar.environment : { name = name, value = value }]")},
				{"secrets", expr("[for name, reference in sidecar.secrets : { name = name, valueFrom = reference }]")},
				{"portMappings", expr(`[for port in sidecar.ports : { containerPort = port, hostPort = port, protocol = "tcp" }]`)},
				{"healthCheck", expr(`sidecar.health_command == null ? null : {
      command     = sidecar.health_command
      interval    = 10
      retries     = 3
      startPeriod = 60
      timeout     = 5
    }`)},
				{"firelensConfiguration", expr(`sidecar.log_router == null ? null : {
      type    = sidecar.log_router.type
      options = { enable-ecs-log-metadata = "true" }
    }`)},
				{"linuxParameters", object{{"capabilities", object{{"add", row{}}, {"drop", row(strs(config.Restricted()))}}}}},
				note("It has as long as the service's own container to send what it still holds."),
				{"stopTimeout", expr("var.timeouts.stop")},
				{"logConfiguration", containerAwslogs()},
			}}),
			set("log_routers", expr("[for sidecar in values(var.sidecars) : sidecar.log_router if sidecar.log_router != null]")),
			comment("Fluent Bit appends NAME-firelens-TASK to the prefix."),
			set("routed_to_cloudwatch", object{
				{"Name", "cloudwatch_logs"},
				{"log_group_name", expr("aws_cloudwatch_log_group.this.name")},
				{"log_stream_prefix", expr(`"${var.name}/"`)},
				{"region", expr("var.region")},
			}),
			set("registry", expr(`"${var.account}.dkr.ecr.${var.region}.amazonaws.com/"`)),
			comment("Repositories of the platform's own that sidecars are pulled from."),
			set("sidecar_repository_arns", expr(`distinct([
    for sidecar in values(var.sidecars) : "arn:aws:ecr:${var.region}:${var.account}:repository/${split("@", split(":", trimprefix(sidecar.image, local.registry))[0])[0]}"
    if startswith(sidecar.image, local.registry)
  ])`)),
		),
		comment("Fluent Bit writes to the log group with the role of the task."),
		taskPolicy("log_router", "length([for router in local.log_routers : router if length(router.options) == 0])",
			policy(allow("Log", list{"logs:CreateLogStream", "logs:PutLogEvents"}, expr(`"${aws_cloudwatch_log_group.this.arn}:*"`)))),
	}
}

// serviceLog is where the service's own container logs: to its sidecar that routes
// logs, if it has one.
const serviceLog expr = `concat(
      [for router in local.log_routers : {
        logDriver     = "awsfirelens"
        options       = length(router.options) == 0 ? tomap(local.routed_to_cloudwatch) : router.options
        secretOptions = [for name, reference in router.secrets : { name = name, valueFrom = reference }]
      }],
      [{
        logDriver = "awslogs"
        options = {
          awslogs-group         = aws_cloudwatch_log_group.this.name
          awslogs-region        = var.region
          awslogs-stream-prefix = var.name
        }
      }],
    )[0]`

// serviceSidecars are a service's arguments about its sidecars.
func serviceSidecars(p config.Platform, e config.Environment, s config.Service) []node {
	waits := func(all []config.Dependency) (o object) {
		for _, d := range all {
			o = append(o, field{d.Container, d.Condition})
		}
		return o
	}
	references := func(byName map[string]string) object {
		all := map[string]any{}
		for k, name := range byName {
			all[k] = secretReference(p, name)
		}
		return sorted(all)
	}
	var all object
	for _, o := range s.Sidecars {
		variables := map[string]string{"APP_ENV": e.Name}
		maps.Copy(variables, o.Environment)
		var ports row
		for _, port := range o.Ports {
			ports = append(ports, port)
		}
		secrets := map[string]string{}
		for _, name := range o.Secrets {
			if secret, ok := p.Secret(name); ok {
				secrets[secret.Variable] = name
			}
		}
		one := append(given(
			field{"command", o.Command},
			field{"cpu", o.CPU},
			field{"depends_on", waits(o.DependsOn)},
			field{"entry_point", o.EntryPoint},
			field{"health_command", o.HealthCommand},
			field{"log_router", given(
				field{"type", o.LogRouter.Type},
				field{"options", sorted(o.LogRouter.Options)},
				field{"secrets", references(o.LogRouter.Secrets)},
			)},
			field{"memory", o.Memory},
			field{"ports", ports},
			field{"secrets", references(secrets)},
		), field{"environment", sorted(variables)}, field{"image", o.Image})
		if o.Optional {
			one = append(one, field{"essential", false})
		}
		slices.SortFunc(one, func(a, b field) int { return strings.Compare(a.key, b.key) })
		all = append(all, field{o.Name, one})
	}
	return optional(field{"sidecars", all}, field{"depends_on_sidecars", waits(s.DependsOn)})
}

// secretReference is where ECS finds the value of a secret, once it has one.
func secretReference(p config.Platform, name string) expr {
	if s, ok := p.Secret(name); ok && s.Kind == config.Provided {
		return expr(`module.secrets.arns["` + name + `"]`)
	}
	return expr(`module.secrets.stored_arns["` + name + `"]`)
}
