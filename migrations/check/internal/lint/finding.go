package lint

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Severity is how much a finding weighs.
type Severity string

const (
	// Error stops the pull request.
	Error Severity = "error"
	// Warning is for a person to weigh.
	Warning Severity = "warning"
)

// Finding is one thing found in one statement of one file.
type Finding struct {
	File string `json:"file"`
	// Line and Column count from 1, Column in bytes. Line 0 is the file as a
	// whole.
	Line     int      `json:"line"`
	Column   int      `json:"column,omitempty"`
	Rule     string   `json:"rule"`
	Severity Severity `json:"severity"`
	// Message says what is wrong with this statement.
	Message string `json:"message"`
	Why     string `json:"why,omitempty"`
	// Lock is what the statement locks, and how.
	Lock string `json:"lock,omitempty"`
	// Instead is the safe form of this statement: the contents of one file, or
	// of several to be deployed one after the other.
	Instead []string `json:"instead,omitempty"`
}

// String is the finding's head in one line.
func (f Finding) String() string {
	where := f.File
	if f.Line > 0 {
		where += fmt.Sprintf(":%d", f.Line)
	}
	if f.Column > 0 {
		where += fmt.Sprintf(":%d", f.Column)
	}
	return fmt.Sprintf("%s: %s: %s: %s", where, f.Severity, f.Rule, f.Message)
}

// Failed reports whether any finding is an error.
func Failed(list []Finding) bool {
	return slices.ContainsFunc(list, func(f Finding) bool { return f.Severity == Error })
}

// order sorts the findings of one file by place, and drops what was said twice.
func order(list []Finding) []Finding {
	slices.SortStableFunc(list, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Rule, b.Rule), strings.Compare(a.Message, b.Message))
	})
	return slices.CompactFunc(list, func(a, b Finding) bool {
		return a.Line == b.Line && a.Column == b.Column && a.Rule == b.Rule && a.Message == b.Message
	})
}
