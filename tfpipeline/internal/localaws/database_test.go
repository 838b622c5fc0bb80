package localaws

import (
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

const databaseAnswer = `<R><DescribeDBInstancesResult><DBInstances>
	<DBInstance><DBInstanceIdentifier>one</DBInstanceIdentifier><DBInstanceArn>arn:one</DBInstanceArn><DbiResourceId>db-M5ENSHXFPU6XHZ4G4ZEI5QIO2U</DbiResourceId><Endpoint><Address>one.rds</Address><Port>5432</Port></Endpoint></DBInstance>
	<DBInstance><DBInstanceIdentifier>two</DBInstanceIdentifier><DBInstanceArn>arn:two</DBInstanceArn><DbiResourceId>db-M5ENSHXFPU6XHZ4G4ZEI5QIO2U</DbiResourceId></DBInstance>
</DBInstances></DescribeDBInstancesResult></R>`

const oneDatabase = `<R><DBInstance><DBInstanceIdentifier>one</DBInstanceIdentifier><DBInstanceArn>arn:one</DBInstanceArn><DbiResourceId>db-M5ENSHXFPU6XHZ4G4ZEI5QIO2U</DbiResourceId></DBInstance></R>`

func TestDatabaseInstances(t *testing.T) {
	control := newFakeControl(t, map[string]string{
		"rds.CreateDBInstance": oneDatabase, "rds.ModifyDBInstance": oneDatabase, "rds.DeleteDBInstance": oneDatabase,
		"rds.DescribeDBInstances": databaseAnswer, "iam.GetRole": `<R/>`,
	})
	e := start(t, control, Options{Database: func(id string) (string, int, bool) { return "127.0.0.1", 15432, id == "one" }})

	created := endpoint.Every(must(t, e, "rds", "CreateDBInstance", "DBInstanceIdentifier=one", "EnablePerformanceInsights=true",
		"MonitoringInterval=60", "MonitoringRoleArn=arn:role"), "DBInstance")[0]
	if endpoint.Text(created, "PerformanceInsightsEnabled") != "true" || endpoint.Text(created, "MonitoringRoleArn") != "arn:role" {
		t.Errorf("%s", endpoint.Encode(created))
	}
	both := endpoint.Every(must(t, e, "rds", "DescribeDBInstances"), "DBInstance")
	one, two := both[0], both[1]
	if endpoint.Text(one, "MonitoringInterval") != "60" || endpoint.Text(one, "PerformanceInsightsRetentionPeriod") != "7" || endpoint.Text(two, "MonitoringInterval") != "" {
		t.Errorf("one:\n%s\ntwo:\n%s", endpoint.Encode(one), endpoint.Encode(two))
	}
	if endpoint.Text(one, "DbiResourceId") == endpoint.Text(two, "DbiResourceId") || endpoint.Text(one, "DbiResourceId") != endpoint.Text(created, "DbiResourceId") {
		t.Errorf("resource IDs %s and %s", endpoint.Text(one, "DbiResourceId"), endpoint.Text(two, "DbiResourceId"))
	}
	if endpoint.Text(one.SelectElement("Endpoint"), "Address") != "127.0.0.1" || endpoint.Text(one.SelectElement("Endpoint"), "Port") != "15432" {
		t.Errorf("%s", endpoint.Encode(one))
	}

	// The provider's look-up becomes one that moto can answer rightly.
	must(t, e, "rds", "DescribeDBInstances", "Filters.Filter.1.Name=dbi-resource-id", "Filters.Filter.1.Values.Value.1="+endpoint.Text(two, "DbiResourceId"))
	asked := control.last(t, "rds.DescribeDBInstances").Form
	if asked.Get("DBInstanceIdentifier") != "two" || asked.Has("Filters.Filter.1.Name") {
		t.Errorf("asked %v", asked)
	}
	none := must(t, e, "rds", "DescribeDBInstances", "Filters.Filter.1.Name=dbi-resource-id", "Filters.Filter.1.Values.Value.1=db-NONE")
	if len(endpoint.Every(none, "DBInstance")) != 0 {
		t.Errorf("%s", endpoint.Encode(none))
	}

	off := endpoint.Every(must(t, e, "rds", "ModifyDBInstance", "DBInstanceIdentifier=one", "MonitoringInterval=0"), "DBInstance")[0]
	if endpoint.Text(off, "MonitoringInterval") != "0" || endpoint.Text(off, "MonitoringRoleArn") != "" || endpoint.Text(off, "PerformanceInsightsEnabled") != "true" {
		t.Errorf("%s", endpoint.Encode(off))
	}

	id := endpoint.Text(one, "DbiResourceId")
	must(t, e, "rds", "DeleteDBInstance", "DBInstanceIdentifier=one")
	gone := must(t, e, "rds", "DescribeDBInstances", "Filters.Filter.1.Name=dbi-resource-id", "Filters.Filter.1.Values.Value.1="+id)
	if len(endpoint.Every(gone, "DBInstance")) != 0 {
		t.Errorf("deleted and found: %s", endpoint.Encode(gone))
	}
}

func TestDatabaseParameters(t *testing.T) {
	control := newFakeControl(t, map[string]string{
		"rds.DescribeDBParameters": `<R><Parameters><Parameter><ParameterName>rds.force_ssl</ParameterName></Parameter><Parameter><ParameterName>x</ParameterName><Source>system</Source></Parameter></Parameters></R>`,
	})
	parameters := endpoint.Every(must(t, start(t, control, Options{}), "rds", "DescribeDBParameters"), "Parameter")
	if endpoint.Text(parameters[0], "Source") != "user" || endpoint.Text(parameters[1], "Source") != "system" {
		t.Errorf("sources %q %q", endpoint.Text(parameters[0], "Source"), endpoint.Text(parameters[1], "Source"))
	}
}

func TestRefusalsOfMotoPassUnchanged(t *testing.T) {
	const refusal = `<ErrorResponse><Error><Code>DBInstanceNotFound</Code></Error></ErrorResponse>`
	control := newFakeControl(t, map[string]string{"rds.DescribeDBInstances": refusal})
	control.status["rds.DescribeDBInstances"] = 404
	status, root := query(t, start(t, control, Options{}), "rds", "ModifyDBInstance", "DBInstanceIdentifier=none")
	if status != 404 || endpoint.Text(root.SelectElement("Error"), "Code") != "DBInstanceNotFound" {
		t.Errorf("status %d %s", status, endpoint.Encode(root))
	}
}

// TestRefusedSnapshotKeepsNothing: a snapshot's data is replaced by one that was taken
// alone, and a refused deletion takes none.
func TestRefusedSnapshotKeepsNothing(t *testing.T) {
	d := newDatabases(nil)
	var kept []string
	d.snapshot = func(identifier, id string) { kept = append(kept, identifier+" "+id) }
	status := http.StatusBadRequest
	next := func(c *endpoint.Call) (*endpoint.Reply, error) {
		if c.Operation == "DescribeDBInstances" {
			return &endpoint.Reply{Status: http.StatusOK, Body: []byte(oneDatabase)}, nil
		}
		return &endpoint.Reply{Status: status, Body: []byte("<R/>")}, nil
	}
	call := func(operation string) {
		t.Helper()
		c := &endpoint.Call{Service: "rds", Operation: operation, Form: url.Values{"DBInstanceIdentifier": {"one"}, "DBSnapshotIdentifier": {"Last"}, "FinalDBSnapshotIdentifier": {"Final"}}}
		if rep, err := d.operations()["rds."+operation](c, next); err != nil || rep.Status != status {
			t.Fatalf("%s: %+v, %v", operation, rep, err)
		}
	}
	call("CreateDBSnapshot")
	call("DeleteDBInstance")
	if len(kept) > 0 || len(d.taken) > 0 {
		t.Errorf("refused, and kept %q, %v", kept, d.taken)
	}
	status = http.StatusOK
	call("CreateDBSnapshot")
	call("DeleteDBInstance")
	if !slices.Equal(kept, []string{"one last", "one final"}) || d.taken["last"] == nil || d.taken["final"] == nil {
		t.Errorf("kept %q, %v", kept, d.taken)
	}
}

func TestSecurityGroupRuleDescriptions(t *testing.T) {
	control := newFakeControl(t, map[string]string{
		"ec2.AuthorizeSecurityGroupIngress": `<R><securityGroupRuleSet>
			<item><securityGroupRuleId>sgr-1</securityGroupRuleId><ipProtocol>tcp</ipProtocol><fromPort>3001</fromPort><toPort>3001</toPort><referencedGroupInfo><groupId>sg-lb</groupId></referencedGroupInfo></item>
			<item><securityGroupRuleId>sgr-2</securityGroupRuleId><ipProtocol>-1</ipProtocol><fromPort>-1</fromPort><toPort>-1</toPort><referencedGroupInfo><groupId>sg-lb</groupId></referencedGroupInfo></item>
		</securityGroupRuleSet></R>`,
		"ec2.DescribeSecurityGroupRules": `<R><securityGroupRuleSet>
			<item><securityGroupRuleId>sgr-1</securityGroupRuleId></item><item><securityGroupRuleId>sgr-2</securityGroupRuleId></item>
			<item><securityGroupRuleId>sgr-3</securityGroupRuleId><description>moto's own</description></item>
		</securityGroupRuleSet></R>`,
		"ec2.ModifySecurityGroupRules": `<R><return>true</return></R>`,
	})
	e := start(t, control, Options{})
	describe := func() (texts []string) {
		for _, item := range must(t, e, "ec2", "DescribeSecurityGroupRules").SelectElement("securityGroupRuleSet").ChildElements() {
			texts = append(texts, endpoint.Text(item, "description"))
		}
		return texts
	}
	must(t, e, "ec2", "AuthorizeSecurityGroupIngress", "GroupId=sg-1",
		"IpPermissions.1.IpProtocol=tcp", "IpPermissions.1.FromPort=3001", "IpPermissions.1.ToPort=3001",
		"IpPermissions.1.Groups.1.GroupId=sg-lb", "IpPermissions.1.Groups.1.Description=api from the load balancer",
		"IpPermissions.2.IpProtocol=-1", "IpPermissions.2.Groups.1.GroupId=sg-lb", "IpPermissions.2.Groups.1.Description=all")
	if got := describe(); got[0] != "api from the load balancer" || got[1] != "all" || got[2] != "moto's own" {
		t.Errorf("%q", got)
	}
	must(t, e, "ec2", "ModifySecurityGroupRules", "GroupId=sg-1", "SecurityGroupRule.1.SecurityGroupRuleId=sgr-1",
		"SecurityGroupRule.1.SecurityGroupRule.ReferencedGroupId=sg-lb", "SecurityGroupRule.1.SecurityGroupRule.Description=changed")
	if got := describe(); got[0] != "changed" || got[1] != "all" {
		t.Errorf("%q", got)
	}
}
