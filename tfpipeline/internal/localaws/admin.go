package localaws

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/route53"

	"github.com/specboard/platform/tfpipeline/internal/localaws/balancer"
)

// admin answers what no AWS has, for tests and the curious:
//
//	GET  /_localaws/inventory      what exists, by kind (Inventory)
//	GET  /_localaws/balancers      where load balancers answer (Cloud.Balancers)
//	POST /_localaws/expire-images  apply the lifecycle policies now (ExpireImages)
//	POST /_localaws/maintenance    let the maintenance windows pass (Maintain)
func (e *Endpoint) admin(w http.ResponseWriter, r *http.Request) {
	var answer any
	var err error
	switch r.Method + " " + strings.TrimPrefix(r.URL.Path, adminPrefix) {
	case "GET inventory":
		answer, err = e.Inventory(r.Context())
	case "GET balancers":
		answer = []balancer.Address{}
		if e.balancers != nil {
			answer, err = e.balancers(r.Context())
		}
	case "POST expire-images":
		answer, err = e.ExpireImages(r.Context())
	case "POST maintenance":
		answer, err = e.Maintain(r.Context())
	default:
		http.Error(w, "no such thing: GET "+adminPrefix+"inventory, GET "+adminPrefix+"balancers, POST "+adminPrefix+"expire-images, POST "+adminPrefix+"maintenance", http.StatusNotFound)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	_ = out.Encode(answer) // the client has gone: nobody to tell
}

// Balancers says where each load balancer answers, and which domains lead to
// it by the alias records of the hosted zones.
func (c *Cloud) Balancers(ctx context.Context) ([]balancer.Address, error) {
	all := c.balancers.Addresses()
	if len(all) == 0 {
		return all, nil
	}
	aliases, err := readAliases(ctx, route53.NewFromConfig(c.config))
	if err != nil {
		return nil, err
	}
	for i := range all {
		all[i].Domains = aliases[strings.ToLower(all[i].DNSName)]
		if all[i].Domains == nil {
			all[i].Domains = []string{}
		}
	}
	return all, nil
}

// readAliases gives the domains by the name that they are an alias of.
func readAliases(ctx context.Context, client *route53.Client) (map[string][]string, error) {
	aliases := map[string][]string{}
	zones := route53.NewListHostedZonesPaginator(client, &route53.ListHostedZonesInput{})
	for zones.HasMorePages() {
		page, err := zones.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("read the hosted zones: %w", err)
		}
		for _, z := range page.HostedZones {
			records := route53.NewListResourceRecordSetsPaginator(client, &route53.ListResourceRecordSetsInput{HostedZoneId: z.Id})
			for records.HasMorePages() {
				page, err := records.NextPage(ctx)
				if err != nil {
					return nil, fmt.Errorf("read the records of zone %s: %w", *z.Name, err)
				}
				for _, r := range page.ResourceRecordSets {
					if r.AliasTarget == nil || r.AliasTarget.DNSName == nil {
						continue
					}
					to, domain := plainName(*r.AliasTarget.DNSName), plainName(*r.Name)
					if !slices.Contains(aliases[to], domain) {
						aliases[to] = append(aliases[to], domain)
					}
				}
			}
		}
	}
	return aliases, nil
}

// plainName is a DNS name without the prefix that the provider adds to ask for
// both kinds of addresses, and without the final dot.
func plainName(name string) string {
	return strings.TrimPrefix(strings.TrimSuffix(strings.ToLower(name), "."), "dualstack.")
}
