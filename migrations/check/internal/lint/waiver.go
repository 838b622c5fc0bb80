package lint

import (
	"fmt"
	"slices"

	"github.com/agext/levenshtein"

	"github.com/specboard/platform/migrations"
)

// settle removes the findings that the file waives, and reports waivers and contracts
// that no finding needs.
func (j *judge) settle() []Finding {
	used := map[int]bool{}
	kept := slices.DeleteFunc(slices.Clone(j.findings), func(f Finding) bool {
		if f.Rule == "" {
			return true
		}
		r, known := findRule(f.Rule)
		if !known || r.Firm {
			return false
		}
		waived := false
		for i, w := range j.migration.Waivers {
			if w.Rule == f.Rule {
				used[i], waived = true, true
			}
		}
		return waived
	})
	for i, w := range j.migration.Waivers {
		if used[i] {
			continue
		}
		message := fmt.Sprintf("no finding of %s in this file", w.Rule)
		switch r, known := findRule(w.Rule); {
		case !known:
			message = fmt.Sprintf("there is no rule %q%s", w.Rule, nearest(w.Rule))
		case r.Firm:
			message = fmt.Sprintf("%s cannot be waived: the file would not run", w.Rule)
		case r.Class == Breaking && j.migration.Phase == migrations.Contract:
			message = fmt.Sprintf("the contract covers %s already", w.Rule)
		}
		kept = append(kept, Finding{File: j.migration.File, Line: w.Line, Rule: "unused-waiver", Severity: Error, Message: message, Why: why("unused-waiver")})
	}
	if len(j.migration.Statements) == 0 && len(j.refused) == 0 {
		kept = append(kept, Finding{File: j.migration.File, Line: 1, Rule: "empty-file", Severity: Warning,
			Message: "no statement in it", Why: why("empty-file")})
	}
	if j.migration.Phase == migrations.Contract && j.covered == 0 {
		kept = append(kept, Finding{File: j.migration.File, Line: 1, Rule: "needless-contract", Severity: Warning,
			Message: "nothing in this file breaks a release", Why: why("needless-contract")})
	}
	return kept
}

func why(rule string) string {
	r, _ := findRule(rule)
	return r.Why
}

// nearest suggests the rule whose name is closest to a misspelt one.
func nearest(name string) string {
	best, least := "", 4
	for _, r := range Rules() {
		if d := levenshtein.Distance(name, r.ID, nil); d < least {
			best, least = r.ID, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %s?", best)
}
