package balancer

import "time"

// Configuration is what the load balancers of a region are to do.
type Configuration struct {
	LoadBalancers []LoadBalancer
	Groups        []TargetGroup
}

// LoadBalancer is one application load balancer.
type LoadBalancer struct {
	ARN, Name string
	// DNSName is AWS's own name of it.
	DNSName   string
	Listeners []Listener
}

// Listener is a port that a load balancer listens on.
type Listener struct {
	ARN      string
	Port     int
	Protocol string // HTTP or HTTPS
	// Idle is how many seconds no byte may pass on a connection; 0 is 60.
	Idle int
	// Rate is how many requests a firewall lets an address make within five minutes;
	// 0 is no bound.
	Rate int
	// Rules are in the order of their priorities, the default one last.
	Rules []Rule
}

// Rule says what happens to requests that meet all its conditions.
type Rule struct {
	// Paths, Hosts and Methods are patterns of which one must match; nil if
	// the rule has no such condition. * stands for any characters, ? for one.
	Paths, Hosts, Methods []string
	// Unmodelled names a condition or action that is not modelled, or is "".
	Unmodelled string
	Action     Action
}

// Action is what a rule does; exactly one field is set.
type Action struct {
	Forward  []Weighted
	Redirect *Redirect
	Fixed    *Fixed
}

// Weighted is a target group and its share of the requests.
type Weighted struct {
	Group  string // ARN
	Weight int
}

// Redirect sends the client to another URL. Its parts may contain #{protocol},
// #{host}, #{port}, #{path} and #{query}, which stand for those of the
// request.
type Redirect struct {
	Protocol, Host, Port, Path, Query string
	Status                            int
}

// Fixed is an answer of the load balancer itself.
type Fixed struct {
	Status            int
	ContentType, Body string
}

// TargetGroup is a target group's settings.
type TargetGroup struct {
	ARN string
	// Delay is the deregistration delay.
	Delay time.Duration
	Check Check
}

// Check is a target group's health check.
type Check struct {
	Path string
	// Port is 0 for the port that the target gets its requests on.
	Port              int
	Interval, Timeout time.Duration
	// Healthy and Unhealthy are how many checks in a row must pass, or fail,
	// to change the state of a target that had one.
	Healthy, Unhealthy int
	// Matcher is the status codes of a pass: "200", "200,302" or "200-299".
	Matcher string
}

// defaults are AWS's settings for a target group that is not described:
// https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html
func defaults(arn string) TargetGroup {
	return TargetGroup{ARN: arn, Delay: 300 * time.Second, Check: Check{
		Path: "/", Interval: 30 * time.Second, Timeout: 5 * time.Second, Healthy: 5, Unhealthy: 2, Matcher: "200",
	}}
}
