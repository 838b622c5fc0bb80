package iam

import "strings"

// glob reports whether text matches a pattern, in which * stands for any
// number of characters and ? for one.
func glob(pattern, text string) bool {
	// star is the position of the last * so far, and taken how much of the
	// text it stands for.
	star, taken := -1, 0
	p, t := 0, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, taken = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p++
			t++
		case star >= 0:
			taken++
			p, t = star+1, taken
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// matchesResource compares ARNs part by part: a wildcard does not match across
// one of the first five colons. AWS forbids a wildcard in place of the
// resource's type ("*/name", "*:name"), and tools disagree on its meaning;
// here it matches nothing. S3's resources have no type: they begin with a bucket.
func matchesResource(pattern, resource string) bool {
	if pattern == "*" {
		return true
	}
	want, have := strings.SplitN(pattern, ":", 6), strings.SplitN(resource, ":", 6)
	if len(want) != 6 || len(have) != 6 {
		return false
	}
	for i := range 5 {
		if !glob(want[i], have[i]) {
			return false
		}
	}
	if kind, rest, typed := cutType(want[5]); typed && want[2] != "s3" && rest != "" && strings.Contains(kind, "*") {
		return false
	}
	return glob(want[5], have[5])
}

// cutType splits the type off a resource: at the first slash or colon.
func cutType(resource string) (kind, rest string, ok bool) {
	i := strings.IndexAny(resource, "/:")
	if i < 0 {
		return resource, "", false
	}
	return resource[:i], resource[i+1:], true
}
