package localaws

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
	runtime "github.com/specboard/platform/tfpipeline/internal/localaws/ecs"
)

func TestPassesOnWhatItDoesNotAnswer(t *testing.T) {
	control := newFakeControl(t, map[string]string{
		"s3.":                   "",
		"s3.PutObject":          "",
		"sts.GetCallerIdentity": `<GetCallerIdentityResponse><GetCallerIdentityResult><Account>1</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`,
	})
	var mu sync.Mutex
	var seen []string
	e := start(t, control, Options{Trace: func(c Call) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, c.Service+" "+c.Operation)
	}})
	cfg := awsConfig(e)

	id, err := sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), nil)
	if err != nil || aws.ToString(id.Account) != "1" {
		t.Errorf("identity %v, %v", id, err)
	}
	content := strings.Repeat("state", 1<<20) // more than the client sends before it is told to continue
	for operation, condition := range map[string]string{"s3.": "", "s3.PutObject": "*"} {
		in := &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String("a folder/key+1"), Body: strings.NewReader(content)}
		if condition != "" {
			in.IfNoneMatch = &condition
		}
		if _, err := s3.NewFromConfig(cfg).PutObject(t.Context(), in); err != nil {
			t.Error(err)
		}
		put := control.last(t, operation)
		if put.Request.Host != strings.TrimPrefix(e.URL(), "http://") {
			t.Errorf("host %s: signatures and buckets need the one that the client used", put.Request.Host)
		}
		if put.Request.URL.EscapedPath() != "/bucket/a%20folder/key%2B1" || put.Request.Header.Get("If-None-Match") != condition {
			t.Errorf("path %s, If-None-Match %q", put.Request.URL.EscapedPath(), put.Request.Header.Get("If-None-Match"))
		}
		if !bytes.Contains(put.Body, []byte(content)) {
			t.Errorf("%d bytes arrived, of %d", len(put.Body), len(content))
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if !slices.Contains(seen, "sts GetCallerIdentity") || !slices.Contains(seen, "s3 ") {
		t.Errorf("traced %q", seen)
	}
}

func TestECSIsThePlug(t *testing.T) {
	control := newFakeControl(t, nil)
	plug := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get("X-Amz-Target") != "AmazonEC2ContainerServiceV20141113.ListClusters" || string(body) != "{}" {
			t.Errorf("the plug got %s %s", r.Header.Get("X-Amz-Target"), body)
		}
		_, _ = io.WriteString(w, `{"clusterArns":["arn:one"]}`)
	})
	e := start(t, control, Options{ECS: plug})
	out, err := ecs.NewFromConfig(awsConfig(e)).ListClusters(t.Context(), nil)
	if err != nil || !slices.Equal(out.ClusterArns, []string{"arn:one"}) {
		t.Errorf("%v, %v", out, err)
	}
}

func TestTargetHealth(t *testing.T) {
	control := newFakeControl(t, map[string]string{
		"elasticloadbalancing.DescribeTargetHealth": `<R><DescribeTargetHealthResult><TargetHealthDescriptions/></DescribeTargetHealthResult></R>`,
	})
	e := start(t, control, Options{TargetHealth: func(arn string) ([]runtime.TargetHealth, bool) {
		return []runtime.TargetHealth{
			{Target: runtime.Target{ID: "10.0.0.1", Port: 3001}, TargetState: runtime.TargetState{State: "healthy"}},
			{Target: runtime.Target{ID: "10.0.0.2", Port: 3001}, TargetState: runtime.TargetState{
				State: "unhealthy", Reason: "Target.FailedHealthChecks", Description: "Health checks failed"}},
		}, arn == "arn:known"
	}})
	client := elasticloadbalancingv2.NewFromConfig(awsConfig(e))

	out, err := client.DescribeTargetHealth(t.Context(), &elasticloadbalancingv2.DescribeTargetHealthInput{TargetGroupArn: aws.String("arn:known")})
	if err != nil || len(out.TargetHealthDescriptions) != 2 {
		t.Fatalf("%v, %v", out, err)
	}
	bad := out.TargetHealthDescriptions[1]
	if aws.ToString(bad.Target.Id) != "10.0.0.2" || aws.ToInt32(bad.Target.Port) != 3001 ||
		bad.TargetHealth.State != types.TargetHealthStateEnumUnhealthy || bad.TargetHealth.Reason != types.TargetHealthReasonEnumFailedHealthChecks {
		t.Errorf("target %+v health %+v", bad.Target, bad.TargetHealth)
	}
	out, err = client.DescribeTargetHealth(t.Context(), &elasticloadbalancingv2.DescribeTargetHealthInput{
		TargetGroupArn: aws.String("arn:known"),
		Targets:        []types.TargetDescription{{Id: aws.String("10.0.0.1"), Port: aws.Int32(3001)}, {Id: aws.String("10.0.0.2"), Port: aws.Int32(1)}},
	})
	if err != nil || len(out.TargetHealthDescriptions) != 1 {
		t.Errorf("asked for one: %v, %v", out, err)
	}
	out, err = client.DescribeTargetHealth(t.Context(), &elasticloadbalancingv2.DescribeTargetHealthInput{TargetGroupArn: aws.String("arn:foreign")})
	if err != nil || len(out.TargetHealthDescriptions) != 0 {
		t.Errorf("a foreign group is moto's: %v, %v", out, err)
	}
}

