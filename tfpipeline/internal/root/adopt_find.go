package root

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	tagging "github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/state"
)

// Finder looks for resources whose id AWS chose.
type Finder struct {
	Platform config.Platform
	Config   aws.Config
	tagged   []types.ResourceTagMapping // everything with the platform's tag; listed on first use
}

// find returns the ids under which a planned resource may exist already; the
// import shows whether it does. known is false while the plan does not know
// values that the search needs.
func (f *Finder) find(ctx context.Context, kind string, v planned) (ids []string, known bool, err error) {
	if id, ok := identity(f.Platform, kind, v); ok {
		return []string{id}, id != "", nil
	}
	if pattern, ok := taggedAs(kind, v); ok {
		return f.byTags(ctx, pattern, v)
	}
	switch kind {
	case "aws_lb_listener":
		ids, known, err = f.listener(ctx, v)
	case "aws_lb_listener_rule":
		ids, known, err = f.listenerRule(ctx, v)
	case "aws_route53_zone":
		ids, known, err = f.zone(ctx, v)
	case "aws_iam_openid_connect_provider":
		ids, known, err = f.identityProvider(ctx, v)
	default:
		// For the other types a second one does no harm: another revision of a
		// task definition, the default security group, the wait for a
		// certificate. Another version of a secret is harmless too, while
		// importing one would write its value into the state; whatever uses
		// the secret reads the value from Secrets Manager.
		return nil, true, nil
	}
	switch state.Code(err) {
	case "LoadBalancerNotFound", "ListenerNotFound", "NoSuchEntity":
		return nil, true, nil
	}
	if err != nil {
		err = fmt.Errorf("look for an %s: %w", kind, err)
	}
	return ids, known, err
}

// taggedAs returns the pattern of a type's ARNs from the service on, without
// the region and the account. ok is false for types without tags and types
// whose id AWS does not choose.
func taggedAs(kind string, v planned) (pattern string, ok bool) {
	switch kind {
	case "aws_vpc":
		return "ec2:vpc/*", true
	case "aws_wafv2_web_acl":
		return "wafv2:regional/webacl/*/*", true
	case "aws_subnet":
		return "ec2:subnet/*", true
	case "aws_internet_gateway":
		return "ec2:internet-gateway/*", true
	case "aws_eip":
		return "ec2:elastic-ip/*", true
	case "aws_nat_gateway":
		return "ec2:natgateway/*", true
	case "aws_route_table":
		return "ec2:route-table/*", true
	case "aws_vpc_endpoint":
		return "ec2:vpc-endpoint/*", true
	case "aws_security_group":
		return "ec2:security-group/*", true
	case "aws_vpc_security_group_ingress_rule", "aws_vpc_security_group_egress_rule":
		return "ec2:security-group-rule/*", true
	case "aws_lb":
		return "elasticloadbalancing:loadbalancer/app/" + v.text("name") + "/*", true
	case "aws_lb_target_group":
		return "elasticloadbalancing:targetgroup/" + v.text("name") + "/*", true
	case "aws_secretsmanager_secret":
		return "secretsmanager:secret:" + v.text("name") + "-??????", true
	case "aws_acm_certificate":
		return "acm:certificate/*", true
	case "aws_service_discovery_http_namespace":
		return "servicediscovery:namespace/*", true
	}
	return "", false
}

// byTags finds the resources whose ARN has a pattern and that have all the
// planned tags: the platform's, the environment's and, where AWS has no other
// name, Name.
func (f *Finder) byTags(ctx context.Context, pattern string, v planned) (ids []string, known bool, err error) {
	tagged, err := f.Tagged(ctx)
	if err != nil {
		return nil, true, err
	}
	wanted, _ := v["tags_all"].(map[string]any)
	if wanted["Platform"] != f.Platform.Name {
		return nil, true, nil
	}
	for _, r := range tagged {
		arn := aws.ToString(r.ResourceARN)
		part := strings.SplitN(arn, ":", 6) // arn, partition, service, region, account, the rest
		if len(part) != 6 {
			continue
		}
		if ok, err := path.Match(pattern, part[2]+":"+part[5]); err != nil || !ok || !hasTags(r.Tags, wanted) {
			continue
		}
		if part[2] == "ec2" || part[2] == "servicediscovery" { // imported by their id, the others by their ARN
			arn = arn[strings.LastIndexByte(arn, '/')+1:]
		}
		if p := strings.Split(part[5], "/"); part[2] == "wafv2" && len(p) == 4 { // imported by ID/NAME/SCOPE
			arn = p[3] + "/" + p[2] + "/REGIONAL"
		}
		ids = append(ids, arn)
	}
	return ids, true, nil
}

