package localaws

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/specboard/platform/tfpipeline/internal/localaws/iam/iamtest"
)

// TestTagPatterns: a tag that AWS refuses is refused in the protocol of each service,
// and any other reaches it.
func TestTagPatterns(t *testing.T) {
	control := newFakeControl(t, map[string]string{
		"iam.TagRole": "<R/>", "sns.TagResource": "<R/>", "sqs.CreateQueue": "{}", "events.TagResource": "{}", "scheduler.": "{}", "wafv2.TagResource": "{}", "s3.": "",
	})
	e := start(t, control, Options{})
	for _, c := range []struct{ service, operation, parameters, code string }{
		{"iam", "TagRole", "RoleName=r&Tags.member.1.Key=Why&Tags.member.1.Value={value}", "ValidationError"},
		{"sns", "TagResource", "ResourceArn=a&Tags.member.1.Key=Why&Tags.member.1.Value={value}", "InvalidParameter"},
		{"sqs", "CreateQueue", `{"QueueName":"q","tags":{"Why":"{value}"}}`, "InvalidParameterValue"},
		{"events", "TagResource", `{"ResourceARN":"a","Tags":[{"Key":"Why","Value":"{value}"}]}`, "ValidationException"},
		{"scheduler", "POST", `/schedule-groups/g {"Tags":[{"Key":"Why","Value":"{value}"}]}`, "ValidationException"},
		{"wafv2", "TagResource", `{"ResourceARN":"a","Tags":[{"Key":"Why","Value":"{value}"}]}`, "WAFInvalidParameterException"},
		{"s3", "PUT", "/bucket?tagging", "InvalidTag"},
	} {
		for value, fits := range map[string]bool{"what.it@is": true, "what it is; and more": false} {
			written := value
			if strings.Contains(c.parameters, "&") {
				written = url.QueryEscape(value)
			}
			a := iamtest.Attempt{Service: c.service, Operation: c.operation, Parameters: strings.ReplaceAll(c.parameters, "{value}", written)}
			r := a.Request(t, e.URL(), accessKey, "")
			document := "<Tagging><TagSet><Tag><Key>Why</Key><Value>" + value + "</Value></Tag></TagSet></Tagging>"
			if c.service == "s3" {
				r.Body, r.ContentLength = io.NopCloser(strings.NewReader(document)), int64(len(document))
			}
			status, body := answer(t, r)
			if (status == http.StatusOK) != fits || !fits && !strings.Contains(body, c.code) {
				t.Errorf("%s with %q: %d %s, want %s", a, value, status, body, c.code)
			}
			if c.service == "s3" && fits && string(control.last(t, "s3.").Body) != document {
				t.Errorf("the bucket gets %q", control.last(t, "s3.").Body)
			}
		}
	}
}
