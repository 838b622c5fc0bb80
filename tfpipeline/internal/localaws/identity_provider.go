package localaws

import (
	"fmt"
	"net/url"
	"slices"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// addAudience adds an audience to an identity provider. moto can change
// audiences only by creating the provider again.
func (e *Endpoint) addAudience(c *endpoint.Call, _ endpoint.Next) (*endpoint.Reply, error) {
	ctx, arn := c.Request.Context(), url.Values{"OpenIDConnectProviderArn": {c.Form.Get("OpenIDConnectProviderArn")}}
	known, err := e.control.ask(ctx, "iam", c.Region, iamVersion, "GetOpenIDConnectProvider", arn)
	if code, message := refused(err); code != "" {
		return nil, endpoint.Refuse(code, "%s", message)
	} else if err != nil {
		return nil, err
	}
	result := known.SelectElement("GetOpenIDConnectProviderResult")
	provider := url.Values{"Url": {"https://" + endpoint.Text(result, "Url")}}
	list := func(name string, values []string) {
		for i, v := range values {
			provider.Set(fmt.Sprintf("%s.member.%d", name, i+1), v)
		}
	}
	texts := func(path string) (all []string) {
		for _, m := range result.FindElements(path) {
			all = append(all, m.Text())
		}
		return all
	}
	audiences := append(texts("./ClientIDList/member"), c.Form.Get("ClientID"))
	list("ClientIDList", slices.Compact(slices.Sorted(slices.Values(audiences))))
	list("ThumbprintList", texts("./ThumbprintList/member"))
	for i, t := range result.FindElements("./Tags/member") {
		provider.Set(fmt.Sprintf("Tags.member.%d.Key", i+1), endpoint.Text(t, "Key"))
		provider.Set(fmt.Sprintf("Tags.member.%d.Value", i+1), endpoint.Text(t, "Value"))
	}
	if _, err := e.control.ask(ctx, "iam", c.Region, iamVersion, "DeleteOpenIDConnectProvider", arn); err != nil {
		return nil, err
	}
	if _, err := e.control.ask(ctx, "iam", c.Region, iamVersion, "CreateOpenIDConnectProvider", provider); err != nil {
		return nil, err
	}
	return endpoint.Query(c, "https://iam.amazonaws.com/doc/2010-05-08/"), nil
}
