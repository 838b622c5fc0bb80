package config

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Lengths are checked apart from patterns: a count such as {1,200} makes a
// pattern that takes longer to compile than everything else here to run.

// Every name of ours has this form. All AWS names that are derived from it allow the
// form: load balancers, target groups and S3 take no hyphen at either end, RDS and
// ElastiCache no two hyphens in a row and only a letter first, ECR and S3 no capitals.
// So only the length of a derived name is left to check.
var namePattern = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// forKeyword cannot be the key of a map in Terraform: { for = … } begins a for
// expression. Every name and every variable is a key of a map somewhere.
const forKeyword = "for"

const forRule = "is a keyword of Terraform, which cannot be the key of a map"

// isName reports whether s is a name.
func isName(s string) bool { return s != forKeyword && namePattern.MatchString(s) }

// name checks a name of ours.
func (c *values) name(path, name, example string) bool {
	return c.must(name != forKeyword, path, name, forRule, example) &&
		c.must(isName(name), path, name,
			"is not lower-case letters, digits and single hyphens between them, beginning with a letter", example)
}

var labelPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

// isDNS reports whether s is made of at least so many DNS labels.
func isDNS(s string, labels int) bool {
	parts := strings.Split(s, ".")
	for _, l := range parts {
		if len(l) > 63 || !labelPattern.MatchString(l) {
			return false
		}
	}
	return len(parts) >= labels && len(s) <= 253
}

// dnsRule is a rule for a DNS name, with what to write for letters beyond ASCII.
func dnsRule(name, rule string) string {
	if strings.IndexFunc(name, func(r rune) bool { return r > unicode.MaxASCII && unicode.IsLetter(r) }) < 0 {
		return rule
	}
	return rule + ": letters beyond ASCII belong in the form that begins with xn--, which the registrar shows"
}

var variablePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

const variableRule = "is not the name of an environment variable: letters, digits and underscores, not beginning with a digit"

// isPrintable reports whether s is valid text without control characters or
// invisible ones, which could break a line, a table or a terminal.
func isPrintable(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsGraphic(r) }) < 0
}

const printableRule = "holds a control character or is not UTF-8, which a plan or a terminal would garble"
