package task

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/specboard/platform/tfpipeline/internal/localaws/proxy"
)

// connection is the Service Connect proxy of a task. As on Fargate it stands
// between a container port and whoever reaches it, load balancers too, unless
// ingressPortOverride gives it a port of its own:
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ServiceConnectService.html
type connection struct {
	upstreams map[string]*proxy.Upstream // by the name of the port
	ports     map[int32]int              // where the proxy listens, by container port
	outbound  string                     // URL of the proxy for the task's own requests
	listeners []*http.Server
}

// connect starts the proxy of a task whose service uses Service Connect. The
// caller holds the lock.
func (l *Launcher) connect(t *task) error {
	if t.Connect == nil || !t.Connect.Enabled || l.options.Endpoints == nil {
		return nil
	}
	c := &t.connection
	c.upstreams, c.ports = map[string]*proxy.Upstream{}, map[int32]int{}
	for _, s := range t.Connect.Services {
		m, ok := portNamed(t.Definition, value(s.PortName))
		if !ok {
			continue // refused when the service was created
		}
		if m.AppProtocol == types.ApplicationProtocolHttp2 || m.AppProtocol == types.ApplicationProtocolGrpc {
			continue // the proxy speaks HTTP/1 alone
		}
		u := proxy.NewUpstream(net.JoinHostPort(t.address, strconv.Itoa(t.ports[*m.ContainerPort])), l.limits(m, s.Timeout))
		c.upstreams[*s.PortName] = u
		if cmp.Or(value(s.IngressPortOverride), *m.ContainerPort) != *m.ContainerPort {
			continue
		}
		at, err := c.serve(t.address, u)
		if err != nil {
			return err
		}
		c.ports[*m.ContainerPort] = at.Port
	}
	at, err := c.serve(t.address, &proxy.Client{Find: func(host string, port int) ([]*proxy.Upstream, bool) {
		return l.find(t.ARN, host, port)
	}})
	if err != nil {
		return err
	}
	c.outbound = "http://" + at.String()
	return nil
}

func (c *connection) serve(address string, h http.Handler) (*net.TCPAddr, error) {
	socket, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		return nil, fmt.Errorf("ResourceInitializationError: failed to start the Service Connect proxy: %w", err)
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	c.listeners = append(c.listeners, server)
	go func() { _ = server.Serve(socket) }() // until it is closed
	return socket.Addr().(*net.TCPAddr), nil
}

// close stops the proxy, after the containers have ended.
func (c *connection) close() {
	for _, s := range c.listeners {
		s.Close()
	}
	for _, u := range c.upstreams {
		u.Close()
	}
}

// find returns the ports behind a name as a task resolves it.
func (l *Launcher) find(task, host string, port int) (all []*proxy.Upstream, ok bool) {
	endpoints, ok := l.options.Endpoints(task, host, port)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range endpoints {
		if t := l.tasks[e.Task]; t != nil && t.connection.upstreams[e.Port] != nil {
			all = append(all, t.connection.upstreams[e.Port])
		}
	}
	return all, ok
}

// limits are those of a port: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TimeoutConfiguration.html
// A port without an application protocol carries TCP, of which the proxy knows
// no requests.
func (l *Launcher) limits(m types.PortMapping, t *types.TimeoutConfiguration) proxy.Limits {
	request, idle := int32(15), int32(5*60)
	if m.AppProtocol == "" {
		request, idle = 0, 60*60
	}
	if t != nil && t.PerRequestTimeoutSeconds != nil {
		request = *t.PerRequestTimeoutSeconds
	}
	if t != nil && t.IdleTimeoutSeconds != nil {
		idle = *t.IdleTimeoutSeconds
	}
	second := cmp.Or(l.options.Second, time.Second)
	return proxy.Limits{Request: time.Duration(request) * second, Idle: time.Duration(idle) * second}
}

func portNamed(d types.TaskDefinition, name string) (types.PortMapping, bool) {
	for _, c := range d.ContainerDefinitions {
		for _, m := range c.PortMappings {
			if value(m.Name) == name && m.ContainerPort != nil {
				return m, true
			}
		}
	}
	return types.PortMapping{}, false
}
