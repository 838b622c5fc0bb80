package lint

import "slices"

// Class groups rules by what is at stake.
type Class string

const (
	// Blocking statements stop readers or writers for as long as they work.
	Blocking Class = "blocking"
	// Breaking statements take away what the running release uses.
	Breaking Class = "breaking"
	// Transaction rules are about what one transaction may hold.
	Transaction Class = "transaction"
	// Data rules are about rows changed in bulk.
	Data Class = "data"
	// Design rules are about what will cost later.
	Design Class = "design"
	// Format rules are about the file itself.
	Format Class = "file"
)

// Rule is one thing the linter looks for.
type Rule struct {
	ID       string
	Class    Class
	Severity Severity
	// Title completes "This rule finds …".
	Title string
	// Why says what happens if the statement runs.
	Why string
	// Lock names the lock that it takes; "" if the rule is not about one.
	Lock string
	// Instead says what to do, for every statement of the kind; a finding adds
	// the SQL for its own.
	Instead string
	// From and Until bound the PostgreSQL versions that it holds for; 0 is open.
	From, Until int
	// Firm rules cannot be waived: the file would not run.
	Firm bool
}

// Rules returns every rule, by class.
func Rules() []Rule {
	return slices.Concat(blockingRules, breakingRules, transactionRules, dataRules, designRules, formatRules)
}

func findRule(id string) (Rule, bool) {
	for _, list := range [][]Rule{blockingRules, breakingRules, transactionRules, dataRules, designRules, formatRules} {
		for _, r := range list {
			if r.ID == id {
				return r, true
			}
		}
	}
	return Rule{}, false
}
