package account

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/state"
)

// FindZone returns the id of the public hosted zone of the platform's domain. It
// tells the console which zone it is, and which others have that name. It
// returns "" if the platform has no domain, or if the shared root has yet to
// create the zone. It returns an error if ZoneID names no suitable zone. It
// also returns one if ZoneID is empty and the account has a zone of that name
// that the shared root did not create: DNS would ask only one of the two.
func (a *Account) FindZone(ctx context.Context) (id string, err error) {
	if !a.platform.HasLoadBalancer() {
		return "", nil
	}
	id, others, err := a.zone(ctx)
	if err != nil {
		return "", err
	}
	is := id
	if id == "" {
		is = "none yet, shared makes it"
	}
	if len(others) > 0 {
		is += "; left alone: " + strings.Join(others, ", ")
	}
	a.console.Progress("zone of %s: %s", a.platform.Domain, is)
	return id, nil
}

func (a *Account) zone(ctx context.Context) (id string, others []string, err error) {
	domain := a.platform.Domain
	client := route53.NewFromConfig(a.cfg)
	if a.platform.ZoneID != "" {
		return a.platform.ZoneID, nil, a.checkZone(ctx, client)
	}
	// The list begins with the zones of this name.
	out, err := client.ListHostedZonesByName(ctx, &route53.ListHostedZonesByNameInput{DNSName: &domain})
	if err != nil {
		return "", nil, fmt.Errorf("find the zone of %s: %w", domain, err)
	}
	var foreign string // a public one
	for _, z := range out.HostedZones {
		zone := strings.TrimPrefix(aws.ToString(z.Id), "/hostedzone/")
		switch {
		case aws.ToString(z.Name) != domain+".":
			continue
		case z.Config != nil && z.Config.PrivateZone:
			others = append(others, zone+" (private)")
		case id == "" && z.Config != nil && aws.ToString(z.Config.Comment) == a.platform.Name:
			id = zone
		default:
			foreign = zone
			others = append(others, fmt.Sprintf("%s (public, %d records)", zone, aws.ToInt64(z.ResourceRecordSetCount)))
		}
	}
	if id == "" && foreign != "" {
		return "", nil, console.WithNext(fmt.Errorf("find the zone of %s: the account has %s, and shared would make a second public one; nothing was changed", domain, strings.Join(others, ", ")),
			"set ZoneID: %q in gen/config/default.go to use that zone, and make gen; or delete it, if nobody uses it", foreign)
	}
	return id, others, nil
}

// checkZone returns an error if ZoneID is not a public zone of the domain.
func (a *Account) checkZone(ctx context.Context, client *route53.Client) error {
	id := a.platform.ZoneID
	out, err := client.GetHostedZone(ctx, &route53.GetHostedZoneInput{Id: &id})
	var why string
	if state.Code(err) == "NoSuchHostedZone" {
		why = "does not exist in account " + a.platform.Account
	} else if err != nil {
		return fmt.Errorf("read the zone of %s: %w", a.platform.Domain, err)
	} else if name := aws.ToString(out.HostedZone.Name); name != a.platform.Domain+"." {
		why = "is that of " + strings.TrimSuffix(name, ".")
	} else if out.HostedZone.Config != nil && out.HostedZone.Config.PrivateZone {
		why = "is private: nobody outside of its networks sees it"
	} else {
		return nil
	}
	return console.WithNext(fmt.Errorf("find the zone of %s: ZoneID %s %s; nothing was changed", a.platform.Domain, id, why),
		"set ZoneID in gen/config/default.go to the public zone of %s, and make gen: aws route53 list-hosted-zones-by-name --dns-name %s", a.platform.Domain, a.platform.Domain)
}
