package localaws_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	route53types "github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	schedulertypes "github.com/aws/aws-sdk-go-v2/service/scheduler/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/beevik/etree"
	"github.com/jackc/pgx/v5"

	"github.com/specboard/platform/tfpipeline/internal/localaws"
	"github.com/specboard/platform/tfpipeline/internal/localaws/balancer"
)

const siteDomain = "staging.specboard.io"

// TestCloud runs everything that a platform does at run time on the local
// endpoint: images by digest, tasks, logs, secrets, load balancer, domain,
// database. No request may fail, whatever is deployed.
func TestCloud(t *testing.T) {
	e2e(t)
	c := startCloud(t)
	s := newCloudSite(t, c)
	s.create("v1")

	t.Run("domain", func(t *testing.T) {
		client := &http.Client{Transport: balancer.Transport(c.URL(), nil)}
		res, err := client.Get("https://" + siteDomain + "/health")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if body, err := io.ReadAll(res.Body); err != nil || res.StatusCode != 200 || string(body) != "ok\n" {
			t.Errorf("status %d %q, %v", res.StatusCode, body, err)
		}
	})
	t.Run("target health", func(t *testing.T) {
		out, err := elb.NewFromConfig(s.config).DescribeTargetHealth(t.Context(), &elb.DescribeTargetHealthInput{TargetGroupArn: new(s.groups["api"])})
		if err != nil || len(out.TargetHealthDescriptions) != 2 || out.TargetHealthDescriptions[0].TargetHealth.State != elbtypes.TargetHealthStateEnumHealthy {
			t.Errorf("%+v, %v", out, err)
		}
	})
	t.Run("new releases", func(t *testing.T) {
		users := s.users(6)
		for _, release := range []string{"v2", "v3", "v4"} {
			s.deploy(s.register(release, nil))
		}
		users.check(t, everywhere("v1", "v2", "v3", "v4")...)
	})
	for _, bad := range []struct {
		name, service string
		args          []string
	}{
		{"release that crashes", "api", []string{"-crash-after", "1ns"}},
		{"release that never gets healthy", "mcp", []string{"-unhealthy"}},
		{"release that does not even start", "frontend", []string{"-no-such-flag"}},
	} {
		t.Run(bad.name, func(t *testing.T) {
			good := s.running[bad.service]
			users := s.users(6)
			revisions := s.register("v5", map[string][]string{bad.service: bad.args})
			s.deploy(map[string]string{bad.service: revisions[bad.service]})
			if got := s.result(bad.service); got != "ROLLBACK_SUCCESSFUL" {
				t.Errorf("%s: %s", bad.service, got)
			}
			if s.running[bad.service] != good {
				t.Errorf("runs %s, want %s", s.running[bad.service], good)
			}
			users.check(t, everywhere("v4")...)
		})
	}
	t.Run("logs", func(t *testing.T) {
		out, err := cloudwatchlogs.NewFromConfig(s.config).FilterLogEvents(t.Context(), &cloudwatchlogs.FilterLogEventsInput{
			LogGroupName: new("/site"), FilterPattern: new("told")})
		if err != nil {
			t.Fatal(err)
		}
		crashes := 0
		for _, e := range out.Events {
			if *e.Message == "sample: told to crash after 1ns" && strings.HasPrefix(*e.LogStreamName, "site/api/") {
				crashes++
			}
		}
		if crashes < 3 {
			t.Errorf("%d crashes in the logs, want 3 at least", crashes)
		}
	})
	t.Run("one-off tasks", func(t *testing.T) { s.oneOffs(t) })
	t.Run("schedules", func(t *testing.T) { s.schedules(t) })
	t.Run("what is not there", func(t *testing.T) { s.lookups(t) })
}

