package localaws

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/gen/gentest"
	"github.com/specboard/platform/tfpipeline/internal/endpoint"
	"github.com/specboard/platform/tfpipeline/internal/localaws/iam/iamtest"
)

// accountWith is an account with some roles of workflows, and nothing else.
func accountWith(t *testing.T, roles map[string]iamtest.Documents) *fakeControl {
	t.Helper()
	document := func(d json.RawMessage) string { return url.PathEscape(string(d)) }
	var details strings.Builder
	for name, d := range roles {
		fmt.Fprintf(&details, "<member><RoleName>%s</RoleName><Arn>arn:aws:iam::123456789012:role/doc-platform/%[1]s</Arn><AssumeRolePolicyDocument>%s</AssumeRolePolicyDocument><RolePolicyList>", name, document(d.Trust))
		for _, p := range d.Policies {
			fmt.Fprintf(&details, "<member><PolicyDocument>%s</PolicyDocument></member>", document(p))
		}
		details.WriteString("</RolePolicyList></member>")
	}
	return newFakeControl(t, map[string]string{
		"iam.GetAccountAuthorizationDetails": "<R><GetAccountAuthorizationDetailsResult><RoleDetailList>" + details.String() + "</RoleDetailList></GetAccountAuthorizationDetailsResult></R>",
		"iam.GetOpenIDConnectProvider":       `<R><GetOpenIDConnectProviderResult><ClientIDList><member>sts.amazonaws.com</member></ClientIDList></GetOpenIDConnectProviderResult></R>`,
		"iam.GetRole":                        `<R><GetRoleResult><Role/></GetRoleResult></R>`,
		"ec2.DescribeTags":                   `<R><tagSet/></R>`,
		"ecs.DescribeTaskDefinition":         `{}`,
	})
}

var deniedPattern = regexp.MustCompile(`is not authorized to perform: [A-Za-z0-9-]+:[A-Za-z]+ on resource: `)

// try makes a call as a role, or as the administrator if it names none, and returns
// the answer.
func try(t *testing.T, e *Endpoint, a iamtest.Attempt) (int, string) {
	t.Helper()
	if a.Role == "" {
		return answer(t, a.Request(t, e.URL(), accessKey, ""))
	}
	c := e.access.open(session{role: "doc-platform-" + a.Role, name: "test", expires: time.Now().Add(time.Hour)})
	return answer(t, a.Request(t, e.URL(), c.AccessKeyID, c.SessionToken))
}

