package iam

import (
	"strings"
	"testing"
)

func policy(t *testing.T, statements string) Policy {
	t.Helper()
	p, err := Parse([]byte(`{"Version": "2012-10-17", "Statement": ` + statements + `}`))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ document, want string }{
		{`{"Version": "2008-10-17", "Statement": []}`, `version "2008-10-17"`},
		{`{"Version": "2012-10-17", "Statement": [{"Effect": "allow", "Action": "s3:*", "Resource": "*"}]}`, `effect "allow"`},
		{`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*"}]}`, "no action"},
		{`{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*"}}`, "no resource"},
		{`{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": {"DateLessThan": {"aws:CurrentTime": "x"}}}}`, "DateLessThan is not modelled"},
		{`{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condtion": {}}}`, `unknown field "Condtion"`},
		{`{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"CanonicalUser": "x"}}}`, "principal CanonicalUser is not modelled"},
		{`{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "NotPrincipal": {"AWS": "x"}}}`, "NotPrincipal is not modelled"},
		{`{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::home/${aws:usrname}/*"}}`, "variable ${aws:usrname} is not modelled"},
		{`{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": ["*", "arn:aws:s3:::${aws:userid}/${aws:username}"]}}`, "variable ${aws:username} is not modelled"},
		{`{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "s3:*", "NotResource": "arn:aws:s3:::${*}"}}`, "variable ${*} is not modelled"},
		{`{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": {"StringLike": {"s3:prefix": ["a", "${aws:userid, 'b'}"]}}}}`, "variable ${aws:userid, 'b'} is not modelled"},
		{`{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": {"StringLike": {"aws:ResourceTag/${aws:userid}": "a"}}}}`, "no variable may be in a condition key"},
		{`{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:${aws:userid}", "Resource": "*"}}`, "no variable may be in an action"},
		{`{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "${aws:userid}"}}}`, "no variable may be in a principal"},
		{`{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::${aws:userid"}}`, "variable ${aws:userid is not modelled"},
	} {
		if _, err := Parse([]byte(c.document)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.document, err, c.want)
		}
	}
}