func startCloud(t *testing.T) *localaws.Cloud {
	t.Helper()
	c, err := localaws.StartCloud(t.Context(), localaws.CloudOptions{Options: localaws.Options{Progress: func(line string) { t.Log(line) }}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// cloudSite is a site whose resources are created through the API.
type cloudSite struct {
	*site
	config   aws.Config
	endpoint *localaws.Cloud
	programs string // folder of the image's programs
	// balancer and listener are ARNs; vpc is the network.
	balancer, listener, vpc string
}

func newCloudSite(t *testing.T, c *localaws.Cloud) *cloudSite {
	t.Helper()
	cfg := c.Access().Config()
	programs := t.TempDir()
	buildProgram(t, programs, samplePackage)
	buildProgram(t, programs, "migrations/migrate")
	s := &cloudSite{config: cfg, endpoint: c, programs: programs}
	s.site = &site{t: t, ecs: sdk.NewFromConfig(cfg), groups: map[string]string{}, running: map[string]string{}, host: siteDomain,
		log: &types.LogConfiguration{LogDriver: types.LogDriverAwslogs, Options: map[string]string{
			"awslogs-group": "/site", "awslogs-region": cfg.Region, "awslogs-stream-prefix": "site"}},
		push: func(service string, args ...string) string {
			return s.pushImage(service, localaws.Image{Folder: programs, Entrypoint: []string{"sample"}, Command: args})
		}}
	secret, err := secretsmanager.NewFromConfig(cfg).CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{
		Name: new("site/db"), SecretString: new(`{"username":"site","password":"hush hush"}`)})
	if err != nil {
		t.Fatal(err)
	}
	s.secrets = []types.Secret{{Name: new("DB_PASSWORD"), ValueFrom: new(*secret.ARN + ":password::")}}
	if _, err := cloudwatchlogs.NewFromConfig(cfg).CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: new("/site")}); err != nil {
		t.Fatal(err)
	}
	for _, service := range siteServices() {
		if _, err := ecr.NewFromConfig(cfg).CreateRepository(t.Context(), &ecr.CreateRepositoryInput{RepositoryName: &service.name}); err != nil {
			t.Fatal(err)
		}
	}
	s.createRole("execution", `{"Effect": "Allow", "Action": ["secretsmanager:GetSecretValue", "logs:CreateLogStream", "logs:PutLogEvents"], "Resource": "*"}`)
	s.createRole("logger", `{"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": "*"}`)
	s.query("iam", url.Values{"Action": {"CreateServiceLinkedRole"}, "Version": {"2010-05-08"}, "AWSServiceName": {"rds.amazonaws.com"}}, &struct{}{})
	// ECS's role is made by the first attempt, which fails.
	_, err = s.ecs.CreateCluster(t.Context(), &sdk.CreateClusterInput{ClusterName: new("site")})
	if invalid, ok := errors.AsType[*types.InvalidParameterException](err); !ok || !strings.Contains(invalid.ErrorMessage(), "Unable to assume the service linked role") {
		t.Errorf("the first cluster of the account: %v", err)
	}
	s.createBalancer()
	return s
}

// createRole creates a role that ECS may assume for tasks.
func (s *cloudSite) createRole(name, statement string) {
	s.t.Helper()
	s.createRoleFor("ecs-tasks.amazonaws.com", name, statement)
}

// createRoleFor creates a role that a service of AWS's may assume.
func (s *cloudSite) createRoleFor(service, name, statement string) {
	s.t.Helper()
	document := func(statement string) string { return `{"Version": "2012-10-17", "Statement": [` + statement + `]}` }
	s.query("iam", url.Values{"Action": {"CreateRole"}, "Version": {"2010-05-08"}, "RoleName": {name}, "AssumeRolePolicyDocument": {
		document(`{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "` + service + `"}}`)}}, &struct{}{})
	s.query("iam", url.Values{"Action": {"PutRolePolicy"}, "Version": {"2010-05-08"}, "RoleName": {name}, "PolicyName": {"all"}, "PolicyDocument": {document(statement)}}, &struct{}{})
}

