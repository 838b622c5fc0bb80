package ecs

import (
	"slices"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateService.html

func (r *Runtime) createService(in *sdk.CreateServiceInput) (*sdk.CreateServiceOutput, error) {
	c, err := r.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	name := value(in.ServiceName)
	if !nameRule.MatchString(name) {
		return nil, refuse(invalidParameter, "Service name %q: up to 255 letters, numbers, underscores, and hyphens are allowed.", name)
	}
	if old := r.service(c, name); old != nil {
		switch {
		case old.status() == "DRAINING":
			return nil, refuse(invalidParameter, "Unable to Start a service that is still Draining.")
		case old.status() == "ACTIVE" && old.token != "" && old.token == value(in.ClientToken):
			return &sdk.CreateServiceOutput{Service: new(r.describeService(old, true))}, nil
		case old.status() == "ACTIVE":
			return nil, refuse(invalidParameter, "Creation of service was not idempotent.")
		}
	}
	def, err := r.usable(in.TaskDefinition)
	if err != nil {
		return nil, err
	}
	if err := r.checkService(in, def); err != nil {
		return nil, err
	}
	if err := checkStrategy(c.api.CapacityProviders, in.CapacityProviderStrategy); err != nil {
		return nil, err
	}
	s := r.newService(c, in)
	r.services = append(r.services, s)
	r.deploy(s, r.newRevision(s, def, in.NetworkConfiguration))
	return &sdk.CreateServiceOutput{Service: new(r.describeService(s, true))}, nil
}

// newService fills in AWS's defaults.
func (m *model) newService(c *cluster, in *sdk.CreateServiceInput) *service {
	config := value(in.DeploymentConfiguration)
	if config.MaximumPercent == nil {
		config.MaximumPercent = new(int32(200))
	}
	if config.MinimumHealthyPercent == nil {
		config.MinimumHealthyPercent = new(int32(100))
	}
	if config.DeploymentCircuitBreaker == nil {
		config.DeploymentCircuitBreaker = &types.DeploymentCircuitBreaker{}
	}
	if config.Strategy == "" {
		config.Strategy = types.DeploymentStrategyRolling
	}
	version := value(in.PlatformVersion)
	if version == "" {
		version = "LATEST"
	}
	rebalancing := in.AvailabilityZoneRebalancing
	if rebalancing == "" {
		rebalancing = types.AvailabilityZoneRebalancingEnabled
	}
	launch, strategy := in.LaunchType, in.CapacityProviderStrategy
	if launch == "" && len(strategy) == 0 {
		if strategy = c.api.DefaultCapacityProviderStrategy; len(strategy) == 0 {
			launch = types.LaunchTypeFargate
		}
	}
	propagate := in.PropagateTags
	if propagate == "" {
		propagate = types.PropagateTagsNone
	}
	grace := in.HealthCheckGracePeriodSeconds
	if grace == nil && len(in.LoadBalancers) > 0 {
		grace = new(int32(0))
	}
	return &service{
		cluster: c, tags: in.Tags, token: value(in.ClientToken), connect: in.ServiceConnectConfiguration,
		api: types.Service{
			ServiceArn:                    new(m.arn("service/%s/%s", c.name(), *in.ServiceName)),
			ServiceName:                   in.ServiceName,
			ClusterArn:                    c.api.ClusterArn,
			Status:                        new("ACTIVE"),
			DesiredCount:                  value(in.DesiredCount),
			CreatedAt:                     new(m.agenda.now),
			CreatedBy:                     new("arn:aws:iam::" + m.options.Account + ":root"),
			RoleArn:                       new("arn:aws:iam::" + m.options.Account + ":role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"),
			DeploymentConfiguration:       &config,
			DeploymentController:          in.DeploymentController,
			LaunchType:                    launch,
			CapacityProviderStrategy:      strategy,
			PlatformVersion:               &version,
			PlatformFamily:                new("Linux"),
			LoadBalancers:                 orEmpty(in.LoadBalancers),
			ServiceRegistries:             orEmpty(in.ServiceRegistries),
			NetworkConfiguration:          in.NetworkConfiguration,
			HealthCheckGracePeriodSeconds: grace,
			SchedulingStrategy:            types.SchedulingStrategyReplica,
			EnableECSManagedTags:          in.EnableECSManagedTags,
			EnableExecuteCommand:          in.EnableExecuteCommand,
			PropagateTags:                 propagate,
			AvailabilityZoneRebalancing:   rebalancing,
			PlacementConstraints:          orEmpty(in.PlacementConstraints),
			PlacementStrategy:             orEmpty(in.PlacementStrategy),
		},
	}
}

// checkService refuses a request that AWS refuses, and names what is not
// modelled.
func (m *model) checkService(in *sdk.CreateServiceInput, def *taskDefinition) error {
	switch {
	case value(in.DeploymentController).Type != "" && in.DeploymentController.Type != types.DeploymentControllerTypeEcs:
		return unmodelled("a service with deployment controller %s", in.DeploymentController.Type)
	case in.SchedulingStrategy == types.SchedulingStrategyDaemon:
		return unmodelled("a service with scheduling strategy DAEMON")
	case in.LaunchType != "" && in.LaunchType != types.LaunchTypeFargate:
		return unmodelled("launch type %s", in.LaunchType)
	case in.LaunchType != "" && len(in.CapacityProviderStrategy) > 0:
		return refuse(invalidParameter, "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.")
	case len(in.VolumeConfigurations) > 0 || len(in.VpcLatticeConfigurations) > 0 || len(in.GatewayConnectors) > 0 || len(in.ServiceRegistries) > 0:
		return unmodelled("a service with volumes, VPC Lattice, gateways or service registries")
	case in.DesiredCount == nil:
		return refuse(invalidParameter, "DesiredCount cannot be empty for a service with scheduling strategy REPLICA.")
	case *in.DesiredCount < 0:
		return refuse(invalidParameter, "DesiredCount cannot be negative.")
	case in.HealthCheckGracePeriodSeconds != nil && len(in.LoadBalancers) == 0:
		return refuse(invalidParameter, "Health check grace period is only valid for services configured to use load balancers")
	}
	if err := validateTags(in.Tags); err != nil {
		return err
	}
	if err := checkDeploymentConfiguration(in.DeploymentConfiguration); err != nil {
		return err
	}
	return m.checkAttachments(def, in.NetworkConfiguration, in.LoadBalancers, in.ServiceConnectConfiguration)
}

func checkDeploymentConfiguration(c *types.DeploymentConfiguration) error {
	if c == nil {
		return nil
	}
	if c.Strategy != "" && c.Strategy != types.DeploymentStrategyRolling || len(c.LifecycleHooks) > 0 {
		return unmodelled("deployment strategy %s", c.Strategy)
	}
	if c.Alarms != nil && c.Alarms.Enable {
		return unmodelled("a service with deployment alarms")
	}
	if b := c.DeploymentCircuitBreaker; b != nil && (b.ThresholdConfiguration != nil || b.ResetOnHealthyTask != nil) {
		return unmodelled("a circuit breaker with a threshold of its own")
	}
	if c.MaximumPercent != nil && c.MinimumHealthyPercent != nil && *c.MaximumPercent <= 100 && *c.MinimumHealthyPercent >= 100 {
		return refuse(invalidParameter, "Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments.")
	}
	return nil
}

// checkAttachments checks the service's network, load balancers and Service Connect.
func (m *model) checkAttachments(def *taskDefinition, network *types.NetworkConfiguration, balancers []types.LoadBalancer, connect *types.ServiceConnectConfiguration) error {
	if def.api.NetworkMode == types.NetworkModeAwsvpc {
		vpc := value(network).AwsvpcConfiguration
		if vpc == nil {
			return refuse(invalidParameter, "Network Configuration must be provided when networkMode 'awsvpc' is specified.")
		}
		if len(vpc.Subnets) == 0 {
			return refuse(invalidParameter, "subnets can not be empty.")
		}
	}
	if len(balancers) > 0 && m.options.Targets == nil {
		return unmodelled("a service with a load balancer, without target groups")
	}
	for _, b := range balancers {
		name, port := value(b.ContainerName), value(b.ContainerPort)
		c := def.container(name)
		if c == nil {
			return refuse(invalidParameter, "The container %s does not exist in the task definition.", name)
		}
		if !slices.ContainsFunc(c.PortMappings, func(p types.PortMapping) bool { return value(p.ContainerPort) == port }) {
			return refuse(invalidParameter, "The container %s did not have a container port %d defined.", name, port)
		}
	}
	return checkConnect(def, connect)
}
