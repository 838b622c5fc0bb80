package localaws

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

const identitiesPath = "/v2/email/identities"

// completeIdentity adds to what moto says of an identity of SES what AWS says as well:
// the tokens of its three keys, that it is verified, and the time as a number. moto
// forgets the tags that an identity is created with, so it is tagged anew.
func completeIdentity(account string) endpoint.Operation {
	return func(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
		path := c.Request.URL.Path
		rep, err := next(c)
		if err != nil || rep.Status != http.StatusOK || !strings.HasPrefix(path, identitiesPath) || c.Request.Method == http.MethodDelete {
			return rep, err
		}
		var identity map[string]any
		if err := json.Unmarshal(rep.Body, &identity); err != nil {
			return nil, fmt.Errorf("read an identity: %w", err)
		}
		dkim, ok := identity["DkimAttributes"].(map[string]any)
		if !ok {
			return rep, nil // a list
		}
		name := strings.TrimPrefix(path, identitiesPath+"/")
		if c.Request.Method == http.MethodPost {
			var asked struct {
				EmailIdentity string
				Tags          []map[string]string
			}
			if err := json.Unmarshal(c.Body, &asked); err != nil {
				return nil, fmt.Errorf("read an identity's name: %w", err)
			}
			name = asked.EmailIdentity
			body, err := json.Marshal(map[string]any{"ResourceArn": "arn:aws:ses:" + c.Region + ":" + account + ":identity/" + name, "Tags": asked.Tags})
			if err != nil {
				return nil, fmt.Errorf("tag an identity: %w", err)
			}
			tag := *c
			tag.Request, tag.Body = c.Request.Clone(c.Request.Context()), body
			tag.Request.URL.Path, tag.Request.URL.RawPath = "/v2/email/tags", ""
			if rep, err := next(&tag); err != nil || rep.Status != http.StatusOK {
				return rep, err
			}
		}
		var tokens []string
		for _, key := range []string{"1", "2", "3"} {
			tokens = append(tokens, strings.ToLower(strings.TrimPrefix(resourceID(name, key), "db-")))
		}
		dkim["Tokens"], dkim["CurrentSigningKeyLength"], dkim["LastKeyGenerationTimestamp"] = tokens, dkim["NextSigningKeyLength"], 1.7e9
		identity["VerifiedForSendingStatus"] = true
		return endpoint.JSON(identity)
	}
}
