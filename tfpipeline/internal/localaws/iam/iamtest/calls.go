package iamtest

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/specboard/platform/tfpipeline/internal/localaws/iam"
)

// Asked is a question that a role asked.
type Asked struct {
	// Role is the workflow role's purpose, such as "deploy-staging", or the
	// name of a container's role without the platform's.
	Role string
	iam.Question
}

// Zone stands for the hosted zone in lists of questions.
const Zone = "Z0123456789ABCDEFGHIJ"

// list is where recorded questions are kept.
const list = "tfpipeline/internal/localaws/iam/iamtest/calls.tsv"

//go:embed calls.tsv
var recorded string

//go:embed documented.tsv
var documented string

//go:embed forbidden.tsv
var forbidden string

//go:embed loose.json
var loose []byte

// Recorded are the questions that bootstrap, plans, applies, promotions and
// everything else asked on the local endpoint, one of each pattern.
func Recorded(t testing.TB) []Asked { return parse(t, recorded) }

// Documented are questions that no recording can show: docker's, and ECS's own
// under the execution roles. They are from AWS's documentation.
func Documented(t testing.TB) []Asked { return parse(t, documented) }

// Forbidden are questions to which the answer must be no.
func Forbidden(t testing.TB) []Asked { return parse(t, forbidden) }

