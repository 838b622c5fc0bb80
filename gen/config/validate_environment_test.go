package config_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/specboard/platform/gen/config"
)

func TestInvalidEnvironment(t *testing.T) {
	t.Parallel()
	type P = config.Platform
	staging := func(change func(*config.Environment)) func(*P) {
		return func(p *P) { change(&p.Environments[0]) }
	}
	checkInvalid(t, []invalid{
		{"environment without a name", func(p *P) { e := preview(); e.Name = ""; p.Environments = append(p.Environments, e) }, `environments[2].name: "" is not lower-case letters, digits and single hyphens between them, beginning with a letter; for example "staging"`},
		{"logs for too long", func(p *P) { p.Environments[0].AccessLogDays, p.Environments[1].Network.FlowLogDays = -1, 3651 }, `
environments["staging"].accessLogDays: -1 is not a number of days to keep logs for, 1 to 3650, or 0 for none; for example 30
environments["production"].network.flowLogDays: 3651 is not a number of days to keep logs for, 1 to 3650, or 0 for none; for example 30
`},
		{"more tasks than addresses", func(p *P) {
			p.Environments[0].Network.CIDR = "10.10.0.0/20"
			p.Environments[0].Size = config.Size{CPU: 256, Memory: 512, MinTasks: 1, MaxTasks: 84, TargetCPUPercent: 60}
		}, `environments["staging"].network.cidr: "10.10.0.0/20" has 502 addresses for tasks, and up to 506 run when all services have twice maxTasks, which they have while they are deployed; a network's block cannot be changed later`},
		{"addresses that are none", func(p *P) {
			p.Environments[0].AllowedCIDRs = []string{"192.0.2.7", "2001:db8::/32", "192.0.2.7/24", "0.0.0.0/0", "192.0.2.7/32", "192.0.2.7/32"}
			for i := range 31 {
				p.Environments[1].AllowedCIDRs = append(p.Environments[1].AllowedCIDRs, fmt.Sprintf("192.0.2.%d/32", i))
			}
		}, `
environments["staging"].allowedCIDRs[0]: "192.0.2.7" is not a block of IPv4 addresses; for example "203.0.113.7/32"
environments["staging"].allowedCIDRs[1]: "2001:db8::/32" is not a block of IPv4 addresses; for example "203.0.113.7/32"
environments["staging"].allowedCIDRs[2]: "192.0.2.7/24" is not the address of a network: it has bits set behind the prefix; for example "192.0.2.0/24"
environments["staging"].allowedCIDRs[3]: "0.0.0.0/0" allows everybody, as an empty list does; for example nil
environments["staging"].allowedCIDRs[5]: "192.0.2.7/32" is listed twice
environments["production"].allowedCIDRs: 31 blocks are more than 30: each takes two of the 60 rules that a security group has; for example larger blocks
`},
		{"parameters that RDS does not take", func(p *P) {
			p.Environments[0].Database.Parameters = map[string]string{"Work Mem": "1", "rds.force_ssl": "0", "work_mem": ""}
		}, `
environments["staging"].database.parameters["Work Mem"]: is not the name of a parameter of PostgreSQL; for example "work_mem"
environments["staging"].database.parameters["rds.force_ssl"]: "0" is the platform's own: connections without TLS are refused
environments["staging"].database.parameters["work_mem"]: "" is not a value of a parameter, as RDS takes it: without unit, printable, up to 1024 characters; for example "16384"
`},
		{"environment named shared", func(p *P) { e := preview(); e.Name = "shared"; p.Environments = append(p.Environments, e) }, `environments["shared"].name: "shared" is the root of what exists once per account; for example "staging"`},
		{"variables of nothing", staging(func(e *config.Environment) { e.Variables = map[string]map[string]string{"apis": {"A": "b"}} }), `environments["staging"].variables["apis"]: are the variables of no service or task; for example "api"`},
		{"variable here that the platform sets", staging(func(e *config.Environment) { e.Variables = map[string]map[string]string{"api": {"DB_HOST": "x"}} }), `environments["staging"].variables["api"]["DB_HOST"]: "DB_HOST" is a variable that the platform sets; for example "CUSTOM_DB_HOST"`},
		{"variable here that a secret sets", staging(func(e *config.Environment) {
			e.Variables = map[string]map[string]string{"seed": {"SUPERADMIN_PASSWORD": "x"}}
		}), `environments["staging"].variables["seed"]["SUPERADMIN_PASSWORD"]: "SUPERADMIN_PASSWORD" is a variable that secret "superadmin-password" sets; for example "CUSTOM_SUPERADMIN_PASSWORD"`},
		{"variable here without a name", staging(func(e *config.Environment) { e.Variables = map[string]map[string]string{"api": {"log level": "x"}} }), `environments["staging"].variables["api"]["log level"]: "log level" is not the name of an environment variable: letters, digits and underscores, not beginning with a digit; for example "LOG_LEVEL"`},
		{"variables here larger than a task definition", staging(func(e *config.Environment) {
			e.Variables = map[string]map[string]string{"api": {"TEXT": strings.Repeat("x", 70000)}}
		}), `environments["staging"].variables["api"]: its variables, secrets and command make a task definition of about 72 KiB, where ECS takes 64`},
		{"environment twice", func(p *P) { e := preview(); e.Name = "staging"; p.Environments = append(p.Environments, e) }, `environments[2].name: "staging" is declared twice; for example "staging-2"`},
		{"environment too long for its database", func(p *P) {
			e := preview()
			e.Name = "preview-of-the-future-of-every-customer-we-have"
			p.Environments = append(p.Environments, e)
		}, `environments["preview-of-the-future-of-every-customer-we-have"].name: "preview-of-the-future-of-every-customer-we-have" makes the environment's name "doc-platform-preview-of-the-future-of-every-customer-we-have" 60 characters long, where the limits of AWS on the names that begin with it leave 49; for example "preview-of-the-future-of-every-custo"`},
		{"environments whose names run together", func(p *P) {
			e := preview()
			e.Name = "staging-eu"
			p.Environments = append(p.Environments, e)
			p.Services = append(p.Services, config.Service{Name: "eu-api", Port: 3003, HealthCommand: []string{"CMD-SHELL", "wget -q -O- localhost:3003/health"}})
		}, `environments["staging-eu"].name: "staging-eu" begins with "staging-", as all that belongs to "staging" does, and that environment's deploy role reaches it; for example "stagingeu"`},
		{"subdomain with the domain's capitals", staging(func(e *config.Environment) { e.Subdomain = "Staging" }), `environments["staging"].subdomain: "Staging" is not the labels of a DNS name in lower case, without the domain; for example "staging"`},
		{"subdomain of another environment", func(p *P) { e := preview(); e.Subdomain = "staging"; p.Environments = append(p.Environments, e) }, `environments["preview"].subdomain: "staging" is that of "staging" already; for example "preview"`},
		{"apex twice", staging(func(e *config.Environment) { e.Subdomain = "" }), `environments["production"].subdomain: "" is that of "staging" already; for example "production"`},
		{"subdomain too long for a certificate", staging(func(e *config.Environment) { e.Subdomain = strings.Repeat("s", 52) }), `environments["staging"].subdomain: "ssssssssssssssssssssssssssssssssssssssssssssssssssss" makes a name of 65 characters, and a certificate's may have 64; for example "staging"`},
		{"CPU alarm that never rings", staging(func(e *config.Environment) { e.Alarms.CPUPercent = 100 }), `environments["staging"].alarms.cpuPercent: 100 is not a percentage that can be exceeded, 1 to 99; for example 80`},
		{"no memory alarm", staging(func(e *config.Environment) { e.Alarms.MemoryPercent = 0 }), `environments["staging"].alarms.memoryPercent: 0 is not a percentage that can be exceeded, 1 to 99; for example 80`},
		{"alarms of nothing", staging(func(e *config.Environment) { e.Alarms.ResponseTime, e.Alarms.Connections = time.Hour, -1 }), `
environments["staging"].alarms.responseTime: 1h0m0s is not a number of whole milliseconds, 10ms to 1m0s; for example 2s
environments["staging"].alarms.connections: -1 is not a number of connections that PostgreSQL takes, 1 to 262143, or 0 for 80 % of the instance's; for example 60
`},
		{"no alarm of errors", staging(func(e *config.Environment) { e.Alarms.HTTP5xx = 0 }), `environments["staging"].alarms.http5xx: 0 is not a number of responses, 1 to 1000000; for example 10`},
		{"alarm over half minutes", staging(func(e *config.Environment) { e.Alarms.Period = 90 * time.Second }), `environments["staging"].alarms.period: 1m30s is not a number of whole minutes, up to a day; for example 5m0s`},
		{"alarm over a week", staging(func(e *config.Environment) { e.Alarms.Period = 7 * 24 * time.Hour }), `environments["staging"].alarms.period: 168h0m0s is not a number of whole minutes, up to a day; for example 5m0s`},
		{"alarm to nobody", staging(func(e *config.Environment) { e.Alarms.Emails = []string{"on-call"} }), `environments["staging"].alarms.emails[0]: "on-call" is not an e-mail address; for example "on-call@shop.io"`},
		{"alarm to somebody twice", staging(func(e *config.Environment) { e.Alarms.Emails = []string{"a@specboard.io", "a@specboard.io"} }), `environments["staging"].alarms.emails[1]: "a@specboard.io" is listed twice`},
		{"alarm to an address of documents", func(p *P) { p.Environments[1].Alarms.Emails = []string{"on-call@mail.example.com"} }, `environments["production"].alarms.emails[0]: "on-call@mail.example.com" is an address that nobody can have: its domain is reserved for documents and tests; for example "on-call@shop.io"`},
		{"alarm to an address of tests", staging(func(e *config.Environment) { e.Alarms.Emails = []string{"on-call@staging.test"} }), `environments["staging"].alarms.emails[0]: "on-call@staging.test" is an address that nobody can have: its domain is reserved for documents and tests; for example "on-call@shop.io"`},
		{"alarms that nobody hears", func(p *P) { p.Environments[1].Alarms.Emails = nil }, `environments["production"].alarms.emails: none: a protected environment has alarms that somebody hears; for example {"on-call@shop.io"}`},
		{"logs for ten days", staging(func(e *config.Environment) { e.LogRetentionDays = 10 }), `environments["staging"].logRetentionDays: 10 is not a period that CloudWatch keeps logs for: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096 … 3653 days; for example 30`},
		{"proof from an unknown environment", func(p *P) { p.Environments[1].Proof.From = "stage" }, `environments["production"].proof.from: "stage" is not an environment; for example "staging"`},
		{"proof from itself", func(p *P) { p.Environments[1].Proof.From = "production" }, `environments["production"].proof.from: "production" is the environment itself: a release would have to run here before it may; for example "staging"`},
		{"proofs in a circle", staging(func(e *config.Environment) { e.Proof = &config.Proof{From: "production"} }), `environments["staging"].proof.from: "production" closes a circle of proofs, which no release can enter: staging → production → staging; for example no proof`},
		{"proof of less than no time", func(p *P) { p.Environments[1].Proof.MinimumBake = -time.Minute }, `environments["production"].proof.minimumBake: -1m0s is not a time between none and 30 days; for example 10m0s`},
		{"proof of half a year", func(p *P) { p.Environments[1].Proof.MinimumBake = 182 * 24 * time.Hour }, `environments["production"].proof.minimumBake: 4368h0m0s is not a time between none and 30 days; for example 10m0s`},
	})
}

