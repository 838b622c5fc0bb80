// Package accounttest has an AWS for tests of what is around Terraform: an account
// with a state bucket, a zone, roles, secrets and tasks, and a repository on GitHub.
package accounttest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/specboard/platform/gen/config"
)

// Cloud is as much of AWS, with state and on the wire, as commands need
// beside Terraform: who is calling, a bucket with its settings, a zone,
// secrets, task definitions. What it does not know it refuses by name.
type Cloud struct {
	platform config.Platform
	Account  string

	sync.Mutex
	// Bucket holds the settings as they were put, by their query's name; nil
	// is no bucket.
	Bucket  map[string]string
	Objects objects
	// Secrets are the names that exist, and whether they have a value.
	Secrets map[string]bool
	// DeletedSecrets wait out their recovery window.
	DeletedSecrets []string
	// TaskDefinitions are ARNs of ACTIVE revisions; Tasks of running tasks.
	TaskDefinitions, Tasks []string
	// Issues are those of the repository on GitHub, which is here too.
	Issues issues
	// ServiceRoles are the services that have a role; LateServiceRoles get one
	// from somebody else between a list and a creation.
	ServiceRoles, LateServiceRoles []string
	// Zones are as shared has made them, unless a test changes them.
	Zones []Zone
	// Audience is that of GitHub's identity provider; "" if there is none.
	Audience string
	// Unconfirmed is the recipient of alarms who has not confirmed; "" is none.
	Unconfirmed string
	// changes are the requests that changed something, in order.
	changes []string
}

// New is the cloud of a platform, with its hosted zone.
func New(p config.Platform) *Cloud {
	return &Cloud{platform: p, Account: p.Account, Secrets: map[string]bool{}, Zones: []Zone{{ID: "Z1", Name: p.Domain, Comment: p.Name}}}
}

// CredentialScope finds the service in the signature of a request.
var CredentialScope = regexp.MustCompile(`Credential=[^/]*/[0-9]{8}/[^/]*/([^/]+)/aws4_request`)

// CallerIdentity answers that the credentials are of a user in an account.
func CallerIdentity(w io.Writer, account string) {
	fmt.Fprintf(w, `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::%[1]s:user/ada</Arn><UserId>ADA</UserId><Account>%[1]s</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`, account)
}

// ServeHTTP answers as the service that the signature names, or as GitHub without one.
func (c *Cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.Lock()
	defer c.Unlock()
	service := ""
	if m := CredentialScope.FindStringSubmatch(r.Header.Get("Authorization")); m != nil {
		service = m[1]
	}
	if service == "" {
		c.Issues.serve(w, r)
		return
	}
	body := Whole(r)
	switch service {
	case "sts":
		CallerIdentity(w, c.Account)
	case "sns":
		members := ""
		for _, e := range c.platform.Environments {
			for _, address := range e.Alarms.Emails {
				if address != c.Unconfirmed {
					members += "<member><SubscriptionArn>arn:aws:sns:x</SubscriptionArn><Endpoint>" + address + "</Endpoint></member>"
				}
			}
		}
		if c.Unconfirmed != "" {
			members += "<member><SubscriptionArn>PendingConfirmation</SubscriptionArn><Endpoint>" + c.Unconfirmed + "</Endpoint></member>"
		}
		fmt.Fprintf(w, `<ListSubscriptionsByTopicResponse><ListSubscriptionsByTopicResult><Subscriptions>%s</Subscriptions></ListSubscriptionsByTopicResult></ListSubscriptionsByTopicResponse>`, members)
	case "iam":
		c.iam(w, string(body))
	case "s3":
		c.s3(w, r, string(body))
	case "route53":
		c.route53(w, r)
	case "secretsmanager", "ecs":
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		var in map[string]any
		_ = json.Unmarshal(body, &in)
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		c.json(w, operation, in)
	default:
		http.Error(w, "the fake cloud has no "+service, http.StatusNotImplemented)
	}
}

