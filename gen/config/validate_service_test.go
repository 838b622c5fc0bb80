package config_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/specboard/platform/gen/config"
)

func TestInvalidService(t *testing.T) {
	t.Parallel()
	type P = config.Platform
	internal := func(name string) config.Service {
		return config.Service{Name: name, Port: 3003, HealthCommand: []string{"CMD-SHELL", "wget -q -O- localhost:3003/health"}}
	}
	worker := func(name string) config.Service {
		return config.Service{Name: name, Command: []string{"work"}, HealthCommand: []string{"CMD", "/bin/check"}}
	}
	add := func(s config.Service) func(*P) { return func(p *P) { p.Services = append(p.Services, s) } }
	checkInvalid(t, []invalid{
		{"service without a name", add(internal("")), `services[3].name: "" is not lower-case letters, digits and single hyphens between them, beginning with a letter; for example "storage"`},
		{"service with an underscore", add(internal("file_store")), `services["file_store"].name: "file_store" is not lower-case letters, digits and single hyphens between them, beginning with a letter; for example "storage"`},
		{"service named like a keyword of Terraform", add(internal("for")), `services["for"].name: "for" is a keyword of Terraform, which cannot be the key of a map; for example "storage"`},
		{"variable named like a keyword of Terraform", func(p *P) { p.Services[1].Environment = map[string]string{"for": "x"} }, `services["frontend"].environment["for"]: "for" is a keyword of Terraform, which cannot be the key of a map; for example "FOR"`},
		{"context outside of the checkout", func(p *P) { p.Services[0].Image.Context = "../api" }, `services["api"].image.context: "../api" is not a path within the checkout: relative, with slashes, without spaces or ..; for example "services/api"`},
		{"Dockerfile with a root", func(p *P) { p.Services[0].Image.Dockerfile = "/Dockerfile" }, `services["api"].image.dockerfile: "/Dockerfile" is not a path within the checkout: relative, with slashes, without spaces or ..; for example "services/api/Dockerfile"`},
		{"platform that Fargate does not run", func(p *P) { p.Services[0].Image.Platform = "linux/riscv64" }, `services["api"].image.platform: "linux/riscv64" is not a platform of Fargate: linux/amd64 or linux/arm64; for example "linux/arm64"`},
		{"service twice", add(internal("api")), `services[3].name: "api" is declared twice; for example "api-2"`},
		{"service named like the environment's own parts", add(internal("database")), `services["database"].name: "database" is what an environment's own parts are called (alarms, buckets, cache, cluster, database, firewall, load-balancer, log-bucket, mail-identity, network, queues, schedules, secrets), so no service may be; for example "database-service"`},
		{"more database clients than rules", func(p *P) {
			for i := range 58 {
				s := internal(fmt.Sprintf("s%d", i))
				s.Database = true
				p.Services = append(p.Services, s)
			}
		}, `services: 62 services and tasks with the database are more than 60, the most rules that its security group has`},
		{"more cache clients than rules", func(p *P) {
			for i := range 59 {
				s := internal(fmt.Sprintf("s%d", i))
				s.Cache = true
				p.Services = append(p.Services, s)
			}
		}, `services: 61 services and tasks with the cache are more than 60, the most rules that its security group has`},
		{"more callers than rules", func(p *P) {
			for i := range 59 {
				s := internal(fmt.Sprintf("s%d", i))
				s.Calls = []string{"api"}
				p.Services = append(p.Services, s)
			}
		}, `services["api"]: 61 callers, with the load balancer, are more than 60, the most rules that the service's security group has`},
		{"more calls than rules", func(p *P) {
			hub := internal("hub")
			for i := range 60 {
				s := internal(fmt.Sprintf("s%d", i))
				p.Services = append(p.Services, s)
				hub.Calls = append(hub.Calls, s.Name)
			}
			p.Services = append(p.Services, hub)
		}, `services["hub"].calls: 61 ways out are more than 60, the most rules that the service's security group has`},
		{"more variables than a task definition", func(p *P) {
			p.Services[1].Environment = map[string]string{}
			for i := range 400 {
				p.Services[1].Environment[fmt.Sprintf("VARIABLE_%d", i)] = strings.Repeat("x", 200)
			}
		}, `services["frontend"]: its variables, secrets and command make a task definition of about 95 KiB, where ECS takes 64`},
		{"more secrets than a role's policies", func(p *P) {
			for i := range 120 {
				name := fmt.Sprintf("api-key-%03d", i)
				p.Secrets = append(p.Secrets, config.Secret{Name: name, Kind: config.Generated, Variable: fmt.Sprintf("API_KEY_%03d", i), Length: 32})
				p.Services[1].Secrets = append(p.Services[1].Secrets, name)
			}
		}, `services["frontend"]: its secrets make policies of about 12760 characters for the role that reads them, where IAM takes 10240`},
		{"more queues than a role's policies", func(p *P) {
			for i := range 70 {
				name := fmt.Sprintf("messages-of-a-kind-%02d", i)
				p.Queues = append(p.Queues, config.Queue{Name: name})
				p.Services[1].Receives = append(p.Services[1].Receives, name)
				p.Services[1].Sends = append(p.Services[1].Sends, name)
			}
		}, `services["frontend"]: its queues, buckets and permissions make policies of about 12620 characters for its role, where IAM takes 10240`},
		{"command longer than a task definition", func(p *P) {
			p.Tasks[1].Command = []string{"seed", strings.Repeat("x", 70000)}
		}, `tasks["seed"]: its variables, secrets and command make a task definition of about 72 KiB, where ECS takes 64`},
		{"the database's TLS mode", func(p *P) { p.Services[0].Environment = map[string]string{"DB_SSLMODE": "disable"} }, `services["api"].environment["DB_SSLMODE"]: "DB_SSLMODE" is a variable that the platform sets; for example "CUSTOM_DB_SSLMODE"`},
		{"service too long for a host name", add(internal("a-service-with-a-name-that-no-host-may-have-since-it-is-too-long")), `services["a-service-with-a-name-that-no-host-may-have-since-it-is-too-long"].name: "a-service-with-a-name-that-no-host-may-have-since-it-is-too-long" has 64 characters, where host names and schedules have at most 63; for example "a-service-with-a-name-that-no-host-may-have-since-it-is-too-lon"`},
		{"port below zero", func(p *P) { p.Services[1].Port = -1 }, `services["frontend"].port: -1 is not a port, 1 to 65535; for example 3000`},
		{"port too high", func(p *P) { p.Services[1].Port = 65536 }, `services["frontend"].port: 65536 is not a port, 1 to 65535; for example 3000`},
		{"worker with routes", func(p *P) { p.Services[1].Port = 0 }, `services["frontend"].port: 0 is not a port, 1 to 65535; for example 3000`},
		{"worker without a health check", add(config.Service{Name: "mail"}), `services["mail"].healthCommand: none, and the service has no routes: ECS would call a task healthy as soon as it runs; for example {"CMD-SHELL", "wget -q -O- localhost:3003/health"}`},
		{"worker with a bound for requests", func(p *P) {
			s := worker("mail")
			s.Timeouts.Request = time.Minute
			p.Services = append(p.Services, s)
		}, `services["mail"].timeouts.request: 1m0s has no effect: the service has no port, so no request reaches it`},
		{"worker with a bound for silence", func(p *P) {
			s := worker("mail")
			s.Timeouts.Idle = 10 * time.Minute
			p.Services = append(p.Services, s)
		}, `services["mail"].timeouts.idle: 10m0s has no effect: the service has no port, so no request reaches it`},
		{"call of a worker", func(p *P) {
			p.Services[1].Calls = []string{"mail"}
			p.Services = append(p.Services, worker("mail"))
		}, `services["frontend"].calls[0]: "mail" has no port, so nobody can call it; for example Port: 3000`},
		{"what every task calls itself", func(p *P) { p.Services[1].Name = "localhost" }, `services["localhost"].name: "localhost" is what every task calls itself, or Service Connect's proxy in it; for example "storage"`},
		{"the name of Service Connect's proxy", func(p *P) { p.Services[1].Name = "ecs-service-connect-x" }, `services["ecs-service-connect-x"].name: "ecs-service-connect-x" is what every task calls itself, or Service Connect's proxy in it; for example "storage"`},
		{"context as an option", func(p *P) { p.Services[0].Image.Context = "-f" }, `services["api"].image.context: "-f" begins with a hyphen, as options of Docker do; for example "services/api"`},
		{"permission over the organization's people", func(p *P) {
			p.Services[0].Permissions = []config.Permission{{Actions: []string{"identitystore:CreateGroupMembership", "sso:*"}, Resources: []string{"*"}}}
		}, `services["api"].permissions[0].actions[0]: "identitystore:CreateGroupMembership" would change who may do what; for example "ses:SendEmail"
services["api"].permissions[0].actions[1]: "sso:*" would change who may do what; for example "ses:SendEmail"`},
		{"empty command", func(p *P) { p.Services[1].Command = []string{""} }, `services["frontend"].command[0]: "" is not a command; for example "serve"`},
		{"entry point of two lines", func(p *P) { p.Services[1].EntryPoint = []string{"/bin/sh\n"} }, `services["frontend"].entryPoint[0]: "/bin/sh\n" holds a control character or is not UTF-8, which a plan or a terminal would garble; for example "/bin/sh"`},
		{"image of an unknown service", func(p *P) { p.Services[1].Image.Service, p.Services[1].Command = "apis", []string{"x"} }, `services["frontend"].image.service: "apis" is not a service whose image this one could run; for example "api"`},
		{"image of itself", func(p *P) { p.Services[1].Image.Service, p.Services[1].Command = "frontend", []string{"x"} }, `services["frontend"].image.service: "frontend" is the service itself, whose image is its own anyway; for example Image: config.Image{}`},
		{"image of a service without one", func(p *P) {
			p.Services[1].Image.Service, p.Services[1].Command = "api", []string{"x"}
			p.Services[2].Image.Service, p.Services[2].Command = "frontend", []string{"x"}
		}, `services["mcp"].image.service: "frontend" has no image of its own: it runs that of "api"; for example "api"`},
		{"image of another service and its own", func(p *P) {
			p.Services[1].Image, p.Services[1].Command = config.Image{Service: "api", Context: "web"}, []string{"x"}
		}, `services["frontend"].image.service: "api" is whose image the service runs, so there is nothing to build: context, dockerfile and platform are that service's; for example Image: config.Image{Service: "api"}`},
		{"the same service once more", func(p *P) { p.Services[1].Image.Service = "api" }, `services["frontend"].image.service: "api" is whose image the service runs, and without a command of its own it would be that service once more; for example Command: []string{"worker"}`},
		{"health path without a slash", func(p *P) { p.Services[1].HealthPath = "health" }, `services["frontend"].healthPath: "health" is not the path of a URL: a slash, then up to 1023 printable ASCII characters without spaces; for example "/health"`},
		{"health path with a space", func(p *P) { p.Services[1].HealthPath = "/a b" }, `services["frontend"].healthPath: "/a b" is not the path of a URL: a slash, then up to 1023 printable ASCII characters without spaces; for example "/health"`},
		{"call of an unknown service", func(p *P) { p.Services[1].Calls = []string{"apis"} }, `services["frontend"].calls[0]: "apis" is not a service; for example "api"`},
		{"call of itself", func(p *P) { p.Services[2].Calls = []string{"mcp"} }, `services["mcp"].calls[0]: "mcp" is the service itself, which needs no way to itself`},
		{"call twice", func(p *P) { p.Services[2].Calls = []string{"api", "api"} }, `services["mcp"].calls[1]: "api" is listed twice`},
		{"unknown secret", func(p *P) { p.Services[0].Secrets = []string{"session-secrets"} }, `services["api"].secrets[0]: "session-secrets" is not a secret; for example "session-secret"`},
		{"secret twice in a service", func(p *P) { p.Services[0].Secrets = []string{"session-secret", "session-secret"} }, `services["api"].secrets[1]: "session-secret" is listed twice`},
		{"database's secret by name", func(p *P) { p.Services[0].Secrets = []string{"db-credentials"} }, `services["api"].secrets[0]: "db-credentials" holds the database's credentials, which a container receives by its field database; for example Database: true`},
		{"variable with a hyphen", func(p *P) { p.Services[1].Environment = map[string]string{"LOG-LEVEL": "info"} }, `services["frontend"].environment["LOG-LEVEL"]: "LOG-LEVEL" is not the name of an environment variable: letters, digits and underscores, not beginning with a digit; for example "LOG_LEVEL"`},
		{"variable with a control character", func(p *P) { p.Services[1].Environment = map[string]string{"MOTD": "a\x00b"} }, `services["frontend"].environment["MOTD"]: its value holds a control character or is not UTF-8, which a plan or a terminal would garble; for example "https://shop.io"`},
		{"variable of the platform", func(p *P) { p.Services[1].Environment = map[string]string{"PORT": "80", "APP_ENV": "test"} }, `
services["frontend"].environment["APP_ENV"]: "APP_ENV" is a variable that the platform sets; for example "CUSTOM_APP_ENV"
services["frontend"].environment["PORT"]: "PORT" is a variable that the platform sets; for example "CUSTOM_PORT"
`},
		{"variable of the cache", func(p *P) { p.Services[1].Environment = map[string]string{"REDIS_URL": "redis://localhost"} }, `services["frontend"].environment["REDIS_URL"]: "REDIS_URL" is a variable that the platform sets; for example "CUSTOM_REDIS_URL"`},
		{"variable of a call", func(p *P) { p.Services[2].Environment = map[string]string{"API_URL": "http://localhost"} }, `services["mcp"].environment["API_URL"]: "API_URL" is a variable that the way to service "api" sets; for example "CUSTOM_API_URL"`},
		{"variable of a secret", func(p *P) { p.Services[0].Environment = map[string]string{"SESSION_SECRET": "hunter2"} }, `services["api"].environment["SESSION_SECRET"]: "SESSION_SECRET" is a variable that secret "session-secret" sets; for example "CUSTOM_SESSION_SECRET"`},
		{"variable of ECS", func(p *P) {
			p.Services[1].Environment = map[string]string{"ECS_CONTAINER_METADATA_URI": "http://localhost"}
		}, `services["frontend"].environment["ECS_CONTAINER_METADATA_URI"]: "ECS_CONTAINER_METADATA_URI" is set by ECS itself, which finds credentials and metadata by it; for example "LOG_LEVEL"`},
		{"two secrets in one variable", func(p *P) { p.Secrets[3].Variable = "SESSION_SECRET" }, `services["api"].secrets[1]: "invite-keys" sets the variable SESSION_SECRET, as secret "session-secret" does`},
		{"a call and the cache in one variable", func(p *P) {
			p.Services = append(p.Services, internal("redis"))
			p.Services[0].Calls = []string{"redis"}
		}, `services["api"].calls[0]: "redis" sets the variable REDIS_URL, as the platform does`},
		{"more public services than rules", func(p *P) {
			for i := range 58 {
				p.Services = append(p.Services, config.Service{
					Name: fmt.Sprintf("s%d", i), Port: 3003, HealthPath: "/health",
					Routes: []string{fmt.Sprintf("/s%d", i)}, Priority: 1000 + i,
				})
			}
		}, `services: 61 services behind the load balancer are more than 60, the most rules that its security group has`},
	})
}

