package main

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"strings"
)

// bundleURL is where Amazon publishes the certificates of RDS.
const bundleURL = "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem"

// bundlePaths are where images and machines usually keep it.
func bundlePaths() []string {
	return []string{
		"/etc/ssl/certs/rds-global-bundle.pem",
		"/etc/ssl/certs/global-bundle.pem",
		"/usr/local/share/ca-certificates/rds-global-bundle.pem",
		"/etc/pki/tls/certs/rds-global-bundle.pem",
		"/rds-ca/global-bundle.pem",
		"/certs/global-bundle.pem",
		"/global-bundle.pem",
	}
}

// secure decides how the connection is protected, and says it in words. A
// password never crosses a network in the clear, and never reaches a server
// that has not shown who it is: what libpq calls prefer, require and verify-ca
// is verify-full here.
func secure(a address, env map[string]string, readFile func(string) ([]byte, error)) (*tls.Config, string, error) {
	switch a.sslMode {
	case "", "disable", "allow", "prefer", "require", "verify-ca", "verify-full":
	default:
		return nil, "", fmt.Errorf("sslmode %q; it is disable (only to this machine) or verify-full", a.sslMode)
	}
	if local(a.host) && (a.sslMode == "" || a.sslMode == "disable" || a.sslMode == "allow" || a.sslMode == "prefer" || strings.HasPrefix(a.host, "/")) {
		return nil, "plain, since it is this machine", nil
	}
	if a.sslMode == "disable" {
		return nil, "", fmt.Errorf("the database on %s is asked for without TLS; only a unix socket and the loopback address may be plain: take sslmode=disable out", a.host)
	}
	if pooled(a.host) {
		return nil, "", fmt.Errorf("%s is an RDS Proxy, where neither a lock nor a limit would hold: name the database's own endpoint", a.host)
	}
	config := &tls.Config{ServerName: strings.TrimSuffix(a.host, "."), MinVersion: tls.VersionTLS12}
	path := a.rootCert
	if rds(a.host) {
		path = cmp.Or(path, env["RDS_CA_BUNDLE"])
		if path == "" {
			data, from, err := findBundle(a.host, readFile)
			if err != nil {
				return nil, "", err
			}
			config.RootCAs, err = pool(from, data)
			return config, "TLS verified by " + from, err
		}
	}
	if path == "" || path == "system" {
		return config, "TLS verified by the system's certificates", nil
	}
	data, err := readFile(path)
	if err != nil {
		return nil, "", fmt.Errorf("read the certificates that the database is verified by: %w", err)
	}
	config.RootCAs, err = pool(path, data)
	return config, "TLS verified by " + path, err
}

func findBundle(host string, readFile func(string) ([]byte, error)) (data []byte, path string, err error) {
	for _, path := range bundlePaths() {
		if data, err := readFile(path); err == nil {
			return data, path, nil
		}
	}
	return nil, "", fmt.Errorf(`%s is on RDS, and Amazon's certificates to verify it by are not here; the image should bring them:
  ADD %s %s
or name the file in RDS_CA_BUNDLE or PGSSLROOTCERT (looked in %s)`,
		host, bundleURL, bundlePaths()[0], strings.Join(bundlePaths(), ", "))
}

func pool(path string, data []byte) (*x509.CertPool, error) {
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", path)
	}
	return p, nil
}

// local reports whether a host is this machine.
func local(host string) bool {
	if strings.HasPrefix(host, "/") || host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func rds(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return strings.HasSuffix(host, ".rds.amazonaws.com") || strings.HasSuffix(host, ".rds.amazonaws.com.cn")
}

// pooled reports whether a host is an RDS Proxy, by Amazon's naming.
func pooled(host string) bool {
	return rds(host) && strings.Contains(strings.ToLower(host), ".proxy-")
}