func answer(t *testing.T, r *http.Request) (int, string) {
	t.Helper()
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// TestForbiddenCalls tries what no role of Docs may do. The end-to-end tests do so
// again, with what Terraform made of the policies.
func TestForbiddenCalls(t *testing.T) {
	e := start(t, accountWith(t, iamtest.Workflows(t, gentest.Tree(t, configtest.Docs()), map[string]cty.Value{"zone_id": cty.StringVal(iamtest.Zone)})), Options{})
	attempts := iamtest.Attempts(t, func(_, kind string) string { return kind + "-0" })
	for _, a := range attempts {
		if status, body := try(t, e, a); status < 400 || !deniedPattern.MatchString(body) {
			t.Errorf("%s is not denied: %d %s", a, status, body)
		}
	}
	if len(attempts) < 80 {
		t.Errorf("%d attempts, want 80 or more", len(attempts))
	}
}

// TestLoosePolicies: the endpoint refuses what AWS would have refused under the
// policies of old, and their trust knows no immutable subject.
func TestLoosePolicies(t *testing.T) {
	e := start(t, accountWith(t, iamtest.Loose(t)), Options{})
	for _, c := range []struct {
		service, operation, parameters, action, resource string
	}{
		{"elasticache", "CreateReplicationGroup", "ReplicationGroupId=doc-platform-{env}&CacheParameterGroupName=default.redis7", "elasticache:CreateReplicationGroup", ""},
		{"rds", "CreateDBInstance", "DBInstanceIdentifier=doc-platform-{env}&Engine=postgres&EngineVersion=16", "rds:CreateDBInstance", ""},
		{"application-autoscaling", "PutScalingPolicy", `{"PolicyName":"cpu","ServiceNamespace":"ecs","ResourceId":"service/doc-platform-{env}/api"}`, "", ""},
		{"ecs", "UpdateService", `{"cluster":"doc-platform-{env}","service":"api"}`, "ecs:UpdateService", "service/doc-platform-{env}/api"},
	} {
		for _, env := range []string{"staging", "production"} {
			fill := func(s string) string { return strings.ReplaceAll(s, "{env}", env) }
			a := iamtest.Attempt{Role: "deploy-" + env, Service: c.service, Operation: c.operation, Parameters: fill(c.parameters)}
			if status, body := try(t, e, a); status < 400 || !deniedPattern.MatchString(body) || !strings.Contains(body, c.action) || !strings.Contains(body, fill(c.resource)) {
				t.Errorf("%s: %d %s", a, status, body)
			}
		}
	}
	for job, role := range map[string]string{
		":pull_request": "plan", ":ref:refs/heads/main": "build", ":ref:refs/tags/v1.4.0": "plan", ":environment:staging": "deploy-staging", ":environment:production": "deploy-production",
	} {
		for repository, trusted := range map[string]bool{"repo:specboard/doc-platform": true, "repo:specboard@1234567/doc-platform@987654321": false} {
			token, err := Token(repository+job, "refs/heads/main", map[string]string{"repository_id": "987654321"})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Assume(t.Context(), awsConfig(e), "arn:aws:iam::123456789012:role/doc-platform/doc-platform-"+role, token); (err == nil) != trusted {
				t.Errorf("%s for %s: %v", repository+job, role, err)
			}
		}
	}
}

// TestAssumeRole: a role that trusts the account is assumed by its administrator, and
// by roles whose policies allow it.
func TestAssumeRole(t *testing.T) {
	policy := func(statement string) json.RawMessage {
		return json.RawMessage(`{"Version": "2012-10-17", "Statement": ` + statement + `}`)
	}
	trusts := func(principal, condition string) json.RawMessage {
		return policy(`{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": ` + principal + `, "Condition": ` + condition + `}`)
	}
	const prefix = "arn:aws:iam::123456789012:role/doc-platform/"
	e := start(t, accountWith(t, map[string]iamtest.Documents{
		"people":               {Trust: trusts(`{"AWS": "arn:aws:iam::123456789012:root"}`, `{}`)},
		"partner":              {Trust: trusts(`{"AWS": "123456789012"}`, `{"StringEquals": {"sts:ExternalId": "e"}}`)},
		"tasks":                {Trust: trusts(`{"Service": "ecs-tasks.amazonaws.com"}`, `{}`)},
		"guarded":              {Trust: trusts(`{"AWS": "`+prefix+`doc-platform-chief"}`, `{}`)},
		"doc-platform-chief":   {Trust: trusts(`"*"`, `{}`), Policies: map[string]json.RawMessage{"all": policy(`{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}`)}},
		"doc-platform-helper":  {Trust: trusts(`"*"`, `{}`), Policies: map[string]json.RawMessage{"all": policy(`{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}`)}},
		"doc-platform-nothing": {Trust: trusts(`"*"`, `{}`)},
	}), Options{})
	for _, c := range []struct{ caller, role, more, code string }{
		{"", "people", "", ""},
		{"", "partner", "&ExternalId=e", ""},
		{"", "partner", "", "AccessDenied"},
		{"", "tasks", "", "AccessDenied"},
		{"", "guarded", "", "AccessDenied"},
		{"", "nobody", "", "AccessDenied"},
		{"", "people", "&DurationSeconds=7200", "ValidationError"},
		{"chief", "people", "", ""},
		{"chief", "guarded", "", ""},
		{"chief", "guarded", "&DurationSeconds=3601", "ValidationError"},
		{"helper", "guarded", "", "AccessDenied"},
		{"nothing", "people", "", "AccessDenied"},
	} {
		a := iamtest.Attempt{Role: c.caller, Service: "sts", Operation: "AssumeRole", Parameters: "RoleSessionName=s&RoleArn=" + prefix + c.role + c.more}
		status, body := try(t, e, a)
		root, err := endpoint.ParseXML([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if c.code == "" {
			key, token := endpoint.Text(root.FindElement(".//Credentials"), "AccessKeyId"), endpoint.Text(root.FindElement(".//Credentials"), "SessionToken")
			who := iamtest.Attempt{Service: "sts", Operation: "GetCallerIdentity"}.Request(t, e.URL(), key, token)
			if _, body := answer(t, who); !strings.Contains(body, "<Arn>arn:aws:sts::123456789012:assumed-role/"+c.role+"/s</Arn>") {
				t.Errorf("%s as %s: %s", c.role, c.caller, body)
			}
			continue
		}
		denied := c.code != "AccessDenied" || strings.Contains(body, "is not authorized to perform: sts:AssumeRole on resource: "+prefix+c.role)
		if got := endpoint.Text(root.SelectElement("Error"), "Code"); status < 400 || got != c.code || !denied {
			t.Errorf("%s as %q: %d %s, want %s", c.role, c.caller, status, body, c.code)
		}
	}
}