func TestInvalidNetwork(t *testing.T) {
	t.Parallel()
	type P = config.Platform
	cidr := func(s string) func(*P) { return func(p *P) { p.Environments[0].Network.CIDR = s } }
	checkInvalid(t, []invalid{
		{"not a block", cidr("10.10.0.0"), `environments["staging"].network.cidr: "10.10.0.0" is not a /16 to /20 IPv4 block; for example "10.10.0.0/16"`},
		{"block too large", cidr("10.0.0.0/8"), `environments["staging"].network.cidr: "10.0.0.0/8" is not a /16 to /20 IPv4 block; for example "10.10.0.0/16"`},
		{"block too small", cidr("10.10.0.0/21"), `environments["staging"].network.cidr: "10.10.0.0/21" is not a /16 to /20 IPv4 block; for example "10.10.0.0/16"`},
		{"block of IPv6", cidr("fd00::/16"), `environments["staging"].network.cidr: "fd00::/16" is not a /16 to /20 IPv4 block; for example "10.10.0.0/16"`},
		{"block with an address in it", cidr("10.10.5.1/16"), `environments["staging"].network.cidr: "10.10.5.1/16" is not the address of a network: it has bits set behind the prefix; for example "10.10.0.0/16"`},
		{"public block", cidr("11.10.0.0/16"), `environments["staging"].network.cidr: "11.10.0.0/16" is not private: outside 10.0.0.0/8, 172.16.0.0/12 and 192.168.0.0/16 it would hide a part of the internet; for example "10.10.0.0/16"`},
		{"block half private", cidr("172.32.0.0/16"), `environments["staging"].network.cidr: "172.32.0.0/16" is not private: outside 10.0.0.0/8, 172.16.0.0/12 and 192.168.0.0/16 it would hide a part of the internet; for example "10.10.0.0/16"`},
		{"overlapping blocks", cidr("10.20.128.0/20"), `environments["production"].network.cidr: "10.20.0.0/16" overlaps "10.20.128.0/20" of "staging", so the two could never be connected; for example "10.10.0.0/16"`},
		{"no NAT gateway", func(p *P) { p.Environments[0].Network.NATGateways = 0 }, `environments["staging"].network.natGateways: 0 is neither 1 nor one per availability zone (2); for example 1`},
		{"more NAT gateways than zones", func(p *P) { p.Environments[0].Network.NATGateways = 3 }, `environments["staging"].network.natGateways: 3 is neither 1 nor one per availability zone (2); for example 1`},
	})
}

