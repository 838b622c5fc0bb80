package deploy

import (
	"regexp"
	"slices"
	"strings"
)

// hidden stands where something was hidden.
const hidden = "[hidden]"

// Redactor hides secrets in text that comes from elsewhere: logs, AWS's
// reasons, errors. The zero value hides what looks like one.
type Redactor struct {
	values []string
}

// NewRedactor returns one that also hides these values, wherever they stand.
// Values of less than four characters are left out: they would hide letters of
// ordinary words.
func NewRedactor(values ...string) Redactor {
	var r Redactor
	for _, v := range values {
		if len(v) >= 4 {
			r.values = append(r.values, v)
		}
	}
	// The longest first, in case one holds another.
	slices.SortFunc(r.values, func(a, b string) int { return len(b) - len(a) })
	return r
}

var (
	// assigned is a name that speaks of a secret and the value given to it.
	assigned = regexp.MustCompile(`(?i)((?:(?:password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|auth[_-]?key|credentials?|session[_-]?key|invite[_-]?keys?))["']?\s*(?:=|:|=>)\s*)("(?:[^"\\]|\\.)*"|'[^']*'|[^\s,;}&"']+)`)
	// userinfo is the password in a URL.
	userinfo = regexp.MustCompile(`([a-z][a-z0-9+.-]*://[^\s/:@]*:)([^\s/@]+)(@)`)
	// bearer is what follows the scheme in an Authorization header.
	bearer = regexp.MustCompile(`(?i)\b((?:bearer|basic)\s+)([a-z0-9._~+/=-]{8,})`)
	// tokens are credentials that tell by their form.
	tokens = regexp.MustCompile(`\b(?:(?:AKIA|ASIA)[A-Z0-9]{16}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|xox[abprs]-[A-Za-z0-9-]{10,}|sk_(?:live|test)_[A-Za-z0-9]{10,}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*)`)
	// pem is a private key.
	pem = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)`)
	// word may be a random value; an ARN, which holds random ids, is none.
	word = regexp.MustCompile(`\barn:aws[^\s,;"')]*|[A-Za-z0-9+/=_~!#$%^&*-]{24,}`)
)

// Hide returns text without secrets.
func (r Redactor) Hide(text string) string {
	if len(text) < 4 {
		return text
	}
	for _, v := range r.values {
		text = strings.ReplaceAll(text, v, hidden)
	}
	if strings.Contains(text, "-----BEGIN") {
		text = pem.ReplaceAllString(text, hidden)
	}
	if strings.Contains(text, "://") {
		text = userinfo.ReplaceAllString(text, "${1}"+hidden+"${3}")
	}
	if strings.ContainsAny(text, "=:") && containsAny(strings.ToLower(text), "pass", "secret", "token", "key", "credential") {
		text = assigned.ReplaceAllString(text, "${1}"+hidden)
	}
	if containsAny(text, "earer", "asic", "EARER", "ASIC") {
		text = bearer.ReplaceAllString(text, "${1}"+hidden)
	}
	if containsAny(text, "AKIA", "ASIA", "gh", "xox", "sk_", "eyJ") {
		text = tokens.ReplaceAllString(text, hidden)
	}
	if !slices.ContainsFunc(strings.FieldsFunc(text, isSpace), func(w string) bool { return len(w) >= 24 }) {
		return text
	}
	return word.ReplaceAllStringFunc(text, func(w string) string {
		if !strings.HasPrefix(w, "arn:") && looksRandom(w) {
			return hidden
		}
		return w
	})
}

// containsAny spares the regular expressions most of their work.
func containsAny(text string, words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
}

func isSpace(r rune) bool { return r == ' ' || r == '\n' || r == '\t' }

// looksRandom tells a random word from a name: it mixes upper and lower case
// and digits, and changes between them often. Digests, ids and ARNs do not.
func looksRandom(w string) bool {
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
