package root

import (
	"testing"
	"time"
)

// TestTokenStep holds what follows each state that a killed run can leave.
func TestTokenStep(t *testing.T) {
	stored := time.Date(2026, 11, 27, 2, 0, 0, 0, time.UTC)
	rotated, set := stored.Add(time.Minute), stored.Add(time.Hour)
	accepted := acceptedAt(rotated)
	for name, c := range map[string]struct {
		token cacheToken
		want  tokenStep
	}{
		"nothing is pending":                      {cacheToken{created: stored}, tokenDone},
		"the first is stored":                     {cacheToken{stages: []string{pendingLabel, currentLabel}, created: stored}, tokenRotate},
		"another is stored":                       {cacheToken{stages: []string{pendingLabel}, created: stored, modified: stored.Add(-time.Hour), older: true}, tokenRotate},
		"the cache accepts it, killed there":      {cacheToken{stages: []string{pendingLabel}, created: stored, modified: rotated, older: true}, tokenPublish},
		"tasks read it, killed there":             {cacheToken{stages: []string{pendingLabel, currentLabel}, created: stored, modified: rotated, older: true}, tokenPublish},
		"labelled accepted, and not current":      {cacheToken{stages: []string{pendingLabel, accepted}, created: stored, modified: rotated}, tokenPublish},
		"tasks have the one before":               {cacheToken{stages: []string{pendingLabel, currentLabel, accepted}, created: stored, modified: rotated, older: true}, tokenWait},
		"every task has it":                       {cacheToken{stages: []string{pendingLabel, currentLabel, accepted}, created: stored, modified: rotated}, tokenSet},
		"it is the only one, killed there":        {cacheToken{stages: []string{pendingLabel, currentLabel, accepted}, created: stored, modified: set}, tokenFinish},
		"the only one, and a task of before runs": {cacheToken{stages: []string{pendingLabel, currentLabel, accepted}, created: stored, modified: set, older: true}, tokenFinish},
	} {
		if got := c.token.next(); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