// pushImage gives a reference by digest, as a promotion does.
func (s *cloudSite) pushImage(repository string, image localaws.Image) string {
	s.t.Helper()
	digest, err := localaws.Push(s.t.Context(), s.config, repository, fmt.Sprintf("tag-%d", time.Now().UnixNano()), image)
	if err != nil {
		s.t.Fatal(err)
	}
	return localaws.DefaultAccount + ".dkr.ecr." + s.config.Region + ".amazonaws.com/" + repository + "@" + digest
}

// createBalancer creates a load balancer with a rule for each service, and the
// domain that leads to it.
func (s *cloudSite) createBalancer() {
	s.t.Helper()
	ctx, client := s.t.Context(), elb.NewFromConfig(s.config)
	var subnets struct {
		IDs []string `xml:"subnetSet>item>subnetId"`
		VPC []string `xml:"subnetSet>item>vpcId"`
	}
	s.query("ec2", url.Values{"Action": {"DescribeSubnets"}, "Version": {"2016-11-15"}}, &subnets)
	s.subnets = subnets.IDs[:2]
	created, err := client.CreateLoadBalancer(ctx, &elb.CreateLoadBalancerInput{Name: new("site"), Subnets: subnets.IDs[:2]})
	if err != nil {
		s.t.Fatal(err)
	}
	lb := created.LoadBalancers[0]
	s.balancer, s.vpc = *lb.LoadBalancerArn, subnets.VPC[0]
	listener, err := client.CreateListener(ctx, &elb.CreateListenerInput{LoadBalancerArn: lb.LoadBalancerArn, Port: new(int32(443)), Protocol: elbtypes.ProtocolEnumHttp,
		DefaultActions: []elbtypes.Action{{Type: elbtypes.ActionTypeEnumFixedResponse, FixedResponseConfig: &elbtypes.FixedResponseActionConfig{
			StatusCode: new("404"), ContentType: new("text/plain"), MessageBody: new("Not found")}}}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.listener = *listener.Listeners[0].ListenerArn
	for i, service := range siteServices() {
		group, err := client.CreateTargetGroup(ctx, &elb.CreateTargetGroupInput{Name: new("site-" + service.name), Port: new(int32(80)), Protocol: elbtypes.ProtocolEnumHttp,
			TargetType: elbtypes.TargetTypeEnumIp, VpcId: &subnets.VPC[0], HealthCheckPath: new("/health"), Matcher: &elbtypes.Matcher{HttpCode: new("200")},
			HealthCheckIntervalSeconds: new(int32(10)), HealthCheckTimeoutSeconds: new(int32(5)), HealthyThresholdCount: new(int32(2)), UnhealthyThresholdCount: new(int32(3))})
		if err != nil {
			s.t.Fatal(err)
		}
		arn := group.TargetGroups[0].TargetGroupArn
		s.groups[service.name] = *arn
		if _, err := client.ModifyTargetGroupAttributes(ctx, &elb.ModifyTargetGroupAttributesInput{TargetGroupArn: arn, Attributes: []elbtypes.TargetGroupAttribute{
			{Key: new("deregistration_delay.timeout_seconds"), Value: new("30")}}}); err != nil {
			s.t.Fatal(err)
		}
		patterns := service.patterns
		if patterns == nil {
			patterns = []string{"/*"}
		}
		// From the last to the first: priorities count, and not the order.
		if _, err := client.CreateRule(ctx, &elb.CreateRuleInput{ListenerArn: listener.Listeners[0].ListenerArn, Priority: new(int32(100 * (i + 1))),
			Conditions: []elbtypes.RuleCondition{{Field: new("path-pattern"), PathPatternConfig: &elbtypes.PathPatternConditionConfig{Values: patterns}}},
			Actions:    []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: arn}}}); err != nil {
			s.t.Fatal(err)
		}
	}
	zones := route53.NewFromConfig(s.config)
	zone, err := zones.CreateHostedZone(ctx, &route53.CreateHostedZoneInput{Name: new("specboard.io"), CallerReference: new("1")})
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := zones.ChangeResourceRecordSets(ctx, &route53.ChangeResourceRecordSetsInput{HostedZoneId: zone.HostedZone.Id, ChangeBatch: &route53types.ChangeBatch{
		Changes: []route53types.Change{{Action: route53types.ChangeActionCreate, ResourceRecordSet: &route53types.ResourceRecordSet{
			Name: new(siteDomain), Type: route53types.RRTypeA,
			AliasTarget: &route53types.AliasTarget{DNSName: lb.DNSName, HostedZoneId: lb.CanonicalHostedZoneId, EvaluateTargetHealth: true}}}}}}); err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, "the load balancer answers", func() bool {
		all, err := s.endpoint.Balancers(ctx)
		if err != nil {
			s.t.Fatal(err)
		}
		if len(all) == 1 && len(all[0].Domains) == 1 && all[0].Domains[0] == siteDomain && len(all[0].Listeners) == 1 {
			s.url = all[0].Listeners[0].URL
		}
		return s.url != ""
	})
}

