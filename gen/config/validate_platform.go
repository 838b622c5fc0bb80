package config

import (
	"regexp"
	"slices"
	"strings"
)

// platform checks the fields that are not lists of things.
func (c *checker) platform() {
	c.platformName()
	c.region()
	c.must(regexp.MustCompile(`^[0-9]{12}$`).MatchString(c.Account), "account", c.Account,
		"is not a twelve-digit AWS account", "123456789012")

	apex := c.Domain[strings.LastIndex(c.Domain, ".")+1:]
	if c.HasLoadBalancer() && c.must(isDNS(c.Domain, 2) && strings.Trim(apex, "0123456789") != "", "domain", c.Domain,
		dnsRule(c.Domain, "is not a domain in lower case, without a dot at the end"), "shop.io") {
		c.must(isRegistrable(c.Domain), "domain", c.Domain, registrableRule, "shop.io")
		c.must(len(c.Domain) <= certificateName, "domain", c.Domain,
			"is longer than 64 characters, the most that a certificate's name may have", "shop.io")
		for _, owned := range []string{"amazonaws.com", "cloudfront.net", "elasticbeanstalk.com", "arpa", "internal", "invalid", "local", "localhost", "onion", "test"} {
			c.must(!strings.HasSuffix("."+c.Domain, "."+owned), "domain", c.Domain, "is not yours to have a certificate for: nobody but AWS, or nobody at all, has "+owned, "shop.io")
		}
	}
	c.must(c.ZoneID == "" || len(c.ZoneID) <= 32 && regexp.MustCompile(`^Z[A-Z0-9]+$`).MatchString(c.ZoneID), "zoneID", c.ZoneID,
		"is not the id of a Route 53 hosted zone; leave it empty to look the zone up by its domain", "Z0123456789ABCDEFGHIJ")
	c.must(c.HasLoadBalancer() || c.ZoneID == "", "zoneID", c.ZoneID, "has no effect: "+noDomain, literal(`Domain: "shop.io"`))
	c.repository()

	c.must(!c.HasDatabase() || slices.Contains(postgresVersions(), c.PostgresVersion), "postgresVersion", c.PostgresVersion,
		"is not a major version of PostgreSQL on RDS: "+strings.Join(postgresVersions(), ", "), "16")
	c.must(c.RedisVersion == "" || slices.Contains(redisVersions(), c.RedisVersion), "redisVersion", c.RedisVersion,
		"is not a version of Redis on ElastiCache, major and minor: "+strings.Join(redisVersions(), ", "), "7.1")
	c.must(c.ValkeyVersion == "" || slices.Contains(valkeyVersions(), c.ValkeyVersion), "valkeyVersion", c.ValkeyVersion,
		"is not a version of Valkey on ElastiCache, major and minor: "+strings.Join(valkeyVersions(), ", "), "8.0")
	c.must(c.RedisVersion == "" || c.ValkeyVersion == "", "valkeyVersion", c.ValkeyVersion, "is a second engine of the one cache, whose redisVersion is "+show(c.RedisVersion), literal(`RedisVersion: ""`))
	c.absent(c.HasCache(), c.CacheTokenVersion != 0, "cacheTokenVersion", c.CacheTokenVersion, noCache, 0)
	c.must(c.CacheTokenVersion >= 0 && c.CacheTokenVersion <= 1_000_000, "cacheTokenVersion", c.CacheTokenVersion, "is not a number of rotations, 0 to 1000000", 1)
}

// Why a field has no effect on a platform that does without a part.
const (
	noDomain   = "the platform has no load balancer while its domain is empty"
	noDatabase = "the platform has no database while its postgresVersion is empty"
	noCache    = "the platform has no cache while its redisVersion and valkeyVersion are empty"
)

// absent checks that nothing asks for a part which the platform does without,
// and reports whether it has the part. value is nil for a whole struct.
func (c *values) absent(has, asked bool, path string, value any, why string, example any) bool {
	c.must(has || !asked, path, value, "has no effect: "+why, example)
	return has
}

// certificateName is the most characters ACM takes in a certificate's name.
const certificateName = 64

func postgresVersions() []string { return []string{"13", "14", "15", "16", "17", "18"} }

// Redis 6.2 has another scheme of parameter groups, 7.2 is Valkey.
func redisVersions() []string { return []string{"7.0", "7.1"} }

// https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/engine-versions.html
func valkeyVersions() []string { return []string{"7.2", "8.0", "8.1", "8.2", "9.0", "9.1"} }

func (c *checker) platformName() {
	name := c.Name
	if !c.name("name", name, "shop") {
		return
	}
	c.reservedPrefixes()
	c.must(!reservedWord(c.DatabaseName()), "name", name,
		"is a reserved word of PostgreSQL, and the database and its user are named for it", "shop")
	c.must(len(name) <= platformName, "name", name,
		"makes "+tooLong("state bucket", c.StateBucket(), 63), shorten(name, platformName))
}

