package ecs

import (
	"reflect"
	"slices"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateService.html
// says which parameters begin a deployment: those that tasks are made from.

func (r *Runtime) updateService(in *sdk.UpdateServiceInput) (*sdk.UpdateServiceOutput, error) {
	s, err := r.activeService(in.Cluster, in.Service)
	if err != nil {
		return nil, err
	}
	def := s.primary().shape.def
	if in.TaskDefinition != nil {
		if def, err = r.usable(in.TaskDefinition); err != nil {
			return nil, err
		}
	}
	if err := r.checkUpdate(s, in, def); err != nil {
		return nil, err
	}
	if err := checkStrategy(s.cluster.api.CapacityProviders, in.CapacityProviderStrategy); err != nil {
		return nil, err
	}
	r.changing(s)
	fresh := in.ForceNewDeployment || def != s.primary().shape.def
	// set stores a parameter if it was given, and reports whether that changes
	// what tasks are created from.
	fresh = set(&s.api.EnableExecuteCommand, in.EnableExecuteCommand) || fresh
	fresh = set(&s.api.EnableECSManagedTags, in.EnableECSManagedTags) || fresh
	if in.NetworkConfiguration != nil {
		fresh = replace(&s.api.NetworkConfiguration, in.NetworkConfiguration) || fresh
	}
	if in.ServiceConnectConfiguration != nil {
		fresh = replace(&s.connect, in.ServiceConnectConfiguration) || fresh
	}
	if in.LoadBalancers != nil {
		fresh = replace(&s.api.LoadBalancers, in.LoadBalancers) || fresh
	}
	if in.PropagateTags != "" {
		fresh = replace(&s.api.PropagateTags, in.PropagateTags) || fresh
	}
	if in.PlatformVersion != nil {
		fresh = replace(&s.api.PlatformVersion, in.PlatformVersion) || fresh
	}
	if in.CapacityProviderStrategy != nil {
		fresh = replace(&s.api.CapacityProviderStrategy, in.CapacityProviderStrategy) || fresh
		s.api.LaunchType = ""
	}
	s.updateQuietly(in)
	if fresh {
		r.deploy(s, r.newRevision(s, def, s.api.NetworkConfiguration))
	}
	r.wake(s)
	return &sdk.UpdateServiceOutput{Service: r.answered(s)}, nil
}

// updateQuietly stores the parameters that do not begin a deployment.
func (s *service) updateQuietly(in *sdk.UpdateServiceInput) {
	if in.DesiredCount != nil && s.api.DesiredCount != *in.DesiredCount {
		s.api.DesiredCount = *in.DesiredCount
		s.steady = false
	}
	if in.HealthCheckGracePeriodSeconds != nil {
		s.api.HealthCheckGracePeriodSeconds = in.HealthCheckGracePeriodSeconds
	}
	if in.AvailabilityZoneRebalancing != "" {
		s.api.AvailabilityZoneRebalancing = in.AvailabilityZoneRebalancing
	}
	if in.PlacementConstraints != nil {
		s.api.PlacementConstraints = in.PlacementConstraints
	}
	if in.PlacementStrategy != nil {
		s.api.PlacementStrategy = in.PlacementStrategy
	}
	if c := in.DeploymentConfiguration; c != nil {
		config := *s.api.DeploymentConfiguration
		if c.MaximumPercent != nil {
			config.MaximumPercent = c.MaximumPercent
		}
		if c.MinimumHealthyPercent != nil {
			config.MinimumHealthyPercent = c.MinimumHealthyPercent
		}
		if c.DeploymentCircuitBreaker != nil {
			config.DeploymentCircuitBreaker = c.DeploymentCircuitBreaker
		}
		s.api.DeploymentConfiguration = &config
	}
}

func (m *model) checkUpdate(s *service, in *sdk.UpdateServiceInput, def *taskDefinition) error {
	if in.DesiredCount != nil && *in.DesiredCount < 0 {
		return refuse(invalidParameter, "DesiredCount cannot be negative.")
	}
	if value(in.DeploymentController).Type != "" && in.DeploymentController.Type != types.DeploymentControllerTypeEcs {
		return unmodelled("a service with deployment controller %s", in.DeploymentController.Type)
	}
	if len(in.VolumeConfigurations) > 0 || len(in.VpcLatticeConfigurations) > 0 || len(in.GatewayConnectors) > 0 || len(in.ServiceRegistries) > 0 {
		return unmodelled("a service with volumes, VPC Lattice, gateways or service registries")
	}
	if err := checkDeploymentConfiguration(in.DeploymentConfiguration); err != nil {
		return err
	}
	network, balancers, connect := s.api.NetworkConfiguration, s.api.LoadBalancers, s.connect
	if in.NetworkConfiguration != nil {
		network = in.NetworkConfiguration
	}
	if in.LoadBalancers != nil {
		balancers = in.LoadBalancers
	}
	if in.ServiceConnectConfiguration != nil {
		connect = in.ServiceConnectConfiguration
	}
	if in.HealthCheckGracePeriodSeconds != nil && len(balancers) == 0 {
		return refuse(invalidParameter, "Health check grace period is only valid for services configured to use load balancers")
	}
	return m.checkAttachments(def, network, balancers, connect)
}

func set[T comparable](field *T, given *T) bool {
	if given == nil || *field == *given {
		return false
	}
	*field = *given
	return true
}

func replace[T any](field *T, given T) bool {
	if reflect.DeepEqual(*field, given) {
		return false
	}
	*field = given
	return true
}

// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeleteService.html
func (r *Runtime) deleteService(in *sdk.DeleteServiceInput) (*sdk.DeleteServiceOutput, error) {
	c, err := r.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	s := r.service(c, value(in.Service))
	switch {
	case s == nil:
		return nil, refuse("ServiceNotFoundException", "Service not found.")
	case s.status() != "ACTIVE":
		// A second delete is no error: it returns the deleted service.
		// https://github.com/aws/aws-cli/issues/1334
		return &sdk.DeleteServiceOutput{Service: new(r.describeService(s, true))}, nil
	}
	if s.desired() > 0 && !value(in.Force) {
		return nil, refuse(invalidParameter, "The service cannot be stopped while it is scaled above 0.")
	}
	r.changing(s)
	s.api.Status = new("DRAINING")
	s.api.DesiredCount = 0
	s.completed = nil
	if now := s.current(); !now.over() {
		r.finish(now, types.ServiceDeploymentStatusStopped, "")
	}
	r.wake(s)
	return &sdk.DeleteServiceOutput{Service: new(r.describeService(s, true))}, nil
}

// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeServices.html
func (r *Runtime) describeServices(in *sdk.DescribeServicesInput) (*sdk.DescribeServicesOutput, error) {
	c, err := r.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	if len(in.Services) == 0 {
		return nil, refuse(invalidParameter, "Services cannot be empty.")
	}
	if len(in.Services) > 10 {
		return nil, refuse(invalidParameter, "Services cannot have more than 10 entries.")
	}
	out := &sdk.DescribeServicesOutput{Services: []types.Service{}, Failures: []types.Failure{}}
	for _, reference := range in.Services {
		if s := r.service(c, reference); s != nil {
			if seen, ok := r.seen(s, slices.Contains(in.Include, types.ServiceFieldTags)); ok {
				out.Services = append(out.Services, seen)
				continue
			}
		}
		out.Failures = append(out.Failures, missing(r.arn("service/%s/%s", c.name(), lastPart(reference))))
	}
	return out, nil
}

func (r *Runtime) listServices(in *sdk.ListServicesInput) (*sdk.ListServicesOutput, error) {
	c, err := r.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	arns := []string{}
	for _, s := range r.services {
		if s.cluster == c && s.status() != "INACTIVE" && (in.LaunchType == "" || in.LaunchType == s.api.LaunchType) && !r.reads.behind(s.api.CreatedAt) {
			arns = append(arns, s.arn())
		}
	}
	arns, next, err := page(arns, in.MaxResults, 10, 100, in.NextToken)
	return &sdk.ListServicesOutput{ServiceArns: arns, NextToken: next}, err
}

func (r *Runtime) listServicesByNamespace(in *sdk.ListServicesByNamespaceInput) (*sdk.ListServicesByNamespaceOutput, error) {
	arns := []string{}
	for _, s := range r.services {
		if s.status() == "ACTIVE" && value(in.Namespace) != "" && value(value(s.connect).Namespace) == value(in.Namespace) {
			arns = append(arns, s.arn())
		}
	}
	arns, next, err := page(arns, in.MaxResults, 10, 100, in.NextToken)
	return &sdk.ListServicesByNamespaceOutput{ServiceArns: arns, NextToken: next}, err
}
