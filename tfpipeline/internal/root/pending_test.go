package root

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
	"github.com/specboard/platform/tfpipeline/internal/plan"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// What AWS has taken is asked of the database itself, and of the members of a
// cache.
func TestPending(t *testing.T) {
	answers := map[string]string{
		"DescribeDBInstances doc-platform-production": `<DBInstances><DBInstance><PendingModifiedValues><DBInstanceClass>db.t4g.medium</DBInstanceClass><AllocatedStorage>100</AllocatedStorage><MultiAZ>true</MultiAZ></PendingModifiedValues></DBInstance></DBInstances>`,
		"DescribeDBInstances quiet":                   `<DBInstances><DBInstance/></DBInstances>`,
		"DescribeReplicationGroups cache":             `<ReplicationGroups><ReplicationGroup><MemberClusters><ClusterId>cache-001</ClusterId></MemberClusters></ReplicationGroup></ReplicationGroups>`,
		"DescribeCacheClusters cache-001":             `<CacheClusters><CacheCluster><PendingModifiedValues><CacheNodeType>cache.t4g.small</CacheNodeType></PendingModifiedValues></CacheCluster></CacheClusters>`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		form, err := url.ParseQuery(string(body))
		if err != nil {
			t.Error(err)
		}
		action := form.Get("Action")
		answer, ok := answers[action+" "+form.Get("DBInstanceIdentifier")+form.Get("ReplicationGroupId")+form.Get("CacheClusterId")]
		if !ok {
			w.WriteHeader(http.StatusBadRequest)
		}
		_, _ = io.WriteString(w, "<R><"+action+"Result>"+answer+"</"+action+"Result></R>")
	}))
	defer server.Close()
	cfg := endpoint.Access{URL: server.URL, Region: "us-west-2", Key: "x"}.Config()
	for _, c := range []struct {
		find       string
		identifier string
		want       plan.Pending
	}{
		{"database", "doc-platform-production", plan.Pending{"instance_class": "db.t4g.medium", "allocated_storage": "100", "multi_az": "true"}},
		{"database", "quiet", plan.Pending{}},
		{"cache", "cache", plan.Pending{"node_type": "cache.t4g.small"}},
	} {
		find := pendingOfDatabase
		if c.find == "cache" {
			find = pendingOfCache
		}
		got, err := find(t.Context(), cfg, c.identifier)
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s %s: %v (- want, + got)\n%s", c.find, c.identifier, err, diff)
		}
	}
	// Another class for production's database: the plan says when, and once AWS has
	// taken the change no plan holds it any more; it is named once, as deferred.
	document := `{"format_version": "1.2", "resource_changes": [{"address": "module.database.aws_db_instance.this", "mode": "managed", "type": "aws_db_instance", "name": "this",
		"change": {"actions": ["update"], "before": {"identifier": "%[1]s", "maintenance_window": "sun:04:00-sun:05:00", "apply_immediately": false, "instance_class": "db.t4g.small"},
		"after": {"identifier": "%[1]s", "maintenance_window": "sun:04:00-sun:05:00", "apply_immediately": false, "instance_class": "db.t4g.medium"}}}]}`
	r := &Root{Name: "production", roots: &Roots{Options: Options{Cloud: Cloud{Target: Local, Config: cfg}}}}
	for _, c := range []struct{ identifier, verdict, says string }{
		{"quiet", "production: 1 to update", "restarts the database, in its maintenance window (sun:04:00-sun:05:00 UTC)"},
		{"doc-platform-production", "production: no changes; 1 deferred to its maintenance window", "AWS makes it in its maintenance window (sun:04:00-sun:05:00 UTC)"},
	} {
		p, err := plan.Parse("production", fmt.Appendf(nil, document, c.identifier))
		if err != nil {
			t.Fatal(err)
		}
		if err := r.findDeferred(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		if err := (view.Text{}).Plan(&text, p); err != nil {
			t.Fatal(err)
		}
		if got := view.Verdict(p); got != c.verdict || strings.Count(text.String(), c.says) != 1 {
			t.Errorf("%s, want %s and one line with %s:\n%s", got, c.verdict, c.says, text.String())
		}
	}
	if _, err := pendingOfDatabase(t.Context(), cfg, "gone"); err == nil {
		t.Error("a database that is gone waits for nothing")
	}
}
