package localaws

import (
	"bytes"
	"net/http"
	"testing"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// TestDeliveries sends logs to buckets that let AWS write, and to those that do
// not: an order of creation that forgets the policy fails here as it does there.
func TestDeliveries(t *testing.T) {
	control := newFakeControl(t, map[string]string{
		"ec2.CreateFlowLogs":                                `<R><flowLogIdSet><item>fl-1</item></flowLogIdSet></R>`,
		"ec2.DescribeFlowLogs":                              `<R><flowLogSet><item><flowLogId>fl-1</flowLogId><logDestination>arn:aws:s3:::logs</logDestination></item></flowLogSet></R>`,
		"elasticloadbalancing.ModifyLoadBalancerAttributes": `<R/>`,
	})
	policies := newBucketPolicies()
	e := start(t, control, Options{})
	d := &deliveries{account: e.account, policies: policies, folder: map[string]string{}}
	for name, op := range d.operations() {
		e.operations[name] = op
	}
	flow := []string{"ResourceId.1=vpc-1", "ResourceType=VPC", "LogDestinationType=s3", "LogDestination=arn:aws:s3:::logs/network/"}
	access := []string{"LoadBalancerArn=arn:lb", "Attributes.member.1.Key=access_logs.s3.enabled", "Attributes.member.1.Value=true",
		"Attributes.member.2.Key=access_logs.s3.bucket", "Attributes.member.2.Value=logs",
		"Attributes.member.3.Key=access_logs.s3.prefix", "Attributes.member.3.Value=load-balancer"}
	allow := func(service, path string) []byte {
		return []byte(`{"Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["x"]},{"Effect":"Allow","Principal":{"Service":"` + service +
			`"},"Action":"s3:PutObject","Resource":"arn:aws:s3:::logs/` + path + `AWSLogs/123456789012/*","Condition":{}}]}`)
	}
	when := func(policy []byte, key string) []byte {
		return bytes.Replace(policy, []byte(`"Condition":{}`), []byte(`"Condition":{"StringLike":{"`+key+`":"x"}}`), 1)
	}
	const flows, balancers = "delivery.logs.amazonaws.com", "logdelivery.elasticloadbalancing.amazonaws.com"
	for name, c := range map[string]struct {
		policy       []byte
		flow, access int
	}{
		"no policy":                  {nil, http.StatusBadRequest, http.StatusBadRequest},
		"flow logs":                  {allow(flows, "network/"), http.StatusOK, http.StatusBadRequest},
		"access logs":                {allow(balancers, "load-balancer/"), http.StatusBadRequest, http.StatusOK},
		"a key of flow logs":         {when(allow(flows, "network/"), "aws:SourceAccount"), http.StatusOK, http.StatusBadRequest},
		"a key of access logs":       {when(allow(balancers, "load-balancer/"), "aws:SourceArn"), http.StatusBadRequest, http.StatusOK},
		"a key that ELB never sends": {when(allow(balancers, "load-balancer/"), "aws:SourceAccount"), http.StatusBadRequest, http.StatusBadRequest},
		"another service":            {allow("s3.amazonaws.com", "network/"), http.StatusBadRequest, http.StatusBadRequest},
		"another path":               {allow(flows, ""), http.StatusBadRequest, http.StatusBadRequest},
	} {
		policies.byBucket["logs"] = c.policy
		if got, _ := query(t, e, "ec2", "CreateFlowLogs", flow...); got != c.flow {
			t.Errorf("%s: flow logs: status %d, want %d", name, got, c.flow)
		}
		if got, _ := query(t, e, "elasticloadbalancing", "ModifyLoadBalancerAttributes", access...); got != c.access {
			t.Errorf("%s: access logs: status %d, want %d", name, got, c.access)
		}
	}
	shown := endpoint.Every(must(t, e, "ec2", "DescribeFlowLogs"), "logDestination")
	if len(shown) != 1 || shown[0].Text() != "arn:aws:s3:::logs/network/" {
		t.Errorf("the folder is lost: %v", shown)
	}
}
