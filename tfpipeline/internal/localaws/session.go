package localaws

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/beevik/etree"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/endpoint"
	"github.com/specboard/platform/tfpipeline/internal/localaws/task"
)

// sessionKey begins the access keys that STS issues.
const sessionKey = "ASIA"

// session is a role that a caller has assumed.
type session struct {
	role, name, token string
	expires           time.Time
}

func (s session) arn(account string) string {
	return "arn:aws:sts::" + account + ":assumed-role/" + s.role + "/" + s.name
}

// operations are the STS operations that assume a role or that a role calls.
func (a *access) operations() endpoint.Table {
	return endpoint.Table{
		"sts.AssumeRoleWithWebIdentity": a.assumeWithWebIdentity,
		"sts.AssumeRole":                a.assume,
		"sts.GetCallerIdentity":         a.identity,
	}
}

const stsNamespace = "https://sts.amazonaws.com/doc/2011-06-15/"

func (a *access) identity(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
	s, ok, err := a.caller(c.Request)
	if err != nil || !ok {
		return orNext(c, next, err)
	}
	return endpoint.Query(c, stsNamespace, endpoint.Leaf("Arn", s.arn(a.account)), endpoint.Leaf("UserId", "AROALOCAL:"+s.name), endpoint.Leaf("Account", a.account)), nil
}

func orNext(c *endpoint.Call, next endpoint.Next, err error) (*endpoint.Reply, error) {
	if err != nil {
		return nil, err
	}
	return next(c)
}

// assumeForTask assumes a role for a task, as ECS does before it starts one;
// the role has to trust ECS. The session ends with the endpoint.
func (a *access) assumeForTask(ctx context.Context, region, arn, id string) (aws.Credentials, error) {
	r, ok, err := a.trustedByTasks(ctx, region, arn)
	if err != nil {
		return aws.Credentials{}, err
	}
	if !ok {
		return aws.Credentials{}, errors.New(task.CannotAssume(arn))
	}
	return a.open(session{role: r, name: id, expires: time.Now().AddDate(1, 0, 0)}), nil
}

// assumeForSchedule assumes a role for a run that a schedule of a group starts; the
// role has to trust Scheduler.
func (a *access) assumeForSchedule(ctx context.Context, region, arn, group, schedule string) (aws.Credentials, error) {
	r, ok, err := a.trusts(ctx, region, arn, "scheduler.amazonaws.com", group)
	if err != nil {
		return aws.Credentials{}, err
	}
	if !ok {
		return aws.Credentials{}, fmt.Errorf("EventBridge Scheduler cannot assume role %s for %s", arn, group)
	}
	return a.open(session{role: r, name: schedule, expires: time.Now().Add(time.Hour)}), nil
}

// trustedByTasks returns the name of a role that ECS can assume for tasks.
func (a *access) trustedByTasks(ctx context.Context, region, arn string) (name string, ok bool, err error) {
	return a.trusts(ctx, region, arn, "ecs-tasks.amazonaws.com", "arn:aws:ecs:"+region+":"+a.account+":*")
}

// trusts returns the name of a role, and whether a service can assume it on behalf
// of a resource.
func (a *access) trusts(ctx context.Context, region, arn, service, source string) (name string, ok bool, err error) {
	name = arn[strings.LastIndex(arn, "/")+1:]
	r, ok, err := a.role(ctx, region, name)
	if err != nil || !ok {
		return name, false, err
	}
	keys := map[string][]string{"aws:SourceAccount": {a.account}, "aws:SourceArn": {source}}
	return name, r.arn == arn && r.trust.TrustsService(service, keys), nil
}

// open gives a session credentials.
func (a *access) open(s session) aws.Credentials {
	key := sessionKey + rand.Text()[:16]
	s.token = rand.Text()
	a.mu.Lock()
	a.sessions[key] = s
	a.mu.Unlock()
	return aws.Credentials{AccessKeyID: key, SecretAccessKey: rand.Text(), SessionToken: s.token}
}