// iam knows service-linked roles, and GitHub's identity provider.
func (c *Cloud) iam(w http.ResponseWriter, body string) {
	form, _ := url.ParseQuery(body)
	switch service := form.Get("AWSServiceName"); form.Get("Action") {
	case "GetOpenIDConnectProvider":
		if c.Audience == "" {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `<ErrorResponse><Error><Code>NoSuchEntity</Code><Message>OpenIDConnect Provider not found</Message></Error></ErrorResponse>`)
			return
		}
		fmt.Fprintf(w, `<R><GetOpenIDConnectProviderResult><ClientIDList><member>%s</member></ClientIDList></GetOpenIDConnectProviderResult></R>`, c.Audience)
	case "AddClientIDToOpenIDConnectProvider":
		c.Audience += "</member><member>" + form.Get("ClientID")
		c.changes = append(c.changes, "add audience "+form.Get("ClientID"))
		fmt.Fprint(w, `<R/>`)
	case "ListRoles":
		var roles strings.Builder
		for _, s := range c.ServiceRoles {
			fmt.Fprintf(&roles, `<member><Path>/aws-service-role/%s/</Path></member>`, s)
		}
		fmt.Fprintf(w, `<ListRolesResponse><ListRolesResult><Roles>%s</Roles></ListRolesResult></ListRolesResponse>`, roles.String())
	case "CreateServiceLinkedRole":
		if slices.Contains(c.ServiceRoles, service) || slices.Contains(c.LateServiceRoles, service) {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `<ErrorResponse><Error><Code>InvalidInput</Code><Message>Service role name X has been taken in this account, please try a different suffix.</Message></Error></ErrorResponse>`)
			return
		}
		c.ServiceRoles = append(c.ServiceRoles, service)
		c.changes = append(c.changes, "create role of "+service)
		fmt.Fprint(w, `<CreateServiceLinkedRoleResponse><CreateServiceLinkedRoleResult><Role/></CreateServiceLinkedRoleResult></CreateServiceLinkedRoleResponse>`)
	default:
		http.Error(w, "the fake cloud does not know "+form.Get("Action"), http.StatusNotImplemented)
	}
}

// s3 keeps each setting as it was put: what is read has the form of what was
// written.
func (c *Cloud) s3(w http.ResponseWriter, r *http.Request, body string) {
	setting := ""
	for name := range r.URL.Query() {
		if name != "x-id" {
			setting = name
		}
	}
	name, key, _ := strings.Cut(strings.Trim(r.URL.Path, "/"), "/")
	if name != c.platform.StateBucket() {
		c.fail(w, http.StatusForbidden, "AccessDenied")
		return
	}
	switch {
	case key != "" && c.Bucket != nil:
		c.Objects.serve(c, w, r, key, []byte(body))
	case c.Bucket != nil && r.Method == http.MethodGet && (setting == "prefix" || setting == "list-type" || setting == "max-keys" || setting == "start-after"):
		c.Objects.list(w, r.URL.Query().Get("prefix"), r.URL.Query().Get("start-after"))
	case r.Method == http.MethodPut && setting == "":
		c.Bucket = map[string]string{}
		c.changes = append(c.changes, "create bucket")
	case c.Bucket == nil:
		c.fail(w, http.StatusNotFound, "NoSuchBucket")
	case r.Method == http.MethodPut:
		c.Bucket[setting] = body
		c.changes = append(c.changes, "put "+setting)
	case r.Method == http.MethodHead:
	case c.Bucket[setting] != "":
		fmt.Fprint(w, c.Bucket[setting])
	case setting == "versioning":
		fmt.Fprint(w, `<VersioningConfiguration/>`)
	default:
		c.fail(w, http.StatusNotFound, map[string]string{
			"encryption":        "ServerSideEncryptionConfigurationNotFoundError",
			"publicAccessBlock": "NoSuchPublicAccessBlockConfiguration",
			"policy":            "NoSuchBucketPolicy",
			"lifecycle":         "NoSuchLifecycleConfiguration",
		}[setting])
	}
}

