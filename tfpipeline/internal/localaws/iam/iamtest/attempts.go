package iamtest

import (
	_ "embed"
	"net/http"
	"slices"
	"strings"
	"testing"
)

//go:embed attempts.tsv
var attempts string

// Attempt is a call that must be denied.
type Attempt struct {
	Role, Service, Operation string
	// Parameters are a JSON document or a form. Operations of S3 and Scheduler are
	// HTTP methods, and Parameters a path; Scheduler's has a body after a space.
	Parameters string
}

func (a Attempt) String() string {
	return a.Role + ": " + a.Service + " " + a.Operation + " " + a.Parameters
}

// Attempts are the calls to try at an endpoint. find returns the identifier of
// something that an environment has: "vpc", "subnet", "sg".
func Attempts(t testing.TB, find func(env, kind string) string) []Attempt {
	t.Helper()
	var all []Attempt
	for line := range strings.Lines(attempts) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		for _, names := range [][2]string{{"staging", "production"}, {"production", "staging"}} {
			l := strings.NewReplacer("deploy\t", "deploy-"+names[0]+"\t", "{env}", names[0], "{other}", names[1]).Replace(line)
			for _, kind := range []string{"vpc", "subnet", "sg"} {
				if strings.Contains(l, "{"+kind+"}") {
					l = strings.ReplaceAll(l, "{"+kind+"}", find(names[1], kind))
				}
			}
			c := append(strings.Split(l, "\t"), "")
			all = append(all, Attempt{c[0], c[1], c[2], c[3]})
			if l == line {
				break // the same for both environments
			}
		}
	}
	return all
}

var targets = map[string]string{
	"acm": "CertificateManager.", "application-autoscaling": "AnyScaleFrontendService.", "ecr": "AmazonEC2ContainerRegistry_V20150921.",
	"ecs": "AmazonEC2ContainerServiceV20141113.", "events": "AWSEvents.", "sqs": "AmazonSQS.", "wafv2": "AWSWAF_20190729.", "logs": "Logs_20140328.", "secretsmanager": "secretsmanager.", "ssm": "AmazonSSM.", "servicediscovery": "Route53AutoNaming_v20170314.",
}

// Request is the call, signed with an access key of a session.
func (a Attempt) Request(t testing.TB, url, key, token string) *http.Request {
	t.Helper()
	method, path, body := http.MethodPost, "/", a.Parameters
	target, isJSON := targets[a.Service]
	switch {
	case a.Service == "s3":
		method, path, body = a.Operation, a.Parameters, ""
	case a.Service == "scheduler":
		method = a.Operation
		path, body, _ = strings.Cut(a.Parameters, " ")
	case a.Service == "route53":
		path, body, _ = strings.Cut(a.Parameters, " ")
	case !isJSON:
		body = strings.TrimSuffix("Action="+a.Operation+"&Version=2016-11-15&"+a.Parameters, "&")
	}
	r, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+key+"/20260101/"+region+"/"+a.Service+"/aws4_request, SignedHeaders=host, Signature=none")
	if token != "" {
		r.Header.Set("X-Amz-Security-Token", token)
	}
	if isJSON {
		r.Header.Set("Content-Type", "application/x-amz-json-1.1")
		r.Header.Set("X-Amz-Target", target+a.Operation)
	} else if !slices.Contains([]string{"s3", "route53", "scheduler"}, a.Service) {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r
}
