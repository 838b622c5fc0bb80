package redact

import (
	"regexp"
	"slices"
	"strings"
)

// Besides Terraform's own sensitivity marks, rules on structure hide values of
// a plan: no provider schema marks environment variables or parameter values,
// and a comment on a pull request stays in e-mails and in its history for
// ever.

// A plan of 50 MB has half a million values, so what is asked of each of them is
// asked without a regular expression, where most values end.

// secretNames end the path steps whose value nobody should see, in the singular.
var secretNames = []string{
	"password", "passwd", "passphrase", "secret", "secret_string", "secret_binary", "token", "private_key", "user_data", "user_data_base64",
	"credential", "api_key", "apikey", "auth_key", "authkey", "secret_key", "connection_string",
}

// harmlessNames end like a secret's and hold none.
var harmlessNames = []string{"next_token", "manage_master_user_password", "reset_password", "_wo_version"}

// endsIn reports whether a step ends in one of the names, in any case.
func endsIn(step string, names []string) bool {
	step = strings.ToLower(step)
	return slices.ContainsFunc(names, func(name string) bool { return strings.HasSuffix(step, name) })
}

func isSecretName(step string) bool {
	return endsIn(step, secretNames) || (strings.HasSuffix(step, "s") || strings.HasSuffix(step, "S")) && endsIn(step[:len(step)-1], secretNames)
}

var (
	opaque = regexp.MustCompile(`^[A-Za-z0-9+/=_.-]{20,}$`)
	// known matches long strings that are not random: names, identifiers,
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
	case endsIn(last, harmlessNames):
		return false
	}
	for step := range strings.FieldsFuncSeq(path, isStep) {
		if isSecretName(step) {
			return true
		}
	}
	switch v := v.(type) {
	case string:
		return isRandom(v) && opaque.MatchString(v) && !known.MatchString(v) || strings.Contains(v, "://") && userinfo.MatchString(v)
	case map[string]any, []any:
		return true // a structure is shown through its leaves
	}
	return false
}

// isStep reports whether a character separates two steps of a path.
func isStep(r rune) bool { return r == '.' || r == '[' || r == ']' }
