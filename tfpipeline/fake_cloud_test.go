package main

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

// fakeCloud is as much of AWS, with state and on the wire, as commands need
// beside Terraform: who is calling, a bucket with its settings, a zone,
// secrets, task definitions. What it does not know it refuses by name.
type fakeCloud struct {
	platform config.Platform
	account  string

	mu sync.Mutex
	// bucket holds the settings as they were put, by their query's name; nil
	// is no bucket.
	bucket  map[string]string
	objects objects
	// secrets are the names that exist, and whether they have a value.
	secrets map[string]bool
	// deletedSecrets wait out their recovery window.
	deletedSecrets []string
	// taskDefinitions are ARNs of ACTIVE revisions; tasks of running tasks.
	taskDefinitions, tasks []string
	// issues are those of the repository on GitHub, which is here too.
	issues fakeIssues
	// serviceRoles are the services that have a role; lateServiceRoles get one
	// from somebody else between a list and a creation.
	serviceRoles, lateServiceRoles []string
	// zones are as shared has made them, unless a test changes them.
	zones []fakeZone
	// audience is that of GitHub's identity provider; "" if there is none.
	audience string
	// unconfirmed is the recipient of alarms who has not confirmed; "" is none.
	unconfirmed string
	// changes are the requests that changed something, in order.
	changes []string
}

func newFakeCloud(p config.Platform) *fakeCloud {
	return &fakeCloud{platform: p, account: p.Account, secrets: map[string]bool{}, zones: []fakeZone{{id: "Z1", name: p.Domain, comment: p.Name}}}
}

var credentialScope = regexp.MustCompile(`Credential=[^/]*/[0-9]{8}/[^/]*/([^/]+)/aws4_request`)

// callerIdentity answers that the credentials are of a user in an account.
func callerIdentity(w io.Writer, account string) {
	fmt.Fprintf(w, `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::%[1]s:user/ada</Arn><UserId>ADA</UserId><Account>%[1]s</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`, account)
}

