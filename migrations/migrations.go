// Package migrations holds the database's schema as numbered SQL files and
// runs them against a PostgreSQL that serves traffic meanwhile.
//
// Files are forward only: NNNN_name.sql, without gaps. The comment that begins
// a file may carry headers, one a line:
//
//	-- phase: expand                    (the default) every running release keeps working
//	-- phase: contract                  takes something away that releases once used
//	-- unused-since: v1.4.0             with contract: the first release that does without
//	-- waive: RULE the reason           accept one finding of the linter
//	-- backfill: table=t key=id batch=1000 pause=100ms
//	-- transaction: none                one transaction a statement, instead of one for the file
//
// Read and Load turn a folder into Migrations. Up runs the pending ones, DryRun
// shows what it would do, and Look returns what has run. Baseline adopts a
// database that was made in another way, Drift compares a database with its
// files, and Gate decides whether a contract may run yet.
package migrations

import (
	"embed"
	"fmt"
	"io/fs"
	"time"
)

//go:embed *.[sS][qQ][lL]
var embedded embed.FS

// Placeholder is the file that a folder without migrations holds, since Go embeds
// no folder that has none to embed. It is no migration.
const Placeholder = ".sql"

// Files returns the project's own migrations, as built into the binary.
func Files() fs.FS { return embedded }

// Phase says what a migration asks of the releases that run beside it.
type Phase string

const (
	// Expand only adds: every release that runs now keeps working.
	Expand Phase = "expand"
	// Contract takes away or narrows: releases before UnusedSince would break.
	Contract Phase = "contract"
)

// Migration is one file.
type Migration struct {
	// Number is the file's, from 1.
	Number int
	// Name is the file's name without number and extension, such as
	// "create_users".
	Name string
	// File is the file's name, such as "0001_create_users.sql".
	File string
	// SQL is the text as it is judged, run and summed: UTF-8, without a
	// byte-order mark, lines ending in a line feed. Offsets and lines of
	// statements, waivers and problems refer to it.
	SQL string
	// Checksum identifies what the file runs: "v2:" and a SHA-256 in
	// hexadecimal over its statements and how they run, without comments,
	// headers that only declare, and white space between tokens.
	Checksum string
	Header
	// Statements are the file's, in order.
	Statements []Statement
	// Mode says how they become transactions.
	Mode Mode
}

// ID is number and name, such as "0001_create_users".
func (m Migration) ID() string { return id(m.Number, m.Name) }

func id(number int, name string) string { return fmt.Sprintf("%04d_%s", number, name) }

// Header is what a file's leading comment declares.
type Header struct {
	Phase Phase
	// UnusedSince is the first release that no longer uses what a contract
	// takes away; set exactly for contracts.
	UnusedSince string
	Waivers     []Waiver
	// Backfill is set for a file whose one statement runs in batches.
	Backfill *Backfill
	// NoTransaction is "-- transaction: none".
	NoTransaction bool
}

// Waiver accepts the findings of one rule of the linter for a file.
type Waiver struct {
	Rule, Reason string
	// Line is the header's, from 1.
	Line int
}

// Backfill says how a file's one statement runs in batches along a key: with
// $1 and $2 as the first and the last key of the batch, both inclusive.
type Backfill struct {
	// Table is walked; it may carry a schema.
	Table string
	// Key is a column of Table, NOT NULL and first in an index.
	Key string
	// Batch is how many rows of Table make a batch.
	Batch int
	// Pause is the rest between two batches.
	Pause time.Duration
}

// Mode says how the statements of a file become transactions.
type Mode string

const (
	// Whole runs the file in one transaction: all of it or nothing.
	Whole Mode = "transaction"
	// Single runs every statement by itself, since PostgreSQL refuses some
	// (CREATE INDEX CONCURRENTLY) inside a transaction; a failure resumes at
	// the failed statement.
	Single Mode = "statements"
	// Batched runs the file's one statement batch by batch.
	Batched Mode = "backfill"
)

// Problem is one thing wrong with a file.
type Problem struct {
	File string `json:"file"`
	// Line counts from 1; 0 means the file as a whole.
	Line int `json:"line,omitempty"`
	// Rule is what the file breaks, one of the Rule constants.
	Rule    string `json:"rule"`
	Message string `json:"message"`
}

// The rules that a Problem may name. Those from RuleSyntax on judge
// statements, and only as far as the runner must; the linter knows more.
const (
	RuleFileName    = "file-name"
	RuleNumbering   = "numbering"
	RuleEncoding    = "encoding"
	RuleHeader      = "header"
	RuleSyntax      = "syntax"
	RuleTransaction = "transaction"
	RuleTimeout     = "timeout"
	RuleUnsupported = "unsupported"
)

func (p Problem) String() string {
	if p.Line == 0 {
		return fmt.Sprintf("%s: %s: %s", p.File, p.Rule, p.Message)
	}
	return fmt.Sprintf("%s:%d: %s: %s", p.File, p.Line, p.Rule, p.Message)
}
