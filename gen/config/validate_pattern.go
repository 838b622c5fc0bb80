package config

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Every name of ours is of this form, which is what all AWS names allow that
// are derived from it: ALB, target groups and S3 want no hyphen at an end, RDS
// and ElastiCache no two in a row and a letter first, ECR and S3 no capitals.
// What is left to check of a derived name is its length.
var namePattern = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

const nameRule = "is not lower-case letters, digits and single hyphens between them, beginning with a letter"

// isName reports whether s is a name.
func isName(s string) bool { return namePattern.MatchString(s) }

var labelPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// isDNS reports whether s is made of at least so many DNS labels.
func isDNS(s string, labels int) bool {
	parts := strings.Split(s, ".")
	for _, l := range parts {
		if !labelPattern.MatchString(l) {
			return false
		}
	}
	return len(parts) >= labels && len(s) <= 253
}

var variablePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

const variableRule = "is not the name of an environment variable: letters, digits and underscores, not beginning with a digit"

// isPrintable reports whether s is valid text without control characters or
// invisible ones, which could break a line, a table or a terminal.
func isPrintable(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsGraphic(r) }) < 0
}

const printableRule = "holds a control character or is not UTF-8, which a plan or a terminal would garble"
