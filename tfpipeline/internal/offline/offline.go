// Package offline is the endpoint of an offline plan: on a machine without AWS
// credentials it answers the few questions that a first plan cannot do
// without, from the configuration, and refuses every other by name.
package offline

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/specboard/platform/gen/config"
)

// Endpoint is a running endpoint on a loopback port.
type Endpoint struct {
	platform config.Platform
	server   *http.Server
	listener net.Listener
	done     chan struct{}
}

// Start listens and serves until Close.
func Start(ctx context.Context, p config.Platform) (*Endpoint, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for an offline plan: %w", err)
	}
	e := &Endpoint{platform: p, listener: listener, done: make(chan struct{})}
	e.server = &http.Server{Handler: e, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(e.done)
		_ = e.server.Serve(listener) // ends with Close, by ErrServerClosed
	}()
	return e, nil
}

// Environ is what Terraform's environment needs: the endpoint, credentials
// that open nothing, and nothing of the user's own configuration of AWS.
func (e *Endpoint) Environ() map[string]string {
	return map[string]string{
		"AWS_ENDPOINT_URL":                       "http://" + e.listener.Addr().String(),
		"AWS_ACCESS_KEY_ID":                      "offline",
		"AWS_SECRET_ACCESS_KEY":                  "offline",
		"AWS_SESSION_TOKEN":                      "",
		"AWS_PROFILE":                            "",
		"AWS_CONFIG_FILE":                        "/dev/null",
		"AWS_SHARED_CREDENTIALS_FILE":            "/dev/null",
		"AWS_EC2_METADATA_DISABLED":              "true",
		"AWS_WEB_IDENTITY_TOKEN_FILE":            "",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI":     "",
	}
}

// Override is the Terraform override of an offline plan: an empty local state
// in place of the bucket, and no retries of what the endpoint refuses.
func Override() string {
	return `terraform {
  backend "local" {}
}

provider "aws" {
  max_retries = 1
}
`
}

// Close stops serving.
func (e *Endpoint) Close() error {
	err := e.server.Close()
	<-e.done
	return err
}

// scope is the service in a request's signature.
var scope = regexp.MustCompile(`Credential=[^/]*/[0-9]{8}/[^/]*/([^/]+)/aws4_request`)

// RandomPassword is what stands in for a generated secret while planning. It
// must never be seen in a plan.
const RandomPassword = "offline-random-password-that-no-plan-may-hold-0123456789ABCDEF"

// zoneID is that of the zone an offline plan sees; no zone has it.
const zoneID = "Z0OFFLINE0PLAN00"

func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	service := "an unknown service"
	if m := scope.FindStringSubmatch(r.Header.Get("Authorization")); m != nil {
		service = m[1]
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		http.Error(w, "read the request", http.StatusBadRequest)
		return
	}
	form, _ := url.ParseQuery(string(body)) // what is no form has no Action
	operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "secretsmanager.")
	if a := form.Get("Action"); a != "" {
		operation = a
	}
	if operation == "" {
		operation = r.Method + " " + r.URL.Path
	}

	switch {
	case service == "sts" && operation == "GetCallerIdentity":
		e.callerIdentity(w)
	case service == "secretsmanager" && operation == "GetRandomPassword":
		// Terraform wants a value while it plans, and throws it away.
		answerJSON(w, map[string]string{"RandomPassword": RandomPassword})
	case service == "route53" && r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/2013-04-01/"):
		e.zone(w, r, operation)
	default:
		e.refuse(w, service, operation)
	}
}

func (e *Endpoint) callerIdentity(w http.ResponseWriter) {
	type result struct {
		Arn, UserId, Account string
	}
	answerXML(w, struct {
		XMLName xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ GetCallerIdentityResponse"`
		Result  result   `xml:"GetCallerIdentityResult"`
	}{Result: result{"arn:aws:iam::" + e.platform.Account + ":user/offline", "OFFLINE", e.platform.Account}})
}

