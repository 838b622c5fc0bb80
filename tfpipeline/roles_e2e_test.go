package main

import (
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/localaws"
	"github.com/specboard/platform/tfpipeline/internal/localaws/iam"
	"github.com/specboard/platform/tfpipeline/internal/localaws/iam/iamtest"
)

// assume returns credentials of a platform's workflow role, for an hour.
func assume(t testing.TB, p config.Platform, url, role string) aws.Credentials {
	t.Helper()
	arn, token, err := localaws.Job(p, role)
	if err != nil {
		t.Fatal(err)
	}
	c, err := localaws.Assume(t.Context(), localConfig(url), arn, token)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// as is the program in a job of GitHub's that has assumed a role. Each command
// is a job of its own: no session must live as long as a test.
func (p program) as(url, role string) program {
	p.job = func(t testing.TB) []string {
		c := assume(t, p.platform, url, role)
		return []string{"AWS_ACCESS_KEY_ID=" + c.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + c.SecretAccessKey, "AWS_SESSION_TOKEN=" + c.SessionToken}
	}
	return p
}

// roleTrace keeps what roles asked of IAM.
type roleTrace struct {
	mu     sync.Mutex
	asked  []iamtest.Asked
	denied map[string]bool
	closed bool
}

func (r *roleTrace) add(c localaws.Call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.Role == "" || r.closed {
		return
	}
	role := strings.TrimPrefix(c.Role, configtest.Docs().Name+"-")
	for _, q := range c.Asked {
		r.asked = append(r.asked, iamtest.Asked{Role: role, Question: q})
	}
	if c.Denied != "" {
		if r.denied == nil {
			r.denied = map[string]bool{}
		}
		r.denied[role+": "+c.Service+"."+c.Operation+" "+questions(c.Asked)+": "+c.Denied] = true
	}
}

func questions(asked []iam.Question) string {
	var all []string
	for _, q := range asked {
		all = append(all, q.Action+" on "+q.Resource)
	}
	return strings.Join(all, ", ")
}

// end ends the recording: what follows is meant to be denied.
func (r *roleTrace) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
}

// check fails for whatever was denied, and for questions that the recorded
// list lacks; UPDATE=1 writes them into it.
func (r *roleTrace) check(t *testing.T) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range slices.Sorted(maps.Keys(r.denied)) {
		t.Errorf("denied to %s", d)
	}
	if len(r.asked) < 1000 {
		t.Errorf("%d questions were recorded, want 1000 or more", len(r.asked))
	}
	iamtest.Compare(t, r.asked, os.Getenv("UPDATE") != "")
}

// forbidden tries for real what no role may do.
func forbidden(t *testing.T, url string) {
	t.Helper()
	sessions := map[string]aws.Credentials{}
	n := 0
	for _, a := range iamtest.Attempts(t, func(env, kind string) string { return identifier(t, url, env, kind) }) {
		c, ok := sessions[a.Role]
		if !ok {
			c = assume(t, configtest.Docs(), url, a.Role)
			sessions[a.Role] = c
		}
		status, body := send(t, a.Request(t, url, c.AccessKeyID, c.SessionToken))
		if !deniedPattern.MatchString(body) || status < 400 {
			t.Errorf("%s is not denied: %d %s", a, status, body)
		}
		n++
	}
	if n < 80 {
		t.Errorf("%d attempts, want 80 or more", n)
	}
}

var deniedPattern = regexp.MustCompile(`is not authorized to perform: [A-Za-z0-9-]+:[A-Za-z]+ on resource: `)

// identifier finds a VPC, subnet or security group of an environment.
func identifier(t *testing.T, url, env, kind string) string {
	t.Helper()
	a := iamtest.Attempt{Service: "ec2", Operation: map[string]string{"vpc": "DescribeVpcs", "subnet": "DescribeSubnets", "sg": "DescribeSecurityGroups"}[kind],
		Parameters: "Filter.1.Name=tag:Environment&Filter.1.Value.1=" + env}
	_, body := send(t, a.Request(t, url, "administrator", ""))
	found := regexp.MustCompile(kind + `-[0-9a-f]+`).FindString(body)
	if found == "" {
		t.Fatalf("%s has no %s:\n%s", env, kind, body)
	}
	return found
}

func send(t *testing.T, r *http.Request) (int, string) {
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
