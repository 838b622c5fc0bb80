package catalog

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// Step is one SQL statement or expression inside a PL/pgSQL body, in the order
// of the text. Every branch and loop counts as taken.
type Step struct {
	// SQL is the statement; "" where Dynamic or Control says what it is.
	SQL string
	// Dynamic is the expression whose text EXECUTE runs.
	Dynamic string
	// Control is COMMIT or ROLLBACK.
	Control string
	// Line counts from 1, the line on which the body's string begins.
	Line int
	// Loop is set inside a loop's body.
	Loop bool
}

// Body reads the body of a PL/pgSQL function or DO block. The header is the
// CREATE FUNCTION statement's text, or "" for a DO block's body.
func Body(create, body string) ([]Step, error) {
	tree, err := parseBody(create, body)
	if err != nil {
		return nil, err
	}
	w := &bodyWalker{}
	w.node(tree, 0, false)
	sort.SliceStable(w.steps, func(i, j int) bool { return w.steps[i].Line < w.steps[j].Line })
	return w.steps, nil
}

// Raises reports whether the body of a PL/pgSQL function has a RAISE that is an error,
// and not one that passes on another.
func Raises(create, body string) bool {
	tree, err := parseBody(create, body)
	w := &bodyWalker{}
	if err == nil {
		w.node(tree, 0, false)
	}
	return w.raises
}

// parseBody returns the JSON form of the tree of a body; see Body.
func parseBody(create, body string) (any, error) {
	if create == "" {
		tag := "$body$"
		for strings.Contains(body, tag) {
			tag = "$x" + tag[1:]
		}
		create = "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS " + tag + body + tag
	}
	if err := guard(create); err != nil {
		return nil, err
	}
	if err := guard(body); err != nil {
		return nil, err
	}
	text, err := pg.ParsePlPgSqlToJSON(create)
	if err != nil {
		return nil, wrap(create, err)
	}
	var tree any
	if err := json.Unmarshal([]byte(text), &tree); err != nil {
		return nil, fmt.Errorf("read the parsed body: %w", err)
	}
	return tree, nil
}

type bodyWalker struct {
	steps []Step
	// raises is set by a RAISE that is an error of its own.
	raises bool
}

// raiseError is PostgreSQL's level ERROR.
const raiseError = 21

// node visits the JSON form of the tree: objects with one key that names the
// kind of what the value holds.
func (w *bodyWalker) node(v any, line int, loop bool) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			w.node(item, line, loop)
		}
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		for _, key := range keys {
			child := v[key]
			fields, ok := child.(map[string]any)
			if !ok {
				w.node(child, line, loop)
				continue
			}
			at := line
			if n, ok := fields["lineno"].(float64); ok {
				at = int(n)
			}
			w.object(key, fields, at, loop)
		}
	}
}

func (w *bodyWalker) object(key string, fields map[string]any, line int, loop bool) {
	switch key {
	case "PLpgSQL_expr":
		w.expression(fields, line, loop)
		return
	case "PLpgSQL_stmt_dynexecute":
		w.dynamic(fields, "query", line, loop)
	case "PLpgSQL_stmt_dynfors":
		w.dynamic(fields, "query", line, loop)
		loop = true
	case "PLpgSQL_stmt_return_query", "PLpgSQL_stmt_open":
		w.dynamic(fields, "dynquery", line, loop)
	case "PLpgSQL_stmt_raise":
		level, _ := fields["elog_level"].(float64)
		w.raises = w.raises || level >= raiseError && (fields["message"] != nil || fields["condname"] != nil || fields["options"] != nil)
	case "PLpgSQL_stmt_commit":
		w.steps = append(w.steps, Step{Control: "COMMIT", Line: line, Loop: loop})
	case "PLpgSQL_stmt_rollback":
		w.steps = append(w.steps, Step{Control: "ROLLBACK", Line: line, Loop: loop})
	case "PLpgSQL_stmt_loop", "PLpgSQL_stmt_while", "PLpgSQL_stmt_fori", "PLpgSQL_stmt_fors", "PLpgSQL_stmt_forc", "PLpgSQL_stmt_foreach_a":
		loop = true
	}
	w.node(fields, line, loop)
}

// dynamic takes the field that holds an EXECUTE's text out of the walk.
func (w *bodyWalker) dynamic(fields map[string]any, field string, line int, loop bool) {
	expr, ok := fields[field].(map[string]any)
	if !ok {
		return
	}
	delete(fields, field)
	inner, ok := expr["PLpgSQL_expr"].(map[string]any)
	if !ok {
		return
	}
	query, _ := inner["query"].(string)
	w.steps = append(w.steps, Step{Dynamic: query, Line: line, Loop: loop})
}

// How an expression's text is to be parsed (RawParseMode in PostgreSQL).
const (
	modeStatement  = 0
	modeExpression = 2
)

func (w *bodyWalker) expression(fields map[string]any, line int, loop bool) {
	query, _ := fields["query"].(string)
	mode, _ := fields["parseMode"].(float64)
	if query == "" {
		return
	}
	switch int(mode) {
	case modeStatement:
	case modeExpression:
		query = "SELECT " + query
	default: // an assignment: the part behind := or =
		_, value, ok := strings.Cut(query, "=")
		if !ok {
			return
		}
		query = "SELECT " + value
	}
	w.steps = append(w.steps, Step{SQL: query, Line: line, Loop: loop})
}
