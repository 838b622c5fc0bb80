package localaws_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// TestServiceConnect asks a service for streams and late answers, as a user
// through the load balancer and as another service by its name: by AWS's
// default they end after 15 s, of 20 ms each, and with the platform's fields
// they do not.
func TestServiceConnect(t *testing.T) {
	t.Parallel()
	s := newSite(t, 20*time.Millisecond)
	open := &types.TimeoutConfiguration{IdleTimeoutSeconds: new(int32(300)), PerRequestTimeoutSeconds: new(int32(0))}
	s.timeouts = map[string]*types.TimeoutConfiguration{"frontend": open}
	s.create("v1")
	ask := func(path string) string {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = s.host
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			return err.Error()
		}
		return fmt.Sprint(res.StatusCode, " ", strings.ReplaceAll(strings.TrimSpace(string(body)), "\n\n", " "))
	}
	const stream, late = "/mcp?events=3000", "/mcp?slow=1m"
	byName := func(path string) string { return "/?call=" + url.QueryEscape("http://mcp:3002"+path) }
	for path, want := range map[string]string{
		stream:         "unexpected EOF",
		late:           "504 upstream request timeout",
		byName(stream): "502 unexpected EOF",
		byName(late):   "504 upstream request timeout",
	} {
		if got := ask(path); got != want {
			t.Errorf("by default, %s: %s", path, got)
		}
	}

	s.timeouts["mcp"] = open
	if _, err := s.ecs.UpdateService(t.Context(), &sdk.UpdateServiceInput{Cluster: new("site"), Service: new("mcp"), ServiceConnectConfiguration: s.connect(siteServices()[1])}); err != nil {
		t.Fatal(err)
	}
	s.settled()
	for path, want := range map[string]string{
		"/mcp?events=60":          "data: 59",
		"/mcp?slow=800ms":         `200 {"service":"mcp","release":"v1","path":"/mcp"}`,
		byName("/mcp?events=60"):  "data: 59",
		byName("/mcp?slow=800ms"): `200 {"service":"mcp","release":"v1","path":"/mcp"}`,
	} {
		if got := ask(path); !strings.HasPrefix(got, "200") || !strings.HasSuffix(got, want) {
			t.Errorf("with the fields, %s: %s", path, got)
		}
	}
}
