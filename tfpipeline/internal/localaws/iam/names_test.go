package iam_test

import (
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/gen/gentest"
	"github.com/specboard/platform/tfpipeline/internal/localaws/iam"
	"github.com/specboard/platform/tfpipeline/internal/localaws/iam/iamtest"
)

// named are two environments with further names, as modules/github takes them.
func named(staging, production []string) map[string]cty.Value {
	texts := func(all ...string) cty.Value {
		var values []cty.Value
		for _, s := range all {
			values = append(values, cty.StringVal(s))
		}
		return cty.ListVal(values)
	}
	environment := func(name, domain string, protected bool, hosts []string) cty.Value {
		return cty.ObjectVal(map[string]cty.Value{
			"domain": cty.StringVal(domain), "histories": texts(name), "hosts": texts(hosts...), "refs": texts("refs/heads/main"),
			"permissions": cty.EmptyTupleVal, "protected": cty.BoolVal(protected),
		})
	}
	changes := zone()
	changes["environments"] = cty.ObjectVal(map[string]cty.Value{
		"production": environment("production", "specboard.io", true, production),
		"staging":    environment("staging", "staging.specboard.io", false, staging),
	})
	return changes
}

// A deploy role changes the records of the names that its environment has, of their
// validation, and no others.
func TestFurtherNames(t *testing.T) {
	roles := iamtest.Identities(t, iamtest.Workflows(t, gentest.Tree(t, configtest.Docs()), named([]string{"admin.staging.specboard.io"}, []string{"admin.specboard.io", "www.specboard.io", "x.staging.specboard.io"})))
	const validation = "_0123456789abcdef0123456789abcdef."
	for _, c := range []struct {
		role, name, kind string
		may              bool
	}{
		{"deploy-staging", "admin.staging.specboard.io", "A", true},
		{"deploy-staging", validation + "admin.staging.specboard.io", "CNAME", true},
		{"deploy-production", "www.specboard.io", "A", true},
		{"deploy-production", validation + "www.specboard.io", "CNAME", true},
		{"deploy-production", "specboard.io", "A", true},
		{"deploy-production", validation + "specboard.io", "CNAME", true},
		{"deploy-production", validation + "admin.specboard.io", "CNAME", true},
		{"deploy-production", validation + "x.staging.specboard.io", "CNAME", true}, // a further name there
		{"deploy-staging", "admin.specboard.io", "A", false},
		{"deploy-staging", "www.specboard.io", "A", false},
		{"deploy-staging", "x.admin.staging.specboard.io", "A", false},
		{"deploy-production", "admin.staging.specboard.io", "A", false},
		{"deploy-production", "admin.specboard.io", "TXT", false},
		{"plan", "admin.specboard.io", "A", false},
		// As long as a validation record of specboard.io, and below staging.
		{"deploy-production", "_acme-challenge.shop-news.staging.specboard.io", "CNAME", false},
		{"deploy-production", "_0123456789abcdef01234567.staging.specboard.io", "CNAME", false},
		{"deploy-production", "_0123456789abcde.admin.staging.specboard.io", "A", false},
		{"deploy-staging", "_acme-challenge.shop-news.staging.specboard.io", "CNAME", false},
	} {
		const key = "route53:ChangeResourceRecordSets"
		q := iam.Question{Action: key, Resource: "arn:aws:route53:::hostedzone/" + iamtest.Zone, Keys: map[string][]string{
			key + "NormalizedRecordNames": {c.name}, key + "RecordTypes": {c.kind},
		}}
		if v := roles[prefix+c.role].Judge(q); v.Allowed != c.may {
			t.Errorf("%s, %s %s: allowed %v: %s", c.role, c.kind, c.name, v.Allowed, v.Reason)
		}
	}
}

// All the names that a certificate has fit into the policy of a role, each as long as
// those of the longest environments are.
func TestNamesFit(t *testing.T) {
	var many []string
	for _, host := range strings.Fields("a b c d e f g h i") {
		many = append(many, host+strings.Repeat("-name", 3)+".staging.specboard.io")
	}
	for name, d := range iamtest.Workflows(t, gentest.Tree(t, configtest.Docs()), named(many, many)) {
		for policy, document := range d.Policies {
			if size := characters(t, longest(document)); size > 6144 {
				t.Errorf("%s: %s has %d characters, IAM takes 6144", name, policy, size)
			}
		}
	}
}
