package config_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
)

func TestInvalidPermission(t *testing.T) {
	t.Parallel()
	type P = config.Platform
	api := func(actions, resources []string) func(*P) {
		return func(p *P) { p.Services[0].Permissions = []config.Permission{{Actions: actions, Resources: resources}} }
	}
	checkInvalid(t, []invalid{
		{"nothing", api(nil, nil), `
services["api"].permissions[0].actions: none, so nothing is allowed; for example {"ses:SendEmail"}
services["api"].permissions[0].resources: none, so nothing is allowed; for example {"arn:aws:ses:us-west-2:123456789012:identity/shop.io"}
`},
		{"no action", api([]string{"SendEmail", "ses:Send*Email", "sqs:SendMessage", "sqs:SendMessage"}, []string{"*"}), `
services["api"].permissions[0].actions[0]: "SendEmail" is not an action of IAM: a service in lower case, a colon and a name, which may end in *; for example "ses:SendEmail"
services["api"].permissions[0].actions[1]: "ses:Send*Email" is not an action of IAM: a service in lower case, a colon and a name, which may end in *; for example "ses:SendEmail"
services["api"].permissions[0].actions[3]: "sqs:SendMessage" is listed twice
`},
		{"what no task may do", api([]string{"iam:CreateRole", "sts:AssumeRole", "secretsmanager:*"}, []string{"*"}), `
services["api"].permissions[0].actions[0]: "iam:CreateRole" would change who may do what; for example "ses:SendEmail"
services["api"].permissions[0].actions[1]: "sts:AssumeRole" would act as somebody else; for example "ses:SendEmail"
services["api"].permissions[0].actions[2]: "secretsmanager:*" reads or changes secrets, which a container receives by its field secrets; for example "ses:SendEmail"
`},
		{"no resource", api([]string{"sqs:SendMessage"}, []string{"mail", "arn:aws-cn:sqs:x:123456789012:q", "arn:aws:sqs:us-west-2:123456789012:${x}"}), `
services["api"].permissions[0].resources[0]: "mail" is neither * nor an ARN with a service, a region or none, an account or none, and a resource; for example "arn:aws:s3:::shop-uploads/*"
services["api"].permissions[0].resources[1]: "arn:aws-cn:sqs:x:123456789012:q" is neither * nor an ARN with a service, a region or none, an account or none, and a resource; for example "arn:aws:s3:::shop-uploads/*"
services["api"].permissions[0].resources[2]: "arn:aws:sqs:us-west-2:123456789012:${x}" is neither * nor an ARN with a service, a region or none, an account or none, and a resource; for example "arn:aws:s3:::shop-uploads/*"
`},
		{"the bucket of the states", api([]string{"s3:GetObject"}, []string{"*", "arn:aws:s3:::doc-platform-*/*", "arn:aws:s3:::doc-platform-state-123456789012/history/*", "arn:aws:s3:::other/*",
			"arn:aws:s3:::doc*.tfstate", "arn:aws:s3:*::doc-platform-state-123456789012/*", "arn:aws:s3:::*.json", "arn:aws:s3:::doc-platform-uploads*"}), `
services["api"].permissions[0].resources[0]: "*" takes in "doc-platform-state-123456789012", where states and histories are; for example "arn:aws:s3:::shop-uploads/*"
services["api"].permissions[0].resources[1]: "arn:aws:s3:::doc-platform-*/*" takes in "doc-platform-state-123456789012", where states and histories are; for example "arn:aws:s3:::shop-uploads/*"
services["api"].permissions[0].resources[2]: "arn:aws:s3:::doc-platform-state-123456789012/history/*" takes in "doc-platform-state-123456789012", where states and histories are; for example "arn:aws:s3:::shop-uploads/*"
services["api"].permissions[0].resources[4]: "arn:aws:s3:::doc*.tfstate" takes in "doc-platform-state-123456789012", where states and histories are; for example "arn:aws:s3:::shop-uploads/*"
services["api"].permissions[0].resources[5]: "arn:aws:s3:*::doc-platform-state-123456789012/*" takes in "doc-platform-state-123456789012", where states and histories are; for example "arn:aws:s3:::shop-uploads/*"
services["api"].permissions[0].resources[6]: "arn:aws:s3:::*.json" takes in "doc-platform-state-123456789012", where states and histories are; for example "arn:aws:s3:::shop-uploads/*"
`},
		{"everything of a service", api([]string{"textract:*", "dynamodb:*"}, []string{"*", "arn:aws:dynamodb:us-west-2:123456789012:table/orders-*"}), `
services["api"].permissions[0].resources[0]: "*" names nothing, and "textract:*" is everything that the service does: name its actions, or what they are for; for example "arn:aws:s3:::shop-uploads/*"
`},
		{"everything of what has a name", api([]string{"s3:*", "sns:*", "dynamodb:*"}, []string{"arn:aws:s3:::shop-uploads", "arn:aws:s3:::shop-uploads/*", "arn:aws:sns:us-west-2:123456789012:orders:*", "arn:aws:sns:us-west-2:123456789012:*", "arn:aws:dynamodb:us-west-2:123456789012:table/*"}), `
services["api"].permissions[0].resources[3]: "arn:aws:sns:us-west-2:123456789012:*" names nothing, and "sns:*" is everything that the service does: name its actions, or what they are for; for example "arn:aws:s3:::shop-uploads/*"
services["api"].permissions[0].resources[4]: "arn:aws:dynamodb:us-west-2:123456789012:table/*" names nothing, and "dynamodb:*" is everything that the service does: name its actions, or what they are for; for example "arn:aws:s3:::shop-uploads/*"
`},
		{"all environments", api([]string{"ecs:DescribeTasks", "ecs:ExecuteCommand", "ec2:D*"}, []string{"*", "arn:aws:ecs:*:123456789012:task/*", "arn:aws:ecs:*:123456789012:*", "arn:aws:ecs:us-west-2:123456789012:service/doc-platform-{environment}/*"}), `
services["api"].permissions[0].resources[0]: "*" names nothing, so "ecs:ExecuteCommand" would change what other environments run on; for example "arn:aws:s3:::shop-uploads/*"
services["api"].permissions[0].resources[1]: "arn:aws:ecs:*:123456789012:task/*" names nothing, so "ecs:ExecuteCommand" would change what other environments run on; for example "arn:aws:s3:::shop-uploads/*"
services["api"].permissions[0].resources[2]: "arn:aws:ecs:*:123456789012:*" names nothing, so "ecs:ExecuteCommand" would change what other environments run on; for example "arn:aws:s3:::shop-uploads/*"
`},
		{"all load balancers", api([]string{"elasticloadbalancing:DeleteLoadBalancer", "wafv2:DeleteWebACL", "ec2:TerminateInstances"}, []string{
			"arn:aws:elasticloadbalancing:us-west-2:123456789012:loadbalancer/app/*", "arn:aws:elasticloadbalancing:us-west-2:123456789012:loadbalancer/app/doc-platform-{environment}/*",
			"arn:aws:elasticloadbalancing:us-west-2:123456789012:listener-rule/app/*/*", "arn:aws:wafv2:us-west-2:123456789012:regional/webacl/*", "arn:aws:wafv2:us-west-2:123456789012:regional/webacl/doc-platform-{environment}/*",
			"arn:aws:ec2:us-west-2:123456789012:instance/i-*", "arn:aws:ec2:us-west-2:123456789012:instance/i-0123456789abcdef0"}), `
services["api"].permissions[0].resources[0]: "arn:aws:elasticloadbalancing:us-west-2:123456789012:loadbalancer/app/*" names nothing, so "elasticloadbalancing:DeleteLoadBalancer" would change what other environments run on; for example "arn:aws:s3:::shop-uploads/*"
services["api"].permissions[0].resources[2]: "arn:aws:elasticloadbalancing:us-west-2:123456789012:listener-rule/app/*/*" names nothing, so "elasticloadbalancing:DeleteLoadBalancer" would change what other environments run on; for example "arn:aws:s3:::shop-uploads/*"
services["api"].permissions[0].resources[3]: "arn:aws:wafv2:us-west-2:123456789012:regional/webacl/*" names nothing, so "wafv2:DeleteWebACL" would change what other environments run on; for example "arn:aws:s3:::shop-uploads/*"
services["api"].permissions[0].resources[5]: "arn:aws:ec2:us-west-2:123456789012:instance/i-*" names nothing, so "ec2:TerminateInstances" would change what other environments run on; for example "arn:aws:s3:::shop-uploads/*"
`},
		{"all databases", api([]string{"rds:Describe*", "ssm:SendCommand"}, []string{"*"}), `
services["api"].permissions[0].resources[0]: "*" names nothing, so "ssm:SendCommand" would change what other environments run on; for example "arn:aws:s3:::shop-uploads/*"
`},
		{"more than a boundary holds", func(p *P) {
			for _, letter := range "abcdefghij" {
				p.Tasks[1].Permissions = append(p.Tasks[1].Permissions, config.Permission{Actions: []string{"sqs:SendMessage"}, Resources: []string{"arn:aws:sqs:us-west-2:123456789012:" + strings.Repeat(string(letter), 420)}})
			}
		}, `
environments["staging"]: the permissions of services and tasks make a boundary of about 8047 characters, where IAM takes 6144; * shortens lists of actions and resources
environments["production"]: the permissions of services and tasks make a boundary of about 7690 characters, where IAM takes 6144; * shortens lists of actions and resources
`},
	})
}

