package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// A recovery asks a few services for one list each. Their clients would be
// most of the program's size, so it asks by itself.

// send signs a request to a service and returns the answer's body.
func (f *finder) send(ctx context.Context, service string, header map[string]string, body []byte) ([]byte, error) {
	endpoint := "https://" + service + "." + f.cfg.Region + ".amazonaws.com"
	if f.cfg.BaseEndpoint != nil {
		endpoint = *f.cfg.BaseEndpoint
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(endpoint, "/")+"/", bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", service, err)
	}
	for k, v := range header {
		r.Header.Set(k, v)
	}
	credentials, err := f.cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", service, err)
	}
	hash := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(ctx, credentials, r, hex.EncodeToString(hash[:]), service, f.cfg.Region, time.Now()); err != nil {
		return nil, fmt.Errorf("ask %s: %w", service, err)
	}
	client := f.cfg.HTTPClient
	if client == nil {
		client = http.DefaultClient
	}
	answer, err := client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", service, err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", service, err)
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask %s: %s: %s", service, answer.Status, bytes.TrimSpace(content))
	}
	return content, nil
}

// ec2 asks EC2, which speaks forms and XML.
func (f *finder) ec2(ctx context.Context, action string, parameters url.Values, into any) error {
	form := url.Values{"Action": {action}, "Version": {"2016-11-15"}}
	for k, v := range parameters {
		form[k] = v
	}
	content, err := f.send(ctx, "ec2", map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, []byte(form.Encode()))
	if err != nil {
		return err
	}
	if err := xml.Unmarshal(content, into); err != nil {
		return fmt.Errorf("read the answer of ec2 %s: %w", action, err)
	}
	return nil
}

// json asks a service that speaks JSON. target is its X-Amz-Target.
func (f *finder) json(ctx context.Context, service, target string, in, into any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("ask %s: %w", service, err)
	}
	content, err := f.send(ctx, service, map[string]string{"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target}, body)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(content, into); err != nil {
		return fmt.Errorf("read the answer of %s %s: %w", service, target, err)
	}
	return nil
}

// certificate finds the certificate that Terraform tagged as the platform's.
func (f *finder) certificate(ctx context.Context, v planned) ([]string, bool, error) {
	type page struct {
		CertificateSummaryList []struct{ CertificateArn, DomainName string }
		NextToken              string
	}
	var ids []string
	for token := ""; ; {
		in := map[string]any{"MaxItems": 1000}
		if token != "" {
			in["NextToken"] = token
		}
		var out page
		if err := f.json(ctx, "acm", "CertificateManager.ListCertificates", in, &out); err != nil {
			return nil, true, err
		}
		for _, c := range out.CertificateSummaryList {
			if c.DomainName != v.text("domain_name") {
				continue
			}
			var tags struct{ Tags []struct{ Key, Value string } }
			if err := f.json(ctx, "acm", "CertificateManager.ListTagsForCertificate", map[string]any{"CertificateArn": c.CertificateArn}, &tags); err != nil {
				return nil, true, err
			}
			for _, t := range tags.Tags {
				if t.Key == "Platform" && t.Value == v.tag("Platform") {
					ids = append(ids, c.CertificateArn)
				}
			}
		}
		if token = out.NextToken; token == "" {
			return ids, true, nil
		}
	}
}

// namespace finds the Service Connect namespace by its name.
func (f *finder) namespace(ctx context.Context, v planned) ([]string, bool, error) {
	var out struct {
		Namespaces []struct{ Id, Name, Type string }
	}
	in := map[string]any{"Filters": []any{map[string]any{"Name": "TYPE", "Values": []string{"HTTP"}, "Condition": "EQ"}}}
	if err := f.json(ctx, "servicediscovery", "Route53AutoNaming_v20170314.ListNamespaces", in, &out); err != nil {
		return nil, true, err
	}
	var ids []string
	for _, n := range out.Namespaces {
		if n.Name == v.text("name") && n.Type == "HTTP" {
			ids = append(ids, n.Id)
		}
	}
	return ids, true, nil
}
