package localaws

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/beevik/etree"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// certificates are issued when their validation records are in a hosted zone.
// moto issues them at the request, which would hide a listener that does not
// wait for the validation.
type certificates struct {
	// self sends a request through the endpoint itself.
	self func(*http.Request) *endpoint.Reply

	mu     sync.Mutex
	issued map[string]bool // by ARN; an issued certificate stays issued
}

func newCertificates(self func(*http.Request) *endpoint.Reply) *certificates {
	return &certificates{self: self, issued: map[string]bool{}}
}

func (s *certificates) operations() endpoint.Table {
	return endpoint.Table{"acm.DescribeCertificate": s.describe}
}

func (s *certificates) describe(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
	rep, err := next(c)
	if err != nil || rep.Status != http.StatusOK {
		return rep, err
	}
	var answer struct{ Certificate map[string]any }
	var read struct {
		Certificate struct {
			CertificateArn, Status, Type string
			DomainValidationOptions      []struct {
				ResourceRecord *struct{ Name, Type, Value string }
			}
		}
	}
	for _, v := range []any{&answer, &read} {
		if err := json.Unmarshal(rep.Body, v); err != nil {
			return nil, fmt.Errorf("read a certificate: %w", err)
		}
	}
	certificate := read.Certificate
	s.mu.Lock()
	issued := s.issued[certificate.CertificateArn]
	s.mu.Unlock()
	if issued || certificate.Status != "ISSUED" || certificate.Type != "AMAZON_ISSUED" {
		return rep, nil
	}
	for _, o := range certificate.DomainValidationOptions {
		if o.ResourceRecord == nil {
			continue // validated by e-mail
		}
		found, err := s.recorded(c.Request.Context(), c.Region, o.ResourceRecord.Name, o.ResourceRecord.Value)
		if err != nil {
			return nil, err
		}
		if !found {
			answer.Certificate["Status"] = "PENDING_VALIDATION"
			delete(answer.Certificate, "IssuedAt")
			return endpoint.JSON(answer)
		}
	}
	s.mu.Lock()
	s.issued[certificate.CertificateArn] = true
	s.mu.Unlock()
	return rep, nil
}

// recorded reports whether a hosted zone has a CNAME record of that value.
func (s *certificates) recorded(ctx context.Context, region, name, value string) (bool, error) {
	zones, err := s.dns(ctx, region, "/2013-04-01/hostedzone")
	if err != nil {
		return false, err
	}
	name = strings.TrimSuffix(name, ".") + "."
	for _, zone := range zones.FindElements("./HostedZones/HostedZone") {
		domain := endpoint.Text(zone, "Name")
		if !strings.HasSuffix(name, "."+domain) {
			continue
		}
		id := strings.TrimPrefix(endpoint.Text(zone, "Id"), "/hostedzone/")
		records, err := s.dns(ctx, region, "/2013-04-01/hostedzone/"+id+"/rrset?"+url.Values{"name": {name}, "type": {"CNAME"}}.Encode())
		if err != nil {
			return false, err
		}
		for _, r := range records.FindElements("./ResourceRecordSets/ResourceRecordSet") {
			if strings.TrimSuffix(endpoint.Text(r, "Name"), ".")+"." != name {
				continue
			}
			for _, v := range endpoint.Every(r, "Value") {
				if strings.TrimSuffix(v.Text(), ".") == strings.TrimSuffix(value, ".") {
					return true, nil
				}
			}
		}
	}
	return false, nil
}

// dns asks Route 53.
func (s *certificates) dns(ctx context.Context, region, path string) (*etree.Element, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localaws"+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", signature("route53", region))
	rep := s.self(r)
	if rep.Status != http.StatusOK {
		return nil, fmt.Errorf("ask Route 53 for %s: status %d: %s", path, rep.Status, rep.Body)
	}
	return endpoint.ParseXML(rep.Body)
}
