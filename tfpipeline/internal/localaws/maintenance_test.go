package localaws

import (
	"net/http"
	"strings"
	"testing"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// TestDeferredChanges: what restarts a database or a cache waits for the
// maintenance window, is described as pending, and is made when the window
// passes, or with the next change that is applied immediately.
func TestDeferredChanges(t *testing.T) {
	control := newFakeControl(t, map[string]string{
		"rds.ModifyDBInstance": oneDatabase,
		"rds.DescribeDBInstances": `<R><DescribeDBInstancesResult><DBInstances><DBInstance><DBInstanceIdentifier>one</DBInstanceIdentifier><DBInstanceClass>db.t4g.small</DBInstanceClass>
			<PendingModifiedValues/></DBInstance></DBInstances></DescribeDBInstancesResult></R>`,
		"ec2.DescribeSecurityGroups": `<R/>`,
	})
	e := start(t, control, Options{})
	pending := func() string {
		t.Helper()
		instance := endpoint.Every(must(t, e, "rds", "DescribeDBInstances"), "DBInstance")[0]
		return endpoint.Text(instance.SelectElement("PendingModifiedValues"), "DBInstanceClass")
	}
	modify := func(parameters ...string) {
		t.Helper()
		must(t, e, "rds", "ModifyDBInstance", append([]string{"DBInstanceIdentifier=one"}, parameters...)...)
	}

	modify("DBInstanceClass=db.t4g.small", "DeletionProtection=true", "ApplyImmediately=false")
	if asked := control.last(t, "rds.ModifyDBInstance").Form; pending() != "" || asked.Get("DBInstanceClass") != "db.t4g.small" || asked.Get("DeletionProtection") != "true" {
		t.Errorf("what is as it was waits: %v", asked)
	}
	modify("DBInstanceClass=db.t4g.medium", "DeletionProtection=false")
	if asked := control.last(t, "rds.ModifyDBInstance").Form; pending() != "db.t4g.medium" || asked.Has("DBInstanceClass") || asked.Get("DeletionProtection") != "false" {
		t.Errorf("pending %q, asked %v", pending(), asked)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.URL()+"/_localaws/maintenance", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if asked := control.last(t, "rds.ModifyDBInstance").Form; res.StatusCode != http.StatusOK || pending() != "" || asked.Get("DBInstanceClass") != "db.t4g.medium" {
		t.Errorf("after the window: %s, pending %q, asked %v", res.Status, pending(), asked)
	}
	modify("DBInstanceClass=db.t4g.large")
	modify("MultiAZ=true", "ApplyImmediately=true")
	if asked := control.last(t, "rds.ModifyDBInstance").Form; pending() != "" || asked.Get("DBInstanceClass") != "db.t4g.large" || asked.Get("MultiAZ") != "true" {
		t.Errorf("immediately: pending %q, asked %v", pending(), asked)
	}

	must(t, e, "elasticache", "CreateReplicationGroup", "ReplicationGroupId=cache", "CacheNodeType=cache.t4g.micro", "NumCacheClusters=1")
	must(t, e, "elasticache", "ModifyReplicationGroup", "ReplicationGroupId=cache", "CacheNodeType=cache.t4g.small")
	node := func() string {
		t.Helper()
		c := endpoint.Every(must(t, e, "elasticache", "DescribeCacheClusters"), "CacheCluster")[0]
		return strings.TrimSpace(endpoint.Text(c, "CacheNodeType") + " " + endpoint.Text(c.SelectElement("PendingModifiedValues"), "CacheNodeType"))
	}
	if got := node(); got != "cache.t4g.micro cache.t4g.small" {
		t.Errorf("the cache is and will be %s", got)
	}
	if names, err := e.Maintain(t.Context()); err != nil || strings.Join(names, " ") != "cache" || node() != "cache.t4g.small" {
		t.Errorf("maintained %v, %v: %s", names, err, node())
	}
}
