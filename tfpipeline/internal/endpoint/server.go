// Package endpoint is a loopback port that speaks AWS: it reads which
// operation a request asks for, answers in that operation's protocol, and
// refuses what it does not know by name. Three kinds of endpoint stand on it:
// the fixed answers of an offline plan (Offline), Secrets Manager without the
// values of its secrets (WithholdSecrets), and the local AWS (package
// localaws).
//
// Access is the one place that knows how to make the AWS calls of a process,
// or of the SDK, end at such a port.
package endpoint

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Server is an HTTP server on a port of the loopback address.
type Server struct {
	server   *http.Server
	listener net.Listener
	done     chan struct{}
	err      error // why serving ended, if not by Close; set before done is closed
}

// Serve answers with a handler until Close. If listener is nil, it listens on
// a random port of 127.0.0.1; otherwise it takes ownership of the listener.
func Serve(ctx context.Context, listener net.Listener, handler http.Handler) (*Server, error) {
	if listener == nil {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("listen on the loopback address: %w", err)
		}
		listener = l
	}
	s := &Server{
		server:   &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute},
		listener: listener,
		done:     make(chan struct{}),
	}
	go func() {
		defer close(s.done)
		if err := s.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.err = err
		}
	}()
	return s, nil
}

// URL is where the server answers: http://127.0.0.1:PORT, without a slash at
// the end. It has the number and not a name because S3 clients then put the
// bucket into the path.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Done is closed when the server has stopped, for whatever reason.
func (s *Server) Done() <-chan struct{} { return s.done }

// Err returns the error that stopped the server; nil while it runs and after
// Close.
func (s *Server) Err() error {
	select {
	case <-s.done:
		return s.err
	default:
		return nil
	}
}

// Close stops serving; requests in flight are cut off.
func (s *Server) Close() error {
	err := s.server.Close()
	<-s.done
	return err
}