func TestJudge(t *testing.T) {
	const vpc = "arn:aws:ec2:us-west-2:123456789012:vpc/vpc-1"
	one := func(statement string) Identity { return Identity{Policies: []Policy{policy(t, statement)}} }
	condition := func(c string) string {
		return `{"Sid": "S", "Effect": "Allow", "Action": "ec2:*", "Resource": "*", "Condition": ` + c + `}`
	}
	key := func(name string, values ...string) map[string][]string { return map[string][]string{name: values} }
	boundary := policy(t, `{"Effect": "Allow", "Action": "ec2:Describe*", "Resource": "*"}`)
	for _, c := range []struct {
		name     string
		identity Identity
		action   string
		resource string
		keys     map[string][]string
		reason   string // "" if allowed
	}{
		{"nothing allows", Identity{}, "ec2:DeleteVpc", vpc, nil, "because no identity-based policy allows the ec2:DeleteVpc action"},
		{"actions have no case", one(`{"Effect": "Allow", "Action": "EC2:deletevpc", "Resource": "*"}`), "ec2:DeleteVpc", vpc, nil, ""},
		{"a deny wins", Identity{Policies: []Policy{policy(t, `[{"Effect": "Allow", "Action": "*", "Resource": "*"}, {"Effect": "Deny", "Action": "ec2:Delete???", "Resource": "*"}]`)}},
			"ec2:DeleteVpc", vpc, nil, "with an explicit deny in an identity-based policy"},
		{"a boundary bounds", Identity{[]Policy{policy(t, `{"Effect": "Allow", "Action": "*", "Resource": "*"}`)}, &boundary}, "ec2:DeleteVpc", vpc, nil, "because no permissions boundary allows the ec2:DeleteVpc action"},
		{"a boundary grants nothing", Identity{nil, &boundary}, "ec2:DescribeVpcs", "*", nil, "because no identity-based policy allows the ec2:DescribeVpcs action"},
		{"within the boundary", Identity{[]Policy{policy(t, `{"Effect": "Allow", "Action": "*", "Resource": "*"}`)}, &boundary}, "ec2:DescribeVpcs", "*", nil, ""},
		{"a resource", one(`{"Effect": "Allow", "Action": "ec2:*", "Resource": "arn:aws:ec2:*:123456789012:vpc/*"}`), "ec2:DeleteVpc", vpc, nil, ""},
		{"another account", one(`{"Effect": "Allow", "Action": "ec2:*", "Resource": "arn:aws:ec2:*:1234567890*1:vpc/*"}`), "ec2:DeleteVpc", vpc, nil, "because no identity"},
		{"no wildcard for a type", one(`{"Effect": "Allow", "Action": "ec2:*", "Resource": "arn:aws:ec2:us-west-2:123456789012:*/vpc-1"}`), "ec2:DeleteVpc", vpc, nil, "because no identity"},
		{"a wildcard in a bucket's name", one(`{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::logs-*-1/*"}`), "s3:DeleteObject", "arn:aws:s3:::logs-a-1/x/y", nil, ""},
		{"a wildcard crosses no colon of the first five", one(`{"Effect": "Allow", "Action": "ec2:*", "Resource": "arn:aws:ec2:*:vpc/vpc-1"}`), "ec2:DeleteVpc", vpc, nil, "because no identity"},
		{"all others", one(`{"Effect": "Allow", "NotAction": "iam:*", "NotResource": "arn:aws:ec2:us-west-2:123456789012:vpc/vpc-2"}`), "ec2:DeleteVpc", vpc, nil, ""},
		{"but this one", one(`{"Effect": "Allow", "NotAction": "ec2:*", "Resource": "*"}`), "ec2:DeleteVpc", vpc, nil, "because no identity"},
		{"a key that equals", one(condition(`{"StringEquals": {"aws:ResourceTag/Environment": "staging"}}`)), "ec2:DeleteVpc", vpc, key("AWS:resourcetag/environment", "staging"), ""},
		{"a key that differs", one(condition(`{"StringEquals": {"aws:ResourceTag/Environment": "staging"}}`)), "ec2:DeleteVpc", vpc, key("aws:ResourceTag/Environment", "Staging"), "because no identity"},
		{"a key that is missing", one(condition(`{"StringEquals": {"aws:ResourceTag/Environment": "staging"}}`)), "ec2:DeleteVpc", vpc, nil, "because no identity"},
		{"a key that may be missing", one(condition(`{"StringEqualsIfExists": {"k": "a"}}`)), "ec2:DeleteVpc", vpc, nil, ""},
		{"a key that must not equal is missing", one(condition(`{"StringNotEquals": {"k": "a"}}`)), "ec2:DeleteVpc", vpc, nil, ""},
		{"a key that must not equal", one(condition(`{"StringNotEquals": {"k": ["a", "b"]}}`)), "ec2:DeleteVpc", vpc, key("k", "b"), "because no identity"},
		{"a key like", one(condition(`{"StringLike": {"k": "a*c?"}}`)), "ec2:DeleteVpc", vpc, key("k", "abccd"), ""},
		{"an ARN like", one(condition(`{"ArnNotLike": {"k": "arn:aws:ec2:*:*:vpc/*"}}`)), "ec2:DeleteVpc", vpc, key("k", vpc), "because no identity"},
		{"a boolean", one(condition(`{"Bool": {"k": true}}`)), "ec2:DeleteVpc", vpc, key("k", "True"), ""},
		{"a key must be there", one(condition(`{"Null": {"k": "false"}}`)), "ec2:DeleteVpc", vpc, nil, "because no identity"},
		{"a key must not be there", one(condition(`{"Null": {"k": "true"}}`)), "ec2:DeleteVpc", vpc, nil, ""},
		{"all values", one(condition(`{"ForAllValues:StringEquals": {"k": ["a", "b"]}}`)), "ec2:DeleteVpc", vpc, key("k", "a", "c"), "because no identity"},
		{"all values of none", one(condition(`{"ForAllValues:StringEquals": {"k": "a"}}`)), "ec2:DeleteVpc", vpc, nil, ""},
		{"any value", one(condition(`{"ForAnyValue:StringEquals": {"k": "a"}}`)), "ec2:DeleteVpc", vpc, key("k", "c", "a"), ""},
		{"a variable in a resource", one(`{"Effect": "Allow", "Action": "ec2:*", "Resource": "arn:aws:ec2:us-west-2:123456789012:vpc/${aws:UserId}-*"}`), "ec2:DeleteVpc", vpc, key("aws:userid", "vpc"), ""},
		{"a variable of somebody else", one(`{"Effect": "Allow", "Action": "ec2:*", "Resource": "arn:aws:ec2:us-west-2:123456789012:vpc/${aws:userid}-*"}`), "ec2:DeleteVpc", vpc, key("aws:userid", "igw"), "because no identity"},
		{"a variable without a value", one(`{"Effect": "Allow", "Action": "ec2:*", "Resource": "arn:aws:ec2:us-west-2:123456789012:vpc/${aws:userid}*"}`), "ec2:DeleteVpc", vpc, nil, "because no identity"},
		{"a variable in a condition", one(condition(`{"StringEquals": {"k": "${aws:userid}"}}`)), "ec2:DeleteVpc", vpc, map[string][]string{"k": {"a"}, "aws:userid": {"a"}}, ""},
		{"a variable that differs", one(condition(`{"StringEquals": {"k": "${aws:userid}"}}`)), "ec2:DeleteVpc", vpc, map[string][]string{"k": {"a"}, "aws:userid": {"b"}}, "because no identity"},
		{"a variable without a value equals nothing", one(condition(`{"StringEquals": {"k": "${aws:userid}"}}`)), "ec2:DeleteVpc", vpc, key("k", "${aws:userid}"), "because no identity"},
		{"any value of none", one(condition(`{"ForAnyValue:StringEquals": {"k": "a"}}`)), "ec2:DeleteVpc", vpc, nil, "because no identity"},
	} {
		v := c.identity.Judge(Question{c.action, c.resource, c.keys})
		if v.Allowed != (c.reason == "") || !strings.HasPrefix(v.Reason, c.reason) {
			t.Errorf("%s: %+v, want reason %q", c.name, v, c.reason)
		}
	}
}

