package config

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Conditions of a Dependency.
const (
	conditionStart    = "START"
	conditionHealthy  = "HEALTHY"
	conditionComplete = "COMPLETE"
	conditionSuccess  = "SUCCESS"
)

const (
	fluentBit = "fluentbit"
	fluentd   = "fluentd"

	mostSidecars = 9 // ECS takes ten containers
)

// Router is the sidecar that routes what the service's own container logs.
func (s Service) Router() (Sidecar, bool) {
	return find(s.Sidecars, func(c Sidecar) bool { return c.LogRouter.Type != "" })
}

// LogsElsewhere names the sidecar that sends the service's log to another place
// than CloudWatch; "" if none does.
func (s Service) LogsElsewhere() string {
	if r, ok := s.Router(); ok && len(r.LogRouter.Options) > 0 {
		return r.Name
	}
	return ""
}

// AllSecrets are the names of the secrets that any container of the service's
// tasks receives, each once.
func (s Service) AllSecrets() []string {
	all := slices.Clone(s.Secrets)
	for _, c := range s.Sidecars {
		all = append(all, c.Secrets...)
		all = append(all, slices.Collect(maps.Values(c.LogRouter.Secrets))...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// LogStream is the log stream of a service's or one-off task's container in its
// LogGroup, without the task's id at the end. FireLens names its streams differently.
func (p Platform) LogStream(name, container string) string {
	if s, ok := p.Service(name); ok && container == name {
		if _, routed := s.Router(); routed {
			return name + "/" + name + "-firelens-"
		}
	}
	return name + "/" + container + "/"
}

var (
	imagePattern   = regexp.MustCompile(`^([a-zA-Z0-9.-]+(:[0-9]+)?/)?[a-z0-9]+([._/-]+[a-z0-9]+)*(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(@sha256:[0-9a-f]{64})?$`)
	privatePattern = regexp.MustCompile(`^[0-9]{12}\.dkr[.-]ecr(-fips)?\.`)
)

// sidecars checks the further containers of a service's tasks.
func (c *checker) sidecars(path string, s Service) {
	c.must(len(s.Sidecars) <= mostSidecars, path+".sidecars", literal(plural(len(s.Sidecars), "sidecar")), "are more than the nine that ECS runs beside a service's container", nil)
	used := firsts(s.Sidecars, func(o Sidecar) string { return o.Name })
	ports := portsOf(s)
	if _, routed := s.Router(); routed {
		first, taken := ports[routerPort]
		c.must(!taken, path+".ports", routerPort, "is "+first+", and a log router listens on it", 9090)
		ports[routerPort] = "the log router's"
	}
	router := ""
	for i, o := range s.Sidecars {
		at := element(path+".sidecars", i, o.Name, used)
		if c.name(at+".name", o.Name, "otel") && c.must(used[o.Name] == i, at+".name", o.Name, "is declared twice", o.Name+"-2") {
			c.must(o.Name != s.Name, at+".name", o.Name, "is the service's own container", o.Name+"-sidecar")
			c.must(len(o.Name) <= 255, at+".name", o.Name, "is longer than the 255 characters that ECS gives a container's name", "otel")
			c.must(!strings.HasPrefix(o.Name, connectPrefix), at+".name", o.Name, "begins as the name of Service Connect's own container", "otel")
		}
		c.sidecarImage(at+".image", o.Image)
		c.words(at+".entryPoint", o.EntryPoint, "/bin/sh")
		c.words(at+".command", o.Command, "--config=/etc/otel.yaml")
		c.healthCommand(at+".healthCommand", o.HealthCommand)
		for j, port := range o.Ports {
			of := indexed(at+".ports", j)
			if c.must(isPort(port), of, port, portRule, 4317) {
				first, taken := ports[port]
				c.must(!taken, of, port, "is "+first+" already, and containers of a task share its ports", nil)
				ports[port] = "sidecar " + show(o.Name) + "'s"
			}
		}
		c.must(o.CPU >= 0, at+".cpu", o.CPU, "is not a number of CPU units", 64)
		c.must(o.Memory == 0 || o.Memory >= 6, at+".memory", o.Memory, "is not memory that ECS gives a container, 6 MiB or more, or 0 for what the others leave", 128)
		c.secretReferences(at, false, o.Secrets)
		c.variables(at, container{secrets: o.Secrets, environment: o.Environment})
		c.dependencies(at+".dependsOn", o.Name, o.DependsOn, s)
		c.logRouter(at+".logRouter", o, router)
		if o.LogRouter.Type != "" && router == "" {
			router = o.Name
		}
	}
	c.dependencies(path+".dependsOn", s.Name, s.DependsOn, s)
	c.circle(path, s)
}

// portsOf maps the ports of a service's own container to what a problem calls them.
func portsOf(s Service) map[int]string {
	ports := map[int]string{}
	if s.Port != 0 {
		ports[s.Port] = "the service's port"
	}
	for _, p := range s.Ports {
		ports[p.Number] = "the service's port " + show(p.Name)
	}
	return ports
}

func (c *checker) sidecarImage(path, image string) {
	const example = "public.ecr.aws/aws-observability/aws-otel-collector:v0.43.3"
	if !c.must(len(image) <= 255 && imagePattern.MatchString(image), path, image, "is not an image: a registry, a repository in lower case and a tag or a digest", example) {
		return
	}
	name, digest, _ := strings.Cut(image, "@")
	_, tag, _ := strings.Cut(name[strings.LastIndex(name, "/")+1:], ":")
	c.must(digest != "" || tag != "", path, image, "has neither a tag nor a digest, which means latest, whatever that is when a task starts", example)
	c.must(digest != "" || tag != "latest", path, image, "is whatever was pushed last when a task starts: name a version or a digest", example)
	own := c.Registry() + "/" + c.Name + "/"
	c.must(!privatePattern.MatchString(image) || strings.HasPrefix(image, own), path, image, "is in a private registry from which the service's role may not pull; the platform's own is "+own, example)
}

// dependencies checks what a container waits for.
func (c *values) dependencies(path, name string, all []Dependency, s Service) {
	for i, d := range all {
		at := indexed(path, i)
		if !c.must(!slices.ContainsFunc(all[:i], func(o Dependency) bool { return o.Container == d.Container }), at+".container", d.Container, "is listed twice", nil) {
			continue
		}
		j := slices.IndexFunc(s.Sidecars, func(o Sidecar) bool { return o.Name == d.Container && o.Name != name })
		if j < 0 {
			c.must(false, at+".container", d.Container, "is no other sidecar of the service", mostAlike(d.Container, slices.DeleteFunc(names(s.Sidecars, func(o Sidecar) string { return o.Name }), func(o string) bool { return o == name })))
			continue
		}
		of := s.Sidecars[j]
		switch d.Condition {
		case conditionStart:
		case conditionHealthy:
			c.must(len(of.HealthCommand) > 0, at+".condition", d.Condition, "never comes: "+show(of.Name)+" has no healthCommand", conditionStart)
		case conditionComplete, conditionSuccess:
			c.must(of.Optional, at+".condition", d.Condition, "would end the task: "+show(of.Name)+" is not optional", literal("Optional: true"))
		default:
			c.must(false, at+".condition", d.Condition, "is not what a container may wait for: START, HEALTHY, COMPLETE or SUCCESS", conditionStart)
		}
	}
}

// circle finds sidecars that wait for each other.
func (c *values) circle(path string, s Service) {
	waits := map[string][]Dependency{}
	for _, o := range s.Sidecars {
		waits[o.Name] = o.DependsOn
	}
	var leads func(from, to string, seen map[string]bool) bool
	leads = func(from, to string, seen map[string]bool) bool {
		return slices.ContainsFunc(waits[from], func(d Dependency) bool {
			if d.Container == to && from != to {
				return true
			}
			if seen[d.Container] {
				return false
			}
			seen[d.Container] = true
			return leads(d.Container, to, seen)
		})
	}
	for _, o := range s.Sidecars {
		if leads(o.Name, o.Name, map[string]bool{o.Name: true}) {
			c.must(false, keyed(path+".sidecars", o.Name)+".dependsOn", nil, "leads back to "+show(o.Name)+" itself, so none of them would start", nil)
		}
	}
}

// logRouter checks a FireLens router, of which a service has one.
func (c *checker) logRouter(path string, o Sidecar, first string) {
	r := o.LogRouter
	if r.Type == "" {
		c.must(len(r.Options)+len(r.Secrets) == 0, path+".type", nil, "none, so the other fields have no effect", fluentBit)
		return
	}
	c.must(r.Type == fluentBit || r.Type == fluentd, path+".type", r.Type, "is no program that FireLens knows: fluentbit or fluentd", fluentBit)
	c.must(first == "", path+".type", r.Type, "makes a second router of the service's log, which "+show(first)+" routes", nil)
	c.must(!o.Optional, path+".type", r.Type, "routes the service's log, so the sidecar may not be optional", literal("Optional: false"))
	c.must(r.Type != fluentd || len(r.Options) > 0, path+".options", nil, "none, and only Fluent Bit sends to CloudWatch by itself", literal(`map[string]string{"@type": "…"}`))
	key := map[string]string{fluentBit: "Name", fluentd: "@type"}[r.Type]
	_, named := r.Options[key]
	c.must(len(r.Options) == 0 || key == "" || named, path+".options", nil, "lack "+show(key)+", the name of the output, without which FireLens starts no task", literal(`map[string]string{"`+key+`": "…"}`))
	c.must(len(r.Options) > 0 || len(r.Secrets) == 0, path+".secrets", nil, "have no effect: without options the log goes to CloudWatch", nil)
	for _, option := range slices.Sorted(maps.Keys(r.Options)) {
		c.must(option != "" && isPrintable(option) && isPrintable(r.Options[option]), keyed(path+".options", option), literal("it"), printableRule, "datadog")
	}
	for _, option := range slices.Sorted(maps.Keys(r.Secrets)) {
		at := keyed(path+".secrets", option)
		c.must(option != "" && isPrintable(option), at, literal("the option"), printableRule, "apikey")
		_, twice := r.Options[option]
		c.must(!twice, at, nil, "is one of the options as well", nil)
		name := r.Secrets[option]
		secret, ok := c.Secret(name)
		if !ok {
			c.must(false, at, name, "is not a secret", mostAlike(name, c.SecretNames()))
			continue
		}
		c.must(secret.Kind != DatabaseCredentials && secret.Kind != DatabaseRole, at, name, "holds the database's credentials, which no log router needs", nil)
	}
}

// sidecarsFit checks that sidecars leave a service's own container something of the
// size of its tasks in an environment.
func (c *checker) sidecarsFit(path string, e Environment) {
	for _, s := range c.Services {
		at := sizePath(path, e, s.Name)
		size, cpu, memory := e.SizeOf(s.Name), 0, 0
		for _, o := range s.Sidecars {
			cpu, memory = cpu+o.CPU, memory+o.Memory
		}
		c.must(cpu == 0 || cpu < size.CPU, at+".cpu", size.CPU, "leaves nothing to service "+show(s.Name)+", whose sidecars are granted "+strconv.Itoa(cpu), nil)
		c.must(memory == 0 || memory < size.Memory, at+".memory", size.Memory, "MiB leaves nothing to service "+show(s.Name)+", whose sidecars are granted "+strconv.Itoa(memory), nil)
	}
}

// sidecarBytes estimates what sidecars add to a task definition: their own fields, the
// ARN of each secret, and what every container has.
func sidecarBytes(s Service) int {
	text, err := json.Marshal(s.Sidecars)
	if err != nil {
		return 0 // texts and numbers always encode
	}
	size := len(text)
	for _, o := range s.Sidecars {
		size += 512 + 200*(len(o.Secrets)+len(o.LogRouter.Secrets))
	}
	return size
}

// routerPort is where FireLens listens for the logs of a task.
const routerPort = 24224