// query calls an operation of the Query protocol.
func (s *cloudSite) query(service string, form url.Values, answer any) {
	s.t.Helper()
	status, body := s.send(service, form)
	if status != http.StatusOK {
		s.t.Fatalf("%s: status %d: %s", form.Get("Action"), status, body)
	}
	s.decode(body, answer)
}

func (s *cloudSite) decode(body []byte, answer any) {
	s.t.Helper()
	if err := xml.Unmarshal(body, answer); err != nil {
		s.t.Fatal(err)
	}
}

// created calls an operation of the Query protocol and returns the text at a
// path of its answer: "vpc>vpcId".
func (s *cloudSite) created(service, path, operation string, parameters ...string) string {
	s.t.Helper()
	form := url.Values{"Action": {operation}, "Version": {"2016-11-15"}}
	for _, p := range parameters {
		name, value, _ := strings.Cut(p, "=")
		form.Set(name, value)
	}
	status, body := s.send(service, form)
	root := etree.NewDocument()
	if err := root.ReadFromBytes(body); err != nil || status != http.StatusOK {
		s.t.Fatalf("%s: status %d, %v: %s", operation, status, err, body)
	}
	found := root.Root().FindElement("./" + strings.ReplaceAll(path, ">", "/"))
	if found == nil {
		s.t.Fatalf("%s: no %s in %s", operation, path, body)
	}
	return found.Text()
}

// json calls an operation of the JSON protocol.
func (s *cloudSite) json(service, target string, in, out any) {
	s.t.Helper()
	document, err := json.Marshal(in)
	if err != nil {
		s.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.endpoint.URL()+"/", bytes.NewReader(document))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", target)
	status, body := s.do(service, r)
	if err := json.Unmarshal(body, out); err != nil || status != http.StatusOK {
		s.t.Fatalf("%s: status %d, %v: %s", target, status, err, body)
	}
}

func (s *cloudSite) send(service string, form url.Values) (status int, body []byte) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.endpoint.URL()+"/", strings.NewReader(form.Encode()))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return s.do(service, r)
}

func (s *cloudSite) do(service string, r *http.Request) (status int, body []byte) {
	s.t.Helper()
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=k/20260101/"+s.config.Region+"/"+service+"/aws4_request, SignedHeaders=host, Signature=none")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err = io.ReadAll(res.Body); err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, body
}

