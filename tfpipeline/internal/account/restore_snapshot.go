package account

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/console"
)

// fromSnapshot is the same request as for a restore to a time, but with the data of a
// snapshot.
func fromSnapshot(id string, in *rds.RestoreDBInstanceToPointInTimeInput) *rds.RestoreDBInstanceFromDBSnapshotInput {
	return &rds.RestoreDBInstanceFromDBSnapshotInput{
		DBSnapshotIdentifier: &id, DBInstanceIdentifier: in.TargetDBInstanceIdentifier,
		DBInstanceClass: in.DBInstanceClass, MultiAZ: in.MultiAZ, StorageType: in.StorageType, PubliclyAccessible: in.PubliclyAccessible,
		AutoMinorVersionUpgrade: in.AutoMinorVersionUpgrade, CopyTagsToSnapshot: in.CopyTagsToSnapshot, DeletionProtection: in.DeletionProtection,
		Tags: in.Tags, DBSubnetGroupName: in.DBSubnetGroupName, DBParameterGroupName: in.DBParameterGroupName, VpcSecurityGroupIds: in.VpcSecurityGroupIds,
	}
}

// checkSnapshot refuses a snapshot that does not exist, and lists those that do. It
// also refuses one that cannot become the environment's database.
func (r *Restoration) checkSnapshot(ctx context.Context) error {
	p := r.account.platform
	e, ok := p.Environment(r.choices.Env)
	if !ok {
		return fmt.Errorf("there is no environment %s", r.choices.Env)
	}
	out, err := r.client.DescribeDBSnapshots(ctx, &rds.DescribeDBSnapshotsInput{DBSnapshotIdentifier: &r.choices.snapshot})
	_, none := errors.AsType[*types.DBSnapshotNotFoundFault](err)
	switch {
	case none || err == nil && len(out.DBSnapshots) == 0:
		return r.listSnapshots(ctx, e, "there is no snapshot "+r.choices.snapshot)
	case err != nil:
		return fmt.Errorf("describe the snapshot %s: %w", r.choices.snapshot, err)
	}
	if why := unfit(p, e, out.DBSnapshots[0]); why != "" {
		return r.listSnapshots(ctx, e, "the snapshot "+r.choices.snapshot+" "+why)
	}
	return nil
}

// unfit says why a snapshot cannot become the database of an environment; "" if it can.
// Terraform would replace the instance to correct a property that it cannot change in
// place.
func unfit(p config.Platform, e config.Environment, s types.DBSnapshot) string {
	platform := tagOf(s.TagList, "Platform")
	source := aws.ToString(s.DBInstanceIdentifier)
	if platform == "" && !strings.HasPrefix(source, p.Name+"-") {
		platform = source
	}
	engine, _, _ := strings.Cut(aws.ToString(s.EngineVersion), ".")
	switch status := aws.ToString(s.Status); {
	case status != "available":
		return "is " + status
	case platform != "" && platform != p.Name:
		return "is of another platform, " + platform
	case aws.ToString(s.Engine) != "postgres":
		return "is of " + aws.ToString(s.Engine) + " and not of PostgreSQL"
	case engine != p.PostgresVersion:
		return "is of PostgreSQL " + engine + ", where PostgresVersion is " + p.PostgresVersion + ": restore it by hand, and upgrade it"
	case !aws.ToBool(s.Encrypted):
		return "is not encrypted: copy it with a key of KMS"
	case aws.ToString(s.MasterUsername) != p.DatabaseUser():
		return "has the master user " + aws.ToString(s.MasterUsername) + " and not " + p.DatabaseUser()
	}
	return unfitStorage(e.Database, s.AllocatedStorage)
}

// unfitStorage says why RDS would refuse to change this storage to the struct's; "" if
// it would not. The limit of autoscaling has to be a tenth above the allocated storage,
// which grows by at least a tenth:
// https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIOPS.Autoscaling.html
func unfitStorage(d config.Database, allocated *int32) string {
	has := int(aws.ToInt32(allocated))
	switch {
	case has*11 > d.MaxStorageGiB*10:
		return fmt.Sprintf("has %d GiB, and RDS wants MaxStorageGiB to be a tenth more: raise it to %d and apply it", has, (has*11+9)/10)
	case has < d.StorageGiB && d.StorageGiB*10 < has*11:
		return fmt.Sprintf("has %d GiB, and RDS grows it by a tenth at least, so not to StorageGiB, %d: lower that to %d and apply it", has, d.StorageGiB, has)
	}
	return ""
}

// tagOf is the value of a tag; "" is none.
func tagOf(tags []types.Tag, key string) string {
	for _, t := range tags {
		if aws.ToString(t.Key) == key {
			return aws.ToString(t.Value)
		}
	}
	return ""
}

// mostSnapshots is how many snapshots are listed.
const mostSnapshots = 20

// listSnapshots returns an error that lists the latest suitable snapshots of the
// environment's database: automated ones, final ones and those that people took.
func (r *Restoration) listSnapshots(ctx context.Context, e config.Environment, why string) error {
	var all []types.DBSnapshot
	pages := rds.NewDescribeDBSnapshotsPaginator(r.client, &rds.DescribeDBSnapshotsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("%s: %s; list those that fit: %w", r.choices.Env, why, err)
		}
		all = slices.Concat(all, page.DBSnapshots)
	}
	names := []string{r.own, r.other, r.replaced}
	all = slices.DeleteFunc(all, func(s types.DBSnapshot) bool {
		of := tagOf(s.TagList, "Environment")
		another := of != r.choices.Env && (of != "" || !slices.Contains(names, aws.ToString(s.DBInstanceIdentifier)))
		return another || unfit(r.account.platform, e, s) != ""
	})
	slices.SortFunc(all, func(a, b types.DBSnapshot) int {
		return cmp.Or(aws.ToTime(b.SnapshotCreateTime).Compare(aws.ToTime(a.SnapshotCreateTime)), cmp.Compare(aws.ToString(a.DBSnapshotIdentifier), aws.ToString(b.DBSnapshotIdentifier)))
	})
	text := r.choices.Env + ": " + why
	if len(all) == 0 {
		return console.WithNext(errors.New(text+"; there is none of the environment that fits"), "tfpipeline restore -env %s -to TIME", r.choices.Env)
	}
	text += "; those of the environment that fit, the latest first:"
	for _, s := range all[:min(len(all), mostSnapshots)] {
		text += fmt.Sprintf("\n  %s  %s  %s, of %s", aws.ToTime(s.SnapshotCreateTime).UTC().Format(time.RFC3339), aws.ToString(s.DBSnapshotIdentifier), aws.ToString(s.SnapshotType), aws.ToString(s.DBInstanceIdentifier))
	}
	if more := len(all) - mostSnapshots; more > 0 {
		text += fmt.Sprintf("\n  and %d older ones", more)
	}
	return console.WithNext(errors.New(text), "tfpipeline restore -env %s -snapshot %s", r.choices.Env, aws.ToString(all[0].DBSnapshotIdentifier))
}
