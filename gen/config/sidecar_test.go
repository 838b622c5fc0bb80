package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
)

func TestInvalidSidecar(t *testing.T) {
	t.Parallel()
	const image = "public.ecr.aws/aws-observability/aws-otel-collector:v0.43.3"
	api := func(sidecars ...config.Sidecar) func(*config.Platform) {
		return func(p *config.Platform) { p.Services[0].Sidecars = sidecars }
	}
	images := func(images ...string) (all []config.Sidecar) {
		for i, image := range images {
			all = append(all, config.Sidecar{Name: "s" + string(rune('a'+i)), Image: image})
		}
		return all
	}
	checkInvalid(t, []invalid{
		{"the log router's port", func(p *config.Platform) {
			p.Services[0].Port = 24224
			p.Services[0].Sidecars = []config.Sidecar{{Name: "logs", Image: image, LogRouter: config.LogRouter{Type: "fluentbit"}}, {Name: "x", Image: image, Ports: []int{24224}}}
		}, `
services["api"].ports: 24224 is the service's port, and a log router listens on it; for example 9090
services["api"].sidecars["x"].ports[0]: 24224 is the log router's already, and containers of a task share its ports
`},
		{"names", api(config.Sidecar{Name: "api", Image: image}, config.Sidecar{Name: "Otel", Image: image}, config.Sidecar{Name: "x", Image: image}, config.Sidecar{Name: "x", Image: image}), `
services["api"].sidecars["api"].name: "api" is the service's own container; for example "api-sidecar"
services["api"].sidecars["Otel"].name: "Otel" is not lower-case letters, digits and single hyphens between them, beginning with a letter; for example "otel"
services["api"].sidecars[3].name: "x" is declared twice; for example "x-2"
`},
		{"images", api(images("", "otel/collector", "otel/collector:latest", "OTEL/Collector:1", "999999999999.dkr.ecr.us-west-2.amazonaws.com/doc-platform/otel:1", "123456789012.dkr.ecr.us-west-2.amazonaws.com/other/otel:1", "otel/collector@sha256:12")...), `
services["api"].sidecars["sa"].image: "" is not an image: a registry, a repository in lower case and a tag or a digest; for example "public.ecr.aws/aws-observability/aws-otel-collector:v0.43.3"
services["api"].sidecars["sb"].image: "otel/collector" has neither a tag nor a digest, which means latest, whatever that is when a task starts; for example "public.ecr.aws/aws-observability/aws-otel-collector:v0.43.3"
services["api"].sidecars["sc"].image: "otel/collector:latest" is whatever was pushed last when a task starts: name a version or a digest; for example "public.ecr.aws/aws-observability/aws-otel-collector:v0.43.3"
services["api"].sidecars["sd"].image: "OTEL/Collector:1" is not an image: a registry, a repository in lower case and a tag or a digest; for example "public.ecr.aws/aws-observability/aws-otel-collector:v0.43.3"
services["api"].sidecars["se"].image: "999999999999.dkr.ecr.us-west-2.amazonaws.com/doc-platform/otel:1" is in a private registry from which the service's role may not pull; the platform's own is 123456789012.dkr.ecr.us-west-2.amazonaws.com/doc-platform/; for example "public.ecr.aws/aws-observability/aws-otel-collector:v0.43.3"
services["api"].sidecars["sf"].image: "123456789012.dkr.ecr.us-west-2.amazonaws.com/other/otel:1" is in a private registry from which the service's role may not pull; the platform's own is 123456789012.dkr.ecr.us-west-2.amazonaws.com/doc-platform/; for example "public.ecr.aws/aws-observability/aws-otel-collector:v0.43.3"
services["api"].sidecars["sg"].image: "otel/collector@sha256:12" is not an image: a registry, a repository in lower case and a tag or a digest; for example "public.ecr.aws/aws-observability/aws-otel-collector:v0.43.3"
`},
		{"what it uses", api(config.Sidecar{
			Name: "otel", Image: image, Ports: []int{0, 3001, 4317, 4317}, CPU: -1, Memory: 5, Secrets: []string{"sesion-secret", "db-credentials"},
			Environment: map[string]string{"APP_ENV": "x", "SESSION_SECRET": "y"}, HealthCommand: []string{"curl"}, Command: []string{"a\nb"},
		}), `
services["api"].sidecars["otel"].command[0]: "a\nb" holds a control character or is not UTF-8, which a plan or a terminal would garble; for example "--config=/etc/otel.yaml"
services["api"].sidecars["otel"].healthCommand: it is neither "CMD" and the words of a command nor "CMD-SHELL" and one line for a shell; for example {"CMD", "/bin/check"}
services["api"].sidecars["otel"].ports[0]: 0 is not a port, 1 to 65535; for example 4317
services["api"].sidecars["otel"].ports[1]: 3001 is the service's port already, and containers of a task share its ports
services["api"].sidecars["otel"].ports[3]: 4317 is sidecar "otel"'s already, and containers of a task share its ports
services["api"].sidecars["otel"].cpu: -1 is not a number of CPU units; for example 64
services["api"].sidecars["otel"].memory: 5 is not memory that ECS gives a container, 6 MiB or more, or 0 for what the others leave; for example 128
services["api"].sidecars["otel"].secrets[0]: "sesion-secret" is not a secret; for example "session-secret"
services["api"].sidecars["otel"].secrets[1]: "db-credentials" holds the database's credentials, which a container receives by its field database; for example Database: true
services["api"].sidecars["otel"].environment["APP_ENV"]: "APP_ENV" is a variable that the platform sets; for example "CUSTOM_APP_ENV"
`},
		{"what it waits for", func(p *config.Platform) {
			p.Services[0].DependsOn = []config.Dependency{{Container: "a", Condition: "HEALTHY"}, {Container: "a", Condition: "START"}, {Container: "api", Condition: "START"}}
			p.Services[0].Sidecars = []config.Sidecar{
				{Name: "a", Image: image, DependsOn: []config.Dependency{{Container: "b", Condition: "SUCCESS"}}},
				{Name: "b", Image: image, DependsOn: []config.Dependency{{Container: "a", Condition: "RUNNING"}, {Container: "b", Condition: "START"}}},
			}
		}, `
services["api"].sidecars["a"].dependsOn[0].condition: "SUCCESS" would end the task: "b" is not optional; for example Optional: true
services["api"].sidecars["b"].dependsOn[0].condition: "RUNNING" is not what a container may wait for: START, HEALTHY, COMPLETE or SUCCESS; for example "START"
services["api"].sidecars["b"].dependsOn[1].container: "b" is no other sidecar of the service; for example "a"
services["api"].dependsOn[0].condition: "HEALTHY" never comes: "a" has no healthCommand; for example "START"
services["api"].dependsOn[1].container: "a" is listed twice
services["api"].dependsOn[2].container: "api" is no other sidecar of the service; for example "a"
services["api"].sidecars["a"].dependsOn: leads back to "a" itself, so none of them would start
services["api"].sidecars["b"].dependsOn: leads back to "b" itself, so none of them would start
`},
		{"log routers", api(
			config.Sidecar{Name: "a", Image: image, Optional: true, LogRouter: config.LogRouter{Type: "fluentd"}},
			config.Sidecar{Name: "b", Image: image, LogRouter: config.LogRouter{Type: "vector", Options: map[string]string{"Name": "x", "apikey": "y"}, Secrets: map[string]string{"apikey": "invite-key", "password": "db-credentials"}}},
			config.Sidecar{Name: "c", Image: image, LogRouter: config.LogRouter{Options: map[string]string{"Name": "x"}}},
			config.Sidecar{Name: "d", Image: image, LogRouter: config.LogRouter{Type: "fluentbit", Secrets: map[string]string{"apikey": "invite-keys"}}},
		), `
services["api"].sidecars["a"].logRouter.type: "fluentd" routes the service's log, so the sidecar may not be optional; for example Optional: false
services["api"].sidecars["a"].logRouter.options: none, and only Fluent Bit sends to CloudWatch by itself; for example map[string]string{"@type": "…"}
services["api"].sidecars["b"].logRouter.type: "vector" is no program that FireLens knows: fluentbit or fluentd; for example "fluentbit"
services["api"].sidecars["b"].logRouter.type: "vector" makes a second router of the service's log, which "a" routes
services["api"].sidecars["b"].logRouter.secrets["apikey"]: is one of the options as well
services["api"].sidecars["b"].logRouter.secrets["apikey"]: "invite-key" is not a secret; for example "invite-keys"
services["api"].sidecars["b"].logRouter.secrets["password"]: "db-credentials" holds the database's credentials, which no log router needs
services["api"].sidecars["c"].logRouter.type: none, so the other fields have no effect; for example "fluentbit"
services["api"].sidecars["d"].logRouter.type: "fluentbit" makes a second router of the service's log, which "a" routes
services["api"].sidecars["d"].logRouter.secrets: have no effect: without options the log goes to CloudWatch
`},
		{"more than a task has", func(p *config.Platform) {
			for i := range 10 {
				p.Services[1].Sidecars = append(p.Services[1].Sidecars, config.Sidecar{Name: "s" + string(rune('a'+i)), Image: image, CPU: 32, Memory: 52})
			}
			p.Environments[0].Sizes = map[string]config.Size{"frontend": {CPU: 256, Memory: 512, MinTasks: 1, MaxTasks: 1}}
		}, `
services["frontend"].sidecars: 10 sidecars are more than the nine that ECS runs beside a service's container
environments["staging"].sizes["frontend"].cpu: 256 leaves nothing to service "frontend", whose sidecars are granted 320
environments["staging"].sizes["frontend"].memory: 512 MiB leaves nothing to service "frontend", whose sidecars are granted 520
environments["production"].size.cpu: 256 leaves nothing to service "frontend", whose sidecars are granted 320
environments["production"].size.memory: 512 MiB leaves nothing to service "frontend", whose sidecars are granted 520
`},
		{"more than a task definition holds", api(config.Sidecar{Name: "otel", Image: image, Environment: map[string]string{"CONFIG": strings.Repeat("x", 62<<10)}}), `
services["api"]: its variables, secrets and command make a task definition of about 67 KiB, where ECS takes 64
`},
	})
}

