package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

type authority struct {
	pem  []byte
	pair tls.Certificate
}

// certificate makes a certificate for localhost that is its own authority.
func certificate(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return authority{
		pem:  pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pair: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
	}
}

// TestServerMustShowWhoItIs: the password goes to no server whose certificate
// is not by the given authority, or for another name.
func TestServerMustShowWhoItIs(t *testing.T) {
	server, other := certificate(t), certificate(t)
	file := func(name string, data []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, tt := range []struct {
		name, host string
		root       []byte
		want       string
		trusted    bool
	}{
		{"its own authority", "localhost", server.pem, "", true},
		{"another authority", "localhost", other.pem, "certificate", false},
		{"another name", "127.0.0.1", server.pem, "certificate", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { listener.Close() })
			shaken := make(chan bool, 10)
			go serveTLS(listener, server.pair, shaken)
			_, port, err := net.SplitHostPort(listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			env := []string{"DB_HOST=" + tt.host, "DB_PORT=" + port, "DB_NAME=app", "DB_USER=admin", "DB_PASSWORD=" + canary,
				"PGSSLMODE=require", "PGSSLROOTCERT=" + file("ca.pem", tt.root)}
			code, _, errs := invoke(t, env, "status")
			if code != exitFailed || !strings.Contains(errs, tt.want) || strings.Contains(errs, "c4nary") {
				t.Errorf("exit %d: %s", code, errs)
			}
			if got := <-shaken; got != tt.trusted {
				t.Errorf("handshake completed: %v", got)
			}
		})
	}
}

// serveTLS answers as PostgreSQL does until TLS is up, reports whether the
// client accepted it, and hangs up.
func serveTLS(listener net.Listener, pair tls.Certificate, shaken chan<- bool) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		request := make([]byte, 8)
		if _, err := io.ReadFull(conn, request); err == nil {
			if _, err := conn.Write([]byte("S")); err == nil {
				secured := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{pair}})
				// The client says that it refuses only behind the handshake.
				_, err := secured.Read(request)
				shaken <- err == nil
			}
		}
		conn.Close()
	}
}
