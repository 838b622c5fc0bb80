package localaws

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
	"github.com/specboard/platform/tfpipeline/internal/localaws/iam"
)

// checkPatterns refuses tags that do not match AWS's patterns, and names of
// other accounts' buckets, in any call; moto accepts both.
func checkPatterns(c *endpoint.Call, account string) error {
	if owner := c.Request.Header.Get("X-Amz-Expected-Bucket-Owner"); c.Service == "s3" && owner != "" && owner != account {
		return &endpoint.Failure{Status: http.StatusForbidden, Code: "AccessDenied", Message: "Access Denied"}
	}
	code, ok := tagRefusals[c.Service]
	if !ok {
		return nil
	}
	tags := iam.Read(c.Service, c.Operation, c.Request, c.Body).Tags
	if c.Service == "s3" {
		var err error
		if tags, err = bucketTags(c); err != nil {
			return err
		}
	}
	for key, value := range tags {
		switch {
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return endpoint.Refuse(code, "Tag keys must not start with aws:, which is reserved for AWS: %q", key)
		case key == "" || utf8.RuneCountInString(key) > 128 || utf8.RuneCountInString(value) > 256:
			return endpoint.Refuse(code, "Tag %q: a key has 1 to 128 characters, a value at most 256", key)
		case c.Service == "ec2": // accepts any character
		case !tagPattern.MatchString(key) || !tagPattern.MatchString(value):
			return endpoint.Refuse(code, "Value '%s=%s' at 'tags' failed to satisfy constraint: Member must satisfy regular expression pattern: %s", key, value, tagPattern)
		}
	}
	return nil
}

// bucketTags are the tags that a call gives a bucket or an object.
func bucketTags(c *endpoint.Call) (map[string]string, error) {
	if c.Request.Method != http.MethodPut || !c.Request.URL.Query().Has("tagging") {
		return nil, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, c.Request.Body, endpoint.MaxBody))
	if err != nil {
		return nil, fmt.Errorf("read the tags: %w", err)
	}
	endpoint.SetBody(c.Request, body)
	tags := map[string]string{}
	if root, err := endpoint.ParseXML(body); err == nil { // else moto refuses it
		for _, t := range endpoint.Every(root, "Tag") {
			tags[endpoint.Text(t, "Key")] = endpoint.Text(t, "Value")
		}
	}
	return tags, nil
}

// tagPattern is that of every service but EC2:
// https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html
var tagPattern = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)

// tagRefusals are the error codes with which services refuse tags. The ECS
// runtime checks its own.
var tagRefusals = map[string]string{
	"acm": "InvalidTagException", "application-autoscaling": "ValidationException", "ec2": "InvalidParameterValue",
	"ecr": "InvalidTagParameterException", "elasticache": "InvalidParameterValue", "elasticloadbalancing": "ValidationError",
	"events": "ValidationException", "iam": "ValidationError", "logs": "InvalidParameterException", "monitoring": "ValidationError",
	"rds": "InvalidParameterValue", "s3": "InvalidTag", "scheduler": "ValidationException", "secretsmanager": "InvalidRequestException",
	"servicediscovery": "InvalidInput", "sns": "InvalidParameter", "sqs": "InvalidParameterValue", "wafv2": "WAFInvalidParameterException",
}