func (c *Cloud) fail(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `<Error><Code>%s</Code><Message>from the fake cloud</Message></Error>`, code)
}

// Zone is a hosted zone of the fake cloud.
type Zone struct {
	ID, Name, Comment string
	Private           bool
}

// String is the zone as Route 53 answers.
func (z Zone) String() string {
	return fmt.Sprintf(`<HostedZone><Id>/hostedzone/%s</Id><Name>%s.</Name><CallerReference>x</CallerReference><ResourceRecordSetCount>7</ResourceRecordSetCount>`+
		`<Config><Comment>%s</Comment><PrivateZone>%t</PrivateZone></Config></HostedZone>`, z.ID, z.Name, z.Comment, z.Private)
}

func (c *Cloud) route53(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/2013-04-01/hostedzonesbyname" {
		var zones strings.Builder
		for _, z := range c.Zones {
			zones.WriteString(z.String())
		}
		fmt.Fprintf(w, `<ListHostedZonesByNameResponse><HostedZones>%s</HostedZones><IsTruncated>false</IsTruncated><MaxItems>100</MaxItems></ListHostedZonesByNameResponse>`, zones.String())
		return
	}
	for _, z := range c.Zones {
		if r.URL.Path == "/2013-04-01/hostedzone/"+z.ID {
			fmt.Fprintf(w, `<GetHostedZoneResponse>%s<DelegationSet><NameServers><NameServer>ns-1.example.net</NameServer><NameServer>NS-2.example.org.</NameServer></NameServers></DelegationSet></GetHostedZoneResponse>`, z)
			return
		}
	}
	w.WriteHeader(http.StatusNotFound)
	fmt.Fprint(w, `<ErrorResponse><Error><Code>NoSuchHostedZone</Code><Message>No hosted zone found</Message></Error></ErrorResponse>`)
}

func (c *Cloud) json(w http.ResponseWriter, operation string, in map[string]any) {
	text := func(key string) string { s, _ := in[key].(string); return s }
	answer := func(v any) { _ = json.NewEncoder(w).Encode(v) }
	switch operation {
	case "DescribeSecret":
		value, ok := c.Secrets[text("SecretId")]
		if !ok {
			w.WriteHeader(http.StatusBadRequest)
			answer(map[string]string{"__type": "ResourceNotFoundException", "message": "no such secret"})
			return
		}
		out := map[string]any{"Name": text("SecretId")}
		if value {
			out["VersionIdsToStages"] = map[string][]string{"v1": {"AWSCURRENT"}}
		}
		answer(out)
	case "ListSecrets":
		list := []any{}
		for _, name := range c.DeletedSecrets {
			list = append(list, map[string]any{"Name": name, "ARN": "arn:" + name, "DeletedDate": 1.7e9})
		}
		answer(map[string]any{"SecretList": list})
	case "DeleteSecret":
		c.changes = append(c.changes, fmt.Sprintf("delete secret %s force=%v", text("SecretId"), in["ForceDeleteWithoutRecovery"]))
		answer(map[string]any{})
	case "ListTaskDefinitions":
		found := []string{}
		for _, arn := range c.TaskDefinitions {
			if strings.Contains(arn, "/"+text("familyPrefix")+":") {
				found = append(found, arn)
			}
		}
		answer(map[string]any{"taskDefinitionArns": found})
	case "DeregisterTaskDefinition":
		c.changes = append(c.changes, "deregister "+text("taskDefinition"))
		answer(map[string]any{"taskDefinition": map[string]any{}})
	case "ListTasks":
		answer(map[string]any{"taskArns": c.Tasks})
	case "StopTask":
		c.changes = append(c.changes, "stop "+text("task"))
		c.Tasks = nil
		answer(map[string]any{"task": map[string]any{}})
	default:
		http.Error(w, "the fake cloud does not know "+operation, http.StatusNotImplemented)
	}
}

// TakeChanges returns what has been changed since the last call.
func (c *Cloud) TakeChanges() []string {
	c.Lock()
	defer c.Unlock()
	taken := c.changes
	c.changes = nil
	return taken
}
