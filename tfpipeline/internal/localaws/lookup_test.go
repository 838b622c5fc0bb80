package localaws_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	route53types "github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// lookups: the endpoint refuses what names nothing, and what comes before what
// it depends on, in AWS's words. Each case says which mistake in the platform
// it would find.
func (s *cloudSite) lookups(t *testing.T) {
	ctx, balancers := t.Context(), elb.NewFromConfig(s.config)
	group, err := balancers.CreateTargetGroup(ctx, &elb.CreateTargetGroupInput{Name: new("unattached"), Port: new(int32(80)), Protocol: elbtypes.ProtocolEnumHttp,
		TargetType: elbtypes.TargetTypeEnumIp, VpcId: new(s.vpc)})
	if err != nil {
		t.Fatal(err)
	}
	unattached := *group.TargetGroups[0].TargetGroupArn
	network := func(subnet string, groups ...string) *types.NetworkConfiguration {
		return &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: []string{subnet}, SecurityGroups: groups}}
	}
	service := func(change func(*sdk.CreateServiceInput)) func() error {
		return func() error {
			in := &sdk.CreateServiceInput{Cluster: new("site"), ServiceName: new("lookup"), TaskDefinition: new(s.running["api"]), DesiredCount: new(int32(0)),
				LaunchType: types.LaunchTypeFargate, NetworkConfiguration: s.network()}
			change(in)
			_, err := s.ecs.CreateService(ctx, in)
			return err
		}
	}
	behind := func(group string) func() error {
		return service(func(in *sdk.CreateServiceInput) {
			in.LoadBalancers = []types.LoadBalancer{{TargetGroupArn: &group, ContainerName: new("api"), ContainerPort: new(int32(3001))}}
		})
	}
	emptyVPC := s.created("ec2", "vpc>vpcId", "CreateVpc", "CidrBlock=10.77.0.0/16")
	emptySubnet := s.created("ec2", "subnet>subnetId", "CreateSubnet", "VpcId="+emptyVPC, "CidrBlock=10.77.0.0/24")
	certificate := s.certificate(t)
	listener := func() error {
		_, err := balancers.CreateListener(ctx, &elb.CreateListenerInput{LoadBalancerArn: &s.balancer, Port: new(int32(8443)), Protocol: elbtypes.ProtocolEnumHttps,
			Certificates: []elbtypes.Certificate{{CertificateArn: &certificate.arn}}, SslPolicy: new("ELBSecurityPolicy-TLS13-1-2-2021-06"),
			DefaultActions: []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: &unattached}}})
		return err
	}
	store := s3.NewFromConfig(s.config, func(o *s3.Options) { o.UsePathStyle = true })
	if _, err := store.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: new("theirs"),
		CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: s3types.BucketLocationConstraintUsWest2}}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		mistake   string
		call      func() error
		code, why string
	}{
		{"a service that does not wait for its listener rule", behind(unattached), "InvalidParameterException", "The target group with targetGroupArn " + unattached + " does not have an associated load balancer."},
		{"a target group of another environment that is gone", behind(unattached + "0"), "InvalidParameterException", "Unable to find target group"},
		{"a subnet that was replaced", service(func(in *sdk.CreateServiceInput) { in.NetworkConfiguration = network("subnet-0123456789") }),
			"InvalidParameterException", "Error retrieving subnet information for [subnet-0123456789]: The subnet ID 'subnet-0123456789' does not exist (ErrorCode: InvalidSubnetID.NotFound)"},
		{"a security group that was replaced", service(func(in *sdk.CreateServiceInput) { in.NetworkConfiguration = network(s.subnets[0], "sg-0123456789") }),
			"InvalidParameterException", "Error retrieving security group information for [sg-0123456789]: The security group 'sg-0123456789' does not exist (ErrorCode: InvalidGroup.NotFound)"},
		{"a service that does not wait for the namespace", service(func(in *sdk.CreateServiceInput) {
			in.ServiceConnectConfiguration = &types.ServiceConnectConfiguration{Enabled: true, Namespace: new("nowhere")}
		}), "InvalidParameterException", "nowhere"},
		{"a role's path that task definitions and IAM spell differently", func() error {
			_, err := s.startTask(t, "nobody", s.container(siteServices()[0], "image"))
			return err
		}, "ClientException", "ECS was unable to assume the role 'arn:aws:iam::123456789012:role/nobody' that was provided for this task."},
		{"a load balancer that does not wait for the internet gateway", func() error {
			_, err := balancers.CreateLoadBalancer(ctx, &elb.CreateLoadBalancerInput{Name: new("early"), Subnets: []string{emptySubnet}})
			return err
		}, "InvalidSubnet", "VPC " + emptyVPC + " has no internet gateway"},
		{"a load balancer with a security group that was replaced", func() error {
			_, err := balancers.CreateLoadBalancer(ctx, &elb.CreateLoadBalancerInput{Name: new("lost"), Subnets: s.subnets, SecurityGroups: []string{"sg-0123456789"}})
			return err
		}, "InvalidSecurityGroup", "sg-0123456789"},
		{"a listener that does not wait for the certificate's validation", listener, "UnsupportedCertificate", "must have a fully-qualified domain name, a supported signature, and a supported key size"},
		{"a rule that leads to a target group that is gone", func() error {
			_, err := balancers.CreateRule(ctx, &elb.CreateRuleInput{ListenerArn: &s.listener, Priority: new(int32(9000)),
				Conditions: []elbtypes.RuleCondition{{Field: new("path-pattern"), Values: []string{"/x"}}},
				Actions:    []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: new(unattached + "0")}}})
			return err
		}, "TargetGroupNotFound", "not found"},
		{"a bucket of the state's name in another account", func() error {
			_, err := store.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: new("theirs"), ExpectedBucketOwner: new("210987654321")})
			return err
		}, "AccessDenied", "Access Denied"},
		{"a release's tag in a client token", func() error {
			_, err := s.ecs.RunTask(ctx, &sdk.RunTaskInput{Cluster: new("site"), TaskDefinition: new(s.running["api"]), NetworkConfiguration: s.network(), ClientToken: new("release v1.2.3")})
			return err
		}, "InvalidParameterException", "clientToken"},
		{"a person's name in startedBy", func() error {
			_, err := s.ecs.RunTask(ctx, &sdk.RunTaskInput{Cluster: new("site"), TaskDefinition: new(s.running["api"]), NetworkConfiguration: s.network(), StartedBy: new("Ann O'Nymous")})
			return err
		}, "InvalidParameterException", "startedBy"},
		{"a commit's subject in a tag", func() error {
			_, err := s.ecs.TagResource(ctx, &sdk.TagResourceInput{ResourceArn: new(s.running["api"]), Tags: []types.Tag{{Key: new("commit"), Value: new("Fix it, now!")}}})
			return err
		}, "InvalidParameterException", "contains invalid characters"},
		{"a task definition with too many variables", func() error {
			d := s.container(siteServices()[0], "image")
			for range 400 {
				d.Environment = append(d.Environment, types.KeyValuePair{Name: new("NAME"), Value: new(strings.Repeat("x", 200))})
			}
			_, err := s.ecs.RegisterTaskDefinition(ctx, &sdk.RegisterTaskDefinitionInput{Family: new("large"), ContainerDefinitions: []types.ContainerDefinition{d},
				Cpu: new("256"), Memory: new("512"), NetworkMode: types.NetworkModeAwsvpc, ExecutionRoleArn: new("arn:aws:iam::123456789012:role/execution"),
				RequiresCompatibilities: []types.Compatibility{types.CompatibilityFargate}})
			return err
		}, "ClientException", "Max allowed length is '65536' bytes."},
		{"a release's images asked for at once", func() error {
			_, err := ecr.NewFromConfig(s.config).BatchGetImage(ctx, &ecr.BatchGetImageInput{RepositoryName: new("api"), ImageIds: make([]ecrtypes.ImageIdentifier, 101)})
			return err
		}, "InvalidParameterException", "length less than or equal to 100"},
		{"a branch's name as an image's tag", func() error {
			_, err := ecr.NewFromConfig(s.config).DescribeImages(ctx, &ecr.DescribeImagesInput{RepositoryName: new("api"), ImageIds: []ecrtypes.ImageIdentifier{{ImageTag: new("feature/x")}}})
			return err
		}, "InvalidParameterException", "imageTag"},
		{"a database in a security group that was replaced", s.asks("rds", "CreateDBInstance", "DBInstanceIdentifier=lost", "Engine=postgres", "DBInstanceClass=db.t4g.micro", "AllocatedStorage=20",
			"MasterUsername=u", "MasterUserPassword=0123456789", "VpcSecurityGroupIds.VpcSecurityGroupId.1=sg-0123456789"), "InvalidParameterValue", "Invalid security group , groupId= sg-0123456789, groupName=."},
		{"a description in a database's tag", s.asks("rds", "AddTagsToResource", "ResourceName=arn:aws:rds:us-west-2:123456789012:db:x", "Tags.Tag.1.Key=Why", "Tags.Tag.1.Value=what it is; and more"),
			"InvalidParameterValue", "Member must satisfy regular expression pattern"},
		{"a workflow role's policy that lists each service", s.asks("iam", "CreatePolicy", "PolicyName=long", "PolicyDocument="+longPolicy(6144)), "LimitExceeded", "Cannot exceed quota for PolicySize: 6144"},
		{"a container's inline policy that lists each secret", s.asks("iam", "PutRolePolicy", "RoleName=execution", "PolicyName=long", "PolicyDocument="+longPolicy(10100)), "LimitExceeded", "Maximum policy size of 10240 bytes exceeded for role execution"},
		{"a trust that lists each branch", s.asks("iam", "CreateRole", "RoleName=long", "AssumeRolePolicyDocument="+longPolicy(2048)), "LimitExceeded", "Cannot exceed quota for ACLSizePerRole: 2048"},
	} {
		t.Run(c.mistake, func(t *testing.T) {
			err := c.call()
			api, ok := errors.AsType[smithy.APIError](err)
			if !ok || api.ErrorCode() != c.code || !strings.Contains(api.ErrorMessage(), c.why) {
				t.Errorf("%v; want %s: %s", err, c.code, c.why)
			}
		})
	}
	t.Run("a certificate is issued once its record is there", func(t *testing.T) {
		certificate.validate(t, s)
		if err := listener(); err != nil {
			t.Error(err)
		}
	})
	t.Run("a NAT gateway that does not wait for the internet gateway", func(t *testing.T) {
		gateway := s.created("ec2", "natGateway>natGatewayId", "CreateNatGateway", "SubnetId="+emptySubnet, "AllocationId="+s.created("ec2", "allocationId", "AllocateAddress", "Domain=vpc"))
		if state := s.created("ec2", "natGatewaySet>item>failureMessage", "DescribeNatGateways", "NatGatewayId.1="+gateway); state != "Network "+emptyVPC+" has no Internet gateway attached" {
			t.Errorf("it fails with %q", state)
		}
	})
}