func TestInvalidStores(t *testing.T) {
	t.Parallel()
	type P = config.Platform
	database := func(change func(*config.Database)) func(*P) {
		return func(p *P) { change(&p.Environments[0].Database) }
	}
	cache := func(c config.Cache) func(*P) { return func(p *P) { p.Environments[0].Cache = c } }
	checkInvalid(t, []invalid{
		{"instance class without its kind", database(func(d *config.Database) { d.InstanceClass = "t4g.micro" }), `environments["staging"].database.instanceClass: "t4g.micro" is not an instance class of PostgreSQL on RDS: db, family and size, with dots between; for example "db.t4g.micro"`},
		{"instance class of no family", database(func(d *config.Database) { d.InstanceClass = "db.t9g.micro" }), `environments["staging"].database.instanceClass: "db.t9g.micro" is not an instance class of PostgreSQL on RDS, whose families are t3, t4g, m5, m5d, m6g, m6gd, m6i, m6id, m6idn, m6in, m7g, m7i, m8g, m8gd, r5, r5b, r5d, r6g, r6gd, r6i, r6id, r6idn, r6in, r7g, r7i, r8g, r8gd, x2g, x2idn, x2iedn; for example "db.t4g.micro"`},
		{"instance class of no size", database(func(d *config.Database) { d.InstanceClass = "db.t4g.nano" }), `environments["staging"].database.instanceClass: "db.t4g.nano" is not an instance class of PostgreSQL on RDS: t4g comes in micro, small, medium, large, xlarge, 2xlarge; for example "db.t4g.micro"`},
		{"storage too small", database(func(d *config.Database) { d.StorageGiB = 10 }), `environments["staging"].database.storageGiB: 10 is not storage that gp3 offers, 20 to 65536 GiB; for example 20`},
		{"storage that cannot grow", database(func(d *config.Database) { d.StorageGiB, d.MaxStorageGiB = 100, 105 }), `environments["staging"].database.maxStorageGiB: 105 does not let the storage of 100 GiB grow by a tenth, and to 65536 at most, as RDS's storage autoscaling wants it; for example 220`},
		{"storage without an end", database(func(d *config.Database) { d.MaxStorageGiB = 70000 }), `environments["staging"].database.maxStorageGiB: 70000 does not let the storage of 20 GiB grow by a tenth, and to 65536 at most, as RDS's storage autoscaling wants it; for example 100`},
		{"no backups", database(func(d *config.Database) { d.BackupRetentionDays = 0 }), `environments["staging"].database.backupRetentionDays: 0 is not a number of days that RDS keeps backups for, 1 to 35; without any there is no point-in-time recovery; for example 7`},
		{"backups of two months", database(func(d *config.Database) { d.BackupRetentionDays = 60 }), `environments["staging"].database.backupRetentionDays: 60 is not a number of days that RDS keeps backups for, 1 to 35; without any there is no point-in-time recovery; for example 7`},
		{"node type of the database", cache(config.Cache{NodeType: "db.t4g.micro", Nodes: 1}), `environments["staging"].cache.nodeType: "db.t4g.micro" is not a node type of Redis on ElastiCache: cache, family and size, with dots between; for example "cache.t4g.micro"`},
		{"node type of no size", cache(config.Cache{NodeType: "cache.t4g.large", Nodes: 1}), `environments["staging"].cache.nodeType: "cache.t4g.large" is not a node type of Redis on ElastiCache: t4g comes in micro, small, medium; for example "cache.t4g.micro"`},
		{"no nodes", cache(config.Cache{NodeType: "cache.t4g.micro"}), `environments["staging"].cache.nodes: 0 is not a number of nodes: the primary and up to five replicas; for example 2`},
		{"seven nodes", cache(config.Cache{NodeType: "cache.t4g.micro", Nodes: 7}), `environments["staging"].cache.nodes: 7 is not a number of nodes: the primary and up to five replicas; for example 2`},
	})
}

