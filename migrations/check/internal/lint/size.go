package lint

import "fmt"

// small makes warnings of what blocks only tables that are known to have few
// rows: the work is over before anybody waits.
func (j *judge) small(locks []Lock, first int) {
	most, name := int64(-1), ""
	for _, l := range locks {
		if !l.Mode.BlocksWriters() || !l.Relation.IsTable() {
			continue
		}
		rows, known := j.run.Rows[l.Relation.Name.Schema+"."+l.Relation.Name.Name]
		if !known || rows > j.run.Small {
			return
		}
		if rows > most {
			most, name = rows, l.Relation.Name.String()
		}
	}
	if most < 0 {
		return
	}
	for i := first; i < len(j.findings); i++ {
		f := &j.findings[i]
		if r, ok := findRule(f.Rule); ok && r.Class == Blocking && f.Severity == Error {
			f.Severity = Warning
			f.Message += fmt.Sprintf(" (%s has about %d rows; up to %d may be locked)", name, most, j.run.Small)
		}
	}
}
