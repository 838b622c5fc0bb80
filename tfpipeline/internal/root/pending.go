package root

import (
	"context"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	rdstypes "github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/specboard/platform/tfpipeline/internal/plan"
)

// findDeferred marks the changes of a plan that AWS has already accepted and
// will make in a maintenance window. It queries AWS only for resources that
// have such changes.
func (r *Root) findDeferred(ctx context.Context, p *plan.Plan) error {
	if r.roots.Cloud.Target == Offline {
		return nil
	}
	for i := range p.Changes {
		c := &p.Changes[i]
		if !c.Waits() {
			continue
		}
		find := pendingOfDatabase
		if c.Type == "aws_elasticache_replication_group" {
			find = pendingOfCache
		}
		pending, err := find(ctx, r.roots.Cloud.Config, c.Identifier())
		if err != nil {
			return r.advise(fmt.Errorf("ask what %s waits for: %w", c.Address, err))
		}
		c.Defer(pending)
	}
	return nil
}

func pendingOfDatabase(ctx context.Context, cfg aws.Config, identifier string) (plan.Pending, error) {
	out, err := rds.NewFromConfig(cfg).DescribeDBInstances(ctx, &rds.DescribeDBInstancesInput{DBInstanceIdentifier: &identifier})
	if err != nil {
		return nil, err
	}
	pending := plan.Pending{}
	for _, instance := range out.DBInstances {
		waits := instance.PendingModifiedValues
		if waits == nil {
			waits = &rdstypes.PendingModifiedValues{}
		}
		for name, v := range map[string]*string{
			"instance_class": waits.DBInstanceClass, "engine_version": waits.EngineVersion, "storage_type": waits.StorageType,
			"license_model": waits.LicenseModel, "ca_cert_identifier": waits.CACertificateIdentifier,
		} {
			if v != nil {
				pending[name] = *v
			}
		}
		for name, v := range map[string]*int32{
			"allocated_storage": waits.AllocatedStorage, "backup_retention_period": waits.BackupRetentionPeriod,
			"iops": waits.Iops, "port": waits.Port, "storage_throughput": waits.StorageThroughput,
		} {
			if v != nil {
				pending[name] = strconv.Itoa(int(*v))
			}
		}
		if waits.MultiAZ != nil {
			pending["multi_az"] = strconv.FormatBool(*waits.MultiAZ)
		}
	}
	return pending, nil
}

// pendingOfCache queries the members of a replication group, all of which
// change together.
func pendingOfCache(ctx context.Context, cfg aws.Config, identifier string) (plan.Pending, error) {
	client := elasticache.NewFromConfig(cfg)
	group, err := client.DescribeReplicationGroups(ctx, &elasticache.DescribeReplicationGroupsInput{ReplicationGroupId: &identifier})
	if err != nil {
		return nil, err
	}
	pending := plan.Pending{}
	for _, g := range group.ReplicationGroups {
		for _, member := range g.MemberClusters {
			out, err := client.DescribeCacheClusters(ctx, &elasticache.DescribeCacheClustersInput{CacheClusterId: &member})
			if err != nil {
				return nil, err
			}
			for _, c := range out.CacheClusters {
				if c.PendingModifiedValues == nil {
					continue
				}
				for name, v := range map[string]*string{"node_type": c.PendingModifiedValues.CacheNodeType, "engine_version": c.PendingModifiedValues.EngineVersion} {
					if v != nil {
						pending[name] = *v
					}
				}
			}
		}
	}
	return pending, nil
}
