package localaws

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

const deployRole = "arn:aws:iam::123456789012:role/x/deploy"

// account is an account with one role, which GitHub's job "deploy" may assume,
// for two hours at most.
func account(t *testing.T, statements, boundary string) *fakeControl {
	document := func(statements string) string {
		return url.PathEscape(`{"Version": "2012-10-17", "Statement": ` + statements + `}`)
	}
	trust := document(`{"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
		"Principal": {"Federated": "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"},
		"Condition": {"StringEquals": {"token.actions.githubusercontent.com:sub": "deploy"}}}`)
	bounds := ""
	if boundary != "" {
		bounds = `<PermissionsBoundary><PermissionsBoundaryArn>arn:aws:iam::123456789012:policy/b</PermissionsBoundaryArn></PermissionsBoundary>`
	}
	managed := func(arn, statements string) string {
		return `<member><Arn>` + arn + `</Arn><PolicyVersionList><member><IsDefaultVersion>false</IsDefaultVersion><Document>old</Document></member>` +
			`<member><IsDefaultVersion>true</IsDefaultVersion><Document>` + document(statements) + `</Document></member></PolicyVersionList></member>`
	}
	return newFakeControl(t, map[string]string{
		"iam.GetAccountAuthorizationDetails": `<R><GetAccountAuthorizationDetailsResult>
<RoleDetailList><member><RoleName>deploy</RoleName><Arn>` + deployRole + `</Arn><AssumeRolePolicyDocument>` + trust + `</AssumeRolePolicyDocument>
<AttachedManagedPolicies><member><PolicyArn>arn:aws:iam::123456789012:policy/p</PolicyArn></member></AttachedManagedPolicies>` + bounds + `</member></RoleDetailList>
<Policies>` + managed("arn:aws:iam::123456789012:policy/p", statements) + managed("arn:aws:iam::123456789012:policy/b", boundary) + `</Policies>
</GetAccountAuthorizationDetailsResult></R>`,
		"iam.GetOpenIDConnectProvider": `<R><GetOpenIDConnectProviderResult><ClientIDList><member>sts.amazonaws.com</member></ClientIDList></GetOpenIDConnectProviderResult></R>`,
		"iam.GetRole":                  `<R><GetRoleResult><Role><MaxSessionDuration>7200</MaxSessionDuration></Role></GetRoleResult></R>`,
		"iam.UpdateRole":               `<R/>`,
		"ec2.DescribeTags":             `<R><tagSet><item><key>Environment</key><value>staging</value></item></tagSet></R>`,
		"ec2.DeleteVpc":                `<R/>`,
		"ec2.DescribeVpcs":             `<R/>`,
		"s3.":                          ``,
		"ecs.DescribeClusters":         `{}`,
	})
}

// deployConfig is an SDK configuration with credentials of the role.
func deployConfig(t *testing.T, e *Endpoint) aws.Config {
	t.Helper()
	cfg := awsConfig(e)
	token, err := Token("deploy", "refs/heads/main", nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Assume(t.Context(), cfg, deployRole, token)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Credentials = credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken)
	return cfg
}

// as is a request of the Query protocol in a session.
func as(t *testing.T, e *Endpoint, c aws.Credentials, service string, form url.Values) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.URL(), strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", strings.Replace(signature(service, "us-west-2"), accessKey, c.AccessKeyID, 1))
	r.Header.Set("X-Amz-Security-Token", c.SessionToken)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var body strings.Builder
	if err := res.Write(&body); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, body.String()
}