func hasTags(tags []types.Tag, wanted map[string]any) bool {
	found := 0
	for _, t := range tags {
		if value, ok := wanted[aws.ToString(t.Key)]; ok && value == aws.ToString(t.Value) {
			found++
		}
	}
	return found == len(wanted)
}

// Tagged lists everything with the platform's tag, and keeps the list. AWS may
// list a deleted resource for a while: its import fails, and it counts as
// absent.
func (f *Finder) Tagged(ctx context.Context) ([]types.ResourceTagMapping, error) {
	if f.tagged != nil {
		return f.tagged, nil
	}
	all := []types.ResourceTagMapping{}
	pages := tagging.NewGetResourcesPaginator(tagging.NewFromConfig(f.Config), &tagging.GetResourcesInput{
		TagFilters: []types.TagFilter{{Key: aws.String("Platform"), Values: []string{f.Platform.Name}}},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the resources of %s by their tags: %w", f.Platform.Name, err)
		}
		all = append(all, page.ResourceTagMappingList...)
	}
	f.tagged = all
	return all, nil
}

func (f *Finder) listener(ctx context.Context, v planned) (ids []string, known bool, err error) {
	arn := v.text("load_balancer_arn")
	if arn == "" {
		return nil, false, nil
	}
	out, err := elb.NewFromConfig(f.Config).DescribeListeners(ctx, &elb.DescribeListenersInput{LoadBalancerArn: &arn})
	if err != nil {
		return nil, true, err
	}
	for _, l := range out.Listeners {
		if fmt.Sprint(aws.ToInt32(l.Port)) == v.text("port") {
			ids = append(ids, aws.ToString(l.ListenerArn))
		}
	}
	return ids, true, nil
}

func (f *Finder) listenerRule(ctx context.Context, v planned) (ids []string, known bool, err error) {
	arn := v.text("listener_arn")
	if arn == "" {
		return nil, false, nil
	}
	pages := elb.NewDescribeRulesPaginator(elb.NewFromConfig(f.Config), &elb.DescribeRulesInput{ListenerArn: &arn})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, true, err
		}
		for _, r := range page.Rules {
			if aws.ToString(r.Priority) == v.text("priority") {
				ids = append(ids, aws.ToString(r.RuleArn))
			}
		}
	}
	return ids, true, nil
}

// zone finds the hosted zone that Terraform created: other zones of that name
// have another comment.
func (f *Finder) zone(ctx context.Context, v planned) (ids []string, known bool, err error) {
	name := strings.TrimSuffix(v.text("name"), ".")
	out, err := route53.NewFromConfig(f.Config).ListHostedZonesByName(ctx, &route53.ListHostedZonesByNameInput{DNSName: &name})
	if err != nil {
		return nil, true, err
	}
	for _, z := range out.HostedZones {
		if strings.TrimSuffix(aws.ToString(z.Name), ".") == name && z.Config != nil && aws.ToString(z.Config.Comment) == v.text("comment") {
			ids = append(ids, strings.TrimPrefix(aws.ToString(z.Id), "/hostedzone/"))
		}
	}
	return ids, true, nil
}

func (f *Finder) identityProvider(ctx context.Context, v planned) (ids []string, known bool, err error) {
	url := v.text("url")
	if url == "" {
		return nil, false, nil
	}
	arn := "arn:aws:iam::" + f.Platform.Account + ":oidc-provider/" + strings.TrimPrefix(url, "https://")
	_, err = iam.NewFromConfig(f.Config).GetOpenIDConnectProvider(ctx, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn})
	return []string{arn}, true, err
}
