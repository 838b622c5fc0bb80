package catalog

import "strings"

// CleanDump blanks what a dump of psql or pg_dump holds beside SQL: lines that
// begin with a backslash, and the rows behind COPY … FROM stdin. Lines keep
// their numbers.
func CleanDump(sql string) string {
	sql = strings.TrimPrefix(sql, "\ufeff")
	var b strings.Builder
	b.Grow(len(sql))
	rows := false
	for line := range strings.Lines(sql) {
		end := ""
		if strings.HasSuffix(line, "\n") {
			end = "\n"
		}
		text := strings.TrimSpace(line)
		upper := strings.ToUpper(text)
		switch {
		case rows:
			rows = text != `\.`
			b.WriteString(end)
		case strings.HasPrefix(upper, "COPY ") && strings.HasSuffix(upper, "FROM STDIN;"):
			rows = true
			b.WriteString(end)
		case strings.HasPrefix(line, `\`):
			b.WriteString(end)
		default:
			b.WriteString(line)
		}
	}
	return b.String()
}
