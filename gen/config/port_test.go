package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
)

func TestInvalidPort(t *testing.T) {
	t.Parallel()
	type P = config.Platform
	checkInvalid(t, []invalid{
		{"what a port is", func(p *P) {
			p.Services[0].Ports = []config.Port{
				{Name: "", Number: 9090}, {Name: "a", Number: -80}, {Name: "b", Number: 3001}, {Name: "c", Number: 9090},
				{Name: "c", Number: 9091}, {Name: "d", Number: 9092, Protocol: "udp"}, {Name: strings.Repeat("x", 60), Number: 9093},
			}
		}, `
services["api"].ports[0].name: "" is not lower-case letters, digits and single hyphens between them, beginning with a letter; for example "metrics"
services["api"].ports["a"].number: -80 is not a port, 1 to 65535; for example 9090
services["api"].ports["b"].number: 3001 is the service's port already
services["api"].ports["c"].number: 9090 is port ""'s already
services["api"].ports[4].name: "c" is declared twice; for example "c-2"
services["api"].ports["d"].protocol: "udp" is not a protocol of Service Connect: http, http2, grpc or tcp; for example "http"
services["api"].ports["` + strings.Repeat("x", 60) + `"].name: "` + strings.Repeat("x", 60) + `" makes the name "api-` + strings.Repeat("x", 60) + `" 64 characters long, where AWS allows 63; for example "` + strings.Repeat("x", 59) + `"
`},
		{"of a worker", func(p *P) {
			s := &p.Services[2]
			s.Port, s.Routes, s.Priority, s.HealthPath, s.HealthCommand = 0, nil, 0, "", []string{"CMD", "/bin/check"}
			s.Ports = []config.Port{{Name: "metrics", Number: 9090}}
		}, `services["mcp"].ports["metrics"]: is a further port of a service that has none; for example Port: 3000`},
		{"a name that somebody has", func(p *P) {
			p.Services[0].Ports = []config.Port{{Name: "metrics", Number: 9090}}
			s := p.Services[1]
			s.Name, s.Default, s.HealthPath, s.HealthCommand = "api-metrics", false, "", []string{"CMD", "/bin/check"}
			p.Services = append(p.Services, s)
		}, `services["api"].ports["metrics"].name: "metrics" makes the name "api-metrics", which another service or its port has; for example "metrics-port"`},
		{"a variable that somebody sets", func(p *P) {
			p.Services[0].Ports = []config.Port{{Name: "metrics", Number: 9090}, {Name: "events", Number: 9000, Protocol: "tcp"}}
			p.Services[2].Environment = map[string]string{"API_METRICS_URL": "x", "API_EVENTS_ADDRESS": "y"}
		}, `
services["mcp"].environment["API_EVENTS_ADDRESS"]: "API_EVENTS_ADDRESS" is a variable that the way to port "events" of service "api" sets; for example "CUSTOM_API_EVENTS_ADDRESS"
services["mcp"].environment["API_METRICS_URL"]: "API_METRICS_URL" is a variable that the way to port "metrics" of service "api" sets; for example "CUSTOM_API_METRICS_URL"
`},
		{"a port that a sidecar has", func(p *P) {
			p.Services[0].Ports = []config.Port{{Name: "metrics", Number: 9090}}
			p.Services[0].Sidecars = []config.Sidecar{{Name: "otel", Image: "otel/collector:1", Ports: []int{9090}}}
		}, `services["api"].sidecars["otel"].ports[0]: 9090 is the service's port "metrics" already, and containers of a task share its ports`},
		{"more ways out than rules", func(p *P) {
			for i := range 58 {
				p.Services[0].Ports = append(p.Services[0].Ports, config.Port{Name: fmt.Sprintf("p%d", i), Number: 4000 + i})
			}
		}, `services["mcp"].calls: 61 ways out are more than 60, the most rules that the service's security group has`},
	})
}

// The commonest images, such as nginx, run as root and listen on 80.
func TestValidPorts(t *testing.T) {
	t.Parallel()
	p := configtest.Docs()
	p.Services[1].Port, p.Services[1].Ports = 80, []config.Port{{Name: "tls", Number: 443}, {Name: "last", Number: 65535}}
	if err := p.Validate(); err != nil {
		t.Error(err)
	}
}