// reservedPrefixes keeps the platform's name from making names that AWS keeps
// to itself.
func (c *checker) reservedPrefixes() {
	for _, r := range []struct{ made, prefix, owner string }{
		{c.Prefix(""), "internal-", "load balancers"},
		{c.Prefix(""), "sg-", "security groups"},
		{c.StateBucket(), "sthree-", "S3 buckets"},
		{c.StateBucket(), "amzn-s3-demo-", "S3 buckets"},
		{c.LogGroup("", ""), "/aws/", "log groups"},
		{c.RolePath(""), "/aws-service-role/", "roles"},
		{c.DatabaseUser(), "pg_", "database users"},
		{c.DatabaseUser(), "rds_", "database users"},
	} {
		c.must(!strings.HasPrefix(r.made, r.prefix), "name", c.Name,
			"makes names of "+r.owner+" that begin with "+show(r.prefix)+", which is reserved", "shop")
	}
}

func (c *checker) region() {
	known := slices.Contains(regions(), c.Region)
	c.must(known, "region", c.Region, "is not a commercial AWS region", "us-west-2")

	// Each kind of subnet has five of the network's sixteen blocks.
	n := len(c.AvailabilityZones)
	c.must(n >= 2 && n <= 5, "availabilityZones", literal(plural(n, "zone")),
		"are not 2 to 5: the load balancer and the database need two, and a network has room for the three subnets of five",
		literal(`"us-west-2a", "us-west-2b"`))
	seen := firsts(c.AvailabilityZones, func(z string) string { return z })
	for i, zone := range c.AvailabilityZones {
		path := indexed("availabilityZones", i)
		letter, ok := strings.CutPrefix(zone, c.Region)
		example := c.Region + "a"
		if !known {
			letter, ok = zone[max(0, len(zone)-1):], true
			example = "us-west-2a"
		}
		if c.must(ok && len(letter) == 1 && letter >= "a" && letter <= "f", path, zone,
			"is not an availability zone of the region: its name and a letter from a to f", example) &&
			c.must(!known || strings.Contains(zoneLetters(c.Region), letter), path, zone,
				"is no zone that has Fargate and NAT gateways; in this region they end in "+strings.Join(strings.Split(zoneLetters(c.Region), ""), ", "), example) {
			c.must(seen[zone] == i, path, zone, "is listed twice", nil)
		}
	}
	c.must(c.Region != "us-west-1" || n <= 2, "availabilityZones", literal(plural(n, "zone")),
		"are more than an account has in us-west-1", literal("2 zones"))
}

// zoneLetters are the last letters of the zones that a platform can use:
// us-east-1e has neither Fargate nor NAT gateways, and ca-central-1c does not
// exist.
func zoneLetters(region string) string {
	switch region {
	case "us-east-1":
		return "abcdf"
	case "us-west-2", "ap-northeast-1", "ap-northeast-2":
		return "abcd"
	case "ca-central-1":
		return "abd"
	default:
		return "abc"
	}
}

func (c *checker) repository() {
	r := c.Repository
	owner := regexp.MustCompile(`^[A-Za-z0-9]+(-[A-Za-z0-9]+)*(_[A-Za-z0-9]+)?$`)
	c.must(owner.MatchString(r.Owner) && len(r.Owner) <= 39, "repository.owner", r.Owner,
		"is not a GitHub user or organization: up to 39 letters, digits and single hyphens", "acme")
	name := regexp.MustCompile(`^[A-Za-z0-9._-]+$`)
	c.must(len(r.Name) <= 100 && name.MatchString(r.Name) && strings.Trim(r.Name, ".") != "" && !strings.HasSuffix(r.Name, ".git"),
		"repository.name", r.Name,
		"is not a GitHub repository without its owner: up to 100 letters, digits, dots, hyphens and underscores", "shop")
	c.must(isBranch(r.Branch), "repository.branch", r.Branch, "is not the name of a branch, as git check-ref-format has it", "main")
	c.must((r.ID == 0) == (r.OwnerID == 0) && r.ID >= 0 && r.OwnerID >= 0, "repository.id", []int64{r.OwnerID, r.ID},
		"are not GitHub's ids of the owner and the repository, or neither: gh api repos/OWNER/NAME --jq '.owner.id,.id' prints them", []int64{1234567, 987654321})
}

var branchPattern = regexp.MustCompile(`^[A-Za-z0-9._/@+=#,%-]+$`)

// isBranch is git's rule for branches, on printable ASCII: the name also
// stands in the condition of an IAM policy, where * and ? would match others.
func isBranch(s string) bool {
	if len(s) > 200 || !branchPattern.MatchString(s) || strings.HasPrefix(s, "-") || strings.Contains(s, "..") || s == "@" || s == "HEAD" || strings.HasSuffix(s, ".") {
		return false
	}
	for part := range strings.SplitSeq(s, "/") {
		if part == "" || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock") {
			return false
		}
	}
	return true
}

// regions are the commercial ones: in China and GovCloud, ARNs and host names
// of the registry are built otherwise.
func regions() []string {
	return []string{
		"us-east-1", "us-east-2", "us-west-1", "us-west-2",
		"af-south-1",
		"ap-east-1", "ap-east-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3",
		"ap-south-1", "ap-south-2",
		"ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4",
		"ap-southeast-5", "ap-southeast-6", "ap-southeast-7",
		"ca-central-1", "ca-west-1",
		"eu-central-1", "eu-central-2", "eu-north-1", "eu-south-1", "eu-south-2",
		"eu-west-1", "eu-west-2", "eu-west-3",
		"il-central-1", "me-central-1", "me-south-1", "mx-central-1", "sa-east-1",
	}
}