func TestRoleIsJudged(t *testing.T) {
	control := account(t, `[{"Effect": "Allow", "Action": ["ec2:DeleteVpc", "ec2:DescribeVpcs"], "Resource": "*", "Condition": {"StringEqualsIfExists": {"aws:ResourceTag/Environment": "staging"}}},
		{"Effect": "Allow", "Action": "s3:*Object", "Resource": "arn:aws:s3:::state/*"}]`, "")
	calls := make(chan Call, 100)
	e := start(t, control, Options{Trace: func(c Call) { calls <- c }})
	cfg := deployConfig(t, e)
	c, err := cfg.Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	if status, body := as(t, e, c, "ec2", url.Values{"Action": {"DeleteVpc"}, "VpcId": {"vpc-1"}}); status != http.StatusOK {
		t.Errorf("what is allowed: %d %s", status, body)
	}
	<-calls // AssumeRoleWithWebIdentity
	if last := <-calls; last.Role != "deploy" || len(last.Asked) != 1 || last.Asked[0].Keys["aws:ResourceTag/Environment"][0] != "staging" {
		t.Errorf("the trace has %+v", last)
	}
	control.answers["ec2.DescribeTags"] = `<R><tagSet><item><key>Environment</key><value>production</value></item></tagSet></R>`
	status, body := as(t, e, c, "ec2", url.Values{"Action": {"DeleteVpc"}, "VpcId": {"vpc-1"}})
	if want := "You are not authorized to perform this operation. User: arn:aws:sts::123456789012:assumed-role/deploy/local is not authorized to perform: ec2:DeleteVpc on resource: arn:aws:ec2:us-west-2:123456789012:vpc/vpc-1 because no identity-based policy allows the ec2:DeleteVpc action"; status != http.StatusForbidden || !strings.Contains(body, "<Code>UnauthorizedOperation</Code>") || !strings.Contains(body, want) {
		t.Errorf("another environment's VPC: %d %s", status, body)
	}
	if status, body := as(t, e, c, "rds", url.Values{"Action": {"DeleteDBInstance"}, "DBInstanceIdentifier": {"x"}}); status != http.StatusForbidden || !strings.Contains(body, "<Code>AccessDenied</Code>") {
		t.Errorf("by the Query protocol: %d %s", status, body)
	}
	if status, body := as(t, e, c, "sns", url.Values{"Action": {"Subscribe"}, "TopicArn": {"arn:aws:sns:us-west-2:123456789012:t"}}); status != http.StatusForbidden || !strings.Contains(body, "<Code>AuthorizationError</Code>") || !strings.Contains(body, "is not authorized to perform: SNS:Subscribe on resource: arn:aws:sns:us-west-2:123456789012:t because") {
		t.Errorf("by SNS: %d %s", status, body)
	}
	if status, body := as(t, e, c, "ec2", url.Values{"Action": {"PaintTheBikeshed"}}); status != http.StatusNotImplemented || !strings.Contains(body, "ec2.PaintTheBikeshed") {
		t.Errorf("what the table lacks: %d %s", status, body)
	}
	_, err = ecs.NewFromConfig(cfg).DescribeClusters(t.Context(), &ecs.DescribeClustersInput{Clusters: []string{"c"}})
	wantCode(t, err, "AccessDeniedException")
	_, err = scheduler.NewFromConfig(cfg).GetSchedule(t.Context(), &scheduler.GetScheduleInput{Name: aws.String("s")})
	wantCode(t, err, "AccessDeniedException")
	_, err = scheduler.NewFromConfig(cfg).DeleteSchedule(t.Context(), &scheduler.DeleteScheduleInput{Name: aws.String("s")})
	wantCode(t, err, "AccessDeniedException")

	store := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	if _, err := store.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("state"), Key: aws.String("k")}); err != nil {
		t.Error(err)
	}
	control.status["s3."] = http.StatusNotFound
	_, err = store.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("state"), Key: aws.String("k")})
	wantCode(t, err, "AccessDenied") // and not NoSuchKey: it may not list
	_, err = store.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("other"), Key: aws.String("k")})
	wantCode(t, err, "AccessDenied")
	if want := `User: arn:aws:sts::123456789012:assumed-role/deploy/local is not authorized to perform: s3:PutObject on resource: "arn:aws:s3:::other/k" because no identity-based policy allows the s3:PutObject action`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("by S3: %v, want %s", err, want)
	}

	who, err := sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil || *who.Arn != "arn:aws:sts::123456789012:assumed-role/deploy/local" {
		t.Errorf("the caller is %v: %v", who, err)
	}
}

func TestRoleWithinBoundary(t *testing.T) {
	e := start(t, account(t, `{"Effect": "Allow", "Action": "*", "Resource": "*"}`, `{"Effect": "Allow", "Action": "ec2:Describe*", "Resource": "*"}`), Options{})
	c, err := deployConfig(t, e).Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if status, body := as(t, e, c, "ec2", url.Values{"Action": {"DescribeVpcs"}}); status != http.StatusOK {
		t.Errorf("within the boundary: %d %s", status, body)
	}
	if status, body := as(t, e, c, "ec2", url.Values{"Action": {"DeleteVpc"}, "VpcId": {"vpc-1"}}); status != http.StatusForbidden || !strings.Contains(body, "because no permissions boundary allows") {
		t.Errorf("outside it: %d %s", status, body)
	}
}

