package render

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
)

// awkward is text that could break out of a string of HCL, a comment or a
// table, if anything put it there unescaped.
func awkward() []string {
	return []string{
		"", " ", "${var.region}", "%{if true}x%{endif}", "$${x}", "%%{x}", "$", "%", "${", "\"", "\\", `\"`, `\n`, "'", "`",
		"EOT", "<<EOT", "# no comment", "// no comment", "/* */", "-->", "<!--", "a|b", "{\"a\": [1]}", "é — 日本", "🙂", "=", "}", "]", "a, b",
	}
}

// choice draws platforms that are valid by the way they are made.
type choice struct{ *rand.Rand }

func (c choice) of(list ...string) string { return list[c.IntN(len(list))] }
func (c choice) yes() bool                { return c.IntN(2) == 0 }

// name draws a short name that is not among those in use.
func (c choice) name(used map[string]bool) string {
	for {
		n := c.of("a", "api", "web", "worker", "x1", "db2", "mail", "count", "each", "self", "local", "null", "true", "if", "in", "module", "path")
		if c.yes() {
			n += "-" + c.of("a", "0", "v2", "io")
		}
		if !used[n] {
			used[n] = true
			return n
		}
	}
}

// subset draws some of a list, in its order.
func (c choice) subset(list []string) []string {
	var out []string
	for _, e := range list {
		if c.yes() {
			out = append(out, e)
		}
	}
	return out
}

// randomPlatform draws a valid platform.
func randomPlatform(seed uint64) config.Platform {
	c := choice{rand.New(rand.NewPCG(seed, 1))}
	p := configtest.Docs()
	p.Name = c.of("docs", "d", "doc-api", "p2p")
	p.Region = c.of("us-west-2", "eu-central-1", "ap-southeast-4")
	p.AvailabilityZones = nil
	for _, letter := range "abc"[:2+c.IntN(2)] {
		p.AvailabilityZones = append(p.AvailabilityZones, p.Region+string(letter))
	}
	if c.yes() {
		p.ZoneID = "Z0123456789ABCDEFGHIJ"
	}
	p.Repository.Branch = c.of("main", "release/1.x", "a+b")
	p.PostgresVersion = c.of("13", "16", "17")
	if p.RedisVersion = c.of("", "7.0", "7.1"); p.RedisVersion == "" {
		p.ValkeyVersion = c.of("7.2", "8.0", "8.1")
	}
	used := map[string]bool{}
	c.secrets(&p)
	c.services(&p, used)
	c.tasks(&p, used)
	c.environments(&p)
	return p
}

func (c choice) secrets(p *config.Platform) {
	p.Secrets = []config.Secret{{Name: "db-credentials", Kind: config.DatabaseCredentials, Variable: "DB_PASSWORD", Length: 8 + c.IntN(121)}}
	for i := range c.IntN(4) {
		s := config.Secret{Name: fmt.Sprintf("secret-%d", i), Variable: fmt.Sprintf("SECRET_%d", i)}
		if c.yes() {
			s.Kind, s.Length = config.Generated, 8+c.IntN(200)
		} else {
			s.Kind, s.Hint = config.Provided, "x"+c.of(awkward()...)
		}
		p.Secrets = append(p.Secrets, s)
	}
}

// otherSecrets are those that a container may name.
func otherSecrets(p *config.Platform) []string {
	var names []string
	for _, s := range p.Secrets[1:] {
		names = append(names, s.Name)
	}
	return names
}

func (c choice) environment() map[string]string {
	m := map[string]string{}
	for i := range c.IntN(4) {
		m[fmt.Sprintf("X_%d", i)] = c.of(awkward()...)
	}
	return m
}

