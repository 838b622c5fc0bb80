package report

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/specboard/platform/migrations/check/internal/lint"
)

type object = map[string]any

// GitLab writes a report of code quality, the artifact that shows findings in a
// merge request.
func GitLab(w io.Writer, findings []lint.Finding) error {
	list := []object{}
	seen := map[string]int{}
	for _, f := range findings {
		severity := "minor"
		if f.Severity == lint.Error {
			severity = "critical"
		}
		// The fingerprint outlives other lines that move it.
		key := f.File + "\x00" + f.Rule + "\x00" + f.Message
		seen[key]++
		sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d", key, seen[key]))
		list = append(list, object{
			"description": explained(f), "check_name": f.Rule, "fingerprint": hex.EncodeToString(sum[:]), "severity": severity,
			"location": object{"path": f.File, "lines": object{"begin": max(f.Line, 1)}},
		})
	}
	return write(w, list)
}

// SARIF writes a report for code scanning, version 2.1.0.
func SARIF(w io.Writer, findings []lint.Finding) error {
	rules, results := []object{}, []object{}
	at := map[string]int{}
	for _, f := range findings {
		if _, known := at[f.Rule]; !known {
			at[f.Rule] = len(rules)
			rule := object{"id": f.Rule}
			for _, r := range lint.Rules() {
				if r.ID == f.Rule {
					rule["shortDescription"] = object{"text": r.Title}
					rule["fullDescription"] = object{"text": r.Why}
					rule["help"] = object{"text": r.Instead}
				}
			}
			rules = append(rules, rule)
		}
		region := object{"startLine": max(f.Line, 1)}
		if f.Column > 0 {
			region["startColumn"] = f.Column
		}
		results = append(results, object{
			"ruleId": f.Rule, "ruleIndex": at[f.Rule], "level": string(f.Severity), "message": object{"text": explained(f)},
			"locations": []object{{"physicalLocation": object{"artifactLocation": object{"uri": f.File}, "region": region}}},
		})
	}
	return write(w, object{
		"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0",
		"runs": []object{{
			"tool":    object{"driver": object{"name": "migrations/check", "informationUri": "https://github.com/specboard/platform", "rules": rules}},
			"results": results, "columnKind": "unicodeCodePoints",
		}},
	})
}

// explained is a finding in a few lines, with what to write instead.
func explained(f lint.Finding) string {
	text := f.Message
	if f.Why != "" {
		text += "\n" + f.Why
	}
	if f.Lock != "" {
		text += "\nLock: " + f.Lock
	}
	if len(f.Instead) > 0 {
		text += "\nInstead:\n" + strings.Join(f.Instead, "\n\nThen, in the next file:\n")
	}
	return text
}

func write(w io.Writer, report any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(report); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}
