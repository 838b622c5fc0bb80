package balancer

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// Read reads the configuration through the API of Elastic Load Balancing, and by rate
// how many requests a load balancer's firewall lets an address make.
func Read(ctx context.Context, client *sdk.Client, rate func(ctx context.Context, arn string) (int, error)) (c Configuration, err error) {
	balancers := sdk.NewDescribeLoadBalancersPaginator(client, &sdk.DescribeLoadBalancersInput{})
	for balancers.HasMorePages() {
		page, err := balancers.NextPage(ctx)
		if err != nil {
			return c, fmt.Errorf("read the load balancers: %w", err)
		}
		for _, lb := range page.LoadBalancers {
			if lb.Type != types.LoadBalancerTypeEnumApplication {
				continue
			}
			listeners, err := readListeners(ctx, client, *lb.LoadBalancerArn)
			if err != nil {
				return c, err
			}
			attributes, err := client.DescribeLoadBalancerAttributes(ctx, &sdk.DescribeLoadBalancerAttributesInput{LoadBalancerArn: lb.LoadBalancerArn})
			if err != nil {
				return c, fmt.Errorf("read the attributes of %s: %w", *lb.LoadBalancerArn, err)
			}
			limit, err := rate(ctx, *lb.LoadBalancerArn)
			if err != nil {
				return c, err
			}
			for i := range listeners {
				listeners[i].Rate = limit
			}
			for _, a := range attributes.Attributes {
				if seconds, err := strconv.Atoi(value(a.Value)); err == nil && value(a.Key) == "idle_timeout.timeout_seconds" {
					for i := range listeners {
						listeners[i].Idle = seconds
					}
				}
			}
			c.LoadBalancers = append(c.LoadBalancers, LoadBalancer{
				ARN: *lb.LoadBalancerArn, Name: *lb.LoadBalancerName, DNSName: value(lb.DNSName), Listeners: listeners,
			})
		}
	}
	c.Groups, err = readGroups(ctx, client)
	return c, err
}

func readListeners(ctx context.Context, client *sdk.Client, balancer string) (all []Listener, err error) {
	pages := sdk.NewDescribeListenersPaginator(client, &sdk.DescribeListenersInput{LoadBalancerArn: &balancer})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("read the listeners of %s: %w", balancer, err)
		}
		for _, l := range page.Listeners {
			rules, err := readRules(ctx, client, *l.ListenerArn)
			if err != nil {
				return nil, err
			}
			all = append(all, Listener{ARN: *l.ListenerArn, Port: int(value(l.Port)), Protocol: string(l.Protocol), Rules: rules})
		}
	}
	return all, nil
}

func readRules(ctx context.Context, client *sdk.Client, listener string) ([]Rule, error) {
	type numbered struct {
		priority int
		rule     Rule
	}
	var all []numbered
	pages := sdk.NewDescribeRulesPaginator(client, &sdk.DescribeRulesInput{ListenerArn: &listener})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("read the rules of %s: %w", listener, err)
		}
		for _, r := range page.Rules {
			priority, err := strconv.Atoi(value(r.Priority))
			if err != nil {
				priority = 1 << 30 // "default" comes last
			}
			all = append(all, numbered{priority, newRule(r)})
		}
	}
	slices.SortStableFunc(all, func(a, b numbered) int { return a.priority - b.priority })
	var rules []Rule
	for _, n := range all {
		rules = append(rules, n.rule)
	}
	return rules, nil
}

