package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/state"
)

// finder looks for resources that AWS named by itself.
type finder struct {
	platform config.Platform
	cfg      aws.Config
	network  *networkInventory // filled when first asked for
}

// find returns the ids under which a planned resource may exist already. known
// is false while values that the search needs are unknown.
func (f *finder) find(ctx context.Context, kind string, v planned) (ids []string, known bool, err error) {
	if id, ok := identity(f.platform, kind, v); ok {
		return []string{id}, id != "", nil
	}
	if kinds := networkKinds(); kinds[kind] != "" {
		return f.byName(ctx, kinds[kind], v)
	}
	switch kind {
	case "aws_vpc_security_group_ingress_rule", "aws_vpc_security_group_egress_rule":
		return f.securityGroupRule(ctx, v, strings.Contains(kind, "egress"))
	case "aws_secretsmanager_secret":
		return f.secret(ctx, v)
	case "aws_lb", "aws_lb_target_group", "aws_lb_listener", "aws_lb_listener_rule":
		return f.loadBalancer(ctx, kind, v)
	case "aws_route53_zone":
		return f.zone(ctx, v)
	case "aws_acm_certificate":
		return f.certificate(ctx, v)
	case "aws_service_discovery_http_namespace":
		return f.namespace(ctx, v)
	}
	// Of the rest a second one does no harm: another revision of a task
	// definition, the default security group, the waiting for a certificate.
	// Nor does another version of a secret, while to import one would write its
	// value into the state: what uses the secret reads it back from there.
	return nil, true, nil
}

func (f *finder) secret(ctx context.Context, v planned) ([]string, bool, error) {
	name := v.text("name")
	out, err := secretsmanager.NewFromConfig(f.cfg).DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &name})
	if _, none := errors.AsType[*smtypes.ResourceNotFoundException](err); none {
		return nil, true, nil
	}
	if err != nil {
		return nil, true, fmt.Errorf("look for secret %s: %w", name, err)
	}
	if out.DeletedDate != nil {
		return nil, true, nil
	}
	return []string{aws.ToString(out.ARN)}, true, nil
}

func (f *finder) loadBalancer(ctx context.Context, kind string, v planned) (ids []string, known bool, err error) {
	client := elb.NewFromConfig(f.cfg)
	defer func() {
		switch state.Code(err) {
		case "LoadBalancerNotFound", "TargetGroupNotFound", "ListenerNotFound":
			ids, err = nil, nil
		case "":
		default:
			err = fmt.Errorf("look for an %s: %w", kind, err)
		}
	}()
	switch kind {
	case "aws_lb":
		out, err := client.DescribeLoadBalancers(ctx, &elb.DescribeLoadBalancersInput{Names: []string{v.text("name")}})
		if err != nil {
			return nil, true, err
		}
		for _, l := range out.LoadBalancers {
			ids = append(ids, aws.ToString(l.LoadBalancerArn))
		}
	case "aws_lb_target_group":
		out, err := client.DescribeTargetGroups(ctx, &elb.DescribeTargetGroupsInput{Names: []string{v.text("name")}})
		if err != nil {
			return nil, true, err
		}
		for _, g := range out.TargetGroups {
			ids = append(ids, aws.ToString(g.TargetGroupArn))
		}
	case "aws_lb_listener":
		arn := v.text("load_balancer_arn")
		if arn == "" {
			return nil, false, nil
		}
		out, err := client.DescribeListeners(ctx, &elb.DescribeListenersInput{LoadBalancerArn: &arn})
		if err != nil {
			return nil, true, err
		}
		for _, l := range out.Listeners {
			if fmt.Sprint(aws.ToInt32(l.Port)) == v.text("port") {
				ids = append(ids, aws.ToString(l.ListenerArn))
			}
		}
	case "aws_lb_listener_rule":
		arn := v.text("listener_arn")
		if arn == "" {
			return nil, false, nil
		}
		var rules []elbtypes.Rule
		in := &elb.DescribeRulesInput{ListenerArn: &arn}
		for {
			out, err := client.DescribeRules(ctx, in)
			if err != nil {
				return nil, true, err
			}
			rules = append(rules, out.Rules...)
			if in.Marker = out.NextMarker; in.Marker == nil {
				break
			}
		}
		for _, r := range rules {
			if aws.ToString(r.Priority) == v.text("priority") {
				ids = append(ids, aws.ToString(r.RuleArn))
			}
		}
	}
	return ids, true, nil
}

// zone finds the zone that Terraform made: others of that name have another
// comment.
func (f *finder) zone(ctx context.Context, v planned) ([]string, bool, error) {
	name := strings.TrimSuffix(v.text("name"), ".")
	out, err := route53.NewFromConfig(f.cfg).ListHostedZonesByName(ctx, &route53.ListHostedZonesByNameInput{DNSName: &name})
	if err != nil {
		return nil, true, fmt.Errorf("look for the zone %s: %w", name, err)
	}
	var ids []string
	for _, z := range out.HostedZones {
		if strings.TrimSuffix(aws.ToString(z.Name), ".") == name && z.Config != nil && aws.ToString(z.Config.Comment) == v.text("comment") {
			ids = append(ids, strings.TrimPrefix(aws.ToString(z.Id), "/hostedzone/"))
		}
	}
	return ids, true, nil
}
