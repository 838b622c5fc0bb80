package config_test

import (
	"strings"
	"testing"

	"github.com/specboard/platform/gen/config"
)

func TestInvalidPlatform(t *testing.T) {
	t.Parallel()
	type P = config.Platform
	checkInvalid(t, []invalid{
		{"name with capitals", func(p *P) { p.Name = "DocPlatform" }, `name: "DocPlatform" is not lower-case letters, digits and single hyphens between them, beginning with a letter; for example "shop"`},
		{"name with two hyphens", func(p *P) { p.Name = "doc--platform" }, `name: "doc--platform" is not lower-case letters, digits and single hyphens between them, beginning with a letter; for example "shop"`},
		{"name with a hyphen at the end", func(p *P) { p.Name = "doc-" }, `name: "doc-" is not lower-case letters, digits and single hyphens between them, beginning with a letter; for example "shop"`},
		{"name that begins with a digit", func(p *P) { p.Name = "3docs" }, `name: "3docs" is not lower-case letters, digits and single hyphens between them, beginning with a letter; for example "shop"`},
		{"name that load balancers may not begin with", func(p *P) { p.Name = "internal-docs" }, `
name: "internal-docs" makes names of load balancers that begin with "internal-", which is reserved; for example "shop"
`},
		{"name that security groups may not begin with", func(p *P) { p.Name = "sg" }, `name: "sg" makes names of security groups that begin with "sg-", which is reserved; for example "shop"`},
		{"name that log groups may not begin with", func(p *P) { p.Name = "aws" }, `name: "aws" makes names of log groups that begin with "/aws/", which is reserved; for example "shop"`},
		{"name that buckets may not begin with", func(p *P) { p.Name = "sthree-docs" }, `name: "sthree-docs" makes names of S3 buckets that begin with "sthree-", which is reserved; for example "shop"`},
		{"name that database users may not begin with", func(p *P) { p.Name = "pg-docs" }, `name: "pg-docs" makes names of database users that begin with "pg_", which is reserved; for example "shop"`},
		{"name that PostgreSQL reserves", func(p *P) { p.Name = "user" }, `name: "user" is a reserved word of PostgreSQL, and the database and its user are named for it; for example "shop"`},
		{"name too long for its bucket", func(p *P) { p.Name = "a-platform-with-a-very-long-name-in-every-way" }, `name: "a-platform-with-a-very-long-name-in-every-way" makes the state bucket "a-platform-with-a-very-long-name-in-every-way-state-123456789012" 64 characters long, where AWS allows 63; for example "a-platform-with-a-very-long-name-in-every-wa"`},
		{"region that does not exist", func(p *P) { p.Region = "us-west-9" }, `region: "us-west-9" is not a commercial AWS region; for example "us-west-2"`},
		{"region of GovCloud", func(p *P) {
			p.Region, p.AvailabilityZones = "us-gov-west-1", []string{"us-gov-west-1a", "us-gov-west-1b"}
		}, `region: "us-gov-west-1" is not a commercial AWS region; for example "us-west-2"`},
		{"one zone", func(p *P) { p.AvailabilityZones = []string{"us-west-2a"}; p.Environments[1].Network.NATGateways = 1 }, `availabilityZones: 1 zone are not 2 to 5: the load balancer and the database need two, and a network has room for the three subnets of five; for example "us-west-2a", "us-west-2b"`},
		{"six zones", func(p *P) {
			p.Region = "us-east-1"
			p.AvailabilityZones = []string{"us-east-1a", "us-east-1b", "us-east-1c", "us-east-1d", "us-east-1e", "us-east-1f"}
			p.Environments[1].Network.NATGateways = 6
		}, `
availabilityZones: 6 zones are not 2 to 5: the load balancer and the database need two, and a network has room for the three subnets of five; for example "us-west-2a", "us-west-2b"
availabilityZones[4]: "us-east-1e" is no zone that has Fargate and NAT gateways; in this region they end in a, b, c, d, f; for example "us-east-1a"
`},
		{"zone that does not exist", func(p *P) { p.AvailabilityZones[1] = "us-west-2e" }, `availabilityZones[1]: "us-west-2e" is no zone that has Fargate and NAT gateways; in this region they end in a, b, c, d; for example "us-west-2a"`},
		{"zone that Canada leaves out", func(p *P) {
			p.Region, p.AvailabilityZones = "ca-central-1", []string{"ca-central-1a", "ca-central-1c"}
		}, `availabilityZones[1]: "ca-central-1c" is no zone that has Fargate and NAT gateways; in this region they end in a, b, d; for example "ca-central-1a"`},
		{"third zone in Northern California", func(p *P) {
			p.Region, p.AvailabilityZones = "us-west-1", []string{"us-west-1a", "us-west-1b", "us-west-1c"}
			p.Environments[1].Network.NATGateways = 1
		}, `availabilityZones: 3 zones are more than an account has in us-west-1; for example 2 zones`},
		{"zone of another region", func(p *P) { p.AvailabilityZones[1] = "us-east-1b" }, `availabilityZones[1]: "us-east-1b" is not an availability zone of the region: its name and a letter from a to f; for example "us-west-2a"`},
		{"zone without its letter", func(p *P) { p.AvailabilityZones[1] = "us-west-2" }, `availabilityZones[1]: "us-west-2" is not an availability zone of the region: its name and a letter from a to f; for example "us-west-2a"`},
		{"zone twice", func(p *P) { p.AvailabilityZones[1] = "us-west-2a" }, `availabilityZones[1]: "us-west-2a" is listed twice`},
		{"account with hyphens", func(p *P) { p.Account = "1234-5678-9012" }, `account: "1234-5678-9012" is not a twelve-digit AWS account; for example "123456789012"`},
		{"domain without a dot", func(p *P) { p.Domain = "specboard" }, `domain: "specboard" is not a domain in lower case, without a dot at the end; for example "shop.io"`},
		{"domain with a dot at the end", func(p *P) { p.Domain = "specboard.io." }, `domain: "specboard.io." is not a domain in lower case, without a dot at the end; for example "shop.io"`},
		{"domain with an underscore", func(p *P) { p.Domain = "spec_board.io" }, `domain: "spec_board.io" is not a domain in lower case, without a dot at the end; for example "shop.io"`},
		{"domain with an umlaut", func(p *P) { p.Domain = "bücher.io" }, `domain: "bücher.io" is not a domain in lower case, without a dot at the end: letters beyond ASCII belong in the form that begins with xn--, which the registrar shows; for example "shop.io"`},
		{"domain that is an address", func(p *P) { p.Domain = "10.0.0.1" }, `domain: "10.0.0.1" is not a domain in lower case, without a dot at the end; for example "shop.io"`},
		{"domain of AWS's", func(p *P) { p.Domain = "shop.amazonaws.com" }, `domain: "shop.amazonaws.com" is not yours to have a certificate for: nobody but AWS, or nobody at all, has amazonaws.com; for example "shop.io"`},
		{"domain that nobody has", func(p *P) { p.Domain = "shop.local" }, `domain: "shop.local" is not yours to have a certificate for: nobody but AWS, or nobody at all, has local; for example "shop.io"`},
		{"branch that git refuses", func(p *P) { p.Repository.Branch = "HEAD" }, `repository.branch: "HEAD" is not the name of a branch, as git check-ref-format has it; for example "main"`},
		{"domain too long for a certificate", func(p *P) { p.Domain = strings.Repeat("a", 62) + ".io" }, `
domain: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.io" is longer than 64 characters, the most that a certificate's name may have; for example "shop.io"
environments["staging"].subdomain: "staging" makes a name of 73 characters, and a certificate's may have 64; for example "staging"
`},
		{"zone's name for its id", func(p *P) { p.ZoneID = "specboard.io" }, `zoneID: "specboard.io" is not the id of a Route 53 hosted zone; leave it empty to look the zone up by its domain; for example "Z0123456789ABCDEFGHIJ"`},
		{"repository owner with its repository", func(p *P) { p.Repository.Owner = "specboard/doc-platform" }, `repository.owner: "specboard/doc-platform" is not a GitHub user or organization: up to 39 letters, digits and single hyphens; for example "acme"`},
		{"repository with its suffix", func(p *P) { p.Repository.Name = "doc-platform.git" }, `repository.name: "doc-platform.git" is not a GitHub repository without its owner: up to 100 letters, digits, dots, hyphens and underscores; for example "shop"`},
		{"repository without its owner's id", func(p *P) { p.Repository.ID = 987654321 }, `repository.id: [0 987654321] are not GitHub's ids of the owner and the repository, or neither: gh api repos/OWNER/NAME --jq '.owner.id,.id' prints them; for example [1234567 987654321]`},
		{"negative ids of the repository", func(p *P) { p.Repository.ID, p.Repository.OwnerID = -1, -2 }, `repository.id: [-2 -1] are not GitHub's ids of the owner and the repository, or neither: gh api repos/OWNER/NAME --jq '.owner.id,.id' prints them; for example [1234567 987654321]`},
		{"branch that is a pattern", func(p *P) { p.Repository.Branch = "release/*" }, `repository.branch: "release/*" is not the name of a branch, as git check-ref-format has it; for example "main"`},
		{"branch that git refuses", func(p *P) { p.Repository.Branch = "a..b" }, `repository.branch: "a..b" is not the name of a branch, as git check-ref-format has it; for example "main"`},
		{"minor version of PostgreSQL", func(p *P) { p.PostgresVersion = "16.4" }, `postgresVersion: "16.4" is not a major version of PostgreSQL on RDS: 13, 14, 15, 16, 17, 18; for example "16"`},
		{"token of no version", func(p *P) { p.CacheTokenVersion = -1 }, `cacheTokenVersion: -1 is not a number of rotations, 0 to 1000000; for example 1`},
		{"major version of Redis alone", func(p *P) { p.RedisVersion = "7" }, `redisVersion: "7" is not a version of Redis on ElastiCache, major and minor: 7.0, 7.1; for example "7.1"`},
		{"no services", func(p *P) { p.Services, p.Tasks = nil, nil }, `
services: none, so there is nothing to run; for example {Name: "api", Port: 3001, …}
tasks: no "migrate", which every promotion runs before it updates the services; for example {Name: "migrate", Service: "api", Command: []string{"migrate", "up"}, CPU: 256, Memory: 512, Database: true}
`},
		{"no environments", func(p *P) { p.Environments = nil }, `environments: none, so there is nowhere to run; for example {Name: "staging", Subdomain: "staging", …}`},
	})
}

