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

// try makes a call as a role, and returns the answer.
func try(t *testing.T, e *Endpoint, a iamtest.Attempt) (int, string) {
	t.Helper()
	c := e.access.open(session{role: "doc-platform-" + a.Role, name: "test", expires: time.Now().Add(time.Hour)})
	res, err := http.DefaultClient.Do(a.Request(t, e.URL(), c.AccessKeyID, c.SessionToken))
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
