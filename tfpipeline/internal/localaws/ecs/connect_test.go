package ecs_test

import (
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs"
	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs/ecstest"
)

// connected puts a service into the namespace under its own name.
func connected(namespace string) func(*sdk.CreateServiceInput) {
	return func(in *sdk.CreateServiceInput) {
		in.ServiceConnectConfiguration = &types.ServiceConnectConfiguration{Enabled: true, Namespace: &namespace, Services: []types.ServiceConnectService{{
			PortName: new("api"), DiscoveryName: in.ServiceName, ClientAliases: []types.ServiceConnectClientAlias{{DnsName: in.ServiceName, Port: new(int32(80))}}}}}
	}
}

// TestEndpoints: which names tasks know, and who answers to them.
func TestEndpoints(t *testing.T) {
	inWorld(t, func(w *world) {
		tasks := func(service string) []string {
			return must(w.client.ListTasks(w.ctx, &sdk.ListTasksInput{Cluster: new("main"), ServiceName: &service}))(t).TaskArns
		}
		// behind counts the endpoints that a service's task sees; -1 without the name.
		behind := func(service, host string, port int) int {
			all, ok := w.Endpoints(tasks(service)[0], host, port)
			for _, e := range all {
				if e.Port != "api" {
					t.Errorf("endpoint %+v", e)
				}
			}
			if !ok {
				return -1
			}
			return len(all)
		}
		expect := func(what string, got, want int) {
			t.Helper()
			if got != want {
				t.Errorf("%s: %d endpoints, want %d", what, got, want)
			}
		}
		def := w.register("api", "one")
		w.create("frontend", def, 1, plainService, connected("ns"))
		w.settle("frontend")
		w.create("mcp", w.register("mcp", "two", checked), 2, plainService, connected("ns"))
		w.create("other", def, 1, plainService, connected("elsewhere"))
		w.create("apart", def, 1, plainService)
		w.sleep(24 * time.Second)
		expect("a name that came later", behind("frontend", "mcp", 80), -1)
		expect("its own", behind("frontend", "frontend", 80), 1)
		w.update("frontend", "", func(in *sdk.UpdateServiceInput) { in.ForceNewDeployment = true })
		w.settle("frontend")
		expect("after a deployment", behind("frontend", "mcp", 80), 2)
		expect("another port", behind("frontend", "mcp", 81), -1)
		expect("another namespace", behind("other", "mcp", 80), -1)
		expect("without Service Connect", behind("apart", "mcp", 80), -1)

		w.script.On("sick", ecstest.Behaviour{Unhealthy: true})
		w.update("mcp", w.register("mcp", "sick", checked))
		w.sleep(28 * time.Second)
		if n := len(tasks("mcp")); n != 4 {
			t.Fatalf("%d tasks run", n)
		}
		expect("beside tasks that are not healthy", behind("frontend", "mcp", 80), 2)
		w.update("mcp", "mcp:1", func(in *sdk.UpdateServiceInput) { in.DesiredCount = new(int32(0)) })
		w.settle("mcp")
		expect("with no task", behind("frontend", "mcp", 80), 0)
	}, func(o *ecs.Options) { o.Pace = ecs.AWSPace() })
}

// TestConnectIsRefused: what AWS refuses of a service's configuration, or
// nobody models.
func TestConnectIsRefused(t *testing.T) {
	for want, change := range map[string]func(p *types.PortMapping, s *types.ServiceConnectService){
		"InvalidParameterException: The port name 'x' does not exist in the task definition.":                    func(_ *types.PortMapping, s *types.ServiceConnectService) { s.PortName = new("x") },
		"InvalidParameterException: perRequestTimeout can only be set if Service Connect appProtocol isn't TCP.": func(p *types.PortMapping, _ *types.ServiceConnectService) { p.AppProtocol = "" },
		"NotModelledLocally: a client alias without a dnsName is not modelled locally":                           func(_ *types.PortMapping, s *types.ServiceConnectService) { s.ClientAliases[0].DnsName = nil },
		"InvalidParameterException: A client alias needs a port between 1 and 65535.":                            func(_ *types.PortMapping, s *types.ServiceConnectService) { s.ClientAliases[0].Port = new(int32(0)) },
		"InvalidParameterException: A Service Connect service can have one client alias.": func(_ *types.PortMapping, s *types.ServiceConnectService) {
			s.ClientAliases = append(s.ClientAliases, s.ClientAliases...)
		},
		"": func(*types.PortMapping, *types.ServiceConnectService) {},
	} {
		inWorld(t, func(w *world) {
			in := &sdk.CreateServiceInput{Cluster: new("main"), ServiceName: new("api"), DesiredCount: new(int32(1)), NetworkConfiguration: network}
			connected("ns")(in)
			s := &in.ServiceConnectConfiguration.Services[0]
			s.Timeout = &types.TimeoutConfiguration{PerRequestTimeoutSeconds: new(int32(0))}
			in.TaskDefinition = new(w.register("api", "one", func(in *sdk.RegisterTaskDefinitionInput) {
				in.ContainerDefinitions[0].PortMappings[0].AppProtocol = types.ApplicationProtocolHttp
				change(&in.ContainerDefinitions[0].PortMappings[0], s)
			}))
			_, err := w.client.CreateService(w.ctx, in)
			got := ""
			if err != nil {
				got = err.Error()
				got = got[len(got)-min(len(got), len(want)):]
			}
			if got != want {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
}
