package migrations

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/agext/levenshtein"
)

// A header is a known word and a colon at the start of a comment line:
// "-- phase: contract". "-- note: prose" and "-- https://…" are prose.
var headerLine = regexp.MustCompile(`^--\s*([A-Za-z][A-Za-z_-]*)\s*:(?:\s+(.*?))?\s*$`)

var headerKeys = []string{"phase", "unused-since", "waive", "backfill", "transaction"}

// parseHeader reads the headers among a file's comments. Those after first,
// where the statements begin, are refused: nobody would look for them there,
// and passing over "-- phase: contract" would be dangerous.
func parseHeader(comments []Comment, first int) (Header, []Problem) {
	h := Header{Phase: Expand}
	p := &headerParser{header: &h, seen: map[string]int{}}
	for _, c := range comments {
		m := headerLine.FindStringSubmatch(c.Text)
		if m == nil {
			continue
		}
		key, value := m[1], m[2]
		known := slices.Contains(headerKeys, strings.ReplaceAll(strings.ToLower(key), "_", "-"))
		switch {
		case known && c.Offset > first:
			p.fail(c.Line, "%q must stand in the comment that begins the file, above the first statement", key)
		case known && !slices.Contains(headerKeys, key):
			p.fail(c.Line, "write %q as %q", key, strings.ReplaceAll(strings.ToLower(key), "_", "-"))
		case known:
			p.set(c.Line, key, value)
		case c.Offset < first && meant(key, value):
			p.fail(c.Line, "unknown header %q; the headers are %s (write prose without the colon)", key, strings.Join(headerKeys, ", "))
		}
	}
	switch {
	case h.Phase == Contract && h.UnusedSince == "":
		p.fail(p.seen["phase"], "a contract needs the first release that does without what it takes away: -- unused-since: v1.4.0")
	case h.Phase != Contract && h.UnusedSince != "":
		p.fail(p.seen["unused-since"], "unused-since belongs to a contract: add -- phase: contract")
	}
	return h, p.problems
}

// meant reports whether an unknown word looks like a header that is misspelt,
// which must not be passed over as prose.
func meant(key, value string) bool {
	key = strings.ReplaceAll(strings.ToLower(key), "_", "-")
	return slices.ContainsFunc(headerKeys, func(known string) bool {
		return levenshtein.Distance(key, known, nil) <= len(known)/5 || len(key) > 4 && strings.Contains(known, key)
	}) || value == string(Contract) || value == string(Expand)
}

type headerParser struct {
	header   *Header
	seen     map[string]int // key → line
	problems []Problem
}

func (p *headerParser) fail(line int, format string, args ...any) {
	p.problems = append(p.problems, Problem{Line: line, Rule: RuleHeader, Message: fmt.Sprintf(format, args...)})
}

var releaseName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/+-]*$`)

func (p *headerParser) set(line int, key, value string) {
	if before, ok := p.seen[key]; ok && key != "waive" {
		p.fail(line, "%q is already given in line %d", key, before)
		return
	}
	p.seen[key] = line
	switch key {
	case "phase":
		switch Phase(value) {
		case Expand, Contract:
			p.header.Phase = Phase(value)
		default:
			p.fail(line, "phase %q is unknown: write expand or contract", value)
		}
	case "unused-since":
		if !releaseName.MatchString(value) {
			p.fail(line, "unused-since %q is no release; name one tag: v1.4.0", value)
			return
		}
		p.header.UnusedSince = value
	case "waive":
		rule, reason, _ := strings.Cut(value, " ")
		reason = strings.TrimSpace(reason)
		if rule == "" || reason == "" {
			p.fail(line, "waive %q; name one rule and the reason: -- waive: drop-not-null readers accept NULL since v1.3.0", value)
			return
		}
		p.header.Waivers = append(p.header.Waivers, Waiver{Rule: rule, Reason: reason, Line: line})
	case "backfill":
		p.header.Backfill = p.backfill(line, value)
	case "transaction":
		if value != "none" {
			p.fail(line, "transaction %q is unknown: write none, or leave the line out to run the file in one transaction", value)
			return
		}
		p.header.NoTransaction = true
	}
}

var identifier = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)

func (p *headerParser) backfill(line int, value string) *Backfill {
	b := &Backfill{Key: "id", Batch: 1000, Pause: 100 * time.Millisecond}
	for _, field := range strings.Fields(value) {
		key, v, _ := strings.Cut(field, "=")
		var err error
		ok := true
		switch key {
		case "table":
			b.Table = v
			for part := range strings.SplitSeq(v, ".") {
				ok = ok && identifier.MatchString(part)
			}
			ok = ok && strings.Count(v, ".") < 2
		case "key":
			b.Key = v
			ok = identifier.MatchString(v)
		case "batch":
			b.Batch, err = strconv.Atoi(v)
			ok = err == nil && b.Batch > 0 && b.Batch <= 100_000
		case "pause":
			b.Pause, err = time.ParseDuration(v)
			ok = err == nil && b.Pause >= 0 && b.Pause <= time.Minute
		default:
			ok = false
		}
		if !ok {
			p.fail(line, "backfill %q; write table=documents key=id batch=1000 pause=100ms (batch 1 to 100000, pause 0s to 1m)", field)
		}
	}
	if b.Table == "" {
		p.fail(line, "backfill needs the table that it walks: table=documents")
	}
	return b
}
