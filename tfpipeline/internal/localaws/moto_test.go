package localaws

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	tagging "github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	taggingtypes "github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// TestMoto holds the repairs against the real moto: that what they repair is
// still broken in the same way, and that they still do.
func TestMoto(t *testing.T) {
	if os.Getenv("E2E") == "" {
		t.Skip("needs moto: run make e2e")
	}
	e, err := Start(t.Context(), Options{Account: "210987654321", Region: "eu-west-1",
		Database: func(id string) (string, int, bool) { return "127.0.0.1", 15432, id == "two" }})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	cfg := awsConfig(e)

	t.Run("account", func(t *testing.T) {
		id, err := sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), nil)
		if err != nil || aws.ToString(id.Account) != "210987654321" {
			t.Errorf("%v, %v", id, err)
		}
	})
	t.Run("bucket policies", func(t *testing.T) {
		client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
		bucket := aws.String("only-tls")
		policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::only-tls","arn:aws:s3:::only-tls/*"],"Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`
		_, err := client.GetBucketPolicy(t.Context(), &s3.GetBucketPolicyInput{Bucket: bucket})
		wantCode(t, err, "NoSuchBucket")
		if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: bucket,
			CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: "eu-west-1"}}); err != nil {
			t.Fatal(err)
		}
		_, err = client.GetBucketPolicy(t.Context(), &s3.GetBucketPolicyInput{Bucket: bucket})
		wantCode(t, err, "NoSuchBucketPolicy")
		if _, err := client.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: bucket, Policy: &policy}); err != nil {
			t.Fatal(err)
		}
		if got, err := client.GetBucketPolicy(t.Context(), &s3.GetBucketPolicyInput{Bucket: bucket}); err != nil || aws.ToString(got.Policy) != policy {
			t.Errorf("%v, %v", got, err)
		}
		if _, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: aws.String("k"), Body: strings.NewReader("v")}); err != nil {
			t.Errorf("moto enforces the policy: %v", err)
		}
		if _, err := client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: bucket, Key: aws.String("k")}); err != nil {
			t.Errorf("moto enforces the policy: %v", err)
		}
		if _, err := client.DeleteBucketPolicy(t.Context(), &s3.DeleteBucketPolicyInput{Bucket: bucket}); err != nil {
			t.Error(err)
		}
		_, err = client.GetBucketPolicy(t.Context(), &s3.GetBucketPolicyInput{Bucket: bucket})
		wantCode(t, err, "NoSuchBucketPolicy")
		if _, err := client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: bucket, Key: aws.String("k")}); err != nil {
			t.Error(err)
		}
		if _, err := client.DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: bucket}); err != nil {
			t.Error(err)
		}
	})
	t.Run("versions of secrets", func(t *testing.T) {
		client := secretsmanager.NewFromConfig(cfg)
		made, err := client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("versions"), SecretString: aws.String("v")})
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range []*string{made.Name, made.ARN} {
			out, err := client.ListSecretVersionIds(t.Context(), &secretsmanager.ListSecretVersionIdsInput{SecretId: id})
			if err != nil || aws.ToString(out.ARN) != *made.ARN || len(out.Versions) != 1 {
				t.Errorf("asked by %s: %s with %d versions, %v", *id, aws.ToString(out.ARN), len(out.Versions), err)
			}
		}
	})
	t.Run("service-linked roles", func(t *testing.T) {
		database := []string{"DBInstanceIdentifier=first", "Engine=postgres", "DBInstanceClass=db.t4g.micro", "AllocatedStorage=20", "MasterUsername=u", "MasterUserPassword=0123456789"}
		refused := func(service, operation, want string, parameters ...string) {
			t.Helper()
			status, answer := query(t, e, service, operation, parameters...)
			if got := endpoint.Text(answer.SelectElement("Error"), "Code") + ": " + endpoint.Text(answer.SelectElement("Error"), "Message"); status == http.StatusOK || got != want {
				t.Errorf("%s: status %d %s, want %s", operation, status, got, want)
			}
		}
		refused("rds", "CreateDBInstance", "InvalidParameterValue: Unable to create the resource. Verify that you have permission to create service linked role. Otherwise wait and try again later", database...)
		must(t, e, "rds", "CreateDBInstance", database...)
		must(t, e, "rds", "DeleteDBInstance", "DBInstanceIdentifier=first", "SkipFinalSnapshot=true")
		refused("iam", "CreateServiceLinkedRole", "InvalidInput: Service role name AWSServiceRoleForRDS has been taken in this account, please try a different suffix.", "AWSServiceName=rds.amazonaws.com")
		refused("iam", "CreateServiceLinkedRole", "InvalidInput: Custom suffix is not allowed for ecs.amazonaws.com", "AWSServiceName=ecs.amazonaws.com", "CustomSuffix=x")
		made := must(t, e, "iam", "CreateServiceLinkedRole", "AWSServiceName=ecs.application-autoscaling.amazonaws.com")
		if arn := endpoint.Text(endpoint.Every(made, "Role")[0], "Arn"); arn != "arn:aws:iam::210987654321:role/aws-service-role/ecs.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_ECSService" || made.Tag != "CreateServiceLinkedRoleResponse" {
			t.Errorf("made %s", endpoint.Encode(made))
		}
	})
	t.Run("databases", func(t *testing.T) {
		for _, id := range []string{"one", "two"} {
			must(t, e, "rds", "CreateDBInstance", "DBInstanceIdentifier="+id, "Engine=postgres", "DBInstanceClass=db.t4g.micro", "AllocatedStorage=20",
				"MasterUsername=u", "MasterUserPassword=0123456789", "EnablePerformanceInsights=true", "MonitoringInterval=60", "MonitoringRoleArn=arn:aws:iam::1:role/m")
		}
		all := endpoint.Every(must(t, e, "rds", "DescribeDBInstances"), "DBInstance")
		if len(all) != 2 || endpoint.Text(all[0], "DbiResourceId") == endpoint.Text(all[1], "DbiResourceId") {
			t.Fatalf("%d instances, IDs %s", len(all), endpoint.Text(all[0], "DbiResourceId"))
		}
		for _, instance := range all {
			id := endpoint.Text(instance, "DBInstanceIdentifier")
			found := endpoint.Every(must(t, e, "rds", "DescribeDBInstances", "Filters.Filter.1.Name=dbi-resource-id", "Filters.Filter.1.Values.Value.1="+endpoint.Text(instance, "DbiResourceId")), "DBInstance")
			if len(found) != 1 || endpoint.Text(found[0], "DBInstanceIdentifier") != id || endpoint.Text(found[0], "PerformanceInsightsEnabled") != "true" || endpoint.Text(found[0], "MonitoringInterval") != "60" {
				t.Errorf("%s: found %d", id, len(found))
			}
			if real := endpoint.Text(found[0].SelectElement("Endpoint"), "Address") == "127.0.0.1"; real != (id == "two") {
				t.Errorf("%s is at %s", id, endpoint.Encode(found[0].SelectElement("Endpoint")))
			}
		}
		must(t, e, "rds", "DeleteDBInstance", "DBInstanceIdentifier=one", "SkipFinalSnapshot=true")
		if left := endpoint.Every(must(t, e, "rds", "DescribeDBInstances"), "DBInstance"); len(left) != 1 {
			t.Errorf("%d instances left", len(left))
		}
		// The automated snapshots of an instance go with it, whatever its name was when
		// they were made.
		backups := func() int {
			return len(endpoint.Every(must(t, e, "rds", "DescribeDBSnapshots", "SnapshotType=automated"), "DBSnapshot"))
		}
		before := backups()
		must(t, e, "rds", "CreateDBInstance", "DBInstanceIdentifier=three", "Engine=postgres", "DBInstanceClass=db.t4g.micro", "AllocatedStorage=20", "MasterUsername=u", "MasterUserPassword=0123456789")
		must(t, e, "rds", "ModifyDBInstance", "DBInstanceIdentifier=three", "NewDBInstanceIdentifier=four", "ApplyImmediately=true")
		made := backups()
		must(t, e, "rds", "DeleteDBInstance", "DBInstanceIdentifier=four", "SkipFinalSnapshot=true")
		if made != before+1 || backups() != before {
			t.Errorf("%d automated snapshots before, %d of two, %d after", before, made, backups())
		}
	})
	t.Run("tagged resources", func(t *testing.T) {
		mark := []string{"Tag.1.Key=Platform", "Tag.1.Value=tagged", "Tag.2.Key=Name", "Tag.2.Value=one"}
		address := endpoint.Text(must(t, e, "ec2", "AllocateAddress", "Domain=vpc"), "allocationId")
		vpc := endpoint.Every(must(t, e, "ec2", "CreateVpc", "CidrBlock=10.9.0.0/16"), "vpcId")[0].Text()
		for _, id := range []string{address, vpc} {
			must(t, e, "ec2", "CreateTags", append([]string{"ResourceId.1=" + id}, mark...)...)
		}
		out, err := tagging.NewFromConfig(cfg).GetResources(t.Context(), &tagging.GetResourcesInput{
			TagFilters: []taggingtypes.TagFilter{{Key: aws.String("Platform"), Values: []string{"tagged"}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		var arns []string
		for _, r := range out.ResourceTagMappingList {
			arns = append(arns, aws.ToString(r.ResourceARN))
		}
		prefix := "arn:aws:ec2:" + e.region + ":" + e.account + ":"
		if want := []string{prefix + "vpc/" + vpc, prefix + "elastic-ip/" + address}; !slices.Equal(arns, want) {
			t.Errorf("tagged are %q, want %q", arns, want)
		}
		must(t, e, "ec2", "ReleaseAddress", "AllocationId="+address)
		must(t, e, "ec2", "DeleteVpc", "VpcId="+vpc)
	})
	t.Run("deletion protection", func(t *testing.T) {
		client := elb.NewFromConfig(cfg)
		subnets := must(t, e, "ec2", "DescribeSubnets").SelectElement("subnetSet").ChildElements()
		created, err := client.CreateLoadBalancer(t.Context(), &elb.CreateLoadBalancerInput{Name: aws.String("lb"),
			Subnets: []string{endpoint.Text(subnets[0], "subnetId"), endpoint.Text(subnets[1], "subnetId")}})
		if err != nil {
			t.Fatal(err)
		}
		arn := created.LoadBalancers[0].LoadBalancerArn
		protect := func(v string) {
			t.Helper()
			if _, err := client.ModifyLoadBalancerAttributes(t.Context(), &elb.ModifyLoadBalancerAttributesInput{LoadBalancerArn: arn,
				Attributes: []elbtypes.LoadBalancerAttribute{{Key: aws.String("deletion_protection.enabled"), Value: aws.String(v)}}}); err != nil {
				t.Fatal(err)
			}
		}
		protect("true")
		_, err = client.DeleteLoadBalancer(t.Context(), &elb.DeleteLoadBalancerInput{LoadBalancerArn: arn})
		wantCode(t, err, "OperationNotPermitted")
		protect("false")
		if _, err := client.DeleteLoadBalancer(t.Context(), &elb.DeleteLoadBalancerInput{LoadBalancerArn: arn}); err != nil {
			t.Error(err)
		}
	})
	t.Run("images", func(t *testing.T) {
		client := ecr.NewFromConfig(cfg)
		if _, err := client.CreateRepository(t.Context(), &ecr.CreateRepositoryInput{RepositoryName: aws.String("r"), ImageTagMutability: types.ImageTagMutabilityImmutable}); err != nil {
			t.Fatal(err)
		}
		_, err := client.PutLifecyclePolicy(t.Context(), &ecr.PutLifecyclePolicyInput{RepositoryName: aws.String("r"), LifecyclePolicyText: aws.String(
			`{"rules":[{"rulePriority":1,"selection":{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":1},"action":{"type":"expire"}}]}`)})
		if err != nil {
			t.Fatal(err)
		}
		for i, tag := range []string{"a", "b"} {
			out, err := put(client, t, manifest(i), tag)
			if err != nil || aws.ToString(out.Image.ImageId.ImageDigest) != digestOf(manifest(i)) {
				t.Errorf("%v, %v", out, err)
			}
		}
		_, err = put(client, t, manifest(3), "a")
		wantCode(t, err, "ImageTagAlreadyExistsException")
		if gone, err := e.ExpireImages(t.Context()); err != nil || len(gone) != 1 || gone[0] != "r@"+digestOf(manifest(0)) {
			t.Errorf("%v, %v", gone, err)
		}
		_, err = client.PutImage(t.Context(), &ecr.PutImageInput{RepositoryName: aws.String("none"), ImageManifest: aws.String(manifest(1))})
		wantCode(t, err, "RepositoryNotFoundException")
		if _, err := client.DeleteRepository(t.Context(), &ecr.DeleteRepositoryInput{RepositoryName: aws.String("r"), Force: true}); err != nil {
			t.Error(err)
		}
	})
	t.Run("missing operation", func(t *testing.T) {
		_, err := ecr.NewFromConfig(cfg).InitiateLayerUpload(t.Context(), &ecr.InitiateLayerUploadInput{RepositoryName: aws.String("r")})
		wantCode(t, err, "NotModelledLocally")
		if status, root := query(t, e, "ec2", "DescribeCapacityBlocks"); status != http.StatusNotImplemented {
			t.Errorf("status %d %s", status, endpoint.Encode(root))
		}
	})
	t.Run("inventory over HTTP", func(t *testing.T) {
		r, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet, e.URL()+"/_localaws/inventory", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var got map[string][]string
		if err := json.NewDecoder(res.Body).Decode(&got); err != nil || strings.Join(got["rds instance"], " ") != "two" {
			t.Errorf("%v, %v", got, err)
		}
	})
}