func TestTrustsCaller(t *testing.T) {
	const own, role, session = "arn:aws:iam::123456789012:", "arn:aws:iam::123456789012:role/x/deploy", "arn:aws:sts::123456789012:assumed-role/deploy/s"
	for _, c := range []struct {
		principal, condition string
		trusted              bool
	}{
		{`"*"`, `{}`, true},
		{`{"AWS": "*"}`, `{}`, true},
		{`{"AWS": "123456789012"}`, `{}`, true},
		{`{"AWS": ["` + own + `user/ann", "` + own + `root"]}`, `{}`, true},
		{`{"AWS": "` + role + `"}`, `{}`, true},
		{`{"AWS": "` + session + `"}`, `{}`, true},
		{`{"AWS": "` + own + `root"}`, `{"StringEquals": {"sts:ExternalId": "e"}}`, true},
		{`{"AWS": "` + own + `root"}`, `{"StringEquals": {"sts:ExternalId": "other"}}`, false},
		{`{"AWS": "` + own + `root"}`, `{"StringEquals": {"sts:RoleSessionName": "${aws:userid}"}}`, true},
		{`{"AWS": "` + own + `root"}`, `{"StringEquals": {"sts:ExternalId": "${aws:userid}"}}`, false},
		{`{"AWS": "` + own + `root"}`, `{"ArnLike": {"aws:PrincipalArn": "` + own + `role/y/*"}}`, false},
		{`{"AWS": "arn:aws:iam::210987654321:root"}`, `{}`, false},
		{`{"AWS": "` + own + `role/deploy"}`, `{}`, false},
		{`{"AWS": "` + own + `role/*"}`, `{}`, false}, // names have no patterns
		{`{"Service": "ecs-tasks.amazonaws.com"}`, `{}`, false},
	} {
		p := policy(t, `{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": `+c.principal+`, "Condition": `+c.condition+`}`)
		keys := map[string][]string{"sts:ExternalId": {"e"}, "sts:RoleSessionName": {"AROA:s"}, "aws:userid": {"AROA:s"}, "aws:PrincipalArn": {role}}
		if got := p.TrustsCaller("123456789012", []string{session, role}, keys); got != c.trusted {
			t.Errorf("%s, %s: trusted %v", c.principal, c.condition, got)
		}
	}
}

// TestTable checks that every row's templates can be expanded, and that every
// route leads to a call that the table knows.
func TestTable(t *testing.T) {
	for _, r := range table().routes {
		call := r.service + "." + r.operation
		if _, ok := table().calls[call]; !ok {
			t.Errorf("%s %s is %s, which the table lacks", r.method, r.path, call)
		}
	}
	for call, rows := range table().calls {
		service, _, ok := strings.Cut(call, ".")
		if !ok || service == "" {
			t.Errorf("%s: a call is service.Operation", call)
		}
		for _, r := range rows {
			if strings.Count(r.resource, "{") != strings.Count(r.resource, "}") || r.action != "" && !strings.Contains(r.action, ":") {
				t.Errorf("%s: row %+v", call, r)
			}
		}
	}
}