// A service's secrets and the stream of its log follow from its sidecars.
func TestSidecars(t *testing.T) {
	t.Parallel()
	p := configtest.Docs()
	if got := p.LogStream("api", "api") + " " + p.LogStream("migrate", "migrate"); got != "api/api/ migrate/migrate/" {
		t.Errorf("streams: %s", got)
	}
	p.Services[0].Sidecars = []config.Sidecar{
		{Name: "otel", Image: "otel/collector:1", Secrets: []string{"session-secret"}},
		{Name: "logs", Image: "123456789012.dkr.ecr.us-west-2.amazonaws.com/doc-platform/logs@sha256:" + strings.Repeat("0", 64), LogRouter: config.LogRouter{Type: "fluentbit"}},
	}
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	if got := p.LogStream("api", "api") + " " + p.LogStream("api", "otel"); got != "api/api-firelens- api/otel/" {
		t.Errorf("streams: %s", got)
	}
	p.Services[0].Sidecars[1].LogRouter = config.LogRouter{Type: "fluentbit", Options: map[string]string{"Name": "datadog"}, Secrets: map[string]string{"apikey": "superadmin-password"}}
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"invite-keys", "session-secret", "superadmin-password"}, p.Services[0].AllSecrets()); d != "" {
		t.Error(d)
	}
	if got := p.Services[0].LogsElsewhere(); got != "logs" {
		t.Errorf("%q routes the log", got)
	}
}