// oneOffs runs tasks to their end: the real migrate against a real PostgreSQL,
// and some that fail.
func (s *cloudSite) oneOffs(t *testing.T) {
	host, port := s.createDatabase(t)
	defer s.replaceDatabase(t, host, port)
	environment := []types.KeyValuePair{{Name: new("DB_HOST"), Value: &host}, {Name: new("DB_PORT"), Value: &port},
		{Name: new("DB_NAME"), Value: new("doc_platform")}, {Name: new("DB_USER"), Value: new("doc_platform")}, {Name: new("DB_SSLMODE"), Value: new("require")}}
	image := s.pushImage("api", localaws.Image{Folder: s.programs})
	for _, step := range []struct {
		name, role string
		command    []string
		change     func(*types.ContainerDefinition)
		code       int32 // -1: none
		says, why  string
	}{
		{"migrate", "execution", []string{"migrate", "up"}, nil, 0, "0016", "Essential container in task exited"},
		{"migrate again", "execution", []string{"migrate", "up"}, nil, 0, "", "Essential container in task exited"},
		{"migrate without TLS", "execution", []string{"migrate", "up"}, func(d *types.ContainerDefinition) { d.Environment[4].Value = new("disable") }, 1, "no encryption", "Essential container in task exited"},
		{"migrate without a database", "execution", []string{"migrate", "up"}, func(d *types.ContainerDefinition) { d.Environment[1].Value = new("1") }, 1, "migrate:", "Essential container in task exited"},
		{"secret", "execution", []string{"sh", "-c", `test "$DB_PASSWORD" = "hush hush" && echo it was`}, nil, 0, "it was", "Essential container in task exited"},
		{"no such secret", "execution", []string{"sh"}, func(d *types.ContainerDefinition) {
			d.Secrets = []types.Secret{{Name: new("X"), ValueFrom: new(*s.secrets[0].ValueFrom + "x")}}
		}, -1, "", "ResourceInitializationError: unable to pull secrets"},
		{"no such key", "execution", []string{"sh"}, func(d *types.ContainerDefinition) {
			d.Secrets = []types.Secret{{Name: new("X"), ValueFrom: new(strings.Replace(*s.secrets[0].ValueFrom, ":password:", ":passwort:", 1))}}
		}, -1, "", "did not contain json key passwort"},
		{"no such log group", "execution", []string{"sh"}, func(d *types.ContainerDefinition) {
			d.LogConfiguration = &types.LogConfiguration{LogDriver: types.LogDriverAwslogs, Options: map[string]string{"awslogs-group": "/none", "awslogs-region": s.config.Region, "awslogs-stream-prefix": "x"}}
		}, -1, "", "The specified log group does not exist"},
		{"execution role that may not read the secret", "logger", []string{"sh"}, nil, -1, "", "logger/"},
	} {
		t.Run(step.name, func(t *testing.T) {
			d := s.container(siteServices()[0], image)
			d.Command, d.Environment = step.command, append([]types.KeyValuePair{}, environment...)
			if step.change != nil {
				step.change(&d)
			}
			task := s.runTask(t, step.role, d)
			code := int32(-1)
			if c := task.Containers[0].ExitCode; c != nil {
				code = *c
			}
			if code != step.code || !strings.Contains(*task.StoppedReason, step.why) {
				t.Errorf("exit code %d, want %d; reason %s", code, step.code, *task.StoppedReason)
			}
			if step.says == "" {
				return
			}
			id := (*task.TaskArn)[strings.LastIndex(*task.TaskArn, "/")+1:]
			out, err := cloudwatchlogs.NewFromConfig(s.config).GetLogEvents(t.Context(), &cloudwatchlogs.GetLogEventsInput{LogGroupName: new("/site"), LogStreamName: new("site/api/" + id)})
			if err != nil {
				t.Fatal(err)
			}
			var lines []string
			for _, e := range out.Events {
				lines = append(lines, *e.Message)
			}
			if !strings.Contains(strings.Join(lines, "\n"), step.says) {
				t.Errorf("it said:\n%s", strings.Join(lines, "\n"))
			}
		})
	}
}

