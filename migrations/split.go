package migrations

import "strings"

// Statement is one statement of a file.
type Statement struct {
	// SQL is the statement without the semicolon and without comments around.
	SQL string
	// Offset is where it begins, in bytes from 0; Line counts from 1.
	Offset, Line int

	tokens []token
}

// text is the statement as the server reads it: white space and comments
// between tokens are one space, or none beside parentheses and commas; within
// strings and bodies they stay as they are.
func (s Statement) text() string {
	var b strings.Builder
	for i, t := range s.tokens {
		apart := func(t token) bool { return t.is("(") || t.is(")") || t.is(",") }
		if i > 0 && t.offset > s.tokens[i-1].end && !apart(t) && !apart(s.tokens[i-1]) {
			b.WriteByte(' ')
		}
		b.WriteString(s.SQL[t.offset-s.Offset : t.end-s.Offset])
	}
	return b.String()
}

// Split cuts SQL at the semicolons that end statements: not those in strings,
// dollar quotes, comments, parentheses or BEGIN ATOMIC bodies. It returns every
// "--" comment as well. Statements before an error are returned with it.
func Split(sql string) ([]Statement, []Comment, *SyntaxError) {
	l := &lexer{sql: sql}
	var list []Statement
	var tokens []token
	end, parens, bodies := 0, 0, 0
	flush := func() {
		if len(tokens) > 0 {
			start := tokens[0].offset
			list = append(list, Statement{SQL: sql[start:end], Offset: start, Line: l.lineAt(start), tokens: tokens})
		}
		tokens, parens, bodies = nil, 0, 0
	}
	for {
		t, ok, err := l.next()
		if err != nil {
			return list, l.comments, err
		}
		if !ok {
			flush()
			return list, l.comments, nil
		}
		if t.is(";") && parens == 0 && bodies == 0 {
			flush()
			continue
		}
		tokens = append(tokens, t)
		end = t.end
		switch {
		case t.is("("):
			parens++
		case t.is(")"):
			parens = max(0, parens-1)
		case parens == 0 && t.kind == wordToken:
			bodies = body(tokens, bodies)
		}
	}
}

// body counts the BEGIN ATOMIC and CASE blocks that are open behind the last
// token: only routines have them, and only there do they hold semicolons.
func body(tokens []token, open int) int {
	last := tokens[len(tokens)-1].text
	switch {
	case last == "atomic" && open == 0 && len(tokens) > 1 && tokens[len(tokens)-2].is("begin") && routine(tokens):
		return 1
	case last == "case" && open > 0:
		return open + 1
	case last == "end" && open > 0:
		return open - 1
	}
	return open
}

// routine reports whether the tokens begin CREATE [OR REPLACE] FUNCTION or
// PROCEDURE.
func routine(tokens []token) bool {
	w := words(tokens, 4)
	return strings.HasPrefix(w, "create function ") || strings.HasPrefix(w, "create procedure ") ||
		strings.HasPrefix(w, "create or replace function ") || strings.HasPrefix(w, "create or replace procedure ")
}

// words joins the keywords that a statement begins with, each followed by a
// space, up to n of them or the first token that is no unquoted word.
func words(tokens []token, n int) string {
	var b strings.Builder
	for i := 0; i < n && i < len(tokens) && tokens[i].kind == wordToken; i++ {
		b.WriteString(tokens[i].text + " ")
	}
	return b.String()
}
