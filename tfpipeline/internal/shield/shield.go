// Package shield stands between a plan and Secrets Manager: it passes every
// request on but the reading of a secret's value.
//
// Up to version 6.26 the AWS provider refreshes aws_secretsmanager_secret_version
// by GetSecretValue even where the value was write-only and is thrown away
// (hashicorp/terraform-provider-aws#42383). The role that plans pull requests
// may not read secrets, so such a request is answered from the list of the
// secret's versions, as later versions of the provider do by themselves.
package shield

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"
)

// Shield is a running endpoint on a loopback port.
type Shield struct {
	server   *http.Server
	listener net.Listener
	done     chan struct{}

	credentials aws.CredentialsProvider
	region      string
	upstream    string
	client      *secretsmanager.Client
	transport   http.RoundTripper
}

// Start listens and serves until Close. upstream is the URL of Secrets
// Manager; empty is AWS's own in the configuration's region.
func Start(ctx context.Context, cfg aws.Config, upstream string) (*Shield, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for secrets manager: %w", err)
	}
	if upstream == "" {
		upstream = "https://secretsmanager." + cfg.Region + ".amazonaws.com"
	}
	s := &Shield{
		listener:    listener,
		done:        make(chan struct{}),
		credentials: cfg.Credentials,
		region:      cfg.Region,
		upstream:    upstream,
		transport:   http.DefaultTransport,
		client: secretsmanager.NewFromConfig(cfg, func(o *secretsmanager.Options) {
			o.BaseEndpoint = &upstream
		}),
	}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(s.done)
		_ = s.server.Serve(listener) // ends with Close, by ErrServerClosed
	}()
	return s, nil
}

// Environ is what Terraform's environment needs, so that the provider asks
// here.
func (s *Shield) Environ() string {
	return "AWS_ENDPOINT_URL_SECRETS_MANAGER=http://" + s.listener.Addr().String()
}

// Close stops serving; requests in flight are cut off.
func (s *Shield) Close() error {
	err := s.server.Close()
	<-s.done
	return err
}

const target = "secretsmanager."

func (s *Shield) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	operation, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), target)
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	switch {
	case !ok || err != nil:
		refuse(w, http.StatusBadRequest, "InvalidRequestException", "not a request to Secrets Manager")
	case operation == "GetSecretValue":
		s.describe(w, r, body)
	case operation == "BatchGetSecretValue":
		refuse(w, http.StatusBadRequest, "AccessDeniedException", "a plan reads no secret values")
	default:
		s.forward(w, r, body)
	}
}

// describe answers GetSecretValue with everything but the value.
func (s *Shield) describe(w http.ResponseWriter, r *http.Request, body []byte) {
	var in struct{ SecretId, VersionId, VersionStage string }
	if err := json.Unmarshal(body, &in); err != nil {
		refuse(w, http.StatusBadRequest, "InvalidRequestException", "read GetSecretValue: "+err.Error())
		return
	}
	if in.VersionId == "" && in.VersionStage == "" {
		in.VersionStage = "AWSCURRENT"
	}
	pages := secretsmanager.NewListSecretVersionIdsPaginator(s.client, &secretsmanager.ListSecretVersionIdsInput{
		SecretId:          &in.SecretId,
		IncludeDeprecated: aws.Bool(true),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(r.Context())
		if err != nil {
			refuseAs(w, err)
			return
		}
		i := slices.IndexFunc(page.Versions, func(v types.SecretVersionsListEntry) bool {
			if in.VersionId != "" {
				return aws.ToString(v.VersionId) == in.VersionId
			}
			return slices.Contains(v.VersionStages, in.VersionStage)
		})
		if i < 0 {
			continue
		}
		v := page.Versions[i]
		answer := map[string]any{
			"ARN":           aws.ToString(page.ARN),
			"Name":          aws.ToString(page.Name),
			"VersionId":     aws.ToString(v.VersionId),
			"VersionStages": v.VersionStages,
			"SecretString":  "",
		}
		if v.CreatedDate != nil {
			answer["CreatedDate"] = v.CreatedDate.Unix()
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_ = json.NewEncoder(w).Encode(answer) // the provider is gone if this fails
		return
	}
	refuse(w, http.StatusBadRequest, "ResourceNotFoundException", "Secrets Manager can't find the specified secret version.")
}

// forward signs the request again, since its signature names this host.
func (s *Shield) forward(w http.ResponseWriter, r *http.Request, body []byte) {
	out, err := http.NewRequestWithContext(r.Context(), r.Method, s.upstream, bytes.NewReader(body))
	if err != nil {
		refuse(w, http.StatusInternalServerError, "InternalServiceError", err.Error())
		return
	}
	for _, h := range []string{"Content-Type", "X-Amz-Target", "User-Agent", "Amz-Sdk-Invocation-Id", "Amz-Sdk-Request"} {
		if v := r.Header.Get(h); v != "" {
			out.Header.Set(h, v)
		}
	}
	credentials, err := s.credentials.Retrieve(r.Context())
	if err != nil {
		refuse(w, http.StatusBadRequest, "UnrecognizedClientException", "no credentials: "+err.Error())
		return
	}
	hash := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(r.Context(), credentials, out, hex.EncodeToString(hash[:]), "secretsmanager", s.region, time.Now()); err != nil {
		refuse(w, http.StatusInternalServerError, "InternalServiceError", err.Error())
		return
	}
	answer, err := s.transport.RoundTrip(out)
	if err != nil {
		refuse(w, http.StatusBadGateway, "InternalServiceError", "pass the request on: "+err.Error())
		return
	}
	defer answer.Body.Close()
	for _, h := range []string{"Content-Type", "X-Amzn-Requestid"} {
		if v := answer.Header.Get(h); v != "" {
			w.Header().Set(h, v)
		}
	}
	w.WriteHeader(answer.StatusCode)
	_, _ = io.Copy(w, answer.Body) // the provider retries what it could not read
}

// refuseAs passes on what Secrets Manager said.
func refuseAs(w http.ResponseWriter, err error) {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		refuse(w, http.StatusBadRequest, api.ErrorCode(), api.ErrorMessage())
		return
	}
	refuse(w, http.StatusBadGateway, "InternalServiceError", err.Error())
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": code, "message": message})
}