func (c *fakeCloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	service := ""
	if m := credentialScope.FindStringSubmatch(r.Header.Get("Authorization")); m != nil {
		service = m[1]
	}
	if service == "" {
		c.issues.serve(w, r)
		return
	}
	body := whole(r)
	switch service {
	case "sts":
		callerIdentity(w, c.account)
	case "sns":
		members := ""
		for _, e := range c.platform.Environments {
			for _, address := range e.Alarms.Emails {
				if address != c.unconfirmed {
					members += "<member><SubscriptionArn>arn:aws:sns:x</SubscriptionArn><Endpoint>" + address + "</Endpoint></member>"
				}
			}
		}
		if c.unconfirmed != "" {
			members += "<member><SubscriptionArn>PendingConfirmation</SubscriptionArn><Endpoint>" + c.unconfirmed + "</Endpoint></member>"
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
func (c *fakeCloud) iam(w http.ResponseWriter, body string) {
	form, _ := url.ParseQuery(body)
	switch service := form.Get("AWSServiceName"); form.Get("Action") {
	case "GetOpenIDConnectProvider":
		if c.audience == "" {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `<ErrorResponse><Error><Code>NoSuchEntity</Code><Message>OpenIDConnect Provider not found</Message></Error></ErrorResponse>`)
			return
		}
		fmt.Fprintf(w, `<R><GetOpenIDConnectProviderResult><ClientIDList><member>%s</member></ClientIDList></GetOpenIDConnectProviderResult></R>`, c.audience)
	case "AddClientIDToOpenIDConnectProvider":
		c.audience += "</member><member>" + form.Get("ClientID")
		c.changes = append(c.changes, "add audience "+form.Get("ClientID"))
		fmt.Fprint(w, `<R/>`)
	case "ListRoles":
		var roles strings.Builder
		for _, s := range c.serviceRoles {
			fmt.Fprintf(&roles, `<member><Path>/aws-service-role/%s/</Path></member>`, s)
		}
		fmt.Fprintf(w, `<ListRolesResponse><ListRolesResult><Roles>%s</Roles></ListRolesResult></ListRolesResponse>`, roles.String())
	case "CreateServiceLinkedRole":
		if slices.Contains(c.serviceRoles, service) || slices.Contains(c.lateServiceRoles, service) {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `<ErrorResponse><Error><Code>InvalidInput</Code><Message>Service role name X has been taken in this account, please try a different suffix.</Message></Error></ErrorResponse>`)
			return
		}
		c.serviceRoles = append(c.serviceRoles, service)
		c.changes = append(c.changes, "create role of "+service)
		fmt.Fprint(w, `<CreateServiceLinkedRoleResponse><CreateServiceLinkedRoleResult><Role/></CreateServiceLinkedRoleResult></CreateServiceLinkedRoleResponse>`)
	default:
		http.Error(w, "the fake cloud does not know "+form.Get("Action"), http.StatusNotImplemented)
	}
}

// s3 keeps each setting as it was put: what is read has the form of what was
// written.
func (c *fakeCloud) s3(w http.ResponseWriter, r *http.Request, body string) {
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
	case key != "" && c.bucket != nil:
		c.objects.serve(c, w, r, key, []byte(body))
	case c.bucket != nil && r.Method == http.MethodGet && (setting == "prefix" || setting == "list-type" || setting == "max-keys" || setting == "start-after"):
		c.objects.list(w, r.URL.Query().Get("prefix"), r.URL.Query().Get("start-after"))
	case r.Method == http.MethodPut && setting == "":
		c.bucket = map[string]string{}
		c.changes = append(c.changes, "create bucket")
	case c.bucket == nil:
		c.fail(w, http.StatusNotFound, "NoSuchBucket")
	case r.Method == http.MethodPut:
		c.bucket[setting] = body
		c.changes = append(c.changes, "put "+setting)
	case r.Method == http.MethodHead:
	case c.bucket[setting] != "":
		fmt.Fprint(w, c.bucket[setting])
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

func (c *fakeCloud) fail(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `<Error><Code>%s</Code><Message>from the fake cloud</Message></Error>`, code)
}

// fakeZone is a hosted zone of the fake cloud.
type fakeZone struct {
	id, name, comment string
	private           bool
}

func (z fakeZone) String() string {
	return fmt.Sprintf(`<HostedZone><Id>/hostedzone/%s</Id><Name>%s.</Name><CallerReference>x</CallerReference><ResourceRecordSetCount>7</ResourceRecordSetCount>`+
		`<Config><Comment>%s</Comment><PrivateZone>%t</PrivateZone></Config></HostedZone>`, z.id, z.name, z.comment, z.private)
}

func (c *fakeCloud) route53(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/2013-04-01/hostedzonesbyname" {
		var zones strings.Builder
		for _, z := range c.zones {
			zones.WriteString(z.String())
		}
		fmt.Fprintf(w, `<ListHostedZonesByNameResponse><HostedZones>%s</HostedZones><IsTruncated>false</IsTruncated><MaxItems>100</MaxItems></ListHostedZonesByNameResponse>`, zones.String())
		return
	}
	for _, z := range c.zones {
		if r.URL.Path == "/2013-04-01/hostedzone/"+z.id {
			fmt.Fprintf(w, `<GetHostedZoneResponse>%s<DelegationSet><NameServers><NameServer>ns-1.example.net</NameServer><NameServer>NS-2.example.org.</NameServer></NameServers></DelegationSet></GetHostedZoneResponse>`, z)
			return
		}
	}
	w.WriteHeader(http.StatusNotFound)
	fmt.Fprint(w, `<ErrorResponse><Error><Code>NoSuchHostedZone</Code><Message>No hosted zone found</Message></Error></ErrorResponse>`)
}

func (c *fakeCloud) json(w http.ResponseWriter, operation string, in map[string]any) {
	text := func(key string) string { s, _ := in[key].(string); return s }
	answer := func(v any) { _ = json.NewEncoder(w).Encode(v) }
	switch operation {
	case "DescribeSecret":
		value, ok := c.secrets[text("SecretId")]
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
		for _, name := range c.deletedSecrets {
			list = append(list, map[string]any{"Name": name, "ARN": "arn:" + name, "DeletedDate": 1.7e9})
		}
		answer(map[string]any{"SecretList": list})
	case "DeleteSecret":
		c.changes = append(c.changes, fmt.Sprintf("delete secret %s force=%v", text("SecretId"), in["ForceDeleteWithoutRecovery"]))
		answer(map[string]any{})
	case "ListTaskDefinitions":
		found := []string{}
		for _, arn := range c.taskDefinitions {
			if strings.Contains(arn, "/"+text("familyPrefix")+":") {
				found = append(found, arn)
			}
		}
		answer(map[string]any{"taskDefinitionArns": found})
	case "DeregisterTaskDefinition":
		c.changes = append(c.changes, "deregister "+text("taskDefinition"))
		answer(map[string]any{"taskDefinition": map[string]any{}})
	case "ListTasks":
		answer(map[string]any{"taskArns": c.tasks})
	case "StopTask":
		c.changes = append(c.changes, "stop "+text("task"))
		c.tasks = nil
		answer(map[string]any{"task": map[string]any{}})
	default:
		http.Error(w, "the fake cloud does not know "+operation, http.StatusNotImplemented)
	}
}

// takeChanges returns what has been changed since the last call.
func (c *fakeCloud) takeChanges() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := c.changes
	c.changes = nil
	return taken
}
