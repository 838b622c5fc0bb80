package iam_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/gen/gentest"
	"github.com/specboard/platform/tfpipeline/internal/localaws/iam"
	"github.com/specboard/platform/tfpipeline/internal/localaws/iam/iamtest"
)

// TestMail: a deploy role makes the identity of its environment's domain with its
// records, and a container sends from its own address alone.
func TestMail(t *testing.T) {
	p := configtest.Docs()
	p.Services[0].MailFrom = "no-reply"
	roles := iamtest.Identities(t, iamtest.Rendered(t, gentest.Tree(t, p), zone()))
	const domain, production = "staging.specboard.io", "specboard.io"
	record := func(name, kind string) iam.Question {
		return iam.Question{Action: "route53:ChangeResourceRecordSets", Resource: "arn:aws:route53:::hostedzone/" + iamtest.Zone, Keys: map[string][]string{
			"route53:ChangeResourceRecordSetsNormalizedRecordNames": {name}, "route53:ChangeResourceRecordSetsRecordTypes": {kind},
		}}
	}
	identity := func(action, name string) iam.Question {
		return iam.Question{Action: "ses:" + action, Resource: "arn:aws:ses:us-west-2:123456789012:identity/" + name}
	}
	send := func(name, from string) iam.Question {
		q := identity("SendEmail", name)
		q.Keys = map[string][]string{"ses:FromAddress": {from}}
		return q
	}
	// SES asks for the configuration set too: the request's, or the identity's default.
	through := func(set, from string) iam.Question {
		return iam.Question{Action: "ses:SendEmail", Resource: "arn:aws:ses:us-west-2:123456789012:configuration-set/" + set, Keys: map[string][]string{"ses:FromAddress": {from}}}
	}
	own, other := "doc-platform-staging-"+p.Services[0].Name+"-task", "doc-platform-staging-"+p.Services[1].Name+"-task"
	for _, c := range []struct {
		role     string
		question iam.Question
		allowed  bool
	}{
		{"doc-platform-deploy-staging", identity("CreateEmailIdentity", domain), true},
		{"doc-platform-deploy-staging", identity("DeleteEmailIdentity", domain), true},
		{"doc-platform-deploy-staging", identity("PutEmailIdentityDkimSigningAttributes", domain), true},
		{"doc-platform-deploy-staging", identity("CreateEmailIdentity", production), false},
		{"doc-platform-deploy-staging", identity("PutEmailIdentityDkimSigningAttributes", production), false},
		{"doc-platform-deploy-production", identity("CreateEmailIdentity", production), true},
		{"doc-platform-deploy-staging", identity("SendEmail", domain), false},
		{"doc-platform-deploy-staging", record("abc._domainkey."+domain, "CNAME"), true},
		{"doc-platform-deploy-staging", record("_dmarc."+domain, "TXT"), true},
		{"doc-platform-deploy-staging", record("_dmarc."+domain, "CNAME"), false},
		{"doc-platform-deploy-staging", iam.Question{Action: "route53:ChangeResourceRecordSets", Resource: "arn:aws:route53:::hostedzone/" + iamtest.Zone}, false},
		{"doc-platform-deploy-staging", record(domain, "TXT"), false},
		{"doc-platform-deploy-staging", record(domain, "MX"), false},
		{"doc-platform-deploy-staging", record("abc._domainkey."+production, "CNAME"), false},
		{"doc-platform-deploy-staging", record("_dmarc."+production, "TXT"), false},
		{"doc-platform-plan", identity("GetEmailIdentity", domain), true},
		{"doc-platform-plan", identity("DeleteEmailIdentity", domain), false},
		{own, send(domain, "no-reply@"+domain), true},
		// In the sandbox SES asks for the recipient's identity as well.
		{own, send("customer@example.com", "no-reply@"+domain), true},
		{own, send("customer@example.com", "ceo@"+domain), false},
		{own, send(domain, "ceo@"+domain), false},
		{own, identity("SendEmail", domain), false},
		{own, through("tracked", "no-reply@"+domain), true},
		{own, through("tracked", "ceo@"+domain), false},
		{other, through("tracked", "no-reply@"+domain), false},
		{own, send(production, "no-reply@"+production), false},
		{other, send(domain, "no-reply@"+domain), false},
		{other, send("customer@example.com", "no-reply@"+domain), false},
	} {
		i, ok := roles[c.role]
		if !ok {
			t.Fatalf("nothing renders the role %s", c.role)
		}
		if v := i.Judge(c.question); v.Allowed != c.allowed {
			t.Errorf("%s, %s on %s %v: allowed %t: %s%s", c.role, c.question.Action, c.question.Resource, c.question.Keys, v.Allowed, v.By, v.Reason)
		}
	}
}

// TestMailCalls: what SES's second version is asked by path leads to the identity.
func TestMailCalls(t *testing.T) {
	for _, c := range []struct{ method, path, body, want string }{
		{"POST", "/v2/email/identities", `{"EmailIdentity":"shop.io"}`, "ses:CreateEmailIdentity identity/shop.io"},
		{"GET", "/v2/email/identities/shop.io", "", "ses:GetEmailIdentity identity/shop.io"},
		{"DELETE", "/v2/email/identities/shop.io", "", "ses:DeleteEmailIdentity identity/shop.io"},
		{"PUT", "/v1/email/identities/shop.io/dkim/signing", `{"SigningAttributesOrigin":"AWS_SES"}`, "ses:PutEmailIdentityDkimSigningAttributes identity/shop.io"},
		{"GET", "/v2/email/tags?ResourceArn=arn%3Aaws%3Ases%3Aus-west-2%3A123456789012%3Aidentity%2Fshop.io", "", "ses:ListTagsForResource identity/shop.io"},
		{"POST", "/v2/email/outbound-emails", `{"FromEmailAddress":"no-reply@shop.io"}`, "ses:SendEmail identity/shop.io map[ses:FromAddress:[no-reply@shop.io]]"},
		{"POST", "/v2/email/outbound-emails", `{"FromEmailAddress":"no-reply@shop.io","ConfigurationSetName":"tracked"}`,
			"ses:SendEmail identity/shop.io map[ses:FromAddress:[no-reply@shop.io]], ses:SendEmail configuration-set/tracked map[ses:FromAddress:[no-reply@shop.io]]"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), c.method, c.path, strings.NewReader(c.body))
		asked, err := iam.Questions(iam.Read("ses", "", r, []byte(c.body)), "us-west-2", "123456789012", nil, false)
		var got []string
		for _, q := range asked {
			one := q.Action + " " + strings.TrimPrefix(q.Resource, "arn:aws:ses:us-west-2:123456789012:")
			if len(q.Keys["ses:FromAddress"]) > 0 {
				one += fmt.Sprint(" ", q.Keys)
			}
			got = append(got, one)
		}
		if err != nil || strings.Join(got, ", ") != c.want {
			t.Errorf("%s %s: %s, %v, want %s", c.method, c.path, got, err, c.want)
		}
	}
}