// zone answers what the data source of the hosted zone asks.
func (e *Endpoint) zone(w http.ResponseWriter, r *http.Request, operation string) {
	type hostedZone struct {
		Id, Name, CallerReference string
		ResourceRecordSetCount    int
		// The provider crashes on a zone without this.
		PrivateZone bool `xml:"Config>PrivateZone"`
	}
	z := hostedZone{"/hostedzone/" + zoneID, e.platform.Domain + ".", "offline", 2, false}
	nameServers := []string{"ns-1.offline.invalid", "ns-2.offline.invalid"}
	switch path := strings.TrimSuffix(r.URL.Path, "/"); path {
	case "/2013-04-01/hostedzone", "/2013-04-01/hostedzonesbyname":
		answerXML(w, struct {
			XMLName     xml.Name     `xml:"https://route53.amazonaws.com/doc/2013-04-01/ ListHostedZonesResponse"`
			HostedZones []hostedZone `xml:"HostedZones>HostedZone"`
			IsTruncated bool
			MaxItems    int
		}{HostedZones: []hostedZone{z}, MaxItems: 100})
	case "/2013-04-01/hostedzone/" + zoneID:
		answerXML(w, struct {
			XMLName     xml.Name `xml:"https://route53.amazonaws.com/doc/2013-04-01/ GetHostedZoneResponse"`
			HostedZone  hostedZone
			NameServers []string `xml:"DelegationSet>NameServers>NameServer"`
		}{HostedZone: z, NameServers: nameServers})
	case "/2013-04-01/tags/hostedzone/" + zoneID:
		answerXML(w, struct {
			XMLName      xml.Name `xml:"https://route53.amazonaws.com/doc/2013-04-01/ ListTagsForResourceResponse"`
			ResourceType string   `xml:"ResourceTagSet>ResourceType"`
			ResourceId   string   `xml:"ResourceTagSet>ResourceId"`
		}{ResourceType: "hostedzone", ResourceId: zoneID})
	case "/2013-04-01/hostedzone/" + zoneID + "/rrset":
		// The zone's own name servers, which the data source looks up.
		type record struct {
			Name, Type string
			TTL        int
			Values     []string `xml:"ResourceRecords>ResourceRecord>Value"`
		}
		answerXML(w, struct {
			XMLName     xml.Name `xml:"https://route53.amazonaws.com/doc/2013-04-01/ ListResourceRecordSetsResponse"`
			Records     []record `xml:"ResourceRecordSets>ResourceRecordSet"`
			IsTruncated bool
			MaxItems    int
		}{Records: []record{{z.Name, "NS", 172800, nameServers}}, MaxItems: 100})
	default:
		e.refuse(w, "route53", operation)
	}
}

// refuse says what an offline plan cannot know, in both of AWS's forms.
func (e *Endpoint) refuse(w http.ResponseWriter, service, operation string) {
	name := service + " " + operation
	message := "an offline plan does not answer " + name + ": plan with AWS credentials"
	if strings.HasPrefix(operation, http.MethodGet+" ") || service == "sts" || service == "iam" || service == "ec2" || service == "rds" {
		w.Header().Set("Content-Type", "text/xml")
		w.WriteHeader(http.StatusBadRequest)
		answerXML(w, struct {
			XMLName xml.Name `xml:"ErrorResponse"`
			Code    string   `xml:"Error>Code"`
			Message string   `xml:"Error>Message"`
		}{Code: "OfflinePlan", Message: message})
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(http.StatusBadRequest)
	answerJSON(w, map[string]string{"__type": "OfflinePlan", "message": message})
}

// The client is Terraform on this machine; if it has gone, nobody reads.

func answerXML(w http.ResponseWriter, v any) {
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "text/xml")
	}
	_ = xml.NewEncoder(w).Encode(v)
}

func answerJSON(w http.ResponseWriter, v any) {
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	}
	_ = json.NewEncoder(w).Encode(v)
}