func TestInvalidSize(t *testing.T) {
	t.Parallel()
	type P = config.Platform
	size := func(s config.Size) func(*P) { return func(p *P) { p.Environments[0].Size = s } }
	checkInvalid(t, []invalid{
		{"no size", size(config.Size{}), `
environments["staging"].size.cpu: 0 is not a size of Fargate: 256, 512, 1024, 2048, 4096, 8192 or 16384 CPU units; for example 256
environments["staging"].size.minTasks: 0 is not a number of tasks, 1 to 1000; for example 2
`},
		{"memory below the pair", size(config.Size{CPU: 1024, Memory: 1024, MinTasks: 1, MaxTasks: 1}), `environments["staging"].size.memory: 1024 MiB is not what Fargate pairs with 1024 CPU units: 2048 to 8192 in steps of 1024; for example 2048`},
		{"memory above the pair", size(config.Size{CPU: 4096, Memory: 32768, MinTasks: 1, MaxTasks: 1}), `environments["staging"].size.memory: 32768 MiB is not what Fargate pairs with 4096 CPU units: 8192 to 30720 in steps of 1024; for example 30720`},
		{"memory between the steps of 8 vCPU", size(config.Size{CPU: 8192, Memory: 17408, MinTasks: 1, MaxTasks: 1}), `environments["staging"].size.memory: 17408 MiB is not what Fargate pairs with 8192 CPU units: 16384 to 61440 in steps of 4096; for example 20480`},
		{"memory between the steps of 16 vCPU", size(config.Size{CPU: 16384, Memory: 36864, MinTasks: 1, MaxTasks: 1}), `environments["staging"].size.memory: 36864 MiB is not what Fargate pairs with 16384 CPU units: 32768 to 122880 in steps of 8192; for example 40960`},
		{"fewer at most than at least", size(config.Size{CPU: 256, Memory: 512, MinTasks: 2, MaxTasks: 1}), `environments["staging"].size.maxTasks: 1 is not a number of tasks from minTasks (2) to 1000; for example 2`},
		{"too many tasks", size(config.Size{CPU: 256, Memory: 512, MinTasks: 1, MaxTasks: 2000, TargetCPUPercent: 60}), `environments["staging"].size.maxTasks: 2000 is not a number of tasks from minTasks (1) to 1000; for example 2`},
		{"autoscaling without a target", size(config.Size{CPU: 256, Memory: 512, MinTasks: 1, MaxTasks: 2}), `environments["staging"].size.targetCPUPercent: 0 is not a percentage that autoscaling can aim at, 10 to 90; for example 60`},
		{"target without autoscaling", size(config.Size{CPU: 256, Memory: 512, MinTasks: 2, MaxTasks: 2, TargetCPUPercent: 60}), `environments["staging"].size.targetCPUPercent: 60 has no effect: the service does not scale while maxTasks is minTasks; for example 0`},
		{"size of an unknown service", func(p *P) {
			p.Environments[0].Sizes = map[string]config.Size{"apy": {CPU: 512, Memory: 1024, MinTasks: 1, MaxTasks: 1}}
		}, `environments["staging"].sizes["apy"]: is the size of no service; for example "api"`},
		{"size of a service out of range", func(p *P) {
			p.Environments[0].Sizes = map[string]config.Size{"api": {CPU: 512, Memory: 512, MinTasks: 1, MaxTasks: 1}}
		}, `environments["staging"].sizes["api"].memory: 512 MiB is not what Fargate pairs with 512 CPU units: 1024 to 4096 in steps of 1024; for example 1024`},
	})
}

