package ecs

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// Services: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_services.html

type service struct {
	cluster *cluster
	// api holds the requested settings; counts, deployments and events are
	// added when it is described.
	api     types.Service
	connect *types.ServiceConnectConfiguration
	tags    []types.Tag
	token   string // clientToken of its creation
	// deployments are the PRIMARY one and then those that still have tasks.
	deployments []*deployment
	// completed is the deployment that a rollback goes back to: the most
	// recent one in state COMPLETED, nil if there is none.
	completed *deployment
	// history are its service deployments, oldest first.
	history []*serviceDeployment
	events  []types.ServiceEvent // newest first
	woken   bool                 // the scheduler will look at it soon
	steady  bool                 // and an event has said so
}

func (s *service) arn() string          { return *s.api.ServiceArn }
func (s *service) name() string         { return *s.api.ServiceName }
func (s *service) status() string       { return *s.api.Status }
func (s *service) desired() int         { return int(s.api.DesiredCount) }
func (s *service) primary() *deployment { return s.deployments[0] }

// current is the latest service deployment.
func (s *service) current() *serviceDeployment { return s.history[len(s.history)-1] }

// breaker is its circuit breaker; off if it has none.
func (s *service) breaker() types.DeploymentCircuitBreaker {
	return value(value(s.api.DeploymentConfiguration).DeploymentCircuitBreaker)
}

// bounds are the fewest healthy tasks and the most tasks of a deployment:
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-ecs.html
// The minimum is rounded up and the maximum down.
func (s *service) bounds() (least, most int) {
	c := value(s.api.DeploymentConfiguration)
	return (s.desired()*int(value(c.MinimumHealthyPercent)) + 99) / 100, s.desired() * int(value(c.MaximumPercent)) / 100
}

// service finds a service of a cluster by name or ARN; a deleted one until its
// name is used again.
func (m *model) service(c *cluster, reference string) *service {
	for _, s := range slices.Backward(m.services) {
		if s.cluster == c && (s.name() == reference || s.arn() == reference) {
			return s
		}
	}
	return nil
}

// activeService finds a service that can be changed.
func (m *model) activeService(clusterReference, reference *string) (*service, error) {
	c, err := m.cluster(clusterReference)
	if err != nil {
		return nil, err
	}
	s := m.service(c, value(reference))
	if s == nil {
		return nil, refuse("ServiceNotFoundException", "Service not found.")
	}
	if s.status() != "ACTIVE" {
		return nil, refuse("ServiceNotActiveException", "Service was not ACTIVE.")
	}
	return s, nil
}

// event adds an event in AWS's words, unless it repeats the one before:
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages-list.html
func (m *model) event(s *service, format string, args ...any) {
	message := fmt.Sprintf("(service %s) %s", s.name(), fmt.Sprintf(format, args...))
	if len(s.events) > 0 && *s.events[0].Message == message {
		return
	}
	s.events = slices.Insert(s.events, 0, types.ServiceEvent{
		Id: new(uuid()), CreatedAt: new(m.agenda.now), Message: &message,
	})
	s.events = s.events[:min(len(s.events), 100)]
}

// taskList is the form in which events name tasks: "(task 0123) (task 4567)".
func taskList(tasks []*task) string {
	names := make([]string, len(tasks))
	for i, t := range tasks {
		names[i] = "(task " + t.id() + ")"
	}
	return strings.Join(names, " ")
}

// describeService is the service as DescribeServices shows it.
func (m *model) describeService(s *service, tags bool) types.Service {
	out := s.api
	out.Tags = []types.Tag{}
	if tags {
		out.Tags = orEmpty(s.tags)
	}
	out.Events = orEmpty(s.events)
	out.Deployments = []types.Deployment{}
	out.CurrentServiceDeployment = new(s.current().arn())
	for i, d := range s.deployments {
		status := "ACTIVE"
		if i == 0 {
			status = "PRIMARY"
		}
		if s.status() == "INACTIVE" {
			break
		}
		described := m.describeDeployment(s, d, status)
		out.Deployments = append(out.Deployments, described)
		out.RunningCount += described.RunningCount
		out.PendingCount += described.PendingCount
		out.CurrentServiceRevisions = append(out.CurrentServiceRevisions, types.ServiceCurrentRevisionSummary{
			Arn: new(d.shape.arn()), RequestedTaskCount: described.DesiredCount,
			RunningTaskCount: described.RunningCount, PendingTaskCount: described.PendingCount,
		})
	}
	return out
}

func (m *model) describeDeployment(s *service, d *deployment, status string) types.Deployment {
	n := m.count(s, d)
	desired := n.alive
	if status == "PRIMARY" {
		desired = s.desired()
	}
	out := types.Deployment{
		Id: &d.id, Status: &status, TaskDefinition: new(d.shape.def.arn()),
		DesiredCount: int32(desired), PendingCount: int32(n.pending), RunningCount: int32(n.running),
		FailedTasks: int32(d.failures), CreatedAt: &d.created, UpdatedAt: &d.updated,
		RolloutState: d.state, RolloutStateReason: &d.reason,
		LaunchType:                  s.api.LaunchType,
		CapacityProviderStrategy:    s.api.CapacityProviderStrategy,
		PlatformVersion:             new(platformVersion),
		PlatformFamily:              new("Linux"),
		NetworkConfiguration:        d.shape.api.NetworkConfiguration,
		ServiceConnectConfiguration: d.shape.api.ServiceConnectConfiguration,
		VolumeConfigurations:        d.shape.api.VolumeConfigurations,
	}
	for _, c := range value(out.ServiceConnectConfiguration).Services {
		name := discoveryName(c)
		out.ServiceConnectResources = append(out.ServiceConnectResources, types.ServiceConnectServiceResource{
			DiscoveryName: &name,
			DiscoveryArn:  new(fmt.Sprintf("arn:aws:servicediscovery:%s:%s:service/srv-%s", m.options.Region, m.options.Account, name)),
		})
	}
	return out
}

// platformVersion is what LATEST stands for.
const platformVersion = "1.4.0"