// Loose are the policies of the workflow roles as commit 0c09f60 rendered them:
// with faults that an evaluator must find.
func Loose(t testing.TB) map[string]Documents {
	t.Helper()
	var all map[string]Documents
	if err := json.Unmarshal(loose, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// parse reads lines of role, action, resource and keys. In the role "deploy"
// {env} stands for each environment and {other} for the other one.
func parse(t testing.TB, text string) []Asked {
	t.Helper()
	var all []Asked
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		lines := []string{line}
		if strings.Contains(line, "{env}") || strings.Contains(line, "{other}") || strings.HasPrefix(line, "deploy\t") {
			lines = nil
			for _, names := range [][2]string{{"staging", "production"}, {"production", "staging"}} {
				lines = append(lines, strings.NewReplacer("deploy\t", "deploy-"+names[0]+"\t", "{env}", names[0], "{other}", names[1]).Replace(line))
			}
		}
		for _, l := range lines {
			columns := append(strings.Split(l, "\t"), "", "")
			a := Asked{Role: columns[0], Question: iam.Question{Action: columns[1], Resource: complete(columns[1], columns[2]), Keys: map[string][]string{}}}
			for pair := range strings.SplitSeq(columns[3], ";") {
				if name, value, ok := strings.Cut(pair, "="); ok {
					a.Keys[name] = strings.Split(value, ",")
				}
			}
			all = append(all, a)
		}
	}
	return all
}

const region, account = "us-west-2", "123456789012"

// complete adds to a resource what all ARNs of its service begin with.
func complete(action, resource string) string {
	service, _, _ := strings.Cut(action, ":")
	switch {
	case resource == "*" || strings.HasPrefix(resource, "arn:"):
		return resource
	case service == "s3":
		return "arn:aws:s3:::" + resource
	case service == "route53":
		return "arn:aws:route53:::" + resource
	case service == "iam" || service == "sts":
		return "arn:aws:iam::" + account + ":" + resource
	case strings.HasPrefix(resource, "dashboard/"):
		return "arn:aws:cloudwatch::" + account + ":" + resource
	}
	return "arn:aws:" + service + ":" + region + ":" + account + ":" + resource
}

// patterns replace what differs from run to run.
var patterns = []struct {
	found *regexp.Regexp
	by    string
}{
	{regexp.MustCompile(`/(vpc|subnet|rtb|sg|sgr|igw|nat|eipalloc|vpce|fl)-[0-9a-f]+$`), "/$1-0"},
	{regexp.MustCompile(`:certificate/[0-9a-f-]{36}$`), ":certificate/0"},
	{regexp.MustCompile(`:scalable-target/[^*].*$`), ":scalable-target/0"},
	{regexp.MustCompile(`:namespace/ns-.*$`), ":namespace/ns-0"},
	{regexp.MustCompile(`(hostedzone/)[A-Z0-9]{8,}$`), "${1}" + Zone},
	{regexp.MustCompile(`(:change/).*$`), "${1}C0"},
	{regexp.MustCompile(`(:(?:loadbalancer|listener|listener-rule)/app/[^/]+)/[0-9a-f]+`), "$1/0"},
	{regexp.MustCompile(`(:(?:listener|listener-rule)/app/[^/]+/0)/[0-9a-f]+`), "$1/0"},
	{regexp.MustCompile(`(:listener-rule/app/[^/]+/0/0)/[0-9a-f]+`), "$1/0"},
	{regexp.MustCompile(`(:targetgroup/[^/]+)/[0-9a-f]+$`), "$1/0"},
	{regexp.MustCompile(`(:task-definition/[^:]+):[0-9]+$`), "$1:1"},
	{regexp.MustCompile(`(:(?:task|service-deployment|service-revision)/.*)/[0-9a-zA-Z-]+$`), "$1/0"},
	{regexp.MustCompile(`(/history/[^/]+/)(?:[0-9]{8}T[0-9]{6}Z-[a-z0-9]+|index|freeze)`), "${1}0"},
	{regexp.MustCompile(`(:secret:.*)-[a-zA-Z0-9]{6}$`), "$1-AbCdEf"},
	{regexp.MustCompile(`(log-stream:[^/]+/[^/]+)/.*$`), "$1/0"},
	{regexp.MustCompile(`^_[0-9a-f]{32}\.`), "_0123456789abcdef0123456789abcdef."},
	{regexp.MustCompile(`(:snapshot:doc-platform-[a-z]+-).*$`), "${1}0"},
}

// kept are the condition keys that the policies here use.
var kept = []string{
	"aws:RequestTag/Environment", "aws:ResourceTag/Environment", "ec2:CreateAction", "ecs:cluster", "iam:AWSServiceName",
	"iam:PassedToService", "iam:PermissionsBoundary", "route53:ChangeResourceRecordSetsNormalizedRecordNames",
	"route53:ChangeResourceRecordSetsRecordTypes", "s3:if-match", "s3:if-none-match",
}

// Pattern is a question without what differs from run to run, as a line of the
// list.
func Pattern(a Asked) string {
	same := func(s string) string {
		for _, p := range patterns {
			s = p.found.ReplaceAllString(s, p.by)
		}
		return s
	}
	var keys []string
	for _, name := range slices.Sorted(maps.Keys(a.Keys)) {
		if !slices.Contains(kept, name) {
			continue
		}
		var values []string
		for _, v := range a.Keys[name] {
			if name == "s3:if-match" {
				v = "etag"
			}
			values = append(values, same(v))
		}
		slices.Sort(values)
		keys = append(keys, name+"="+strings.Join(slices.Compact(values), ","))
	}
	return strings.TrimRight(strings.Join([]string{a.Role, a.Action, same(a.Resource), strings.Join(keys, ";")}, "\t"), "\t")
}

// kind is what a line of the list asks: the role and the action, the resource's type
// and the names of the keys. What a deploy role reads depends on how a run goes, so for
// reads the deploy roles of all environments count as one.
func kind(line string) string {
	columns := append(strings.Split(line, "\t"), "", "", "")
	role, action, resource := columns[0], columns[1], columns[2]
	if strings.HasPrefix(role, "deploy-") && reads.MatchString(action) {
		role = "deploy"
	}
	if parts := strings.SplitN(resource, ":", 6); len(parts) == 6 {
		name := parts[5]
		resource = name[:len(name)-len(strings.TrimLeft(name, "abcdefghijklmnopqrstuvwxyz-"))]
		switch parts[2] {
		case "s3":
			resource = map[bool]string{true: "object", false: "bucket"}[strings.Contains(name, "/")]
		case "sns", "sqs":
			resource = "" // has no types
		}
	}
	var keys []string
	for pair := range strings.SplitSeq(columns[3], ";") {
		key, _, _ := strings.Cut(pair, "=")
		keys = append(keys, key)
	}
	return strings.Join([]string{role, action, resource, strings.Join(keys, ";")}, " ")
}

var reads = regexp.MustCompile(`:(BatchGet|Describe|Filter|Get|List)`)

// Compare fails the test for each kind of question that neither the recorded list nor
// the documented one has. Those of a known kind on other resources are logged: a run
// that is killed by chance, or meets late answers, asks a little differently each
// time, and the endpoint has judged each question. With update all of it is added to
// the recorded list instead.
func Compare(t testing.TB, asked []Asked, update bool) {
	t.Helper()
	var lines []string // of the recorded list
	known, kinds := map[string]bool{}, map[string]bool{}
	know := func(line string) { known[line], kinds[kind(line)] = true, true }
	for line := range strings.Lines(recorded) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
			know(line)
		}
	}
	for _, a := range Documented(t) {
		know(Pattern(a))
	}
	missing := map[string]bool{}
	for _, a := range asked {
		if p := Pattern(a); !known[p] {
			missing[p] = true
		}
	}
	if len(missing) == 0 {
		return
	}
	if !update {
		for _, line := range slices.Sorted(maps.Keys(missing)) {
			if kinds[kind(line)] {
				t.Logf("%s lacks this resource: %s", list, line)
			} else {
				t.Errorf("%s lacks what a role asked for; run this test with UPDATE=1 to add it: %s", list, line)
			}
		}
		return
	}
	lines = slices.AppendSeq(lines, maps.Keys(missing))
	slices.Sort(lines)
	var out bytes.Buffer
	for _, l := range lines {
		fmt.Fprintln(&out, l)
	}
	if err := os.WriteFile(filepath.Join(Repository(t), list), out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %d questions added", list, len(missing))
}
