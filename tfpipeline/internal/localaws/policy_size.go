package localaws

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"unicode/utf8"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
	"github.com/specboard/platform/tfpipeline/internal/localaws/iam"
)

// inlineLimit bounds the inline policies of a role together, in characters as
// policySize counts them.
const inlineLimit = 10240

// policySize counts a policy's characters as IAM does: white space is none. See
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
func policySize(document string) int {
	var compact bytes.Buffer
	if json.Compact(&compact, []byte(document)) != nil {
		return 0 // IAM says first that it is no policy
	}
	return utf8.RuneCount(compact.Bytes())
}

// policyQuota refuses a policy with more characters than a quota of IAM's.
func policyQuota(parameter, quota string, limit int) lookup {
	return func(_ *lookups, c *endpoint.Call, _ iam.Call) error {
		if policySize(c.Form.Get(parameter)) > limit {
			return limitExceeded("Cannot exceed quota for %s: %d", quota, limit)
		}
		return nil
	}
}

// inlineQuota refuses an inline policy that is too long together with the role's
// others.
func inlineQuota(l *lookups, c *endpoint.Call, _ iam.Call) error {
	role, size := c.Form.Get("RoleName"), policySize(c.Form.Get("PolicyDocument"))
	ctx, named := c.Request.Context(), url.Values{"RoleName": {role}}
	listed, err := l.control.ask(ctx, "iam", c.Region, "2010-05-08", "ListRolePolicies", named)
	if code, _ := refused(err); code != "" {
		return nil // there is no such role, which moto says itself
	}
	if err != nil {
		return err
	}
	for _, n := range listed.FindElements(".//PolicyNames/member") {
		if n.Text() == c.Form.Get("PolicyName") {
			continue // it is replaced
		}
		named.Set("PolicyName", n.Text())
		found, err := l.control.ask(ctx, "iam", c.Region, "2010-05-08", "GetRolePolicy", named)
		if err != nil {
			return err
		}
		document, err := decodeDocument(endpoint.Text(found.FindElement(".//GetRolePolicyResult"), "PolicyDocument"))
		if err != nil {
			return fmt.Errorf("read policy %s of role %s: %w", n.Text(), role, err)
		}
		size += policySize(document)
	}
	if size > inlineLimit {
		return limitExceeded("Maximum policy size of %d bytes exceeded for role %s", inlineLimit, role)
	}
	return nil
}

func limitExceeded(format string, args ...any) *endpoint.Failure {
	return &endpoint.Failure{Status: http.StatusConflict, Code: "LimitExceeded", Message: fmt.Sprintf(format, args...)}
}
