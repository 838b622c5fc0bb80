package ecs

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// The life of a task: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html
//
//	PROVISIONING → PENDING → ACTIVATING → RUNNING → DEACTIVATING → STOPPING → DEPROVISIONING → STOPPED
//
// It registers with its target groups while ACTIVATING and is taken off them
// while DEACTIVATING; only then its containers get their signal. A task that
// was told to stop counts as running until it is off the load balancer (our
// reading). Stopped tasks are forgotten after an hour.

const forgetAfter = time.Hour

type task struct {
	api        types.Task
	tags       []types.Tag
	cluster    *cluster
	service    *service    // nil for RunTask
	deployment *deployment // likewise
	def        *taskDefinition
	launch     Launch
	launched   bool // the Launcher has it
	groups     []*registration
	wasHealthy bool
	failing    string    // why it is to be replaced; "" if its health checks do not fail
	visible    time.Time // for DescribeTasks and ListTasks
}

func (t *task) arn() string  { return *t.api.TaskArn }
func (t *task) id() string   { return lastPart(t.arn()) }
func (t *task) last() string { return *t.api.LastStatus }

// wanted reports whether the task should run.
func (t *task) wanted() bool { return *t.api.DesiredStatus == "RUNNING" }

func (t *task) running() bool { return t.last() == "RUNNING" || t.last() == "DEACTIVATING" }

func (t *task) pending() bool {
	return slices.Contains([]string{"PROVISIONING", "PENDING", "ACTIVATING"}, t.last())
}

// healthy reports whether the task counts towards the minimum healthy percent.
func (t *task) healthy() bool {
	if t.last() != "RUNNING" || !t.wanted() {
		return false
	}
	if t.def.checksHealth() && t.api.HealthStatus != types.HealthStatusHealthy {
		return false
	}
	return !slices.ContainsFunc(t.groups, func(g *registration) bool { return g.state.State != "healthy" })
}

func (t *task) unhealthyContainer() bool { return t.api.HealthStatus == types.HealthStatusUnhealthy }

func (t *task) unhealthyTarget() *registration {
	for _, g := range t.groups {
		if g.state.State == "unhealthy" {
			return g
		}
	}
	return nil
}

func (t *task) container(name string) *types.Container {
	for i := range t.api.Containers {
		if *t.api.Containers[i].Name == name {
			return &t.api.Containers[i]
		}
	}
	return nil
}

// newTask makes a task that is about to be provisioned.
func (m *model) newTask(c *cluster, def *taskDefinition) *task {
	m.launched++
	id := randomHex(16)
	arn := m.arn("task/%s/%s", c.name(), id)
	address := fmt.Sprintf("10.0.%d.%d", m.launched/250, 2+m.launched%250)
	zone := m.options.Region + string("ab"[m.launched%2])
	t := &task{cluster: c, def: def, visible: m.agenda.now, api: types.Task{
		TaskArn: &arn, ClusterArn: c.api.ClusterArn, TaskDefinitionArn: new(def.arn()),
		AvailabilityZone: &zone,
		CreatedAt:        new(m.agenda.now), LastStatus: new("PROVISIONING"), DesiredStatus: new("RUNNING"),
		HealthStatus: types.HealthStatusUnknown, LaunchType: types.LaunchTypeFargate,
		PlatformVersion: new(platformVersion), PlatformFamily: new("Linux"),
		Cpu: def.api.Cpu, Memory: def.api.Memory, EphemeralStorage: def.api.EphemeralStorage,
		Attributes: []types.Attribute{}, Overrides: &types.TaskOverride{ContainerOverrides: []types.ContainerOverride{}},
		Version: 1,
		Attachments: []types.Attachment{{
			Id: new(uuid()), Type: new("ElasticNetworkInterface"), Status: new("PRECREATED"),
			Details: []types.KeyValuePair{{Name: new("privateIPv4Address"), Value: &address}},
		}},
	}}
	for _, d := range def.api.ContainerDefinitions {
		t.addContainer(m.arn("container/%s/%s/%s", c.name(), id, uuid()), *d.Name, d.Image)
	}
	t.launch = Launch{
		ARN: arn, Cluster: c.name(), Definition: def.api, Address: address, StopTimeout: def.stopTimeout(),
		Report: func(at time.Time, e Event) { m.post(at, func() { m.report(t, e) }) },
	}
	return t
}

func (t *task) addContainer(arn, name string, image *string) {
	t.api.Containers = append(t.api.Containers, types.Container{
		ContainerArn: &arn, TaskArn: t.api.TaskArn, Name: &name, Image: image,
		LastStatus: new("PENDING"), HealthStatus: types.HealthStatusUnknown, NetworkInterfaces: []types.NetworkInterface{},
	})
}

// add adds a task to the account and begins to provision it.
func (m *model) add(t *task) {
	m.tasks = append(m.tasks, t)
	m.after(m.options.Pace.Provision, func() { m.provisioned(t) })
}

