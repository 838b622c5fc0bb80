package config

import (
	"cmp"
	"regexp"
	"strings"
	"time"
)

// seconds checks a duration that is zero or whole seconds within bounds.
func (c *values) seconds(path string, d, least, most, example time.Duration) bool {
	return c.must(d == 0 || d%time.Second == 0 && d >= least && d <= most, path, d,
		"is not a number of whole seconds, "+least.String()+" to "+most.String(), example)
}

var matcherPattern = regexp.MustCompile(`^[2-4][0-9]{2}(-[2-4][0-9]{2}|(,[2-4][0-9]{2})*)$`)

// health checks how a service's tasks are found healthy, and refuses what
// nothing reads: the load balancer's settings of a service without routes.
func (c *values) health(path string, s Service) {
	h, t := s.Health, s.Timeouts
	const unread = "has no effect: the service has no routes, so no load balancer reads it"
	if s.Public() {
		c.must(isPath(s.HealthPath), path+".healthPath", s.HealthPath,
			"is not the path of a URL: a slash, then up to 1023 printable ASCII characters without spaces", "/health")
		if c.must(h.Matcher == "" || matcherPattern.MatchString(h.Matcher), path+".health.matcher", h.Matcher,
			"is not codes of HTTP, 200 to 499, with commas or one hyphen between them", "200-204") {
			low, high, ranges := strings.Cut(h.Matcher, "-")
			c.must(!ranges || low < high, path+".health.matcher", h.Matcher, "does not begin with the lower code", "200-204")
		}
		c.seconds(path+".timeouts.drain", t.Drain, time.Second, time.Hour, 30*time.Second)
	} else {
		c.must(s.HealthPath == "", path+".healthPath", s.HealthPath, unread, literal("HealthCommand"))
		c.must(h.Matcher == "", path+".health.matcher", h.Matcher, unread, nil)
		c.must(t.Drain == 0, path+".timeouts.drain", t.Drain, unread, nil)
		c.must(len(s.HealthCommand) > 0, path+".healthCommand", nil,
			"none, and the service has no routes: ECS would call a task healthy as soon as it runs", literal(`{"CMD-SHELL", "wget -q -O- localhost:3003/health"}`))
	}
	c.healthCommand(path+".healthCommand", s.HealthCommand)
	c.seconds(path+".health.interval", h.Interval, 5*time.Second, 5*time.Minute, 10*time.Second)
	c.seconds(path+".health.startPeriod", h.StartPeriod, time.Second, 5*time.Minute, time.Minute)
	c.must(h.Retries == 0 || h.Retries >= 2 && h.Retries <= 10, path+".health.retries", h.Retries, "is not a number of failures, 2 to 10", 3)
	interval := cmp.Or(h.Interval, 10*time.Second)
	if timeout := cmp.Or(h.Timeout, 5*time.Second); c.seconds(path+".health.timeout", h.Timeout, 2*time.Second, time.Minute, 5*time.Second) {
		c.must(timeout < interval, path+".health.timeout", timeout, "is not shorter than the interval, "+interval.String(), interval-time.Second)
	}
	c.seconds(path+".timeouts.stop", t.Stop, 2*time.Second, 2*time.Minute, 30*time.Second)
	if c.seconds(path+".timeouts.idle", t.Idle, time.Second, time.Hour, 5*time.Minute) &&
		c.seconds(path+".timeouts.request", t.Request, time.Second, time.Hour, 15*time.Second) {
		idle := cmp.Or(t.Idle, 5*time.Minute)
		c.must(t.Request <= idle, path+".timeouts.request", t.Request, "has no effect: a silent connection ends after "+idle.String()+", the idle timeout", idle)
	}
}

func (c *values) healthCommand(path string, command []string) {
	if len(command) == 0 {
		return
	}
	ok := command[0] == "CMD" && len(command) > 1 || command[0] == "CMD-SHELL" && len(command) == 2
	c.must(ok, path, literal("it"), `is neither "CMD" and the words of a command nor "CMD-SHELL" and one line for a shell`, literal(`{"CMD", "/bin/check"}`))
	for i, word := range command {
		at := indexed(path, i)
		c.must(word != "" && isPrintable(word), at, word, printableRule, "/bin/check")
	}
}