func TestInvalidTask(t *testing.T) {
	t.Parallel()
	type P = config.Platform
	checkInvalid(t, []invalid{
		{"task named like a service", func(p *P) { p.Tasks[1].Name = "api" }, `tasks["api"].name: "api" is the name of a service, and both would have the same log group and task definitions; for example "api-once"`},
		{"task twice", func(p *P) { p.Tasks[1].Name = "migrate" }, `tasks[1].name: "migrate" is declared twice; for example "migrate-2"`},
		{"task without a name", func(p *P) { p.Tasks[1].Name = "" }, `tasks[1].name: "" is not lower-case letters, digits and single hyphens between them, beginning with a letter; for example "storage"`},
		{"task too long for a schedule", func(p *P) { p.Tasks[1].Name = "recompute-every-search-index-of-every-customer-in-every-language" }, `tasks["recompute-every-search-index-of-every-customer-in-every-language"].name: "recompute-every-search-index-of-every-customer-in-every-language" has 64 characters, where host names and schedules have at most 63; for example "recompute-every-search-index-of-every-customer-in-every-languag"`},
		{"task of an unknown service", func(p *P) { p.Tasks[1].Service = "web" }, `tasks["seed"].service: "web" is not a service whose image the task could run; for example "api"`},
		{"task without a command", func(p *P) { p.Tasks[1].Command = nil }, `tasks["seed"].command: none, and the image's own command would start the service; for example {"migrate", "up"}`},
		{"task with a control character", func(p *P) { p.Tasks[1].Command = []string{"seed", "a\nb"} }, `tasks["seed"].command[1]: "a\nb" holds a control character or is not UTF-8, which a plan or a terminal would garble; for example "migrate"`},
		{"task with an empty command", func(p *P) { p.Tasks[1].Command = []string{""} }, `tasks["seed"].command[0]: "" is not a command; for example "migrate"`},
		{"task of a size Fargate lacks", func(p *P) { p.Tasks[1].CPU = 300 }, `tasks["seed"].cpu: 300 is not a size of Fargate: 256, 512, 1024, 2048, 4096, 8192 or 16384 CPU units; for example 256`},
		{"task with memory Fargate does not pair", func(p *P) { p.Tasks[1].Memory = 1536 }, `tasks["seed"].memory: 1536 MiB is not what Fargate pairs with 256 CPU units: 512, 1024 or 2048; for example 2048`},
		{"task with an unknown secret", func(p *P) { p.Tasks[1].Secrets = []string{"superadmin"} }, `tasks["seed"].secrets[0]: "superadmin" is not a secret; for example "superadmin-password"`},
		{"task that sets a variable of the platform", func(p *P) { p.Tasks[1].Environment = map[string]string{"DB_HOST": "localhost"} }, `tasks["seed"].environment["DB_HOST"]: "DB_HOST" is a variable that the platform sets; for example "CUSTOM_DB_HOST"`},
		{"no migrate task", func(p *P) { p.Tasks = p.Tasks[1:] }, `tasks: no "migrate", which every promotion runs before it updates the services; for example {Name: "migrate", Service: "api", Command: []string{"migrate", "up"}, CPU: 256, Memory: 512, Database: true}`},
		{"migrate without the database", func(p *P) { p.Tasks[0].Database = false }, `tasks["migrate"].database: false leaves migrations without the database; for example true`},
	})
}