// longPolicy is a policy with a name of so many characters.
func longPolicy(characters int) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"` + strings.Repeat("x", characters) + `"}]}`
}

// requested is a certificate, and the record that validates it.
type requested struct{ arn, name, value string }

func (s *cloudSite) certificate(t *testing.T) requested {
	t.Helper()
	var made struct{ CertificateArn string }
	s.json("acm", "CertificateManager.RequestCertificate", map[string]string{"DomainName": "secure." + siteDomain, "ValidationMethod": "DNS"}, &made)
	var described struct {
		Certificate struct {
			Status                  string
			DomainValidationOptions []struct{ ResourceRecord struct{ Name, Value string } }
		}
	}
	s.json("acm", "CertificateManager.DescribeCertificate", map[string]string{"CertificateArn": made.CertificateArn}, &described)
	if described.Certificate.Status != "PENDING_VALIDATION" {
		t.Errorf("a certificate without a record is %s", described.Certificate.Status)
	}
	record := described.Certificate.DomainValidationOptions[0].ResourceRecord
	return requested{made.CertificateArn, record.Name, record.Value}
}

func (r requested) validate(t *testing.T, s *cloudSite) {
	t.Helper()
	zones := route53.NewFromConfig(s.config)
	all, err := zones.ListHostedZones(t.Context(), &route53.ListHostedZonesInput{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := zones.ChangeResourceRecordSets(t.Context(), &route53.ChangeResourceRecordSetsInput{HostedZoneId: all.HostedZones[0].Id, ChangeBatch: &route53types.ChangeBatch{
		Changes: []route53types.Change{{Action: route53types.ChangeActionCreate, ResourceRecordSet: &route53types.ResourceRecordSet{
			Name: &r.name, Type: route53types.RRTypeCname, TTL: aws.Int64(60), ResourceRecords: []route53types.ResourceRecord{{Value: &r.value}}}}}}}); err != nil {
		t.Fatal(err)
	}
}

// asks is a call of the Query protocol; its error is AWS's.
func (s *cloudSite) asks(service, operation string, parameters ...string) func() error {
	return func() error {
		form := url.Values{"Action": {operation}, "Version": {"2014-10-31"}}
		for _, p := range parameters {
			name, value, _ := strings.Cut(p, "=")
			form.Set(name, value)
		}
		status, body := s.send(service, form)
		if status < 300 {
			return nil
		}
		var said struct {
			Code    string `xml:"Error>Code"`
			Message string `xml:"Error>Message"`
		}
		s.decode(body, &said)
		return &smithy.GenericAPIError{Code: said.Code, Message: said.Message}
	}
}
