package endpoint

import (
	"net/http"

	"github.com/beevik/etree"

	"github.com/specboard/platform/gen/config"
)

// OfflinePassword stands for a generated secret in an offline plan. It must
// never appear in the plan's output.
const OfflinePassword = "offline-random-password-that-no-plan-may-hold-0123456789ABCDEF"

// Offline returns the endpoint of an offline plan, on a machine without AWS
// credentials. It answers the few questions that a first plan needs from the
// configuration, and refuses all others by name.
func Offline(p config.Platform) http.Handler {
	return offlineAnswers(p).Handler(p.Region, func(c *Call) (*Reply, error) {
		return nil, Refuse("OfflinePlan", "an offline plan does not answer %s %s: plan with AWS credentials", c.Service, c.Name())
	})
}

// offlineAnswers are the fixed answers: the caller's identity, a random password, and
// the hosted zone for its data source.
func offlineAnswers(p config.Platform) Table {
	const (
		zoneID  = "Z0OFFLINE0PLAN00" // no zone has it
		route53 = "route53.GET /2013-04-01/"
	)
	hostedZone := Branch("HostedZone",
		Leaf("Id", "/hostedzone/"+zoneID), Leaf("Name", p.Domain+"."), Leaf("CallerReference", "offline"),
		Leaf("ResourceRecordSetCount", 2),
		// The provider crashes on a zone without this.
		Branch("Config", Leaf("PrivateZone", false)))
	zones := document("ListHostedZonesResponse", route53Namespace,
		Branch("HostedZones", hostedZone.Copy()), Leaf("IsTruncated", false), Leaf("MaxItems", 100))
	nameServers := []string{"ns-1.offline.invalid", "ns-2.offline.invalid"}
	servers, records := Branch("NameServers"), Branch("ResourceRecords")
	for _, n := range nameServers {
		servers.AddChild(Leaf("NameServer", n))
		records.AddChild(Branch("ResourceRecord", Leaf("Value", n)))
	}
	return Table{
		"sts.GetCallerIdentity": fixed(document("GetCallerIdentityResponse", "https://sts.amazonaws.com/doc/2011-06-15/",
			Branch("GetCallerIdentityResult",
				Leaf("Arn", "arn:aws:iam::"+p.Account+":user/offline"), Leaf("UserId", "OFFLINE"), Leaf("Account", p.Account)))),
		// Terraform needs a value during the plan, and discards it.
		"secretsmanager.GetRandomPassword": func(*Call, Next) (*Reply, error) {
			return JSON(map[string]string{"RandomPassword": OfflinePassword})
		},
		route53 + "hostedzone":        fixed(zones),
		route53 + "hostedzonesbyname": fixed(zones),
		route53 + "hostedzone/" + zoneID: fixed(document("GetHostedZoneResponse", route53Namespace,
			hostedZone, Branch("DelegationSet", servers))),
		route53 + "tags/hostedzone/" + zoneID: fixed(document("ListTagsForResourceResponse", route53Namespace,
			Branch("ResourceTagSet", Leaf("ResourceType", "hostedzone"), Leaf("ResourceId", zoneID),
				Branch("Tags", Branch("Tag", Leaf("Key", "Platform"), Leaf("Value", p.Name)))))),
		// The zone's own name servers, which the data source looks up.
		route53 + "hostedzone/" + zoneID + "/rrset": fixed(document("ListResourceRecordSetsResponse", route53Namespace,
			Branch("ResourceRecordSets", Branch("ResourceRecordSet",
				Leaf("Name", p.Domain+"."), Leaf("Type", "NS"), Leaf("TTL", 172800), records)),
			Leaf("IsTruncated", false), Leaf("MaxItems", 100))),
	}
}

const route53Namespace = "https://route53.amazonaws.com/doc/2013-04-01/"

func document(name, namespace string, children ...*etree.Element) *Reply {
	root := Branch(name, children...)
	root.CreateAttr("xmlns", namespace)
	return XML(root)
}

// fixed always gives the same answer.
func fixed(rep *Reply) Operation { return func(*Call, Next) (*Reply, error) { return rep, nil } }