// newRule translates a rule, and names in it what is not modelled.
func newRule(r types.Rule) Rule {
	var u Rule
	for _, c := range r.Conditions {
		values := c.Values
		switch value(c.Field) {
		case "path-pattern":
			if c.PathPatternConfig != nil {
				values = c.PathPatternConfig.Values
			}
			u.Paths = append(u.Paths, values...)
		case "host-header":
			if c.HostHeaderConfig != nil {
				values = c.HostHeaderConfig.Values
			}
			u.Hosts = append(u.Hosts, values...)
		case "http-request-method":
			if c.HttpRequestMethodConfig != nil {
				values = c.HttpRequestMethodConfig.Values
			}
			u.Methods = append(u.Methods, values...)
		default:
			u.Unmodelled = "condition " + value(c.Field)
		}
	}
	for _, a := range r.Actions {
		switch a.Type {
		case types.ActionTypeEnumForward:
			u.Action.Forward = newForward(a)
		case types.ActionTypeEnumRedirect:
			c := a.RedirectConfig
			status := 302
			if c.StatusCode == types.RedirectActionStatusCodeEnumHttp301 {
				status = 301
			}
			u.Action.Redirect = &Redirect{value(c.Protocol), value(c.Host), value(c.Port), value(c.Path), value(c.Query), status}
		case types.ActionTypeEnumFixedResponse:
			c := a.FixedResponseConfig
			status, err := strconv.Atoi(value(c.StatusCode))
			if err != nil {
				u.Unmodelled = "fixed response with status " + value(c.StatusCode)
			}
			u.Action.Fixed = &Fixed{status, value(c.ContentType), value(c.MessageBody)}
		default:
			u.Unmodelled = "action " + string(a.Type)
		}
	}
	return u
}

func newForward(a types.Action) []Weighted {
	if a.ForwardConfig != nil && len(a.ForwardConfig.TargetGroups) > 0 {
		var all []Weighted
		for _, g := range a.ForwardConfig.TargetGroups {
			weight := 1
			if g.Weight != nil {
				weight = int(*g.Weight)
			}
			all = append(all, Weighted{value(g.TargetGroupArn), weight})
		}
		return all
	}
	return []Weighted{{value(a.TargetGroupArn), 1}}
}

func readGroups(ctx context.Context, client *sdk.Client) (all []TargetGroup, err error) {
	pages := sdk.NewDescribeTargetGroupsPaginator(client, &sdk.DescribeTargetGroupsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("read the target groups: %w", err)
		}
		for _, g := range page.TargetGroups {
			t := newGroup(g)
			attributes, err := client.DescribeTargetGroupAttributes(ctx, &sdk.DescribeTargetGroupAttributesInput{TargetGroupArn: g.TargetGroupArn})
			if err != nil {
				return nil, fmt.Errorf("read the attributes of %s: %w", t.ARN, err)
			}
			for _, a := range attributes.Attributes {
				if value(a.Key) != "deregistration_delay.timeout_seconds" {
					continue
				}
				if seconds, err := strconv.Atoi(value(a.Value)); err == nil {
					t.Delay = time.Duration(seconds) * time.Second
				}
			}
			all = append(all, t)
		}
	}
	return all, nil
}

// newGroup translates a target group; what it leaves out is as AWS has it.
func newGroup(g types.TargetGroup) TargetGroup {
	t := defaults(*g.TargetGroupArn)
	if g.HealthCheckPath != nil {
		t.Check.Path = *g.HealthCheckPath
	}
	if port, err := strconv.Atoi(value(g.HealthCheckPort)); err == nil {
		t.Check.Port = port // else traffic-port
	}
	if g.Matcher != nil && g.Matcher.HttpCode != nil {
		t.Check.Matcher = *g.Matcher.HttpCode
	}
	for _, n := range []struct {
		from *int32
		to   *int
	}{{g.HealthyThresholdCount, &t.Check.Healthy}, {g.UnhealthyThresholdCount, &t.Check.Unhealthy}} {
		if n.from != nil {
			*n.to = int(*n.from)
		}
	}
	if g.HealthCheckIntervalSeconds != nil {
		t.Check.Interval = time.Duration(*g.HealthCheckIntervalSeconds) * time.Second
	}
	if g.HealthCheckTimeoutSeconds != nil {
		t.Check.Timeout = time.Duration(*g.HealthCheckTimeoutSeconds) * time.Second
	}
	return t
}

func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
