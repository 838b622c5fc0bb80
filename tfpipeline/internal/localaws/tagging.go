package localaws

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// taggedResources completes the list of tagged resources: moto leaves out
// elastic IP addresses, VPC endpoints, security group rules and the namespaces
// of Service Connect.
func (e *Endpoint) taggedResources() endpoint.Table {
	return endpoint.Table{
		"tagging.GetResources": func(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
			rep, err := next(c)
			if err != nil || rep.Status != http.StatusOK {
				return rep, err
			}
			var out struct {
				PaginationToken        string
				ResourceTagMappingList []taggedResource
			}
			var in struct {
				TagFilters []struct {
					Key    string
					Values []string
				}
			}
			if err := endpoint.DecodeJSON(rep.Body, &out); err != nil {
				return nil, err
			}
			if err := endpoint.DecodeJSON(c.Body, &in); err != nil {
				return nil, err
			}
			if out.PaginationToken != "" {
				return rep, nil // the missing ones come on the last page
			}
			missing, err := e.missingTags(c.Request.Context())
			if err != nil {
				return nil, err
			}
			for _, arn := range slices.Sorted(maps.Keys(missing)) {
				wanted := true
				for _, f := range in.TagFilters {
					wanted = wanted && slices.ContainsFunc(missing[arn], func(t tag) bool {
						return t.Key == f.Key && (len(f.Values) == 0 || slices.Contains(f.Values, t.Value))
					})
				}
				if wanted {
					out.ResourceTagMappingList = append(out.ResourceTagMappingList, taggedResource{arn, missing[arn]})
				}
			}
			return endpoint.JSON(out)
		},
	}
}

type tag struct{ Key, Value string }

type taggedResource struct {
	ResourceARN string
	Tags        []tag
}

// missingTags are the tags of the resources that moto leaves out, by ARN.
func (e *Endpoint) missingTags(ctx context.Context) (map[string][]tag, error) {
	root, err := e.control.ask(ctx, "ec2", e.region, ec2Version, "DescribeTags", url.Values{})
	if err != nil {
		return nil, err
	}
	// moto's words for these types, and AWS's in ARNs.
	kinds := map[string]string{"vpc-elastic-ip": "elastic-ip", "vpc-endpoint": "vpc-endpoint", "security-group-rule": "security-group-rule"}
	byARN := map[string][]tag{}
	for _, item := range endpoint.Every(root, "item") {
		if kind := kinds[endpoint.Text(item, "resourceType")]; kind != "" {
			arn := fmt.Sprintf("arn:aws:ec2:%s:%s:%s/%s", e.region, e.account, kind, endpoint.Text(item, "resourceId"))
			byARN[arn] = append(byARN[arn], tag{endpoint.Text(item, "key"), endpoint.Text(item, "value")})
		}
	}
	var namespaces struct{ Namespaces []struct{ Arn string } }
	if err := e.cloudMap(ctx, "ListNamespaces", struct{}{}, &namespaces); err != nil {
		return nil, err
	}
	for _, n := range namespaces.Namespaces {
		var out struct{ Tags []tag }
		if err := e.cloudMap(ctx, "ListTagsForResource", map[string]string{"ResourceARN": n.Arn}, &out); err != nil {
			return nil, err
		}
		byARN[n.Arn] = out.Tags
	}
	return byARN, nil
}

// cloudMap calls Cloud Map, which has the namespaces of Service Connect.
func (e *Endpoint) cloudMap(ctx context.Context, operation string, in, out any) error {
	r, err := newJSONRequest(ctx, "servicediscovery", e.region, "Route53AutoNaming_v20170314."+operation, in)
	if err != nil {
		return err
	}
	return endpoint.DecodeJSON(e.self(r).Body, out)
}
