package migrations

import (
	"fmt"
	"strings"
)

// Statement is one statement of a file.
type Statement struct {
	// SQL is the statement without its semicolon and the comments around it.
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

// body counts the BEGIN ATOMIC and CASE blocks that are open after the last
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

// tokenKind is what a token is, as far as cutting and classifying need it.
type tokenKind int

const (
	wordToken   tokenKind = iota // an unquoted word, folded to lower case
	quotedToken                  // "an identifier", unquoted
	stringToken                  // 'text', E'text' or $tag$text$tag$, as written
	paramToken                   // $1
	otherToken                   // a number's digits or one character
)

type token struct {
	kind   tokenKind
	text   string
	offset int
	end    int // the offset after it, as written
}

// is reports whether the token is that keyword or character.
func (t token) is(text string) bool {
	return (t.kind == wordToken || t.kind == otherToken || t.kind == paramToken) && t.text == text
}

// Comment is one "--" comment.
type Comment struct {
	// Text begins with the dashes and has no line feed.
	Text string
	// Offset is in bytes from 0, Line counts from 1.
	Offset, Line int
}

// SyntaxError is where a text stops being SQL that can be cut into statements.
type SyntaxError struct {
	Offset, Line int
	Message      string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Message) }

// lexer cuts SQL into tokens by the rules of PostgreSQL's own scanner, with
// standard_conforming_strings on.
type lexer struct {
	sql      string
	pos      int
	comments []Comment

	// counted is an offset whose line is known: lines are asked for nearly in
	// order, and a large file must not be counted from its start each time.
	counted, line int
}

func (l *lexer) fail(offset int, format string, args ...any) *SyntaxError {
	return &SyntaxError{Offset: offset, Line: l.lineAt(offset), Message: fmt.Sprintf(format, args...)}
}

// lineAt returns the line of an offset, from 1.
func (l *lexer) lineAt(offset int) int {
	if offset >= l.counted {
		l.line += strings.Count(l.sql[l.counted:offset], "\n")
	} else {
		l.line -= strings.Count(l.sql[offset:l.counted], "\n")
	}
	l.counted = offset
	return l.line + 1
}

// peek returns the byte after the one at hand, 0 at the end.
func (l *lexer) peek() byte {
	if l.pos+1 < len(l.sql) {
		return l.sql[l.pos+1]
	}
	return 0
}

// next returns the next token; ok is false at the end.
func (l *lexer) next() (t token, ok bool, err *SyntaxError) {
	if err := l.skipSpace(); err != nil {
		return token{}, false, err
	}
	if l.pos >= len(l.sql) {
		return token{}, false, nil
	}
	start, c := l.pos, l.sql[l.pos]
	switch {
	case (c == 'e' || c == 'E') && l.peek() == '\'':
		l.pos++
		err = l.quoted('\'', true)
		return token{stringToken, l.sql[start:l.pos], start, l.pos}, true, err
	case c == '\'':
		err = l.quoted('\'', false)
		return token{stringToken, l.sql[start:l.pos], start, l.pos}, true, err
	case c == '"':
		err = l.quoted('"', false)
		if err != nil {
			return token{}, false, err
		}
		return token{quotedToken, strings.ReplaceAll(l.sql[start+1:l.pos-1], `""`, `"`), start, l.pos}, true, nil
	case identStart(c):
		for l.pos < len(l.sql) && identPart(l.sql[l.pos]) {
			l.pos++
		}
		return token{wordToken, strings.ToLower(l.sql[start:l.pos]), start, l.pos}, true, nil
	case c == '$' && digit(l.peek()):
		l.pos++
		l.digits()
		return token{paramToken, l.sql[start:l.pos], start, l.pos}, true, nil
	case c == '$':
		err = l.dollar()
		return token{stringToken, l.sql[start:l.pos], start, l.pos}, true, err
	case digit(c):
		l.digits()
		return token{otherToken, l.sql[start:l.pos], start, l.pos}, true, nil
	case c == '\\':
		return token{}, false, l.fail(start, "a backslash outside quotes: psql's commands do not run here; write SQL")
	}
	l.pos++
	return token{otherToken, l.sql[start:l.pos], start, l.pos}, true, nil
}