// TestChangedPolicies: what an administrator changes counts from the next call
// on.
func TestChangedPolicies(t *testing.T) {
	control := account(t, `{"Effect": "Allow", "Action": "ec2:DescribeVpcs", "Resource": "*"}`, "")
	e := start(t, control, Options{})
	c, err := deployConfig(t, e).Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	control.answers["iam.GetAccountAuthorizationDetails"] = strings.Replace(control.answers["iam.GetAccountAuthorizationDetails"], "DescribeVpcs", "DescribeNothing", 1)
	if status, body := as(t, e, c, "ec2", url.Values{"Action": {"DescribeVpcs"}}); status != http.StatusOK {
		t.Errorf("before a change: %d %s", status, body)
	}
	must(t, e, "iam", "UpdateRole", "RoleName=deploy")
	if status, _ := as(t, e, c, "ec2", url.Values{"Action": {"DescribeVpcs"}}); status != http.StatusForbidden {
		t.Errorf("after it: %d", status)
	}
}

func TestAssumeRefuses(t *testing.T) {
	e := start(t, account(t, `{"Effect": "Allow", "Action": "*", "Resource": "*"}`, ""), Options{})
	good, err := Token("deploy", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	token := func(subject string, more map[string]string) string {
		t.Helper()
		s, err := Token(subject, "", more)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, c := range []struct{ name, role, token, duration, code string }{
		{"another subject", deployRole, token("other", nil), "3600", "AccessDenied"},
		{"another path", "arn:aws:iam::123456789012:role/deploy", good, "3600", "AccessDenied"},
		{"no such role", "arn:aws:iam::123456789012:role/x/nobody", good, "3600", "AccessDenied"},
		{"another audience", deployRole, token("deploy", map[string]string{"aud": "https://github.com/x"}), "3600", "InvalidIdentityToken"},
		{"no token", deployRole, "x", "3600", "InvalidIdentityToken"},
		{"too long a session", deployRole, good, "7201", "ValidationError"},
		{"too short a session", deployRole, good, "60", "ValidationError"},
	} {
		status, answer := query(t, e, "sts", "AssumeRoleWithWebIdentity", "RoleArn="+c.role, "WebIdentityToken="+c.token, "DurationSeconds="+c.duration, "RoleSessionName=s")
		if got := endpoint.Text(answer.SelectElement("Error"), "Code"); status == http.StatusOK || got != c.code {
			t.Errorf("%s: %d %s, want %s", c.name, status, got, c.code)
		}
	}
	if status, body := as(t, e, aws.Credentials{AccessKeyID: "ASIAUNKNOWN"}, "ec2", url.Values{"Action": {"DescribeVpcs"}}); status != http.StatusForbidden || !strings.Contains(body, "InvalidClientTokenId") {
		t.Errorf("a key that nobody issued: %d %s", status, body)
	}
	c, err := deployConfig(t, e).Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.SessionToken = "other"
	if status, body := as(t, e, c, "ec2", url.Values{"Action": {"DescribeVpcs"}}); status != http.StatusForbidden || !strings.Contains(body, "InvalidClientTokenId") {
		t.Errorf("another session's token: %d %s", status, body)
	}
}

// TestJob: the token that a job shows is the one that its role trusts.
func TestJob(t *testing.T) {
	p := configtest.Docs()
	for purpose, subject := range map[string]string{
		"plan":           "repo:specboard/doc-platform:ref:refs/heads/main",
		"build":          "repo:specboard/doc-platform:ref:refs/heads/main",
		"deploy-staging": "repo:specboard/doc-platform:environment:staging",
	} {
		arn, token, err := Job(p, purpose)
		if err != nil || arn != "arn:aws:iam::"+p.Account+":role/doc-platform/doc-platform-"+purpose {
			t.Errorf("%s: %s, %v", purpose, arn, err)
		}
		if claims, err := readToken(token); err != nil || claims["sub"] != subject || claims["ref"] != "refs/heads/main" {
			t.Errorf("%s: claims %v, %v", purpose, claims, err)
		}
	}
	p.Repository.OwnerID, p.Repository.ID = 1, 2
	_, token, err := Job(p, "deploy-production")
	if claims, read := readToken(token); err != nil || read != nil || claims["sub"] != "repo:specboard@1/doc-platform@2:environment:production" || claims["repository_id"] != "2" {
		t.Errorf("claims %v, %v, %v", claims, err, read)
	}
	for _, unknown := range []string{"", "deploy-", "deploy-moon", "admin"} {
		if _, _, err := Job(p, unknown); err == nil {
			t.Errorf("%q is a role", unknown)
		}
	}
}
