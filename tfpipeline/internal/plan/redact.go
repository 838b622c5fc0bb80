package plan

import (
	"math"
	"regexp"
	"slices"
	"strings"
)

// Values are hidden by rules on structure, besides Terraform's own marks: the
// schema marks no environment variable and no parameter's value, and a comment
// on a pull request stays in mails and in its history for ever.

// secretName matches a step of a path whose value nobody should see.
var secretName = regexp.MustCompile(`(?i)(password|passwd|passphrase|secret|secret_string|secret_binary|token|private_key|user_data|user_data_base64|credential|api_?key|auth_?key|secret_key|connection_string)s?$`)

// harmless are names that match and hold no secret.
var harmless = regexp.MustCompile(`(?i)(next_token|manage_master_user_password|reset_password|_wo_version)$`)

// step reports whether a character ends a path's step.
func step(r rune) bool { return r == '.' || r == '[' || r == ']' }

// hides reports whether a value must not be shown.
func hides(kind, path string, v any) bool {
	last := path[strings.LastIndex(path, ".")+1:]
	if i := strings.IndexByte(last, '['); i >= 0 {
		last = last[:i]
	}
	switch {
	case kind == "aws_ssm_parameter" && (last == "value" || last == "insecure_value"):
		return true
	case kind == "aws_lambda_function" && strings.Contains(path, "environment"),
		strings.Contains(path, "environment_variable"),
		strings.HasPrefix(path, "environment."), strings.HasPrefix(path, "environment["):
		return true
	case harmless.MatchString(last):
		return false
	case slices.ContainsFunc(strings.FieldsFunc(path, step), secretName.MatchString):
		return true
	}
	switch v := v.(type) {
	case string:
		return looksRandom(v) || userinfo.MatchString(v)
	case map[string]any, []any:
		return true // a whole structure is shown by its leaves, or not at all
	}
	return false
}

// userinfo is a password in a URL.
var userinfo = regexp.MustCompile(`[a-zA-Z][a-zA-Z0-9+.-]*://[^\s/:@]*:[^\s/@]+@`)

var (
	opaque = regexp.MustCompile(`^[A-Za-z0-9+/=_.-]{20,}$`)
	// known are long strings that mean something: names, identifiers, paths.
	known = regexp.MustCompile(`^(arn:|https?:|[a-z]+-[0-9a-f]{8,}$|sha256:|[0-9a-f]+$|[a-z0-9./_-]+$|[A-Z][A-Za-z]+(-[A-Z0-9][A-Za-z0-9]*)*-[0-9-]+$|ELBSecurityPolicy)`)
)

// looksRandom is the last resort: a long word without meaning, such as a key
// somebody pasted where nothing marks it.
func looksRandom(s string) bool {
	if !opaque.MatchString(s) || known.MatchString(s) {
		return false
	}
	var lower, upper, digit bool
	counts := map[rune]int{}
	for _, r := range s {
		counts[r]++
		switch {
		case r >= 'a' && r <= 'z':
			lower = true
		case r >= 'A' && r <= 'Z':
			upper = true
		case r >= '0' && r <= '9':
			digit = true
		}
	}
	if !lower || !upper || !digit {
		return false
	}
	entropy := 0.0
	for _, n := range counts {
		p := float64(n) / float64(len(s))
		entropy -= p * math.Log2(p)
	}
	return entropy > 3.5
}
