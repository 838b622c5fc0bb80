package config_test

import (
	"testing"
	"time"

	"github.com/specboard/platform/gen/config"
)

func TestInvalidHealth(t *testing.T) {
	t.Parallel()
	type P = config.Platform
	public := func(change func(*config.Service)) func(*P) { return func(p *P) { change(&p.Services[1]) } }
	internal := func(change func(*config.Service)) func(*P) {
		return func(p *P) {
			s := config.Service{Name: "storage", Port: 3003, HealthCommand: []string{"CMD", "/bin/check"}}
			change(&s)
			p.Services = append(p.Services, s)
		}
	}
	command := func(words ...string) func(*P) { return internal(func(s *config.Service) { s.HealthCommand = words }) }
	const form = `is neither "CMD" and the words of a command nor "CMD-SHELL" and one line for a shell; for example {"CMD", "/bin/check"}`
	const unread = "has no effect: the service has no routes, so no load balancer reads it"
	checkInvalid(t, []invalid{
		{"nobody checks an internal service", command(), `services["storage"].healthCommand: none, and the service has no routes: ECS would call a task healthy as soon as it runs; for example {"CMD-SHELL", "wget -q -O- localhost:3003/health"}`},
		{"path that no load balancer reads", internal(func(s *config.Service) { s.HealthPath = "/health" }), `services["storage"].healthPath: "/health" ` + unread + `; for example HealthCommand`},
		{"codes that no load balancer reads", internal(func(s *config.Service) { s.Health.Matcher = "200" }), `services["storage"].health.matcher: "200" ` + unread},
		{"drain without a load balancer", internal(func(s *config.Service) { s.Timeouts.Drain = time.Minute }), `services["storage"].timeouts.drain: 1m0s ` + unread},
		{"public service without a path", public(func(s *config.Service) { s.HealthPath = "" }), `services["frontend"].healthPath: "" is not the path of a URL: a slash, then up to 1023 printable ASCII characters without spaces; for example "/health"`},
		{"command without ECS's first word", command("/bin/check"), `services["storage"].healthCommand: it ` + form},
		{"command of nothing", command("CMD"), `services["storage"].healthCommand: it ` + form},
		{"shell of two lines", command("CMD-SHELL", "a", "b"), `services["storage"].healthCommand: it ` + form},
		{"check that is switched off", command("NONE"), `services["storage"].healthCommand: it ` + form},
		{"command with a control character", command("CMD", "a\x00"), `services["storage"].healthCommand[1]: "a\x00" holds a control character or is not UTF-8, which a plan or a terminal would garble; for example "/bin/check"`},
		{"command with an empty word", command("CMD", "a", ""), `services["storage"].healthCommand[2]: "" holds a control character or is not UTF-8, which a plan or a terminal would garble; for example "/bin/check"`},
		{"interval below ECS's", public(func(s *config.Service) { s.Health.Interval = 2 * time.Second }), `
services["frontend"].health.interval: 2s is not a number of whole seconds, 5s to 5m0s; for example 10s
services["frontend"].health.timeout: 5s is not shorter than the interval, 2s; for example 1s
`},
		{"interval above ECS's", public(func(s *config.Service) { s.Health.Interval = time.Hour }), `services["frontend"].health.interval: 1h0m0s is not a number of whole seconds, 5s to 5m0s; for example 10s`},
		{"interval of half seconds", public(func(s *config.Service) { s.Health.Interval = 5500 * time.Millisecond }), `services["frontend"].health.interval: 5.5s is not a number of whole seconds, 5s to 5m0s; for example 10s`},
		{"codes from the higher to the lower", public(func(s *config.Service) { s.Health.Matcher = "299-200" }), `services["frontend"].health.matcher: "299-200" does not begin with the lower code; for example "200-204"`},
		{"checks that a release cannot wait for", public(func(s *config.Service) { s.Health.Interval, s.Health.Retries = 4*time.Minute, 10 }), `
environments["staging"].healthWindow: 1h20m0s is twice what the slowest health check takes to notice a failure, and more than a release may be watched for: 20m0s; for example 20m0s
environments["production"].healthWindow: 1h20m0s is twice what the slowest health check takes to notice a failure, and more than a release may be watched for: 20m0s; for example 20m0s`},
		{"timeout above ECS's", public(func(s *config.Service) { s.Health.Interval, s.Health.Timeout = 5*time.Minute, 2*time.Minute }), `services["frontend"].health.timeout: 2m0s is not a number of whole seconds, 2s to 1m0s; for example 5s`},
		{"timeout as long as the interval", public(func(s *config.Service) { s.Health.Timeout = 10 * time.Second }), `services["frontend"].health.timeout: 10s is not shorter than the interval, 10s; for example 9s`},
		{"one failure", public(func(s *config.Service) { s.Health.Retries = 1 }), `services["frontend"].health.retries: 1 is not a number of failures, 2 to 10; for example 3`},
		{"eleven failures", public(func(s *config.Service) { s.Health.Retries = 11 }), `services["frontend"].health.retries: 11 is not a number of failures, 2 to 10; for example 3`},
		{"start period above ECS's", public(func(s *config.Service) { s.Health.StartPeriod = 10 * time.Minute }), `services["frontend"].health.startPeriod: 10m0s is not a number of whole seconds, 1s to 5m0s; for example 1m0s`},
		{"codes of servers' errors", public(func(s *config.Service) { s.Health.Matcher = "500" }), `services["frontend"].health.matcher: "500" is not codes of HTTP, 200 to 499, with commas or one hyphen between them; for example "200-204"`},
		{"codes with a space", public(func(s *config.Service) { s.Health.Matcher = "200, 204" }), `services["frontend"].health.matcher: "200, 204" is not codes of HTTP, 200 to 499, with commas or one hyphen between them; for example "200-204"`},
		{"drain above the load balancer's", public(func(s *config.Service) { s.Timeouts.Drain = 2 * time.Hour }), `services["frontend"].timeouts.drain: 2h0m0s is not a number of whole seconds, 1s to 1h0m0s; for example 30s`},
		{"stop above Fargate's", public(func(s *config.Service) { s.Timeouts.Stop = 3 * time.Minute }), `services["frontend"].timeouts.stop: 3m0s is not a number of whole seconds, 2s to 2m0s; for example 30s`},
		{"stop of less than no time", public(func(s *config.Service) { s.Timeouts.Stop = -time.Second }), `services["frontend"].timeouts.stop: -1s is not a number of whole seconds, 2s to 2m0s; for example 30s`},
		{"idle for a day", public(func(s *config.Service) { s.Timeouts.Idle = 24 * time.Hour }), `services["frontend"].timeouts.idle: 24h0m0s is not a number of whole seconds, 1s to 1h0m0s; for example 5m0s`},
		{"request longer than silence", public(func(s *config.Service) { s.Timeouts.Request = 10 * time.Minute }), `services["frontend"].timeouts.request: 10m0s has no effect: a silent connection ends after 5m0s, the idle timeout; for example 5m0s`},
		{"request of milliseconds", public(func(s *config.Service) { s.Timeouts.Request = 500 * time.Millisecond }), `services["frontend"].timeouts.request: 500ms is not a number of whole seconds, 1s to 1h0m0s; for example 15s`},
		{"health for an instant", func(p *P) { p.Environments[0].HealthWindow = time.Second }, `environments["staging"].healthWindow: 1s is not a number of whole seconds, 30s to 20m0s; for example 1m0s`},
		{"health for an hour", func(p *P) { p.Environments[0].HealthWindow = time.Hour }, `environments["staging"].healthWindow: 1h0m0s is not a number of whole seconds, 30s to 20m0s; for example 1m0s`},
		{"load balancer that never lets go", func(p *P) { p.Environments[0].IdleTimeout = 2 * time.Hour }, `environments["staging"].idleTimeout: 2h0m0s is not a number of whole seconds, 1s to 1h6m40s; for example 5m0s`},
	})
}