// A boundary holds what several services ask for a single time, with the
// environment's name in its place.
func TestBoundaryOf(t *testing.T) {
	t.Parallel()
	p := configtest.Docs()
	p.Environments[0].Exec = false
	send := config.Permission{Actions: []string{"sqs:SendMessage"}, Resources: []string{"arn:aws:sqs:us-west-2:123456789012:{environment}-mail"}}
	p.Services[0].Permissions = []config.Permission{send}
	p.Services[1].Permissions = []config.Permission{send, {Actions: []string{"ses:SendEmail"}, Resources: []string{"*"}}}
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	want := []config.Permission{
		{Actions: []string{"sqs:SendMessage"}, Resources: []string{"arn:aws:sqs:us-west-2:123456789012:staging-mail"}},
		{Actions: []string{"ses:SendEmail"}, Resources: []string{"*"}},
	}
	if d := cmp.Diff(want, p.BoundaryOf(p.Environments[0])); d != "" {
		t.Error(d)
	}
	p.Environments[0].Exec = true
	log := "arn:aws:logs:us-west-2:123456789012:log-group:/doc-platform/staging/exec/sessions:*"
	if all := p.BoundaryOf(p.Environments[0]); len(all) != 4 || !slices.Contains(all[2].Actions, "ssmmessages:OpenDataChannel") || all[3].Resources[0] != log {
		t.Errorf("with sessions: %+v", all)
	}
}