func (c choice) services(p *config.Platform, used map[string]bool) {
	p.Services = nil
	var names []string
	byDefault := c.IntN(5)
	for i := range 1 + c.IntN(5) {
		s := config.Service{
			Name: c.name(used), Port: 1024 + c.IntN(60000),
			Database: c.yes(), Cache: c.yes(), Calls: c.subset(names), Secrets: c.subset(otherSecrets(p)), Environment: c.environment(),
		}
		switch {
		case i == byDefault:
			s.Default = true
		case c.yes():
			s.Priority = 1 + 100*i
			s.Routes = []string{"/" + s.Name, "/" + s.Name + c.of("/*", `/"a"?`, "/$&+~'@:*")}
		}
		if s.Public() {
			s.HealthPath = c.of("/", "/health", `/a"b?x=${y}`)
		}
		if !s.Public() || c.yes() {
			s.HealthCommand = []string{"CMD", "/bin/check", "x" + c.of(awkward()...)}
		}
		if c.yes() {
			s.Command = []string{"serve", "x" + c.of(awkward()...)}
		}
		if c.yes() {
			s.Permissions = []config.Permission{{Actions: []string{"sqs:*"}, Resources: []string{"arn:aws:sqs:*:123456789012:{environment}-" + s.Name}}}
		}
		if c.yes() {
			s.EntryPoint = []string{"/bin/sh", "-c"}
		}
		if i > 0 && c.yes() && s.Command != nil && p.Services[0].Builds() {
			s.Image.Service = p.Services[0].Name
		}
		if c.yes() {
			s.Health = config.Health{Interval: time.Duration(6+c.IntN(100)) * time.Second, StartPeriod: time.Duration(1+c.IntN(300)) * time.Second}
			s.Timeouts = config.Timeouts{Request: time.Duration(c.IntN(300)) * time.Second, Stop: time.Duration(2+c.IntN(100)) * time.Second}
		}
		if !s.Public() && c.yes() {
			s.Port, s.Timeouts.Request = 0, 0 // a worker
		} else {
			names = append(names, s.Name)
		}
		p.Services = append(p.Services, s)
	}
}

func (c choice) tasks(p *config.Platform, used map[string]bool) {
	p.Tasks = p.Tasks[:1]
	p.Tasks[0].Service = p.Services[0].Name
	for range c.IntN(3) {
		p.Tasks = append(p.Tasks, config.Task{
			Name: c.name(used), Service: p.Services[c.IntN(len(p.Services))].Name,
			Command: []string{"run", c.of(awkward()...), c.of(awkward()...)}, CPU: 1024, Memory: 3072,
			Database: c.yes(), Cache: c.yes(), Secrets: c.subset(otherSecrets(p)), Environment: c.environment(),
		})
	}
}

func (c choice) size(protected bool) config.Size {
	s := []config.Size{{CPU: 256, Memory: 512}, {CPU: 4096, Memory: 30720}, {CPU: 8192, Memory: 20480}, {CPU: 16384, Memory: 122880}}[c.IntN(4)]
	s.EphemeralStorageGiB = c.IntN(2) * 100
	s.MinTasks = 1 + c.IntN(3)
	if protected {
		s.MinTasks++
	} else {
		s.Spot = c.yes()
	}
	s.MaxTasks = s.MinTasks + c.IntN(2)*c.IntN(5)
	if s.Autoscaled() {
		s.TargetCPUPercent = 10 + c.IntN(81)
		s.TargetMemoryPercent = c.IntN(2) * 70
	}
	return s
}

func (c choice) environments(p *config.Platform) {
	p.Environments = nil
	for i, name := range []string{"staging", "production", "eu"}[:1+c.IntN(3)] {
		e := config.Environment{
			Name: name, Subdomain: name, Protected: c.yes(),
			Network:          config.Network{CIDR: fmt.Sprintf("10.%d.0.0/%d", 10*(i+1), 16+c.IntN(5)), NATGateways: 1},
			Database:         config.Database{InstanceClass: c.of("db.t4g.micro", "db.r7g.16xlarge"), StorageGiB: 20 + c.IntN(1000), MaxStorageGiB: 5000, BackupRetentionDays: 7 + c.IntN(29), MultiAZ: true, DeletionProtection: true},
			Cache:            config.Cache{NodeType: c.of("cache.t4g.micro", "cache.r7g.large"), Nodes: 1 + c.IntN(6)},
			Alarms:           config.Alarms{CPUPercent: 1 + c.IntN(99), MemoryPercent: 1 + c.IntN(99), HTTP5xx: 1 + c.IntN(100), Period: time.Duration(1+c.IntN(60)) * time.Minute},
			LogRetentionDays: []int{1, 14, 3653}[c.IntN(3)],
		}
		e.Size = c.size(e.Protected)
		if c.yes() {
			e.Sizes = map[string]config.Size{p.Services[0].Name: c.size(e.Protected)}
		}
		if c.yes() {
			e.Variables = map[string]map[string]string{p.Services[0].Name: c.environment(), p.Tasks[0].Name: {"LIMIT": c.of(awkward()...)}}
		}
		if c.yes() {
			e.Network.NATGateways = len(p.AvailabilityZones)
		}
		if e.Protected || c.yes() {
			e.Alarms.Emails = []string{"on-call@specboard.io", "a+b@specboard.io"}
		}
		if i == 0 && c.yes() {
			e.Subdomain = ""
		}
		if i > 0 && c.yes() {
			e.Proof = &config.Proof{From: p.Environments[i-1].Name, MinimumBake: time.Hour}
		}
		p.Environments = append(p.Environments, e)
	}
}