func TestInvalidRoute(t *testing.T) {
	t.Parallel()
	type P = config.Platform
	routes := func(r ...string) func(*P) { return func(p *P) { p.Services[2].Routes = r } }
	checkInvalid(t, []invalid{
		{"route without a slash", routes("mcp/*"), `services["mcp"].routes[0]: "mcp/*" is not a path pattern: a slash, then letters, digits, wildcards (* and ?) and any of _-.$/~"'@:+&; for example "/api/*"`},
		{"route with a space", routes("/mcp /*"), `services["mcp"].routes[0]: "/mcp /*" is not a path pattern: a slash, then letters, digits, wildcards (* and ?) and any of _-.$/~"'@:+&; for example "/api/*"`},
		{"route too long", routes("/" + strings.Repeat("m", 128)), `services["mcp"].routes[0]: "/mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm" is longer than 128 characters, the most that a path pattern has; for example "/api/*"`},
		{"route twice in a service", routes("/mcp", "/mcp"), `services["mcp"].routes[1]: "/mcp" is a route of "mcp" already`},
		{"route of another service", routes("/api/*"), `services["mcp"].routes[0]: "/api/*" is a route of "api" already`},
		{"route that another service hides", routes("/mcp", "/api/v1/mcp*"), `services["mcp"].routes[1]: "/api/v1/mcp*" is never reached: route "/api/*" of "api" takes every such path at the lower priority 100`},
		{"six routes", routes("/a", "/b", "/c", "/d", "/e", "/f"), `services["mcp"].routes: 6 routes are more than 5, the most that a listener rule takes; for example a pattern that covers several`},
		{"six wildcards", routes("/*/a/*", "/*/b/*", "/c?", "/d*"), `services["mcp"].routes: 6 wildcards are more than 5, the most that a listener rule takes; for example fewer patterns`},
		{"no priority", func(p *P) { p.Services[2].Priority = 0 }, `services["mcp"].priority: 0 is not the priority of a listener rule, 1 to 49999 (50000 is the default service's); for example 200`},
		{"priority of the default service", func(p *P) { p.Services[2].Priority = 50000 }, `services["mcp"].priority: 50000 is not the priority of a listener rule, 1 to 49999 (50000 is the default service's); for example 200`},
		{"priority of another service", func(p *P) { p.Services[2].Priority = 100 }, `services["mcp"].priority: 100 is the priority of "api" already; for example 200`},
		{"priority without routes", func(p *P) { p.Services[2].Routes = nil }, `
services["mcp"].priority: 200 has no effect: the service has no routes; for example 0
services["mcp"].healthPath: "/health" has no effect: the service has no routes, so no load balancer reads it; for example HealthCommand
services["mcp"].healthCommand: none, and the service has no routes: ECS would call a task healthy as soon as it runs; for example {"CMD-SHELL", "wget -q -O- localhost:3003/health"}
`},
		{"two default services", func(p *P) {
			p.Services[2].Routes, p.Services[2].Priority, p.Services[2].Default = nil, 0, true
		}, `services["mcp"].default: true makes a second default service beside "frontend"; for example false`},
		{"default service with routes", func(p *P) { p.Services[1].Routes, p.Services[1].Priority = []string{"/", "/*"}, 300 }, `
services["frontend"].routes: 2 routes of the default service have no effect: it answers whatever no other service does; for example Routes: nil
services["frontend"].priority: 300 has no effect: the default service is matched last; for example 0
`},
	})
}
