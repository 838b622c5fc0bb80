package localaws

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// sizedPolicy is a policy of so many characters, with white space that does not
// count.
func sizedPolicy(size int) string {
	begin, end := `{"Version":"2012-10-17","Statement":[{"Sid":"`, `","Effect":"Allow","Action":"*","Resource":"*"}]}`
	return strings.ReplaceAll(begin+strings.Repeat("x", size-len(begin)-len(end))+end, ",", ",\n\t"+strings.Repeat(" ", 2000))
}

func TestPolicySizes(t *testing.T) {
	e := start(t, newFakeControl(t, map[string]string{
		"iam.CreatePolicy": "<R/>", "iam.CreatePolicyVersion": "<R/>", "iam.CreateRole": "<R/>", "iam.UpdateAssumeRolePolicy": "<R/>", "iam.PutRolePolicy": "<R/>",
		"iam.ListRolePolicies": `<R><ListRolePoliciesResult><PolicyNames><member>new</member><member>other</member></PolicyNames></ListRolePoliciesResult></R>`,
		"iam.GetRolePolicy":    `<R><GetRolePolicyResult><PolicyDocument>` + url.PathEscape(sizedPolicy(6000)) + `</PolicyDocument></GetRolePolicyResult></R>`,
	}), Options{})
	for _, c := range []struct {
		operation, parameter string
		limit                int
		refusal              string
	}{
		{"CreatePolicy", "PolicyDocument", 6144, "Cannot exceed quota for PolicySize: 6144"},
		{"CreatePolicyVersion", "PolicyDocument", 6144, "Cannot exceed quota for PolicySize: 6144"},
		{"CreateRole", "AssumeRolePolicyDocument", 2048, "Cannot exceed quota for ACLSizePerRole: 2048"},
		{"UpdateAssumeRolePolicy", "PolicyDocument", 2048, "Cannot exceed quota for ACLSizePerRole: 2048"},
		{"PutRolePolicy", "PolicyDocument", 4240, "Maximum policy size of 10240 bytes exceeded for role r"}, // with the other's 6000
	} {
		for size, want := range map[int]string{c.limit: "", c.limit + 1: "LimitExceeded: " + c.refusal} {
			status, answer := query(t, e, "iam", c.operation, "RoleName=r", "PolicyName=new", c.parameter+"="+sizedPolicy(size))
			got := ""
			if said := answer.SelectElement("Error"); said != nil {
				got = endpoint.Text(said, "Code") + ": " + endpoint.Text(said, "Message")
			}
			if got != want || (want != "") != (status == http.StatusConflict) {
				t.Errorf("%s of %d characters: %d %s, want %s", c.operation, size, status, got, want)
			}
		}
	}
}