func (l *lexer) digits() {
	for l.pos < len(l.sql) && digit(l.sql[l.pos]) {
		l.pos++
	}
}

// skipSpace passes over white space and comments and keeps the latter.
func (l *lexer) skipSpace() *SyntaxError {
	for l.pos < len(l.sql) {
		switch c := l.sql[l.pos]; {
		case space(c):
			l.pos++
		case c == '-' && l.peek() == '-':
			l.lineComment()
		case c == '/' && l.peek() == '*':
			if err := l.blockComment(); err != nil {
				return err
			}
		default:
			return nil
		}
	}
	return nil
}

func (l *lexer) lineComment() {
	start := l.pos
	if n := strings.IndexAny(l.sql[l.pos:], "\n\r"); n >= 0 {
		l.pos += n
	} else {
		l.pos = len(l.sql)
	}
	l.comments = append(l.comments, Comment{Text: l.sql[start:l.pos], Offset: start, Line: l.lineAt(start)})
}

// blockComment passes over a comment, which may hold others.
func (l *lexer) blockComment() *SyntaxError {
	start, depth := l.pos, 0
	for l.pos < len(l.sql) {
		switch {
		case l.sql[l.pos] == '/' && l.peek() == '*':
			depth++
			l.pos += 2
		case l.sql[l.pos] == '*' && l.peek() == '/':
			depth--
			l.pos += 2
			if depth == 0 {
				return nil
			}
		default:
			l.pos++
		}
	}
	return l.fail(start, "this /* comment has no end")
}

// quoted passes over a string or a quoted identifier. A string goes on after
// white space that holds a line feed, in the same mode.
func (l *lexer) quoted(quote byte, escapes bool) *SyntaxError {
	start := l.pos
	l.pos++
	for l.pos < len(l.sql) {
		switch c := l.sql[l.pos]; {
		case c == '\\' && escapes:
			l.pos += 2
		case c == quote && l.peek() == quote:
			l.pos += 2
		case c == quote:
			l.pos++
			if quote == '"' || !l.continued() {
				return nil
			}
			l.pos++
		default:
			l.pos++
		}
	}
	l.pos = len(l.sql)
	return l.fail(start, "this %c has no end", quote)
}

// continued moves to a quote that continues the string just ended, if any.
func (l *lexer) continued() bool {
	from, kept, newline := l.pos, len(l.comments), false
	for l.pos < len(l.sql) {
		switch c := l.sql[l.pos]; {
		case space(c):
			newline = newline || c == '\n' || c == '\r'
			l.pos++
		case c == '-' && l.peek() == '-':
			l.lineComment()
		case c == '\'' && newline:
			return true
		default:
			l.pos, l.comments = from, l.comments[:kept]
			return false
		}
	}
	l.pos, l.comments = from, l.comments[:kept]
	return false
}

// dollar passes over $tag$ … $tag$.
func (l *lexer) dollar() *SyntaxError {
	start, end := l.pos, l.pos+1
	for end < len(l.sql) && identPart(l.sql[end]) && l.sql[end] != '$' {
		end++
	}
	if end >= len(l.sql) || l.sql[end] != '$' {
		return l.fail(start, "a lone $: placeholders are not filled in; write SQL")
	}
	tag := l.sql[start : end+1]
	n := strings.Index(l.sql[end+1:], tag)
	if n < 0 {
		l.pos = len(l.sql)
		return l.fail(start, "this %s has no end", tag)
	}
	l.pos = end + 1 + n + len(tag)
	return nil
}

func space(c byte) bool {
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

func identStart(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c >= 0x80
}

func identPart(c byte) bool { return identStart(c) || digit(c) || c == '$' }
