package deploy

import "testing"

func TestConclude(t *testing.T) {
	nothing, changed, updated := Journal{}, Journal{Changed: true}, Journal{Changed: true, Updated: true}
	for _, tt := range []struct {
		name    string
		journal Journal
		cause   cause
		outcome Outcome
		follow  follow
	}{
		{"the lock was held by somebody", nothing, cause{unlocked: true}, Untouched, followNothing},
		{"a check refuses", nothing, cause{}, Untouched, followCollect},
		{"the migration fails", changed, cause{}, Untouched, followCollect},
		{"a deployment fails", updated, cause{}, "", followRollBack},
		{"it could not be recorded", updated, cause{verified: true, lost: true}, Deployed, followNothing},
		{"an interrupt before the first change", nothing, cause{interrupted: true}, Interrupted, followNothing},
		{"an interrupt on the way", updated, cause{interrupted: true}, Interrupted, followNothing},
		{"the lock is lost before the first change", nothing, cause{lost: true}, Untouched, followNothing},
		{"the lock is lost after it", changed, cause{lost: true}, Interrupted, followNothing},
		{"what happens may not be looked at", updated, cause{blind: true}, Interrupted, followNothing},
		{"a change was denied before the update", changed, cause{blind: true}, Untouched, followCollect},
		{"a continuation that did nothing", updated, cause{idle: true}, "", followLeave},
		{"a continuation that did nothing, interrupted", changed, cause{idle: true, interrupted: true}, "", followLeave},
	} {
		if outcome, follow := conclude(tt.journal, tt.cause); outcome != tt.outcome || follow != tt.follow {
			t.Errorf("%s: %q, %d, want %q, %d", tt.name, outcome, follow, tt.outcome, tt.follow)
		}
	}
}