func TestDeletionProtection(t *testing.T) {
	for protected, want := range map[string]string{"true": "OperationNotPermitted", "false": ""} {
		control := newFakeControl(t, map[string]string{
			"elasticloadbalancing.DescribeLoadBalancerAttributes": `<R><Attributes><member><Key>deletion_protection.enabled</Key><Value>` + protected + `</Value></member></Attributes></R>`,
			"elasticloadbalancing.DeleteLoadBalancer":             `<DeleteLoadBalancerResponse><DeleteLoadBalancerResult/></DeleteLoadBalancerResponse>`,
		})
		e := start(t, control, Options{})
		_, err := elasticloadbalancingv2.NewFromConfig(awsConfig(e)).DeleteLoadBalancer(t.Context(),
			&elasticloadbalancingv2.DeleteLoadBalancerInput{LoadBalancerArn: aws.String("arn:lb")})
		if want == "" && err != nil {
			t.Error(err)
		} else if want != "" {
			wantCode(t, err, want)
		}
		if asked := control.last(t, "elasticloadbalancing.DescribeLoadBalancerAttributes"); asked.Form.Get("LoadBalancerArn") != "arn:lb" {
			t.Errorf("asked about %v", asked.Form)
		}
	}
}

func TestNATGatewayTakesItsInterfaceAlong(t *testing.T) {
	control := newFakeControl(t, map[string]string{
		"ec2.DescribeNatGateways":    `<R><natGatewaySet><item><natGatewayAddressSet><item><networkInterfaceId>eni-1</networkInterfaceId></item></natGatewayAddressSet></item></natGatewaySet></R>`,
		"ec2.DeleteNatGateway":       `<R><natGatewayId>nat-1</natGatewayId></R>`,
		"ec2.DeleteNetworkInterface": `<R><return>true</return></R>`,
	})
	must(t, start(t, control, Options{}), "ec2", "DeleteNatGateway", "NatGatewayId=nat-1")
	if got := control.last(t, "ec2.DeleteNetworkInterface").Form.Get("NetworkInterfaceId"); got != "eni-1" {
		t.Errorf("deleted %q", got)
	}
}

// TestMissingOperationsFailImmediately: a 500 would be retried.
func TestMissingOperationsFailImmediately(t *testing.T) {
	calls, log := 0, &motoLog{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls++
		log.add(tracebackLine)
		log.add("ValueError: out of cheese")
		http.Error(w, "<html>", http.StatusInternalServerError)
	}))
	defer server.Close()
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	e := start(t, &fakeControl{Server: server}, Options{})
	e.control.url, e.control.lacks = base, log.lacks
	client := ecr.NewFromConfig(awsConfig(e))

	_, err = client.DescribeRegistry(t.Context(), nil)
	if err == nil || !strings.Contains(err.Error(), "StatusCode: 500") || calls != 2*readTries {
		t.Errorf("%d calls, %v: want unknown trouble as it is, tried twice by the client", calls, err)
	}
	calls = 0
	log.add("NotImplementedError: The describe_registry action has not been implemented")
	_, err = client.DescribeRegistry(t.Context(), nil)
	wantCode(t, err, "NotModelledLocally")
	if err == nil || !strings.Contains(err.Error(), "does not model ecr DescribeRegistry") || calls != 1 {
		t.Errorf("%d calls, %v", calls, err)
	}
	// The same in the other protocols.
	log.add("NotImplementedError: The describe_account_limits action has not been implemented")
	_, err = elasticloadbalancingv2.NewFromConfig(awsConfig(e)).DescribeAccountLimits(t.Context(), nil)
	wantCode(t, err, "NotModelledLocally")
	log.add("NotImplementedError: The describe_hosts action has not been implemented")
	if status, root := query(t, e, "ec2", "DescribeHosts"); status != http.StatusNotImplemented || endpoint.Text(root.SelectElement("Errors").SelectElement("Error"), "Code") != "NotModelledLocally" {
		t.Errorf("status %d %s", status, endpoint.Encode(root))
	}
	rpc := &endpoint.Call{Request: httptest.NewRequest(http.MethodPost, "/service/GraniteServiceVersion20100801/operation/PutMetricAlarm", nil)}
	if got := (&endpoint.Failure{Code: "NotModelledLocally", Message: "x"}).Render(rpc).Body; !bytes.Contains(got, []byte("\x66__type\x72NotModelledLocally")) || !bytes.Contains(got, []byte("\x67message\x61x")) {
		t.Errorf("cbor %x", got)
	}
}

