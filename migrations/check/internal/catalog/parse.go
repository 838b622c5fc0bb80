package catalog

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	pg "github.com/pganalyze/pg_query_go/v6"
	"github.com/pganalyze/pg_query_go/v6/parser"
)

// GrammarVersion is the PostgreSQL whose grammar this is.
const GrammarVersion = 17

// SyntaxError is a text that PostgreSQL's grammar refuses.
type SyntaxError struct {
	Message string
	// Offset is where, in bytes from 0 of the text that was parsed; -1 if the
	// parser does not say.
	Offset int
}

func (e *SyntaxError) Error() string { return e.Message }

// Parse reads one statement.
func Parse(sql string) (*pg.Node, error) {
	list, err := ParseAll(sql)
	if err != nil {
		return nil, err
	}
	if len(list) != 1 {
		return nil, &SyntaxError{Message: fmt.Sprintf("%d statements where one is expected", len(list)), Offset: -1}
	}
	return list[0], nil
}

// ParseAll reads any number of statements.
func ParseAll(sql string) ([]*pg.Node, error) {
	if err := guard(sql); err != nil {
		return nil, err
	}
	result, err := pg.Parse(sql)
	if err != nil {
		return nil, wrap(sql, err)
	}
	list := make([]*pg.Node, 0, len(result.GetStmts()))
	for _, raw := range result.GetStmts() {
		if raw.GetStmt() != nil {
			list = append(list, raw.GetStmt())
		}
	}
	return list, nil
}

// Deparse writes a statement as SQL.
func Deparse(node *pg.Node) (string, error) {
	sql, err := pg.Deparse(&pg.ParseResult{Version: 170007, Stmts: []*pg.RawStmt{{Stmt: node}}})
	if err != nil {
		return "", fmt.Errorf("write a statement as SQL: %w", err)
	}
	return sql, nil
}

// Expression reads one expression.
func Expression(sql string) (*pg.Node, error) {
	node, err := Parse("SELECT " + sql)
	if err != nil {
		return nil, err
	}
	targets := node.GetSelectStmt().GetTargetList()
	if len(targets) != 1 {
		return nil, &SyntaxError{Message: "not one expression", Offset: -1}
	}
	return targets[0].GetResTarget().GetVal(), nil
}

// DeparseExpression writes an expression as SQL.
func DeparseExpression(node *pg.Node) (string, error) {
	target := &pg.Node{Node: &pg.Node_ResTarget{ResTarget: &pg.ResTarget{Val: node}}}
	sql, err := Deparse(&pg.Node{Node: &pg.Node_SelectStmt{SelectStmt: &pg.SelectStmt{
		TargetList: []*pg.Node{target}, LimitOption: pg.LimitOption_LIMIT_OPTION_DEFAULT, Op: pg.SetOperation_SETOP_NONE}}})
	return strings.TrimPrefix(sql, "SELECT "), err
}

func wrap(sql string, err error) error {
	e, ok := errors.AsType[*parser.Error](err)
	if !ok {
		return &SyntaxError{Message: err.Error(), Offset: -1}
	}
	offset := e.Cursorpos - 1
	if offset >= len(sql) {
		offset = len(sql) - 1
	}
	return &SyntaxError{Message: e.Message, Offset: offset}
}

// The parser's C code walks a tree by recursion and dies on a very deep one;
// 100,000 levels are too many for a stack of 8 MB, and this bound is well below.
const maxDepth = 10_000

// guard refuses what the parser's C code cannot take.
func guard(sql string) error {
	if i := strings.IndexByte(sql, 0); i >= 0 {
		return &SyntaxError{Message: "a zero byte; SQL is text", Offset: i}
	}
	if !utf8.ValidString(sql) {
		return &SyntaxError{Message: "not UTF-8 text", Offset: -1}
	}
	if at, deep := tooDeep(sql); deep {
		return &SyntaxError{Message: fmt.Sprintf("an expression of more than %d parts or levels; cut it into smaller ones", maxDepth), Offset: at}
	}
	return nil
}

// tooDeep bounds the depth of a text's syntax tree from above: it counts the tokens
// between two commas or semicolons, and adds those within the deepest parentheses
// there. A long list adds no depth.
func tooDeep(sql string) (offset int, deep bool) {
	type group struct{ tokens, inner int }
	open := []group{{}}
	for i := 0; i < len(sql); {
		top := &open[len(open)-1]
		c := sql[i]
		switch {
		case c == '\'' || c == '"':
			if n := strings.IndexByte(sql[i+1:], c); n >= 0 {
				i += n + 1
			}
			top.tokens++
			i++
		case c == '-' && i+1 < len(sql) && sql[i+1] == '-':
			if n := strings.IndexByte(sql[i:], '\n'); n >= 0 {
				i += n
			} else {
				i = len(sql)
			}
		case c == '(' || c == '[':
			top.tokens++
			open = append(open, group{})
			i++
		case (c == ')' || c == ']') && len(open) > 1:
			depth := top.tokens + top.inner
			open = open[:len(open)-1]
			outer := &open[len(open)-1]
			outer.inner = max(outer.inner, depth)
			i++
		case c == ',' || c == ';':
			*top = group{}
			i++
		case wordByte(c):
			top.tokens++
			for i < len(sql) && wordByte(sql[i]) {
				i++
			}
		case c == ' ' || c == '\n' || c == '\t' || c == '\r':
			i++
		default:
			top.tokens++
			i++
		}
		if len(open) > maxDepth || open[len(open)-1].tokens+open[len(open)-1].inner > maxDepth {
			return min(i, len(sql)-1), true
		}
	}
	return 0, false
}

func wordByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c >= 0x80
}
