package lint

import (
	"github.com/specboard/platform/migrations"
	"github.com/specboard/platform/migrations/check/internal/catalog"
)

// AssumedLocks is what the linter takes a statement to lock: relation → mode.
type AssumedLocks struct {
	Line  int
	Locks map[string]string
}

// Claims returns what each statement of a file is taken to lock, of what was
// there before the file.
func Claims(file File, base *Base, postgres int) ([]AssumedLocks, error) {
	_, statements, err := baseSchema(base, postgres)
	if err != nil {
		return nil, err
	}
	schema := catalog.New(postgres, base != nil)
	apply(schema, statements)
	schema.File = 1
	m, _ := migrations.Parse(file.Name, file.Data)
	j := newJudge(Run{}, schema, m)
	files, stop := parseAhead([]migrations.Migration{m})
	defer stop()
	parsed := <-files[0]
	j.lookAhead(parsed)
	var claims []AssumedLocks
	for i, s := range m.Statements {
		j.enter(s)
		if len(parsed[i].nodes) == 0 {
			return claims, nil // what does not parse claims nothing
		}
		for _, node := range parsed[i].nodes {
			c := AssumedLocks{Line: s.Line, Locks: map[string]string{}}
			modes := map[string]catalog.Mode{}
			note := func(l Lock) {
				if name := l.Relation.Name.String(); l.Mode > modes[name] {
					modes[name] = l.Mode
					c.Locks[name] = l.Mode.String()
				}
			}
			own := map[*catalog.Relation]bool{}
			for _, l := range j.locks(node) { // by the names from before
				note(l)
				own[l.Relation] = true
			}
			held := len(j.held)
			j.statement(node)
			for _, h := range j.held[min(held, len(j.held)):] {
				if !own[h.Relation] { // of a body
					note(h.Lock)
				}
			}
			claims = append(claims, c)
		}
	}
	return claims, nil
}
