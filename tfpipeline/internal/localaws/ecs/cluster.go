package ecs

import (
	"maps"
	"slices"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// Clusters: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/clusters.html

type cluster struct {
	api  types.Cluster
	tags []types.Tag
	// made is the number of clusters that were created before it, by which
	// lists are sorted.
	made int
}

func (c *cluster) name() string { return *c.api.ClusterName }
func (c *cluster) active() bool { return *c.api.Status == "ACTIVE" }

// cluster finds an active cluster by name or ARN; nil stands for the default
// cluster.
func (m *model) cluster(reference *string) (*cluster, error) {
	name := "default"
	if value(reference) != "" {
		name = lastPart(*reference)
	}
	c := m.clusters[name]
	if c == nil || !c.active() {
		return nil, refuse("ClusterNotFoundException", "Cluster not found.")
	}
	return c, nil
}

func (r *Runtime) createCluster(in *sdk.CreateClusterInput) (*sdk.CreateClusterOutput, error) {
	name := value(in.ClusterName)
	if name == "" {
		name = "default"
	}
	if !nameRule.MatchString(name) {
		return nil, refuse(invalidParameter, "Cluster name %q: up to 255 letters, numbers, underscores and hyphens", name)
	}
	if c := r.clusters[name]; c != nil && c.active() {
		// Creating an existing cluster returns it.
		return &sdk.CreateClusterOutput{Cluster: r.describeCluster(c)}, nil
	}
	arn := r.arn("cluster/%s", name)
	c := &cluster{made: len(r.clusters), tags: in.Tags, api: types.Cluster{
		ClusterArn: &arn, ClusterName: &name, Status: new("ACTIVE"),
		CapacityProviders:               orEmpty(in.CapacityProviders),
		DefaultCapacityProviderStrategy: orEmpty(in.DefaultCapacityProviderStrategy),
		Configuration:                   in.Configuration,
		Settings:                        clusterSettings(nil, in.Settings),
		Statistics:                      []types.KeyValuePair{},
	}}
	if d := in.ServiceConnectDefaults; d != nil {
		c.api.ServiceConnectDefaults = &types.ClusterServiceConnectDefaults{Namespace: d.Namespace}
	}
	r.clusters[name] = c
	return &sdk.CreateClusterOutput{Cluster: r.describeCluster(c)}, nil
}

// clusterSettings returns old with the given settings replaced. Without old
// ones it starts from AWS's default: no Container Insights.
func clusterSettings(old, set []types.ClusterSetting) []types.ClusterSetting {
	if old == nil {
		old = []types.ClusterSetting{{Name: types.ClusterSettingNameContainerInsights, Value: new("disabled")}}
	}
	out := slices.Clone(old)
	for _, s := range set {
		if i := slices.IndexFunc(out, func(o types.ClusterSetting) bool { return o.Name == s.Name }); i >= 0 {
			out[i] = s
		} else {
			out = append(out, s)
		}
	}
	return out
}

func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// describeCluster returns the cluster with its counts of services and tasks.
func (m *model) describeCluster(c *cluster) *types.Cluster {
	out := c.api
	out.Tags = orEmpty(c.tags)
	for _, s := range m.services {
		if s.cluster == c && s.status() == "ACTIVE" {
			out.ActiveServicesCount++
		}
	}
	for _, t := range m.tasks {
		switch {
		case t.cluster != c:
		case t.running():
			out.RunningTasksCount++
		case t.pending():
			out.PendingTasksCount++
		}
	}
	return &out
}

func (r *Runtime) describeClusters(in *sdk.DescribeClustersInput) (*sdk.DescribeClustersOutput, error) {
	if len(in.Clusters) > 100 {
		return nil, refuse(invalidParameter, "Clusters cannot exceed 100 entries.")
	}
	if len(in.Clusters) == 0 {
		in.Clusters = []string{"default"}
	}
	out := &sdk.DescribeClustersOutput{Clusters: []types.Cluster{}, Failures: []types.Failure{}}
	for _, reference := range in.Clusters {
		name := lastPart(reference)
		c := r.clusters[name]
		if c == nil {
			out.Failures = append(out.Failures, missing(r.arn("cluster/%s", name)))
			continue
		}
		described := r.describeCluster(c)
		if !slices.Contains(in.Include, types.ClusterFieldTags) {
			described.Tags = []types.Tag{}
		}
		if !slices.Contains(in.Include, types.ClusterFieldSettings) {
			described.Settings = []types.ClusterSetting{}
		}
		if !slices.Contains(in.Include, types.ClusterFieldConfigurations) {
			described.Configuration = nil
		}
		out.Clusters = append(out.Clusters, *described)
	}
	return out, nil
}

func missing(arn string) types.Failure { return types.Failure{Arn: &arn, Reason: new("MISSING")} }

func (r *Runtime) listClusters(in *sdk.ListClustersInput) (*sdk.ListClustersOutput, error) {
	all := slices.SortedFunc(maps.Values(r.clusters), func(a, b *cluster) int { return a.made - b.made })
	arns := []string{}
	for _, c := range all {
		if c.active() {
			arns = append(arns, *c.api.ClusterArn)
		}
	}
	arns, next, err := page(arns, in.MaxResults, 100, 100, in.NextToken)
	return &sdk.ListClustersOutput{ClusterArns: arns, NextToken: next}, err
}

func (r *Runtime) updateCluster(in *sdk.UpdateClusterInput) (*sdk.UpdateClusterOutput, error) {
	c, err := r.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	c.api.Settings = clusterSettings(c.api.Settings, in.Settings)
	if in.Configuration != nil {
		c.api.Configuration = in.Configuration
	}
	if d := in.ServiceConnectDefaults; d != nil {
		c.api.ServiceConnectDefaults = nil
		if value(d.Namespace) != "" {
			c.api.ServiceConnectDefaults = &types.ClusterServiceConnectDefaults{Namespace: d.Namespace}
		}
	}
	return &sdk.UpdateClusterOutput{Cluster: r.describeCluster(c)}, nil
}

func (r *Runtime) updateClusterSettings(in *sdk.UpdateClusterSettingsInput) (*sdk.UpdateClusterSettingsOutput, error) {
	c, err := r.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	c.api.Settings = clusterSettings(c.api.Settings, in.Settings)
	return &sdk.UpdateClusterSettingsOutput{Cluster: r.describeCluster(c)}, nil
}

func (r *Runtime) putClusterCapacityProviders(in *sdk.PutClusterCapacityProvidersInput) (*sdk.PutClusterCapacityProvidersOutput, error) {
	c, err := r.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	if err := checkStrategy(in.CapacityProviders, in.DefaultCapacityProviderStrategy); err != nil {
		return nil, err
	}
	c.api.CapacityProviders = orEmpty(in.CapacityProviders)
	c.api.DefaultCapacityProviderStrategy = orEmpty(in.DefaultCapacityProviderStrategy)
	return &sdk.PutClusterCapacityProvidersOutput{Cluster: r.describeCluster(c)}, nil
}

// checkStrategy refuses a strategy with a provider that the cluster lacks.
func checkStrategy(providers []string, strategy []types.CapacityProviderStrategyItem) error {
	for _, item := range strategy {
		if !slices.Contains(providers, value(item.CapacityProvider)) {
			return refuse(invalidParameter, "The specified capacity provider strategy cannot contain a capacity provider that is not associated with the cluster. Associate the capacity provider with the cluster and try again.")
		}
	}
	return nil
}

// describeCapacityProviders describes Fargate's two providers, the only ones
// there are.
func (r *Runtime) describeCapacityProviders(in *sdk.DescribeCapacityProvidersInput) (*sdk.DescribeCapacityProvidersOutput, error) {
	out := &sdk.DescribeCapacityProvidersOutput{CapacityProviders: []types.CapacityProvider{}, Failures: []types.Failure{}}
	known := []string{"FARGATE", "FARGATE_SPOT"}
	asked := in.CapacityProviders
	if len(asked) == 0 {
		asked = known
	}
	for _, reference := range asked {
		name := lastPart(reference)
		arn := r.arn("capacity-provider/%s", name)
		if !slices.Contains(known, name) {
			out.Failures = append(out.Failures, missing(arn))
			continue
		}
		out.CapacityProviders = append(out.CapacityProviders, types.CapacityProvider{
			CapacityProviderArn: &arn, Name: &name, Status: types.CapacityProviderStatusActive,
		})
	}
	return out, nil
}

func (r *Runtime) deleteCluster(in *sdk.DeleteClusterInput) (*sdk.DeleteClusterOutput, error) {
	c, err := r.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(r.services, func(s *service) bool { return s.cluster == c && s.status() != "INACTIVE" }) {
		return nil, refuse("ClusterContainsServicesException", "The Cluster cannot be deleted while Services are active.")
	}
	if slices.ContainsFunc(r.tasks, func(t *task) bool { return t.cluster == c && t.last() != "STOPPED" }) {
		return nil, refuse("ClusterContainsTasksException", "The Cluster cannot be deleted while Tasks are active.")
	}
	c.api.Status = new("INACTIVE")
	return &sdk.DeleteClusterOutput{Cluster: r.describeCluster(c)}, nil
}
