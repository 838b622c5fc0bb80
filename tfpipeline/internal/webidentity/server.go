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

// renewBefore is how long before their end the credentials are renewed. The
// SDKs ask for new ones five minutes before the end.
const renewBefore = 10 * time.Minute

// server hands out the job's credentials on a loopback port, in the form that
// every AWS SDK takes from a container's host.
type server struct {
	job    Job
	config aws.Config
	// token is the secret that a client has to send.
	token string

	mu      sync.Mutex
	current aws.Credentials
}

// Serve offers the credentials of a job to this process and those that it
// starts, until stop is called. They find the server by the variables that
// Serve returns. It asks AWS and GitHub only when a client wants credentials.
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
	// The credentials outlive an interrupt, since work that has begun must be
	// finished with them.
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

// ServeHTTP answers clients that send the token.
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
		// The client need not try again: the attempts have been made here.
		answer(http.StatusBadRequest, map[string]string{"code": "NoCredentials", "message": err.Error()})
		return
	}
	answer(http.StatusOK, map[string]string{
		"AccessKeyId": c.AccessKeyID, "SecretAccessKey": c.SecretAccessKey, "Token": c.SessionToken,
		"Expiration": c.Expires.UTC().Format(time.RFC3339),
	})
}

// credentials returns the current credentials, and renews them when their end
// is near. If a renewal fails, it returns the old ones until they expire.
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
