package balancer

import "slices"

// AddressesPath is where a local endpoint lists its Addresses, as JSON.
const AddressesPath = "/_localaws/balancers"

// Address says where a load balancer is reached on this machine.
type Address struct {
	Name string `json:"name"`
	// DNSName is AWS's name of it, Domains those that lead to it.
	DNSName   string            `json:"dnsName"`
	Domains   []string          `json:"domains"`
	Listeners []ListenerAddress `json:"listeners"`
}

// ListenerAddress is where one listener answers, by plain HTTP.
type ListenerAddress struct {
	Port     int    `json:"port"`
	Protocol string `json:"protocol"`
	// URL is http://127.0.0.1:PORT. Requests to it must carry the domain in
	// their Host header, if rules ask for it.
	URL string `json:"url"`
	// Requests is how many there were, Failed how many of them the load
	// balancer answered by itself with 502, 503 or 504, and TargetErrors how
	// many targets answered with 500 or above.
	Requests     int64 `json:"requests"`
	Failed       int64 `json:"failed"`
	TargetErrors int64 `json:"targetErrors"`
}

// Addresses says where the load balancers answer, in the order of the
// configuration. Domains are not known here, and empty.
func (b *Balancers) Addresses() []Address {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := []Address{}
	for _, lb := range b.balancers {
		a := Address{Name: lb.Name, DNSName: lb.DNSName, Domains: []string{}, Listeners: []ListenerAddress{}}
		for _, config := range lb.Listeners {
			l := b.listeners[config.ARN]
			if l == nil {
				continue
			}
			l.mu.Lock()
			count := l.count
			l.mu.Unlock()
			a.Listeners = append(a.Listeners, ListenerAddress{
				Port: config.Port, Protocol: config.Protocol, URL: "http://" + l.address,
				Requests: count.Requests, Failed: count.Failed, TargetErrors: count.TargetErrors,
			})
		}
		slices.SortFunc(a.Listeners, func(x, y ListenerAddress) int { return x.Port - y.Port })
		all = append(all, a)
	}
	return all
}
