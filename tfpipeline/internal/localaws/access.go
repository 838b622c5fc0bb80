package localaws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
	"github.com/specboard/platform/tfpipeline/internal/localaws/iam"
)

// access knows who makes each call, and judges the calls of roles by the
// policies that Terraform has created in moto. Credentials that this
// endpoint's STS did not issue belong to the administrator, who may do
// everything.
type access struct {
	account string
	control *upstream
	// self sends a request through the endpoint itself.
	self func(*http.Request) *endpoint.Reply

	mu       sync.Mutex
	sessions map[string]session // by access key
	roles    map[string]role    // by name; nil until they are read again after a change
}

// role is one of the account's roles, as IAM describes it.
type role struct {
	arn      string
	identity iam.Identity
	trust    iam.Policy
	// err says why calls of the role cannot be judged.
	err error
}

func newAccess(account string, control *upstream, self func(*http.Request) *endpoint.Reply) *access {
	return &access{account: account, control: control, self: self, sessions: map[string]session{}}
}

// caller returns the session whose credentials signed a request; ok is false
// if the administrator signed it.
func (a *access) caller(r *http.Request) (s session, ok bool, err error) {
	key, _, _ := strings.Cut(endpoint.Credential(r), "/")
	a.mu.Lock()
	s, ok = a.sessions[key]
	a.mu.Unlock()
	switch {
	case !ok && strings.HasPrefix(key, sessionKey), ok && s.token != securityToken(r):
		return s, false, &endpoint.Failure{Status: http.StatusForbidden, Code: "InvalidClientTokenId", Message: "The security token included in the request is invalid."}
	case ok && time.Now().After(s.expires):
		return s, false, &endpoint.Failure{Status: http.StatusForbidden, Code: "ExpiredToken", Message: "The security token included in the request is expired"}
	}
	return s, ok, nil
}

func securityToken(r *http.Request) string {
	if t := r.Header.Get("X-Amz-Security-Token"); t != "" {
		return t
	}
	return r.URL.Query().Get("X-Amz-Security-Token")
}

// judge returns the IAM permissions that a call needs, and an error unless the
// role has all of them. missing says that the call has found that an object
// does not exist.
func (a *access) judge(c *endpoint.Call, s session, missing bool) ([]iam.Question, error) {
	asked := iam.Read(c.Service, c.Operation, c.Request, c.Body)
	r, ok, err := a.role(c.Request.Context(), c.Region, s.role)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, &endpoint.Failure{Status: http.StatusForbidden, Code: "InvalidClientTokenId", Message: "The security token included in the request is invalid."}
	}
	if r.err != nil {
		return nil, r.err
	}
	questions, err := iam.Questions(asked, c.Region, a.account, resources{a, c}, missing)
	if u, ok := errors.AsType[iam.Unknown](err); ok {
		f := notModelled(u.Service, u.Operation)
		f.Message += ": " + u.Error()
		return nil, f
	}
	for _, q := range questions {
		if v := r.identity.Judge(q); !v.Allowed {
			return questions, accessDenied(c, s.arn(a.account), q, v.Reason)
		}
	}
	return questions, nil
}