// assume issues credentials of a role that trusts its caller: the administrator, or
// the session of a role, whose policies have allowed the call by now. On AWS a caller
// that the trust names by its ARN needs no policy.
func (a *access) assume(c *endpoint.Call, _ endpoint.Next) (*endpoint.Reply, error) {
	caller, chained, err := a.caller(c.Request)
	if err != nil {
		return nil, err
	}
	who := []string{"arn:aws:sts::" + a.account + ":user/moto"} // as GetCallerIdentity names the administrator
	if chained {
		own, _, err := a.role(c.Request.Context(), c.Region, caller.role)
		if err != nil {
			return nil, err
		}
		who = []string{caller.arn(a.account), own.arn}
	}
	r, name, err := a.named(c)
	if err != nil {
		return nil, err
	}
	keys := map[string][]string{
		"aws:PrincipalAccount": {a.account}, "aws:PrincipalArn": who[len(who)-1:],
		"sts:ExternalId": c.Form["ExternalId"], "sts:RoleSessionName": c.Form["RoleSessionName"],
	}
	if !r.trust.TrustsCaller(a.account, who, keys) {
		return nil, &endpoint.Failure{Status: http.StatusForbidden, Code: "AccessDenied", Message: fmt.Sprintf(
			"User: %s is not authorized to perform: sts:AssumeRole on resource: %s", who[0], c.Form.Get("RoleArn"))}
	}
	if chained && endpoint.Number(c.Form, "DurationSeconds", 0) > 3600 {
		return nil, endpoint.Refuse("ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
	}
	return a.issue(c, name)
}

// named is the role that a call to STS asks for by its ARN; the zero role, which
// trusts nobody, if there is none.
func (a *access) named(c *endpoint.Call) (r role, name string, err error) {
	arn := c.Form.Get("RoleArn")
	name = arn[strings.LastIndex(arn, "/")+1:]
	r, _, err = a.role(c.Request.Context(), c.Region, name)
	if r.arn != arn {
		r = role{}
	}
	return r, name, err
}

// issue opens a session of a role for as long as the call asks, and answers with its
// credentials and further fields.
func (a *access) issue(c *endpoint.Call, role string, fields ...*etree.Element) (*endpoint.Reply, error) {
	duration := time.Duration(endpoint.Number(c.Form, "DurationSeconds", 3600)) * time.Second
	longest, err := a.longestSession(c, role)
	switch {
	case err != nil:
		return nil, err
	case duration < 15*time.Minute:
		return nil, endpoint.Refuse("ValidationError", "DurationSeconds: a value of at least 900")
	case duration > longest:
		return nil, endpoint.Refuse("ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	s := session{role: role, name: c.Form.Get("RoleSessionName"), expires: time.Now().Add(duration)}
	opened := a.open(s)
	return endpoint.Query(c, stsNamespace, append([]*etree.Element{
		endpoint.Branch("Credentials",
			endpoint.Leaf("AccessKeyId", opened.AccessKeyID), endpoint.Leaf("SecretAccessKey", opened.SecretAccessKey), endpoint.Leaf("SessionToken", opened.SessionToken),
			endpoint.Leaf("Expiration", s.expires.UTC().Format(time.RFC3339))),
		endpoint.Branch("AssumedRoleUser", endpoint.Leaf("Arn", s.arn(a.account)), endpoint.Leaf("AssumedRoleId", "AROALOCAL:"+s.name)),
	}, fields...)...), nil
}

// assumeWithWebIdentity issues credentials if the role's trust policy allows
// the token's claims. Tokens are not signed here: whoever can reach the
// endpoint may claim any identity, as with its access keys.
func (a *access) assumeWithWebIdentity(c *endpoint.Call, _ endpoint.Next) (*endpoint.Reply, error) {
	claims, err := readToken(c.Form.Get("WebIdentityToken"))
	if err != nil {
		return nil, endpoint.Refuse("InvalidIdentityToken", "%s", err)
	}
	issuer := strings.TrimPrefix(text(claims["iss"]), "https://")
	provider := "arn:aws:iam::" + a.account + ":oidc-provider/" + issuer
	known, err := a.control.ask(c.Request.Context(), "iam", c.Region, "2010-05-08", "GetOpenIDConnectProvider", url.Values{"OpenIDConnectProviderArn": {provider}})
	if err != nil {
		return nil, endpoint.Refuse("InvalidIdentityToken", "No OpenIDConnect provider found in your account for https://%s", issuer)
	}
	audience := text(claims["aud"])
	if !slices.ContainsFunc(known.FindElements("./GetOpenIDConnectProviderResult/ClientIDList/member"), func(e *etree.Element) bool { return e.Text() == audience }) {
		return nil, endpoint.Refuse("InvalidIdentityToken", "Incorrect token audience")
	}
	keys := map[string][]string{}
	for name, value := range claims {
		if s := text(value); s != "" {
			keys[issuer+":"+name] = []string{s}
		}
	}
	r, name, err := a.named(c)
	if err != nil {
		return nil, err
	}
	if !r.trust.Trusts(provider, keys) {
		return nil, &endpoint.Failure{Status: http.StatusForbidden, Code: "AccessDenied", Message: "Not authorized to perform sts:AssumeRoleWithWebIdentity"}
	}
	return a.issue(c, name, endpoint.Leaf("Provider", provider), endpoint.Leaf("Audience", audience), endpoint.Leaf("SubjectFromWebIdentityToken", text(claims["sub"])))
}

// longestSession is the role's own limit, which only GetRole returns.
func (a *access) longestSession(c *endpoint.Call, name string) (time.Duration, error) {
	answer, err := a.control.ask(c.Request.Context(), "iam", c.Region, "2010-05-08", "GetRole", url.Values{"RoleName": {name}})
	if err != nil {
		return 0, err
	}
	var seconds int
	if _, err := fmt.Sscan(endpoint.Text(answer.FindElement("./GetRoleResult/Role"), "MaxSessionDuration"), &seconds); err != nil {
		seconds = 3600
	}
	return time.Duration(seconds) * time.Second, nil
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

// readToken reads the claims of a JSON Web Token.
func readToken(token string) (map[string]any, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, fmt.Errorf("the token has %d parts, want 3", len(parts))
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, fmt.Errorf("read the token: %w", err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		return nil, fmt.Errorf("read the token: %w", err)
	}
	return claims, nil
}

// Token returns a token like the one that GitHub gives to a workflow's job,
// with its subject, its ref and further claims, but without a signature.
func Token(subject, ref string, more map[string]string) (string, error) {
	claims := map[string]string{"iss": "https://token.actions.githubusercontent.com", "aud": "sts.amazonaws.com", "sub": subject, "ref": ref}
	for k, v := range more {
		claims[k] = v
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + encode(payload) + ".", nil
}

// Assume returns the credentials of a role (by its ARN) of the endpoint that
// config names, in exchange for a token. The error is AWS's.
func Assume(ctx context.Context, config aws.Config, role, token string) (aws.Credentials, error) {
	config.Credentials = aws.AnonymousCredentials{}
	out, err := sts.NewFromConfig(config).AssumeRoleWithWebIdentity(ctx, &sts.AssumeRoleWithWebIdentityInput{
		RoleArn: &role, RoleSessionName: aws.String("local"), WebIdentityToken: &token, DurationSeconds: aws.Int32(3600),
	})
	if err != nil {
		return aws.Credentials{}, fmt.Errorf("assume role %s: %w", role, err)
	}
	return aws.Credentials{AccessKeyID: *out.Credentials.AccessKeyId, SecretAccessKey: *out.Credentials.SecretAccessKey, SessionToken: *out.Credentials.SessionToken}, nil
}

// Job returns what a GitHub job needs to assume one of the platform's workflow
// roles, named by its purpose ("plan", "build", "deploy-staging"): the role's
// ARN and the job's token.
func Job(p config.Platform, purpose string) (arn, token string, err error) {
	r := p.Repository
	repository, ref := "repo:"+r.Owner+"/"+r.Name, "refs/heads/"+r.Branch
	if r.ID != 0 {
		repository = fmt.Sprintf("repo:%s@%d/%s@%d", r.Owner, r.OwnerID, r.Name, r.ID)
	}
	subject := repository + ":ref:" + ref
	env, deploys := strings.CutPrefix(purpose, "deploy-")
	if _, known := p.Environment(env); deploys && known {
		subject = repository + ":environment:" + env
	} else if purpose != "plan" && purpose != "build" {
		return "", "", fmt.Errorf("no role is named %q: plan, build, or deploy- and an environment", purpose)
	}
	token, err = Token(subject, ref, map[string]string{"repository_id": fmt.Sprint(r.ID)})
	return "arn:aws:iam::" + p.Account + ":role/" + p.Name + "/" + p.Role(purpose), token, err
}
