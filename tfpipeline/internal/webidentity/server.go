package webidentity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
)

// renewBefore is how long before their end credentials are renewed. The SDKs
// ask for new ones five minutes before, and get them.
const renewBefore = 10 * time.Minute

// server hands out the job's credentials on a loopback port, in the form that
// every AWS SDK takes from a container's host.
type server struct {
	job    Job
	config aws.Config
	// token is what a client has to show.
	token string

	mu      sync.Mutex
	current aws.Credentials
}

// Serve hands the credentials of a job out to this process and those that it
// starts, until stop is called: they find them by the variables that it
// returns. AWS and GitHub are not asked before somebody wants credentials.
func Serve(ctx context.Context, j Job) (variables map[string]string, stop func(), err error) {
	config, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithCredentialsProvider(aws.AnonymousCredentials{}))
	if err != nil {
		return nil, nil, fmt.Errorf("serve credentials: read the AWS configuration: %w", err)
	}
	if config.HTTPClient == nil {
		config.HTTPClient = awshttp.NewBuildableClient()
	}
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, fmt.Errorf("serve credentials: %w", err)
	}
	s := &server{job: j, config: config, token: rand.Text()}
	// The credentials outlive an interrupt: what was begun is ended with them.
	h := &http.Server{Handler: s, ReadHeaderTimeout: time.Minute, BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) }}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = h.Serve(socket) // ends with Close
	}()
	stop = func() {
		h.Close()
		<-done
	}
	return map[string]string{
		"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://" + socket.Addr().String() + "/credentials",
		"AWS_CONTAINER_AUTHORIZATION_TOKEN":  s.token,
	}, stop, nil
}

// ServeHTTP answers who shows the token.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	answer := func(status int, v any) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v) // the client has gone: nobody to tell
	}
	if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte(s.token)) == 0 {
		answer(http.StatusForbidden, map[string]string{"code": "Forbidden", "message": "this is not for you"})
		return
	}
	c, err := s.credentials(r.Context())
	if err != nil {
		// Not worth another attempt: each has had its own.
		answer(http.StatusBadRequest, map[string]string{"code": "NoCredentials", "message": err.Error()})
		return
	}
	answer(http.StatusOK, map[string]string{
		"AccessKeyId": c.AccessKeyID, "SecretAccessKey": c.SecretAccessKey, "Token": c.SessionToken,
		"Expiration": c.Expires.UTC().Format(time.RFC3339),
	})
}

// credentials are the current ones, renewed when their end is near. If that
// fails, those at hand serve while they last.
func (s *server) credentials(ctx context.Context) (aws.Credentials, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := time.Until(s.current.Expires)
	if left > renewBefore {
		return s.current, nil
	}
	renewed, err := s.job.Assume(ctx, s.config)
	if err == nil {
		s.current = renewed
	} else if left <= 0 {
		return aws.Credentials{}, err
	}
	return s.current, nil
}
