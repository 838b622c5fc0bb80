package endpoint_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

const canary = "canary-value-that-nobody-may-see"

// upstream is Secrets Manager with one secret of three versions, two to a page.
type upstream struct {
	mu    sync.Mutex
	calls []string
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "secretsmanager.")
	u.mu.Lock()
	u.calls = append(u.calls, operation)
	u.mu.Unlock()
	if !strings.Contains(r.Header.Get("Authorization"), "/us-west-2/secretsmanager/aws4_request") ||
		!strings.Contains(r.Header.Get("Authorization"), "host") {
		http.Error(w, `{"__type":"InvalidSignatureException"}`, http.StatusForbidden)
		return
	}
	var in struct{ SecretId, NextToken string }
	body, _ := io.ReadAll(r.Body)
	_ = json.Unmarshal(body, &in)
	version := func(id string, stages ...string) map[string]any {
		return map[string]any{"VersionId": id, "VersionStages": stages, "CreatedDate": 1700000000}
	}
	answer := map[string]any{"ARN": "arn:db", "Name": "db"}
	switch {
	case operation == "GetSecretValue":
		answer["SecretString"] = canary
	case in.SecretId != "" && in.SecretId != "db":
		w.WriteHeader(http.StatusBadRequest)
		answer = map[string]any{"__type": "ResourceNotFoundException", "message": "no such secret"}
	case operation == "ListSecretVersionIds" && in.NextToken == "":
		answer["Versions"] = []any{version("one"), version("two", "AWSPREVIOUS")}
		answer["NextToken"] = "more"
	case operation == "ListSecretVersionIds":
		answer["Versions"] = []any{version("three", "AWSCURRENT")}
	case operation == "GetRandomPassword":
		answer = map[string]any{"RandomPassword": "random"}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func start(t *testing.T) (*upstream, *secretsmanager.Client) {
	t.Helper()
	u := &upstream{}
	server := httptest.NewServer(u)
	t.Cleanup(server.Close)
	cfg := aws.Config{Region: "us-west-2", Credentials: credentials.NewStaticCredentialsProvider("id", "key", "")}
	cfg.BaseEndpoint = &server.URL
	handler, err := endpoint.WithholdSecrets(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	s, err := endpoint.Serve(t.Context(), nil, handler)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return u, secretsmanager.NewFromConfig(cfg, func(o *secretsmanager.Options) { o.BaseEndpoint = aws.String(s.URL()) })
}

func TestValuesAreNeverAskedFor(t *testing.T) {
	tests := []struct {
		name, version, stage, want string
	}{
		{"current", "", "", "three"},
		{"by stage", "", "AWSPREVIOUS", "two"},
		{"by id, without any stage", "one", "", "one"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u, client := start(t)
			in := &secretsmanager.GetSecretValueInput{SecretId: aws.String("db")}
			if tt.version != "" {
				in.VersionId = &tt.version
			}
			if tt.stage != "" {
				in.VersionStage = &tt.stage
			}
			out, err := client.GetSecretValue(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			if got := aws.ToString(out.VersionId); got != tt.want || aws.ToString(out.SecretString) != "" {
				t.Errorf("version %q with value %q, want %q with none", got, aws.ToString(out.SecretString), tt.want)
			}
			if slices.Contains(u.calls, "GetSecretValue") {
				t.Errorf("the value was asked for: %v", u.calls)
			}
		})
	}
}

func TestMissingVersionAndSecret(t *testing.T) {
	_, client := start(t)
	for _, in := range []*secretsmanager.GetSecretValueInput{
		{SecretId: aws.String("db"), VersionId: aws.String("gone")},
		{SecretId: aws.String("other")},
	} {
		_, err := client.GetSecretValue(t.Context(), in)
		if api, ok := errors.AsType[smithy.APIError](err); !ok || api.ErrorCode() != "ResourceNotFoundException" {
			t.Errorf("GetSecretValue(%v) = %v, want ResourceNotFoundException", aws.ToString(in.SecretId), err)
		}
	}
}

func TestEverythingElseIsPassedOn(t *testing.T) {
	u, client := start(t)
	out, err := client.GetRandomPassword(t.Context(), &secretsmanager.GetRandomPasswordInput{})
	if err != nil {
		t.Fatal(err)
	}
	if got := aws.ToString(out.RandomPassword); got != "random" {
		t.Errorf("password %q, want upstream's", got)
	}
	if want := []string{"GetRandomPassword"}; !slices.Equal(u.calls, want) {
		t.Errorf("upstream got %v, want %v", u.calls, want)
	}
}

func TestManyValuesAreRefused(t *testing.T) {
	u, client := start(t)
	_, err := client.BatchGetSecretValue(t.Context(), &secretsmanager.BatchGetSecretValueInput{SecretIdList: []string{"db"}})
	if api, ok := errors.AsType[smithy.APIError](err); !ok || api.ErrorCode() != "AccessDeniedException" {
		t.Errorf("BatchGetSecretValue = %v, want AccessDeniedException", err)
	}
	if len(u.calls) != 0 {
		t.Errorf("upstream got %v, want nothing", u.calls)
	}
}