// startTask runs a task of one container under an execution role.
// schedules has tasks run by schedules: as their roles, at their rates, and no more
// once they are off.
func (s *cloudSite) schedules(t *testing.T) {
	d := s.container(siteServices()[0], s.pushImage("api", localaws.Image{Folder: s.programs}))
	d.Command = []string{"sh", "-c", "echo ran by a schedule"}
	started, err := s.startTask(t, "execution", d)
	if err != nil {
		t.Fatal(err)
	}
	client := scheduler.NewFromConfig(s.config)
	if _, err := client.CreateScheduleGroup(t.Context(), &scheduler.CreateScheduleGroupInput{Name: new("site")}); err != nil {
		t.Fatal(err)
	}
	vpc := s.network().AwsvpcConfiguration
	schedule := func(name, expression, statement string) *scheduler.CreateScheduleInput {
		s.createRoleFor("scheduler.amazonaws.com", "start-"+name, statement)
		return &scheduler.CreateScheduleInput{
			Name: &name, GroupName: new("site"), ScheduleExpression: &expression, FlexibleTimeWindow: &schedulertypes.FlexibleTimeWindow{Mode: "OFF"},
			Target: &schedulertypes.Target{
				Arn: new("arn:aws:ecs:us-west-2:123456789012:cluster/site"), RoleArn: new("arn:aws:iam::123456789012:role/start-" + name),
				RetryPolicy: &schedulertypes.RetryPolicy{MaximumRetryAttempts: new(int32(0)), MaximumEventAgeInSeconds: new(int32(60))},
				EcsParameters: &schedulertypes.EcsParameters{
					TaskDefinitionArn: started.Tasks[0].TaskDefinitionArn, LaunchType: "FARGATE", Group: new("schedule:" + name),
					NetworkConfiguration: &schedulertypes.NetworkConfiguration{AwsvpcConfiguration: &schedulertypes.AwsVpcConfiguration{Subnets: vpc.Subnets, SecurityGroups: vpc.SecurityGroups}},
				},
			},
		}
	}
	runs := func(name string) int { return len(listed(t, s, name)) }
	every := schedule("every", "rate(1 minute)", `{"Effect": "Allow", "Action": ["ecs:RunTask", "iam:PassRole"], "Resource": "*"}`)
	for _, in := range []*scheduler.CreateScheduleInput{
		every,
		schedule("yearly", "cron(0 0 1 1 ? *)", `{"Effect": "Allow", "Action": "*", "Resource": "*"}`),
		schedule("denied", "rate(1 minute)", `{"Effect": "Allow", "Action": "ecs:RunTask", "Resource": "*"}`), // not the roles
	} {
		if _, err := client.CreateSchedule(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "two runs have ended", func() bool { return runs("every") >= 2 })
	if _, err := client.UpdateSchedule(t.Context(), &scheduler.UpdateScheduleInput{
		Name: every.Name, GroupName: every.GroupName, ScheduleExpression: every.ScheduleExpression, FlexibleTimeWindow: every.FlexibleTimeWindow,
		Target: every.Target, State: "DISABLED"}); err != nil {
		t.Fatal(err)
	}
	out, err := s.ecs.DescribeTasks(t.Context(), &sdk.DescribeTasksInput{Cluster: new("site"), Tasks: listed(t, s, "every")})
	if err != nil || len(out.Tasks) == 0 || *out.Tasks[0].Group != "schedule:every" || *out.Tasks[0].Containers[0].ExitCode != 0 {
		t.Errorf("the runs: %+v, %v", out, err)
	}
	if runs("yearly") != 0 || runs("denied") != 0 {
		t.Errorf("%d runs in a year, %d runs of a role that may pass none", runs("yearly"), runs("denied"))
	}
}

// listed are the tasks that a schedule has started and that ended.
func listed(t *testing.T, s *cloudSite, schedule string) []string {
	t.Helper()
	list, err := s.ecs.ListTasks(t.Context(), &sdk.ListTasksInput{Cluster: new("site"), StartedBy: new("chronos-schedule/" + schedule), DesiredStatus: types.DesiredStatusStopped})
	if err != nil {
		t.Fatal(err)
	}
	return list.TaskArns
}

func (s *cloudSite) startTask(t *testing.T, role string, d types.ContainerDefinition) (*sdk.RunTaskOutput, error) {
	t.Helper()
	def, err := s.ecs.RegisterTaskDefinition(t.Context(), &sdk.RegisterTaskDefinitionInput{
		Family: new("one-off"), Cpu: new("256"), Memory: new("512"), NetworkMode: types.NetworkModeAwsvpc,
		RequiresCompatibilities: []types.Compatibility{types.CompatibilityFargate}, ExecutionRoleArn: new("arn:aws:iam::123456789012:role/" + role),
		ContainerDefinitions: []types.ContainerDefinition{d}})
	if err != nil {
		t.Fatal(err)
	}
	return s.ecs.RunTask(t.Context(), &sdk.RunTaskInput{Cluster: new("site"), TaskDefinition: def.TaskDefinition.TaskDefinitionArn,
		LaunchType: types.LaunchTypeFargate, NetworkConfiguration: s.network()})
}

// createDatabase creates a database instance, and says where it listens.
func (s *cloudSite) createDatabase(t *testing.T) (host, port string) {
	t.Helper()
	var created struct {
		Host string `xml:"CreateDBInstanceResult>DBInstance>Endpoint>Address"`
		Port string `xml:"CreateDBInstanceResult>DBInstance>Endpoint>Port"`
	}
	s.query("rds", url.Values{"Action": {"CreateDBInstance"}, "Version": {"2014-10-31"}, "DBInstanceIdentifier": {"site"}, "Engine": {"postgres"},
		"DBInstanceClass": {"db.t4g.micro"}, "AllocatedStorage": {"20"}, "MasterUsername": {"doc_platform"}, "MasterUserPassword": {"0123456789"}, "DBName": {"doc_platform"}}, &created)
	if created.Host != "127.0.0.1" {
		t.Fatalf("the database is at %s:%s", created.Host, created.Port)
	}
	return created.Host, created.Port
}

// replaceDatabase: an instance of the same name has the address of the old one, as on
// AWS, and none of its data.
func (s *cloudSite) replaceDatabase(t *testing.T, host, port string) {
	t.Helper()
	if n := tables(t, host, port); n == 0 {
		t.Error("the migrations have left no table")
	}
	s.query("rds", url.Values{"Action": {"DeleteDBInstance"}, "Version": {"2014-10-31"}, "DBInstanceIdentifier": {"site"}, "SkipFinalSnapshot": {"true"}}, &struct{}{})
	host, port = s.createDatabase(t)
	if n := tables(t, host, port); n != 0 {
		t.Errorf("the new instance has %d tables of the old one", n)
	}
}

// tables counts the tables in a database.
func tables(t *testing.T, host, port string) (n int) {
	t.Helper()
	db, err := pgx.Connect(t.Context(), fmt.Sprintf("host=%s port=%s user=doc_platform password=0123456789 dbname=doc_platform sslmode=require", host, port))
	if err != nil {
		t.Fatal(err)
	}
	err = db.QueryRow(t.Context(), "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").Scan(&n)
	if err := errors.Join(err, db.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	return n
}

// runTask runs a task of one container, and waits for its end.
func (s *cloudSite) runTask(t *testing.T, role string, d types.ContainerDefinition) types.Task {
	t.Helper()
	out, err := s.startTask(t, role, d)
	if err != nil || len(out.Tasks) != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	var task types.Task
	eventually(t, "the task has stopped", func() bool {
		described, err := s.ecs.DescribeTasks(context.WithoutCancel(t.Context()), &sdk.DescribeTasksInput{Cluster: new("site"), Tasks: []string{*out.Tasks[0].TaskArn}})
		if err != nil {
			t.Fatal(err)
		}
		if len(described.Tasks) == 0 {
			return false
		}
		task = described.Tasks[0]
		return *task.LastStatus == "STOPPED"
	})
	return task
}
