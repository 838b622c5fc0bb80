package account

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/route53"
)

// Delegation is the name servers of the zone, and those that DNS gives for the
// domain.
type Delegation struct {
	domain string
	// zone are the name servers that Route 53 gave to the zone; world are
	// those that the domain is delegated to. Both are sorted and without final
	// dots.
	zone, world []string
}

// Complete reports whether a lookup of the domain reaches the zone.
func (d Delegation) Complete() bool {
	return len(d.world) > 0 && !slices.ContainsFunc(d.world, func(s string) bool { return !slices.Contains(d.zone, s) })
}

// Error says what a person has to do at the registrar.
func (d Delegation) Error() string {
	is := "it is delegated to nobody yet"
	if len(d.world) > 0 {
		is = "it is delegated to " + strings.Join(d.world, ", ")
	}
	return fmt.Sprintf("%s is not delegated to its zone, and certificates would wait for that in vain: %s\nset these name servers at the domain's registrar:\n  %s",
		d.domain, is, strings.Join(d.zone, "\n  "))
}

// Delegation asks Route 53 for the name servers of the platform's zone, and DNS
// for those that the domain is delegated to.
func (a *Account) Delegation(ctx context.Context) (Delegation, error) {
	a.console.Progress("delegation of %s", a.platform.Domain)
	d := Delegation{domain: a.platform.Domain}
	client := route53.NewFromConfig(a.cfg)
	id, _, err := a.zone(ctx)
	if err != nil {
		return d, err
	}
	if id == "" {
		return d, fmt.Errorf("find the zone of %s: there is none", d.domain)
	}
	zone, err := client.GetHostedZone(ctx, &route53.GetHostedZoneInput{Id: &id})
	if err != nil {
		return d, fmt.Errorf("read the zone of %s: %w", d.domain, err)
	}
	if zone.DelegationSet != nil {
		d.zone = hosts(zone.DelegationSet.NameServers)
	}
	if a.LookupNS == nil {
		d.world = d.zone
		return d, nil
	}
	lookup, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	answer, err := a.LookupNS(lookup, d.domain)
	if e, ok := errors.AsType[*net.DNSError](err); ok && e.IsNotFound {
		return d, nil
	}
	if err != nil {
		return d, fmt.Errorf("ask DNS for the name servers of %s: %w", d.domain, err)
	}
	for _, ns := range answer {
		d.world = append(d.world, ns.Host)
	}
	d.world = hosts(d.world)
	return d, nil
}

// hosts returns names in lower case without final dots, sorted.
func hosts(names []string) []string {
	out := make([]string, 0, len(names))
	for _, n := range names {
		out = append(out, strings.ToLower(strings.TrimSuffix(n, ".")))
	}
	slices.Sort(out)
	return out
}