func TestInvalidPromise(t *testing.T) {
	t.Parallel()
	type P = config.Platform
	production := func(change func(*config.Environment)) func(*P) {
		return func(p *P) { change(&p.Environments[1]) }
	}
	checkInvalid(t, []invalid{
		{"protected in one zone", production(func(e *config.Environment) { e.Database.MultiAZ = false }), `environments["production"].database.multiAZ: false breaks a promise of protected environments: a standby of the database in a second zone; for example true`},
		{"protected with three days of backups", production(func(e *config.Environment) { e.Database.BackupRetentionDays = 3 }), `environments["production"].database.backupRetentionDays: 3 breaks a promise of protected environments: a week of backups; for example 7`},
		{"protected but deletable", production(func(e *config.Environment) { e.Database.DeletionProtection = false }), `environments["production"].database.deletionProtection: false breaks a promise of protected environments: a database that AWS refuses to delete; for example true`},
		{"protected with one task", production(func(e *config.Environment) { e.Size.MinTasks = 1 }), `environments["production"].size.minTasks: 1 breaks a promise of protected environments: two tasks of every service; for example 2`},
		{"protected with one task of a service", production(func(e *config.Environment) {
			e.Sizes = map[string]config.Size{"mcp": {CPU: 256, Memory: 512, MinTasks: 1, MaxTasks: 4, TargetCPUPercent: 60}}
		}), `environments["production"].sizes["mcp"].minTasks: 1 breaks a promise of protected environments: two tasks of every service; for example 2`},
		{"a staging that claims to be protected", func(p *P) { p.Environments[0].Protected = true }, `
environments["staging"].database.multiAZ: false breaks a promise of protected environments: a standby of the database in a second zone; for example true
environments["staging"].database.backupRetentionDays: 1 breaks a promise of protected environments: a week of backups; for example 7
environments["staging"].database.deletionProtection: false breaks a promise of protected environments: a database that AWS refuses to delete; for example true
environments["staging"].size.minTasks: 1 breaks a promise of protected environments: two tasks of every service; for example 2
environments["staging"].alarms.emails: none: a protected environment has alarms that somebody hears; for example {"on-call@shop.io"}
`},
	})
}
