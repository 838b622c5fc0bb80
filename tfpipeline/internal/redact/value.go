package redact

import (
	"regexp"
	"slices"
	"strings"
)

// A plan's values are hidden by rules on structure, besides Terraform's own
// marks: no schema marks an environment variable or the value of a parameter,
// and a comment on a pull request stays in mails and in its history for ever.

// secretName matches a step of a path whose value nobody should see.
var secretName = regexp.MustCompile(`(?i)(password|passwd|passphrase|secret|secret_string|secret_binary|token|private_key|user_data|user_data_base64|credential|api_?key|auth_?key|secret_key|connection_string)s?$`)

// harmlessStep matches steps that end like a secret's and hold none.
var harmlessStep = regexp.MustCompile(`(?i)(next_token|manage_master_user_password|reset_password|_wo_version)$`)

var (
	opaque = regexp.MustCompile(`^[A-Za-z0-9+/=_.-]{20,}$`)
	// known matches long strings that mean something: names, identifiers,
	// paths.
	known = regexp.MustCompile(`^(arn:|https?:|[a-z]+-[0-9a-f]{8,}$|sha256:|[0-9a-f]+$|[a-z0-9./_-]+$|[A-Z][A-Za-z]+(-[A-Z0-9][A-Za-z0-9]*)*-[0-9-]+$|ELBSecurityPolicy)`)
)

// HidesValue reports whether a plan's value must not be shown: v is the value
// of the attribute at path (steps separated by dots or in brackets) of a
// resource of this kind.
func HidesValue(kind, path string, v any) bool {
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
	case harmlessStep.MatchString(last):
		return false
	case slices.ContainsFunc(strings.FieldsFunc(path, isStep), secretName.MatchString):
		return true
	}
	switch v := v.(type) {
	case string:
		return opaque.MatchString(v) && !known.MatchString(v) && isRandom(v) || userinfo.MatchString(v)
	case map[string]any, []any:
		return true // a whole structure is shown by its leaves, or not at all
	}
	return false
}

// isStep reports whether a character ends a path's step.
func isStep(r rune) bool { return r == '.' || r == '[' || r == ']' }