// TestReadsOutliveMotosRaces: moto fails a read while another request changes
// what it goes through. No role is refused for that, and no client hears of it.
func TestReadsOutliveMotosRaces(t *testing.T) {
	control := account(t, `[{"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}]`, "")
	answers := control.Config.Handler
	failing := map[string]int{}
	control.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		endpoint.SetBody(r, body)
		form, _ := url.ParseQuery(string(body))
		if failing[form.Get("Action")] > 0 {
			failing[form.Get("Action")]--
			http.Error(w, "dictionary changed size during iteration", http.StatusInternalServerError)
			return
		}
		answers.ServeHTTP(w, r)
	})
	var denied []string
	e := start(t, control, Options{Trace: func(c Call) { denied = append(denied, c.Denied) }})
	session, err := deployConfig(t, e).Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	denied = nil

	failing["GetAccountAuthorizationDetails"], failing["DescribeVpcs"] = readTries-1, readTries-1
	e.access.roles = nil
	if status, body := as(t, e, session, "ec2", url.Values{"Action": {"DescribeVpcs"}, "Version": {ec2Version}}); status != http.StatusOK {
		t.Errorf("a read: %d %s", status, body)
	}
	// A write that failed may have been half done: its client decides.
	failing["DeleteVpc"] = 1
	if status, _ := as(t, e, session, "ec2", url.Values{"Action": {"DeleteVpc"}, "VpcId": {"vpc-1"}, "Version": {ec2Version}}); status != http.StatusInternalServerError {
		t.Errorf("a write: %d", status)
	}
	if want := []string{"", ""}; !slices.Equal(denied, want) {
		t.Errorf("denied for %q", denied)
	}
}

// TestHalfAnObjectIsNone: its sender was killed.
func TestHalfAnObjectIsNone(t *testing.T) {
	control := newFakeControl(t, map[string]string{"s3.": ``})
	e := start(t, control, Options{})
	put := func(body string) {
		t.Helper()
		conn, err := net.Dial("tcp", strings.TrimPrefix(e.URL(), "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "PUT /bucket/key HTTP/1.1\r\nHost: localhost\r\nAuthorization: %s\r\nContent-Length: 10\r\nConnection: close\r\n\r\n%s", signature("s3", "us-west-2"), body)
		if len(body) < 10 {
			if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
		}
		_, _ = io.Copy(io.Discard, conn) // until it was answered or refused
	}
	put("01234")
	put("0123456789")
	if len(control.asked) != 1 || string(control.last(t, "s3.").Body) != "0123456789" {
		t.Errorf("%d requests came through", len(control.asked))
	}
}

func TestListenerIsOwned(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e, err := Start(t.Context(), Options{Listener: l, Upstream: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	if e.URL() != "http://"+l.Addr().String() {
		t.Errorf("URL %s, listener %s", e.URL(), l.Addr())
	}
	e.Close()
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener is not closed: %v", err)
	}
	select {
	case <-e.Done():
	default:
		t.Error("not done after Close")
	}
	if e.Err() != nil {
		t.Errorf("Close is no error: %v", e.Err())
	}
}

func TestAdmin(t *testing.T) {
	e := start(t, newFakeControl(t, nil), Options{})
	res, err := http.Get(e.URL() + "/_localaws/nonsense")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusNotFound {
		t.Errorf("status %d", res.StatusCode)
	}
	res, err = http.Post(e.URL()+"/_localaws/expire-images", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK || strings.TrimSpace(string(body)) != "[]" {
		t.Errorf("status %d: %s", res.StatusCode, body)
	}
}
