package localaws

import (
	"net/http"
	"strings"
	"testing"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// TestVolumes: RDS takes IOPS and throughput of a gp3 volume from 400 GiB on, and there
// no less than what such a volume starts with.
func TestVolumes(t *testing.T) {
	volume := func(gib, more string) string {
		return `<R><DBInstance><DBInstanceIdentifier>one</DBInstanceIdentifier><Engine>postgres</Engine><StorageType>gp3</StorageType><AllocatedStorage>` + gib + `</AllocatedStorage>` + more + `</DBInstance></R>`
	}
	const small, wrong = "You can't specify IOPS or storage throughput for engine postgres and a storage size less than 400.", "Invalid iops value for engine name postgres and storage type gp3: 3000"
	for _, c := range []struct{ name, has, asked, want string }{
		{"grows with the figures of a large volume", "200", "AllocatedStorage=500 Iops=12000 StorageThroughput=500", ""},
		{"grows without any", "200", "AllocatedStorage=500", ""},
		{"grows with those of the small one", "200", "AllocatedStorage=500 Iops=3000", wrong},
		{"is large and grows", "500", "AllocatedStorage=600 Iops=12000", ""},
		{"is large and gets less", "500", "Iops=3000", wrong},
		{"has too little throughput", "500", "StorageThroughput=125", "Invalid storage throughput value for engine name postgres and storage type gp3: 125"},
		{"stays small", "200", "AllocatedStorage=300", ""},
		{"stays small, with a figure", "200", "AllocatedStorage=300 Iops=3000", small},
		{"is another type", "200", "StorageType=io1 Iops=1000", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			control := newFakeControl(t, map[string]string{"rds.ModifyDBInstance": volume(c.has, ""), "rds.DescribeDBInstances": volume(c.has, ""), "ec2.DescribeSecurityGroups": `<R/>`})
			status, answer := query(t, start(t, control, Options{}), "rds", "ModifyDBInstance", append([]string{"DBInstanceIdentifier=one", "ApplyImmediately=true"}, strings.Fields(c.asked)...)...)
			if got := endpoint.Text(answer.SelectElement("Error"), "Message"); got != c.want || (status == http.StatusOK) != (c.want == "") {
				t.Errorf("status %d, %q, want %q", status, got, c.want)
			}
		})
	}
	for gib, want := range map[string]string{"399": "3000 125", "400": "12000 500"} {
		control := newFakeControl(t, map[string]string{"rds.DescribeDBInstances": volume(gib, "<Iops>0</Iops>"), "ec2.DescribeSecurityGroups": `<R/>`})
		instance := endpoint.Every(must(t, start(t, control, Options{}), "rds", "DescribeDBInstances"), "DBInstance")[0]
		if got := endpoint.Text(instance, "Iops") + " " + endpoint.Text(instance, "StorageThroughput"); got != want {
			t.Errorf("a volume of %s GiB has %s, want %s", gib, got, want)
		}
	}
}
