package terraform

import (
	"regexp"
	"slices"
	"strings"
)

// Some failures can be recognized only by the text of Terraform or its
// provider; all such texts are read here and nowhere else. They are those of
// Terraform 1.11.4 and of the AWS provider 5.100.0, recorded in
// testdata/prose.txtar; the codes within them are AWS's.
var (
	staleText    = regexp.MustCompile(`Saved plan (?:is stale|does not match)`)
	noBucketText = regexp.MustCompile(`NoSuchBucket|S3 bucket "[^"]*" does not exist`)
	// readText is the line that a plan prints when it has read a data source, or
	// begins to refresh a resource.
	readText = regexp.MustCompile(`^[^ ]+: (?:Refreshing state\.\.\.|Read complete after )`)
	// absentText is the message about an import that finds nothing, from
	// Terraform or from a provider that checks for itself.
	absentText = regexp.MustCompile(`(?i)cannot import non-existent|no object exists|no [a-z ]+ found|not found|couldn't find|NoSuch|does not exist|empty result`)
	// takenText is AWS's message about creating something that exists. For a
	// service, ECS says that its creation was not idempotent.
	takenText = regexp.MustCompile(`AlreadyExist|already exists|ResourceExistsException|AlreadyOwnedByYou|AlreadyAssociated|` +
		`Duplicate(?:LoadBalancerName|TargetGroupName|Listener)|PriorityInUse|WAFDuplicateItem|Invalid(?:Permission|Group)\.Duplicate|InvalidSubnet\.Conflict|was not idempotent`)
)

// Taken reports whether an apply failed because something of that name exists.
func Taken(err error) bool { return takenText.MatchString(err.Error()) }

// classify returns the typed error for a failure that Terraform reports only
// as text.
func classify(err error) error {
	text := plain(err.Error())
	switch {
	case staleText.MatchString(text):
		return &StalePlanError{err}
	case noBucketText.MatchString(text):
		return &NoBucketError{err}
	}
	return &CommandError{Message: essence(text), Err: err}
}

var (
	frame  = regexp.MustCompile(`(?m)^[│╷╵][ \t]?`)
	escape = regexp.MustCompile("\x1b\\[[0-9;]*m")
)

// plain removes colours and the frame around diagnostics.
func plain(text string) string {
	return frame.ReplaceAllString(escape.ReplaceAllString(text, ""), "")
}

// essence keeps the errors and drops the warnings that come before them.
func essence(text string) string {
	if i := strings.Index(text, "Error: "); i >= 0 {
		text = text[i:]
	}
	return strings.TrimSpace(text)
}

// absentAddress returns the address of the import that an error says does not
// exist, or "".
func absentAddress(text string, imports []Import) string {
	if !absentText.MatchString(text) {
		return ""
	}
	// Of several addresses in the text the longest counts: one may be the
	// beginning of another.
	found := ""
	for _, i := range imports {
		// Terraform quotes an address, and so escapes the quotes of its keys.
		// A provider that checks for itself may mention only the parts of the
		// id.
		named := strings.Contains(text, i.Address) || strings.Contains(text, strings.ReplaceAll(i.Address, `"`, `\"`)) ||
			found == "" && contains(text, strings.Split(i.ID, "/"))
		if named && len(i.Address) > len(found) {
			found = i.Address
		}
	}
	return found
}

// contains reports whether a text has all of at least two parts.
func contains(text string, parts []string) bool {
	return len(parts) > 1 && !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(text, p) })
}