func TestInvalidSecret(t *testing.T) {
	t.Parallel()
	type P = config.Platform
	checkInvalid(t, []invalid{
		{"secret with a slash", func(p *P) { p.Secrets[1].Name = "session/secret"; p.Services[0].Secrets = nil }, `secrets["session/secret"].name: "session/secret" is not lower-case letters, digits and single hyphens between them, beginning with a letter; for example "session-secret"`},
		{"secret twice", func(p *P) { p.Secrets[2].Name = "session-secret"; p.Tasks[1].Secrets = nil }, `secrets[2].name: "session-secret" is declared twice; for example "session-secret-2"`},
		{"secret of no kind", func(p *P) { p.Secrets[1].Kind = "" }, `secrets["session-secret"].kind: "" is not a kind of secret: "generated", "provided", "database" or "database-role"; for example "generated"`},
		{"secret too short", func(p *P) { p.Secrets[1].Length = 7 }, `secrets["session-secret"].length: 7 is not the length of a generated value, 8 to 4096 characters; for example 64`},
		{"database password too long for RDS", func(p *P) { p.Secrets[0].Length = 129 }, `secrets["db-credentials"].length: 129 is not the length of a PostgreSQL password on RDS, 8 to 128 characters; for example 48`},
		{"provided secret with a length", func(p *P) { p.Secrets[3].Length = 32 }, `secrets["invite-keys"].length: 32 has no effect: a person provides the value; for example 0`},
		{"provided secret without a hint", func(p *P) { p.Secrets[3].Hint = "" }, `secrets["invite-keys"].hint: "" does not tell a person, in up to 1024 characters, what to store; for example "the invitation keys, separated by commas"`},
		{"hint with a control character", func(p *P) { p.Secrets[3].Hint = "keys\x1b[2J" }, `secrets["invite-keys"].hint: "keys\x1b[2J" holds a control character or is not UTF-8, which a plan or a terminal would garble; for example "the invitation keys, separated by commas"`},
		{"generated secret with a hint", func(p *P) { p.Secrets[1].Hint = "anything" }, `secrets["session-secret"].hint: "anything" has no effect: nobody has to provide the value; for example ""`},
		{"secret in no variable", func(p *P) { p.Secrets[1].Variable = "SESSION-SECRET" }, `secrets["session-secret"].variable: "SESSION-SECRET" is not the name of an environment variable: letters, digits and underscores, not beginning with a digit; for example "LOG_LEVEL"`},
		{"secret in a variable of ECS", func(p *P) { p.Secrets[1].Variable = "AWS_CONTAINER_CREDENTIALS_FULL_URI" }, `secrets["session-secret"].variable: "AWS_CONTAINER_CREDENTIALS_FULL_URI" is set by ECS itself, which finds credentials and metadata by it; for example "LOG_LEVEL"`},
		{"no database secret", func(p *P) { p.Secrets = p.Secrets[1:] }, `secrets: none of kind "database", which holds the database's user and password; for example {Name: "db-credentials", Kind: DatabaseCredentials, Variable: "DB_PASSWORD", Length: 48}`},
		{"two database secrets", func(p *P) { p.Secrets[2].Kind = config.DatabaseCredentials; p.Tasks[1].Secrets = nil }, `secrets["superadmin-password"].kind: "database" is that of secret "db-credentials" already, and there is one database; for example "generated"`},
	})
}
