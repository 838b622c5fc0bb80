package config

import (
	"regexp"
	"slices"
)

// MailVariable is the environment variable in which a container finds the address that
// it sends mail from.
const MailVariable = "MAIL_FROM"

// MailAddress is the address that a container with MailFrom from sends mail from.
func (p Platform) MailAddress(e Environment, from string) string { return from + "@" + p.Host(e) }

// SendsMail reports whether a service or task of the platform sends mail.
func (p Platform) SendsMail() bool {
	return slices.ContainsFunc(p.Services, func(s Service) bool { return s.MailFrom != "" }) ||
		slices.ContainsFunc(p.Tasks, func(t Task) bool { return t.MailFrom != "" })
}

// DKIMDomain is the domain at which SES publishes the keys that it signs with in the
// platform's region; "" where AWS offers no SES. From the tables "API endpoints" and "DKIM
// domains" of https://docs.aws.amazon.com/general/latest/gr/ses.html.
func (p Platform) DKIMDomain() string {
	switch p.Region {
	case "us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1",
		"ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-1", "ap-southeast-2",
		"eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3", "me-south-1":
		return "dkim.amazonses.com"
	case "af-south-1", "ap-northeast-3", "ap-south-2", "ap-southeast-3", "ap-southeast-5",
		"ca-west-1", "eu-central-2", "eu-south-1", "il-central-1", "me-central-1":
		return "dkim." + p.Region + ".amazonses.com"
	}
	return ""
}

var mailboxPattern = regexp.MustCompile(`^[a-z0-9]+([._+-][a-z0-9]+)*$`)

// mailFrom checks what stands before the @ of the address that a container sends from.
func (c *checker) mailFrom(path, from string) {
	if from == "" || !c.absent(c.HasLoadBalancer(), true, path, from, noDomain, "") {
		return
	}
	hasSES := c.DKIMDomain() != "" || !slices.Contains(regions(), c.Region) // an unknown region is reported as such
	c.absent(hasSES, true, path, from, "AWS offers no SES in "+c.Region, "")
	c.must(mailboxPattern.MatchString(from) && len(from) <= 64, path, from,
		"is not what stands before the @ of an address: up to 64 lower-case letters and digits, with single . _ + - between", "no-reply")
}

// dmarcPattern is the form of RFC 7489, section 6.4, without the blanks that it allows in
// the version.
var dmarcPattern = regexp.MustCompile(`^v=DMARC1; *p *= *(none|quarantine|reject) *(; *[a-z]+ *= *[!#-:<>-\[\]-~]+ *)*(; *)?$`)

// dmarc checks the record that an environment publishes.
func (c *checker) dmarc(path, record string) {
	if record == "" || !c.absent(c.SendsMail(), true, path, record, "no service and no task has a mailFrom", "") {
		return
	}
	c.must(len(record) <= 255 && dmarcPattern.MatchString(record), path, record,
		"is not a DMARC record of up to 255 characters: v=DMARC1, then p with none, quarantine or reject, then further tags, with semicolons between", "v=DMARC1; p=quarantine")
}
