package balancer

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Transport makes the domains of a local endpoint reachable: a request to
// https://staging.specboard.io/health goes to the load balancer that the
// domain's alias record names, on its loopback port. All other requests go to
// base (http.DefaultTransport if nil). endpoint is the value of
// AWS_ENDPOINT_URL; unless it is a URL of the loopback address, base is
// returned as it is.
func Transport(endpoint string, base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" {
		return base
	}
	if ip := net.ParseIP(u.Hostname()); ip == nil || !ip.IsLoopback() {
		return base
	}
	return &localTransport{endpoint: strings.TrimSuffix(endpoint, "/"), base: base, local: &http.Transport{}}
}

// localTransport sends requests to local load balancers.
type localTransport struct {
	endpoint    string
	base, local http.RoundTripper

	mu    sync.Mutex
	known []Address
	asked time.Time
}

// remember is how long the addresses of load balancers are cached.
const remember = time.Second

func (c *localTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	address, err := c.find(r)
	if err != nil {
		return nil, err
	}
	if address == "" {
		return c.base.RoundTrip(r)
	}
	to, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("reach %s locally: %w", r.URL.Host, err)
	}
	out := r.Clone(r.Context())
	if out.Host == "" {
		out.Host = r.URL.Host
	}
	out.URL.Scheme, out.URL.Host = to.Scheme, to.Host
	res, err := c.local.RoundTrip(out)
	if err != nil {
		return nil, fmt.Errorf("reach %s at the local load balancer: %w", r.URL.Host, err)
	}
	res.Request = r
	return res, nil
}

// find returns the address of the listener that a request is for; "" if no
// load balancer has its domain.
func (c *localTransport) find(r *http.Request) (string, error) {
	all, err := c.addresses(r.Context())
	if err != nil {
		return "", err
	}
	host := strings.ToLower(r.URL.Hostname())
	i := slices.IndexFunc(all, func(a Address) bool {
		return slices.Contains(a.Domains, host) || strings.ToLower(a.DNSName) == host
	})
	if i < 0 {
		return "", nil
	}
	port := r.URL.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[r.URL.Scheme]
	}
	for _, l := range all[i].Listeners {
		if strconv.Itoa(l.Port) == port {
			return l.URL, nil
		}
	}
	return "", fmt.Errorf("reach %s locally: load balancer %s has no listener on port %s", r.URL.Host, all[i].Name, port)
}

func (c *localTransport) addresses(ctx context.Context) ([]Address, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.asked) < remember {
		return c.known, nil
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.endpoint+AddressesPath, nil)
	if err != nil {
		return nil, err
	}
	res, err := c.local.RoundTrip(r)
	if err != nil {
		return nil, fmt.Errorf("ask the local endpoint for its load balancers: %w", err)
	}
	defer res.Body.Close()
	c.known = nil
	// Another program on the loopback address has no such path.
	if res.StatusCode == http.StatusOK {
		if err := json.NewDecoder(res.Body).Decode(&c.known); err != nil {
			return nil, fmt.Errorf("read the local endpoint's load balancers: %w", err)
		}
	}
	c.asked = time.Now()
	return c.known, nil
}