// accessDenied is AWS's answer to a denied call: the code depends on the
// protocol.
func accessDenied(c *endpoint.Call, user string, q iam.Question, reason string) *endpoint.Failure {
	f := &endpoint.Failure{Status: http.StatusForbidden, Code: "AccessDenied", Message: fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s %s", user, q.Action, q.Resource, reason)}
	switch {
	case c.Service == "s3": // which quotes the resource
		f.Message = strings.Replace(f.Message, q.Resource, `"`+q.Resource+`"`, 1)
	case c.Service == "ec2":
		f.Code, f.Message = "UnauthorizedOperation", "You are not authorized to perform this operation. "+f.Message
	case c.Service == "sns": // which writes its own name in capitals
		f.Code, f.Message = "AuthorizationError", strings.ReplaceAll(f.Message, " sns:", " SNS:")
	case c.Service == "scheduler":
		f.Code = "AccessDeniedException"
	case c.Request.Header.Get("X-Amz-Target") != "":
		f.Status, f.Code = http.StatusBadRequest, "AccessDeniedException"
	}
	return f
}

// changed drops the cached roles after a call that may change them.
func (a *access) changed(c *endpoint.Call) {
	if c.Service == "iam" && !strings.HasPrefix(c.Operation, "Get") && !strings.HasPrefix(c.Operation, "List") {
		a.mu.Lock()
		a.roles = nil
		a.mu.Unlock()
	}
}

// role returns a role by name.
func (a *access) role(ctx context.Context, region, name string) (role, bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.roles == nil {
		roles, err := a.read(ctx, region)
		if err != nil {
			return role{}, false, err
		}
		a.roles = roles
	}
	r, ok := a.roles[name]
	return r, ok, nil
}

// read asks moto for all roles and the policies that they have.
func (a *access) read(ctx context.Context, region string) (map[string]role, error) {
	answer, err := a.control.ask(ctx, "iam", region, "2010-05-08", "GetAccountAuthorizationDetails",
		url.Values{"Filter.member.1": {"Role"}, "Filter.member.2": {"LocalManagedPolicy"}})
	if err != nil {
		return nil, err
	}
	result := answer.SelectElement("GetAccountAuthorizationDetailsResult")
	if result == nil {
		return nil, errors.New("read the roles: moto's answer has no result")
	}
	managed := map[string]string{}
	for _, p := range result.FindElements("./Policies/member") {
		for _, v := range p.FindElements("./PolicyVersionList/member") {
			if endpoint.Text(v, "IsDefaultVersion") == "true" {
				managed[endpoint.Text(p, "Arn")] = endpoint.Text(v, "Document")
			}
		}
	}
	roles := map[string]role{}
	for _, n := range result.FindElements("./RoleDetailList/member") {
		r := role{arn: endpoint.Text(n, "Arn")}
		var documents []string
		for _, p := range n.FindElements("./RolePolicyList/member") {
			documents = append(documents, endpoint.Text(p, "PolicyDocument"))
		}
		for _, p := range n.FindElements("./AttachedManagedPolicies/member") {
			documents = append(documents, managed[endpoint.Text(p, "PolicyArn")])
		}
		parse := func(document string) iam.Policy {
			p, err := parseDocument(document)
			r.err = errors.Join(r.err, err)
			return p
		}
		for _, d := range documents {
			r.identity.Policies = append(r.identity.Policies, parse(d))
		}
		if b := endpoint.Text(n.SelectElement("PermissionsBoundary"), "PermissionsBoundaryArn"); b != "" {
			p := parse(managed[b])
			r.identity.Boundary = &p
		}
		if r.err != nil {
			r.err = endpoint.Refuse("PolicyNotModelled", "role %s: %s", endpoint.Text(n, "RoleName"), r.err)
		}
		r.trust, err = parseDocument(endpoint.Text(n, "AssumeRolePolicyDocument"))
		if err != nil {
			r.err = errors.Join(r.err, err)
		}
		roles[endpoint.Text(n, "RoleName")] = r
	}
	return roles, nil
}

// parseDocument reads a policy in the form in which IAM returns it.
func parseDocument(document string) (iam.Policy, error) {
	document, err := decodeDocument(document)
	if err != nil {
		return iam.Policy{}, err
	}
	if document == "" {
		return iam.Policy{}, errors.New("a managed policy that is AWS's own, or that is gone")
	}
	return iam.Parse([]byte(document))
}

// decodeDocument decodes a policy that IAM returns: percent-encoded.
func decodeDocument(document string) (string, error) {
	if !strings.HasPrefix(document, "%7B") {
		return document, nil
	}
	return url.PathUnescape(document)
}

// resources looks up what judging one call needs to know about other
// resources.
type resources struct {
	*access
	call *endpoint.Call
}

func (r resources) Resolve(filter, value string) []string {
	ctx, region := r.call.Request.Context(), r.call.Region
	switch filter {
	case "role":
		if found, ok, err := r.role(ctx, region, value); err == nil && ok {
			return []string{found.arn}
		}
	case "roles":
		var described struct {
			TaskDefinition struct{ ExecutionRoleArn, TaskRoleArn string }
		}
		r.json("ecs", "AmazonEC2ContainerServiceV20141113.DescribeTaskDefinition", map[string]any{"taskDefinition": value}, &described)
		return slices.DeleteFunc([]string{described.TaskDefinition.ExecutionRoleArn, described.TaskDefinition.TaskRoleArn}, func(s string) bool { return s == "" })
	case "scalable":
		var described struct {
			ScalableTargets []struct{ ScalableTargetARN string }
		}
		r.json("application-autoscaling", "AnyScaleFrontendService.DescribeScalableTargets",
			map[string]any{"ServiceNamespace": "ecs", "ResourceIds": []string{value}}, &described)
		for _, t := range described.ScalableTargets {
			return []string{t.ScalableTargetARN}
		}
	case "association":
		kind, operation, field, id := "route-table/", "DescribeRouteTables", "association.route-table-association-id", "routeTableId"
		if strings.HasPrefix(value, "eipassoc-") {
			kind, operation, field, id = "elastic-ip/", "DescribeAddresses", "association-id", "allocationId"
		}
		answer, err := r.control.ask(ctx, "ec2", region, "2016-11-15", operation, url.Values{"Filter.1.Name": {field}, "Filter.1.Value.1": {value}})
		if err != nil {
			return nil
		}
		for _, n := range endpoint.Every(answer, id) {
			return []string{"arn:aws:ec2:" + region + ":" + r.account + ":" + kind + n.Text()}
		}
	}
	return nil
}

func (r resources) Tags(arn string) map[string]string {
	ctx, region := r.call.Request.Context(), r.call.Region
	tags := map[string]string{}
	add := func(list []struct{ Key, Value string }) {
		for _, t := range list {
			tags[t.Key] = t.Value
		}
	}
	switch {
	case strings.HasSuffix(arn, "*"):
	case strings.HasPrefix(arn, "arn:aws:ec2:"):
		answer, err := r.control.ask(ctx, "ec2", region, "2016-11-15", "DescribeTags",
			url.Values{"Filter.1.Name": {"resource-id"}, "Filter.1.Value.1": {arn[strings.LastIndex(arn, "/")+1:]}})
		if err == nil {
			for _, n := range answer.FindElements("./tagSet/item") {
				tags[endpoint.Text(n, "key")] = endpoint.Text(n, "value")
			}
		}
	case strings.HasPrefix(arn, "arn:aws:acm:"):
		var answer struct{ Tags []struct{ Key, Value string } }
		r.json("acm", "CertificateManager.ListTagsForCertificate", map[string]any{"CertificateArn": arn}, &answer)
		add(answer.Tags)
	case strings.HasPrefix(arn, "arn:aws:application-autoscaling:"):
		var answer struct{ Tags map[string]string }
		r.json("application-autoscaling", "AnyScaleFrontendService.ListTagsForResource", map[string]any{"ResourceARN": arn}, &answer)
		return answer.Tags
	}
	return tags
}

// json calls the endpoint itself; an error counts as if the resource did not
// exist.
func (r resources) json(service, target string, in, out any) {
	request, err := newJSONRequest(r.call.Request.Context(), service, r.call.Region, target, in)
	if err != nil {
		return
	}
	if rep := r.self(request); rep.Status == http.StatusOK {
		_ = json.Unmarshal(rep.Body, out) // an error counts as if it did not exist
	}
}

// hider answers "access denied" instead of "not found" to a caller who may not
// list the bucket and so must not learn that an object does not exist.
type hider struct {
	http.ResponseWriter
	denied *endpoint.Reply
	hid    bool
}

func (h *hider) WriteHeader(status int) {
	if status != http.StatusNotFound {
		h.ResponseWriter.WriteHeader(status)
		return
	}
	h.hid = true
	h.Header().Set("Content-Length", strconv.Itoa(len(h.denied.Body)))
	h.denied.Write(h.ResponseWriter)
}

func (h *hider) Write(b []byte) (int, error) {
	if h.hid {
		return len(b), nil
	}
	return h.ResponseWriter.Write(b)
}

// Unwrap lets handlers flush.
func (h *hider) Unwrap() http.ResponseWriter { return h.ResponseWriter }
