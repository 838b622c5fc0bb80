package ecs

import (
	"net"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// Service Connect: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-connect-concepts-deploy.html
//
// The tasks of a deployment, also those that start later, know the names that
// their namespace had when the deployment began. Behind a name are the tasks
// that run and whose containers are healthy; target groups have no say.

// Endpoint is a task's port that receives Service Connect requests, by its
// name in the task definition.
type Endpoint struct{ Task, Port string }

// Endpoints are the ports behind a host name and port, as a task of a service
// resolves them; ok is false if it is no Service Connect name.
func (r *Runtime) Endpoints(task, host string, port int) (all []Endpoint, ok bool) {
	r.lock()
	defer r.unlock()
	for _, asks := range r.tasks {
		if asks.arn() != task || asks.deployment == nil {
			continue
		}
		discovery, ok := asks.deployment.names[net.JoinHostPort(host, strconv.Itoa(port))]
		if !ok {
			break
		}
		for _, t := range r.tasks {
			if t.service == nil || !t.takesRequests() || namespace(t.service) != namespace(asks.service) {
				continue
			}
			for _, s := range value(t.deployment.shape.api.ServiceConnectConfiguration).Services {
				if discoveryName(s) == discovery {
					all = append(all, Endpoint{t.arn(), *s.PortName})
				}
			}
		}
		return all, true
	}
	return nil, false
}

func (t *task) takesRequests() bool {
	return t.last() == "RUNNING" && t.wanted() && (!t.def.checksHealth() || t.api.HealthStatus == types.HealthStatusHealthy)
}

// names maps each host:port of a service's namespace to the service that
// registered it, as of now; nil without Service Connect.
func (m *model) names(s *service) map[string]string {
	if !value(s.connect).Enabled {
		return nil
	}
	all := map[string]string{}
	for _, other := range m.services {
		if other.status() != "ACTIVE" || !value(other.connect).Enabled || namespace(other) != namespace(s) {
			continue
		}
		for _, c := range other.connect.Services {
			for _, a := range c.ClientAliases {
				all[net.JoinHostPort(value(a.DnsName), strconv.Itoa(int(value(a.Port))))] = discoveryName(c)
			}
		}
	}
	return all
}

// namespace is the namespace of a service, or else its cluster's default.
func namespace(s *service) string {
	if n := value(value(s.connect).Namespace); n != "" {
		return n
	}
	return value(value(s.cluster.api.ServiceConnectDefaults).Namespace)
}

func discoveryName(s types.ServiceConnectService) string {
	if n := value(s.DiscoveryName); n != "" {
		return n
	}
	return value(s.PortName)
}

// checkConnect refuses a Service Connect configuration that AWS refuses.
func checkConnect(def *taskDefinition, connect *types.ServiceConnectConfiguration) error {
	for _, s := range value(connect).Services {
		var port *types.PortMapping
		for _, c := range def.api.ContainerDefinitions {
			for i, p := range c.PortMappings {
				if value(p.Name) == value(s.PortName) {
					port = &c.PortMappings[i]
				}
			}
		}
		switch {
		case port == nil:
			return refuse(invalidParameter, "The port name '%s' does not exist in the task definition.", value(s.PortName))
		case len(s.ClientAliases) > 1:
			return refuse(invalidParameter, "A Service Connect service can have one client alias.")
		case len(s.ClientAliases) == 1 && (value(s.ClientAliases[0].Port) < 1 || *s.ClientAliases[0].Port > 65535):
			return refuse(invalidParameter, "A client alias needs a port between 1 and 65535.")
		case len(s.ClientAliases) == 1 && value(s.ClientAliases[0].DnsName) == "":
			return unmodelled("a client alias without a dnsName")
		case port.AppProtocol == "" && s.Timeout != nil && s.Timeout.PerRequestTimeoutSeconds != nil:
			return refuse(invalidParameter, "perRequestTimeout can only be set if Service Connect appProtocol isn't TCP.")
		}
	}
	return nil
}