// newServiceTask starts one task of a deployment.
func (m *model) newServiceTask(s *service, d *deployment) (*task, error) {
	t := m.newTask(s.cluster, d.shape.def)
	t.service, t.deployment = s, d
	t.api.Group, t.api.StartedBy = new("service:"+s.name()), &d.id
	if strategy := s.api.CapacityProviderStrategy; len(strategy) > 0 { // all tasks on the first: weights are not modelled
		t.api.CapacityProviderName = strategy[0].CapacityProvider
	}
	t.api.EnableExecuteCommand = s.api.EnableExecuteCommand
	t.launch.Service, t.launch.StartedBy = s.name(), d.id
	t.launch.At = m.agenda.now
	if err := m.options.Launcher.Place(t.launch); err != nil {
		return nil, err
	}
	switch s.api.PropagateTags {
	case types.PropagateTagsService:
		t.tags = slices.Clone(s.tags)
	case types.PropagateTagsTaskDefinition:
		t.tags = slices.Clone(d.shape.def.tags)
	}
	if s.api.EnableECSManagedTags {
		t.tags = append(t.tags, types.Tag{Key: new("aws:ecs:serviceName"), Value: s.api.ServiceName},
			types.Tag{Key: new("aws:ecs:clusterName"), Value: s.cluster.api.ClusterName})
	}
	if value(d.shape.api.ServiceConnectConfiguration).Enabled {
		t.launch.Connect = d.shape.api.ServiceConnectConfiguration
		// The proxy is a container of the task that no task definition lists.
		t.addContainer(m.arn("container/%s/%s/%s", s.cluster.name(), t.id(), uuid()), "ecs-service-connect-"+randomHex(3), nil)
	}
	m.add(t)
	return t, nil
}

// move changes the status of a task.
func (m *model) move(t *task, status string) {
	t.api.LastStatus = &status
	t.api.Version++
	m.wake(t.service)
}

// provisioned hands a task to the Launcher.
func (m *model) provisioned(t *task) {
	if !t.wanted() {
		return // stopped before
	}
	t.api.Attachments[0].Status = new("ATTACHED")
	m.move(t, "PENDING")
	t.api.Connectivity, t.api.ConnectivityAt = types.ConnectivityConnected, new(m.agenda.now)
	t.api.PullStartedAt = new(m.agenda.now)
	var shape *revision
	if t.deployment != nil {
		shape = t.deployment.shape
	}
	digests, err := m.digests(t.def, shape)
	if err != nil {
		m.notStarted(t, err.Error())
		return
	}
	t.setDigests(digests)
	t.launch.Digests, t.launch.At, t.launched = digests, m.agenda.now, true
	m.options.Launcher.Launch(t.launch)
}

func (t *task) setDigests(digests map[string]string) {
	for name, digest := range digests {
		if c := t.container(name); c != nil {
			c.ImageDigest = &digest
		}
	}
}

// report handles an event from the Launcher.
func (m *model) report(t *task, e Event) {
	if t.last() == "STOPPED" || t.last() == "DEPROVISIONING" {
		return
	}
	switch e := e.(type) {
	case Started:
		m.started(t, e)
	case NotStarted:
		if t.wanted() {
			m.notStarted(t, e.Reason)
		}
	case Health:
		m.health(t, e)
	case Exited:
		m.exited(t, e)
	case Interrupted:
		// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-capacity-providers.html
		m.stop(t, types.TaskStopCodeSpotInterruption, "Your Spot Task was interrupted.")
	}
}

func (m *model) started(t *task, e Started) {
	if t.last() != "PENDING" {
		return
	}
	t.api.PullStoppedAt = new(m.agenda.now)
	t.setDigests(e.Digests)
	if e.Address != "" {
		t.launch.Address = e.Address
		t.api.Attachments[0].Details[0].Value = new(e.Address)
	}
	for i := range t.api.Containers {
		c := &t.api.Containers[i]
		c.LastStatus = new("RUNNING")
		c.RuntimeId = new(t.id() + "-" + randomHex(5))
		if t.api.EnableExecuteCommand && t.def.container(*c.Name) != nil {
			c.ManagedAgents = []types.ManagedAgent{{Name: types.ManagedAgentNameExecuteCommandAgent, LastStatus: new("RUNNING"), LastStartedAt: new(m.agenda.now)}}
		}
		c.NetworkInterfaces = []types.NetworkInterface{{AttachmentId: t.api.Attachments[0].Id, PrivateIpv4Address: &t.launch.Address}}
	}
	if !t.wanted() {
		return
	}
	m.move(t, "ACTIVATING")
	m.register(t, e.Ports)
	m.after(m.options.Pace.Activate, func() {
		if t.last() != "ACTIVATING" {
			return
		}
		t.api.StartedAt = new(m.agenda.now)
		m.move(t, "RUNNING")
		m.judge(t)
	})
}

// judge handles a task that has become healthy.
func (m *model) judge(t *task) {
	if t.healthy() && !t.wasHealthy {
		t.becameHealthy()
	}
	m.wake(t.service)
}

func (m *model) health(t *task, e Health) {
	c := t.container(e.Container)
	if c == nil {
		return
	}
	c.HealthStatus = types.HealthStatusUnhealthy
	if e.Healthy {
		c.HealthStatus = types.HealthStatusHealthy
	}
	t.api.HealthStatus = types.HealthStatusHealthy
	for _, d := range t.def.api.ContainerDefinitions {
		if d.HealthCheck == nil || !*d.Essential {
			continue
		}
		switch t.container(*d.Name).HealthStatus {
		case types.HealthStatusUnhealthy:
			t.api.HealthStatus = types.HealthStatusUnhealthy
		case types.HealthStatusUnknown:
			if t.api.HealthStatus == types.HealthStatusHealthy {
				t.api.HealthStatus = types.HealthStatusUnknown
			}
		}
	}
	m.judge(t)
}

// forget removes a stopped task from the account.
func (m *model) forget(t *task) {
	m.tasks = slices.DeleteFunc(m.tasks, func(o *task) bool { return o == t })
}

// family is the family of the task's definition.
func (t *task) family() string { return strings.Split(t.def.short(), ":")[0] }
