package redact

import (
	"regexp"
	"slices"
	"strings"
)

// The rules come in three groups: credentials that have a form of their own,
// values that stand behind a telling name, and long random words.

var (
	// userinfo is the password in a URL.
	userinfo = regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://[^\s/:@"']*:)([^\s/@"']+)(@)`)
	// scheme is what follows the scheme of an Authorization header.
	scheme = regexp.MustCompile(`(?i)\b((?:bearer|basic)\s+)([a-z0-9._~+/=-]*[0-9._~+/=][a-z0-9._~+/=-]*|[a-z0-9]{20,})`)
	// cookie is everything that a cookie header holds.
	cookie = regexp.MustCompile(`(?i)\b((?:set-)?cookie["']?\s*:\s*["']?)([^\r\n"']*=[^\r\n"']*)`)
	// webhook is the secret path of a chat's address.
	webhook = regexp.MustCompile(`(?i)((?:hooks\.slack\.com/(?:services|workflows|triggers)|discord(?:app)?\.com/api/webhooks|[a-z0-9-]+\.webhook\.office\.com/webhookb2)/)([^\s"'<>]+)`)
	// pem is a private key; one without its end line extends to the end of the
	// text.
	pem = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|$)`)
)

// tokenForms are credentials that can be recognized by their prefix: the
// prefix, and a pattern for what follows it.
var tokenForms = [][2]string{
	{`AKIA`, `[A-Z0-9]{16}`}, {`ASIA`, `[A-Z0-9]{16}`},
	{`ghp_`, `[A-Za-z0-9]{20,}`}, {`gho_`, `[A-Za-z0-9]{20,}`}, {`ghu_`, `[A-Za-z0-9]{20,}`}, {`ghs_`, `[A-Za-z0-9]{20,}`}, {`ghr_`, `[A-Za-z0-9]{20,}`},
	{`github_pat_`, `[A-Za-z0-9_]{20,}`}, {`glpat-`, `[A-Za-z0-9_-]{16,}`}, {`npm_`, `[A-Za-z0-9]{30,}`}, {`pypi-`, `[A-Za-z0-9_-]{20,}`},
	{`xox`, `[abeprs]-[A-Za-z0-9-]{10,}`}, {`xapp-`, `[A-Za-z0-9-]{10,}`},
	{`sk_`, `(?:live|test)_[A-Za-z0-9]{10,}`}, {`rk_`, `(?:live|test)_[A-Za-z0-9]{10,}`},
	{`whsec_`, `[A-Za-z0-9+/=]{16,}`}, {`sk-`, `[A-Za-z0-9_-]{20,}`}, {`AIza`, `[A-Za-z0-9_-]{30,}`}, {`ya29.`, `[A-Za-z0-9_-]{20,}`},
	{`SG.`, `[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}`}, {`dop_v1_`, `[0-9a-f]{32,}`}, {`hvs.`, `[A-Za-z0-9_-]{20,}`}, {`hvb.`, `[A-Za-z0-9_-]{20,}`},
	{`AGE-SECRET-KEY-1`, `[A-Z0-9]{20,}`}, {`eyJ`, `[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?`},
}

// token matches a word of any of the forms; it is tried where a prefix stands.
var token, tokenPrefixes = func() (*regexp.Regexp, []string) {
	var forms, prefixes []string
	for _, f := range tokenForms {
		forms, prefixes = append(forms, regexp.QuoteMeta(f[0])+f[1]), append(prefixes, f[0])
	}
	return regexp.MustCompile(`\b(?:` + strings.Join(forms, "|") + `)`), prefixes
}()

// hideForms hides credentials that have a form of their own.
func hideForms(text string) string {
	if strings.Contains(text, "-----BEGIN") {
		text = pem.ReplaceAllString(text, Hidden)
	}
	if strings.Contains(text, "://") {
		text = userinfo.ReplaceAllString(text, "${1}"+Hidden+"${3}")
	}
	lower := strings.ToLower(text)
	if containsAny(lower, "bearer", "basic") {
		text = scheme.ReplaceAllString(text, "${1}"+Hidden)
	}
	if strings.Contains(lower, "cookie") {
		text = cookie.ReplaceAllString(text, "${1}"+Hidden)
	}
	if containsAny(lower, "hooks.", "webhook") {
		text = webhook.ReplaceAllString(text, "${1}"+Hidden)
	}
	if containsAny(text, tokenPrefixes...) {
		text = token.ReplaceAllString(text, Hidden)
	}
	return text
}

// secretNoun is how a name ends if its value is a secret.
const secretNoun = `passwords?|passwd|passphrase|\bpass|\bpwd|_pass|_pwd|secrets?|secret[_-]?(?:key|string|binary|value)|tokens?|api[_-]?keys?|access[_-]?keys?|private[_-]?keys?|auth[_-]?keys?|credentials?|session[_-]?keys?|invite[_-]?keys?|encryption[_-]?keys?|signing[_-]?keys?|x-amz-signature|x-amz-credential`

var (
	// assigned is a name that suggests a secret, a separator, and the value: a
	// quoted string (whose quotes may be escaped, as in JSON within JSON) or a
	// word.
	assigned = regexp.MustCompile(`(?i)((?:` + secretNoun + `)(\\*["'])?)(\s*(?:=>|=|:|%3D|%3A)\s*)(\\+"(?:[^"\\]|\\+[^"\\])*\\+"|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.|'')*'|[^\s,;}&"'<>\])][^\s,;}&"<>\])]*)`)
	// flagged is a value that follows a flag or an SQL keyword.
	flagged = regexp.MustCompile(`(?i)((?:(?:^|\s)--?[a-z-]*(?:password|passwd|passphrase|secret|token|api-?key|auth-?key|access-?key|secret-?key)\s+)|\b(?:password|identified\s+by|secret)\s+)('(?:[^']|'')*'|"[^"\s]*"|[^\s"'(\[{<-][^\s"']*)`)
	// element is a value in XML.
	element = regexp.MustCompile(`(?i)(<(?:[a-z]+:)?[a-z]*(?:password|secret|secretaccesskey|sessiontoken|token)>)([^<]+)(</)`)
)

// harmlessName matches names that end like a secret's name but hold none.
var harmlessName = regexp.MustCompile(`(?i)(?:next|client|request|continuation|page|start(?:ing)?)[_-]?tokens?\\*["']?$`)

// protected matches identifiers that look random or contain words like
// "secret:" but are not secrets: ARNs, checksums, and the ids that AWS's
// support asks for.
var protected = regexp.MustCompile(`\barn:aws[^\s,;"')]*|\b(?:h1|zh|SHA256):[A-Za-z0-9+/=]+|\b(?i:host\s?id|authorization failure message|x-amz-id-2):\s*\S+`)

// hideAssigned hides values that stand behind a telling name.
func hideAssigned(text string) string {
	lower := strings.ToLower(text)
	if !containsAny(lower, "pass", "pwd", "secret", "token", "key", "credential", "x-amz-", "identified") {
		return text
	}
	text = element.ReplaceAllString(text, "${1}"+Hidden+"${3}")
	keep := protected.FindAllStringIndex(text, -1)
	inside := func(at int) bool {
		return slices.ContainsFunc(keep, func(span []int) bool { return span[0] < at && at < span[1] })
	}
	var b strings.Builder
	last := 0
	for at := 0; ; {
		m := assigned.FindStringSubmatchIndex(text[at:])
		if m == nil {
			break
		}
		for i := range m {
			if m[i] >= 0 {
				m[i] += at
			}
		}
		name, separator, value := text[m[2]:m[3]], strings.TrimSpace(text[m[6]:m[7]]), text[m[8]:m[9]]
		spaced := separator == ":" && m[7]-m[6] > 1
		quotedName := m[4] >= 0
		if inside(m[2]) || harmlessName.MatchString(text[max(0, m[2]-20):m[3]]) || isReference(value) ||
			spaced && isProse(name, value, text[m[9]:], quotedName) {
			at = m[7] // the value may contain another name
			continue
		}
		b.WriteString(text[last:m[8]])
		b.WriteString(Hidden)
		last, at = m[9], m[9]
	}
	b.WriteString(text[last:])
	return flagged.ReplaceAllStringFunc(b.String(), func(match string) string {
		m := flagged.FindStringSubmatch(match)
		flag := strings.HasPrefix(strings.TrimSpace(m[1]), "-")
		quoted := strings.HasPrefix(m[2], "'") || strings.HasPrefix(m[2], `"`) && flag
		if quoted || flag && !isReference(m[2]) && !strings.HasPrefix(m[2], Hidden) {
			return m[1] + Hidden
		}
		return match
	})
}

// reference matches values that name or describe a secret without being one.
var reference = regexp.MustCompile(`^"?(?:(?:var|local|data|module|each|self|ephemeral|random_\w+|aws_\w+)[.\[]|\(|\$\{|\$\(|<|\*{2,}|\[hidden|arn:aws|(?i:null|nil|none|true|false|undefined|"")$)`)

func isReference(value string) bool {
	return strings.Trim(value, `"'\`) == "" || reference.MatchString(value)
}

var (
	// clause is a word that ends an error or a report of progress by itself.
	clause = regexp.MustCompile(`^(?i:eof|timeout|expired|denied|forbidden|unauthorized|unauthenticated|missing|required|empty|invalid|revoked|unset|canceled|cancelled|failed|rejected|unknown|disabled|unavailable|read|write)\.?$|(?:Exception|Error|Failure|Fault|Denied|NotFound)\.?$|^[A-Z][a-z]+ing(?:\.\.\.)?$`)
	// plainWord is a word of prose: letters, perhaps with an apostrophe or a
	// hyphen, perhaps with a full stop or dots at its end; or the name of an
	// environment variable.
	plainWord = regexp.MustCompile(`^(?:[("']?[A-Za-z]+(?:['’-][A-Za-z]+)*[)"']?[.…]*|[A-Z]+(?:_[A-Z0-9]+)+)$`)
	// label is a word of prose before another colon: the next part of a
	// wrapped error.
	label = regexp.MustCompile(`^(?:[A-Za-z][A-Za-z._()-]*|oauth2|http[123s]?|x509|s3|ec2|ecs|rds|kms|sts|route53|sha256|elbv2|ipv[46])$`)
	// status is the number that begins "401 Unauthorized" or "2 errors".
	status = regexp.MustCompile(`^[0-9]{1,3}$`)
	// assignment is a setting after a value, as in "password: swordfish user=app".
	assignment = regexp.MustCompile(`^ [A-Za-z_]+=`)
	// secretID is the name of a secret, as it follows "no such secret:".
	secretID = regexp.MustCompile(`^[a-z]+(?:[-/][a-z]+)+$`)
)

// isProse tells the continuation of an error ("read the password: file does
// not exist") from a value ("password: hunter2"). value follows a colon and a
// space; rest is the text after it.
func isProse(name, value, rest string, quotedName bool) bool {
	if strings.HasPrefix(value, `"`) || strings.HasPrefix(value, `'`) || strings.HasPrefix(value, `\`) {
		return false
	}
	if word, found := strings.CutSuffix(value, ":"); found && strings.HasPrefix(rest, " ") {
		return label.MatchString(word)
	}
	if clause.MatchString(value) || !quotedName && strings.HasSuffix(strings.ToLower(name), "secret") && secretID.MatchString(value) {
		return true
	}
	followed := len(rest) > 1 && rest[0] == ' ' && rest[1] != '\n'
	switch {
	case status.MatchString(value):
		return followed && !quotedName
	case plainWord.MatchString(value):
		return followed && !assignment.MatchString(rest) || strings.HasSuffix(name, "s") && strings.HasPrefix(rest, ",")
	default:
		return followed && strings.HasPrefix(value, "https:") || strings.HasPrefix(value, "http:")
	}
}

// minRandomWord is the number of characters from which a word may count as
// random.
const minRandomWord = 24

var word = regexp.MustCompile(protected.String() + `|[A-Za-z0-9+/=_~!#$%^&*-]{24,}`)

// hideRandom hides long random words.
func hideRandom(text string) string {
	if !slices.ContainsFunc(strings.FieldsFunc(text, isSpace), func(w string) bool { return len(w) >= minRandomWord }) {
		return text
	}
	return word.ReplaceAllStringFunc(text, func(w string) string {
		if !protected.MatchString(w) && isRandom(w) {
			return Hidden
		}
		return w
	})
}

// isRandom tells a random word from a name: it mixes upper and lower case and
// digits, and changes between them often. Digests, ids and ARNs do not.
func isRandom(w string) bool {
	var upper, lower, digit bool
	changes, last := 0, 0
	for _, c := range w {
		class := 0
		switch {
		case c >= 'A' && c <= 'Z':
			upper, class = true, 1
		case c >= 'a' && c <= 'z':
			lower, class = true, 2
		case c >= '0' && c <= '9':
			digit, class = true, 3
		}
		if class != last {
			changes++
		}
		last = class
	}
	return upper && lower && digit && changes*3 > len(w)
}

// containsAny is a cheap test that saves running most of the regular
// expressions.
func containsAny(text string, words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
}

func isSpace(r rune) bool { return r == ' ' || r == '\n' || r == '\t' }