func TestInvalidShape(t *testing.T) {
	t.Parallel()
	type P = config.Platform
	checkInvalid(t, []invalid{
		{"two engines", func(p *P) { p.ValkeyVersion = "8.0" }, `valkeyVersion: "8.0" is a second engine of the one cache, whose redisVersion is "7.1"; for example RedisVersion: ""`},
		{"no version of Valkey", func(p *P) { p.RedisVersion, p.ValkeyVersion = "", "9.2" }, `valkeyVersion: "9.2" is not a version of Valkey on ElastiCache, major and minor: 7.2, 8.0, 8.1, 8.2, 9.0, 9.1; for example "8.0"`},
		{"parameters that RDS sets itself, or takes without unit", func(p *P) {
			p.Environments[0].Database.Parameters = map[string]string{"wal_level": "logical", "work_mem": "16MB", "rds.logical_replication": "1"}
		}, `
environments["staging"].database.parameters["wal_level"]: "logical" is one that RDS sets itself and lets nobody change
environments["staging"].database.parameters["work_mem"]: "16MB" has a unit, and RDS takes a number of the parameter's own unit; for example "16384"`},
		{"sidecars that ECS or the platform's roles refuse", func(p *P) {
			p.Services[0].Sidecars = []config.Sidecar{
				{Name: "ecs-service-connect-x", Image: "public.ecr.aws/x/a:1"},
				{Name: "fips", Image: "999999999999.dkr.ecr-fips.us-east-1.amazonaws.com/a:1"},
				{Name: "dual", Image: "999999999999.dkr-ecr.us-west-2.on.aws/a/b:1"},
			}
		}, `
services["api"].sidecars["ecs-service-connect-x"].name: "ecs-service-connect-x" begins as the name of Service Connect's own container; for example "otel"
services["api"].sidecars["fips"].image: "999999999999.dkr.ecr-fips.us-east-1.amazonaws.com/a:1" is in a private registry from which the service's role may not pull; the platform's own is 123456789012.dkr.ecr.us-west-2.amazonaws.com/doc-platform/; for example "public.ecr.aws/aws-observability/aws-otel-collector:v0.43.3"
services["api"].sidecars["dual"].image: "999999999999.dkr-ecr.us-west-2.on.aws/a/b:1" is in a private registry from which the service's role may not pull; the platform's own is 123456789012.dkr.ecr.us-west-2.amazonaws.com/doc-platform/; for example "public.ecr.aws/aws-observability/aws-otel-collector:v0.43.3"`},
		{"a log router whose output has no name", func(p *P) {
			p.Services[0].Sidecars = []config.Sidecar{{Name: "router", Image: "public.ecr.aws/x/a:1", LogRouter: config.LogRouter{Type: "fluentbit", Options: map[string]string{"name": "datadog"}}}}
		}, `services["api"].sidecars["router"].logRouter.options: lack "Name", the name of the output, without which FireLens starts no task; for example map[string]string{"Name": "…"}`},
		{"disks that Fargate does not give", func(p *P) {
			p.Environments[0].Size.EphemeralStorageGiB = 20
			p.Tasks[0].EphemeralStorageGiB = 201
		}, `
tasks["migrate"].ephemeralStorageGiB: 201 is not a disk that Fargate gives a task, 21 to 200 GiB, or 0 for the 20 that it includes; for example 50
environments["staging"].size.ephemeralStorageGiB: 20 is not a disk that Fargate gives a task, 21 to 200 GiB, or 0 for the 20 that it includes; for example 50
`},
		{"targets out of range", func(p *P) {
			size := &p.Environments[1].Size
			size.TargetCPUPercent, size.TargetMemoryPercent, size.TargetRequests = 0, 95, -1
		}, `
environments["production"].size.targetMemoryPercent: 95 is not a percentage that autoscaling can aim at, 10 to 90; for example 70
environments["production"].size.targetRequests: -1 is not a number of requests a minute and task that autoscaling can aim at, 1 to 1000000; for example 1000
`},
		{"Spot where tasks have to stay", func(p *P) { p.Environments[1].Size.Spot = true }, `environments["production"].size.spot: true breaks a promise of protected environments: tasks that AWS does not take away; for example false`},
		{"targets without autoscaling", func(p *P) { p.Environments[0].Size.TargetMemoryPercent = 60 }, `environments["staging"].size.targetMemoryPercent: 60 has no effect: the service does not scale while maxTasks is minTasks; for example 0`},
		{"requests that nobody counts", func(p *P) {
			s := &p.Services[2]
			s.Routes, s.Priority, s.HealthPath, s.HealthCommand = nil, 0, "", []string{"CMD", "/bin/check"}
			p.Environments[1].Size.TargetRequests = 500
		}, `environments["production"].size.targetRequests: 500 has no effect on service "mcp", to which no load balancer sends requests: give it a size of its own in sizes`},
	})
}

// Actions of AWS have digits, too, and names of resources more than letters. What looks,
// or belongs to no environment, may be for everything.
func TestValidPermissions(t *testing.T) {
	t.Parallel()
	p := configtest.Docs()
	p.Services[0].Permissions = []config.Permission{
		{Actions: []string{"comprehendmedical:DetectEntitiesV2", "ses:SendEmail", "cloudwatch:PutMetricData", "ecs:DescribeTasks", "ecs:List*", "ecr:GetAuthorizationToken"}, Resources: []string{"*"}},
		{Actions: []string{"iot:Publish"}, Resources: []string{"arn:aws:iot:us-west-2:123456789012:topic/$aws/things/?amp-{environment}/shadow", "arn:aws:iot:us-west-2:123456789012:topicfilter/alarms/#"}},
		{Actions: []string{"s3:*"}, Resources: []string{"arn:aws:s3:::uploads-{environment}/(new)!/*"}},
		{Actions: []string{"ecs:*"}, Resources: []string{"arn:aws:ecs:us-west-2:123456789012:service/doc-platform-{environment}/mcp"}},
	}
	if err := p.Validate(); err != nil {
		t.Error(err)
	}
}
