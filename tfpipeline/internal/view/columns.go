package view

import (
	"strings"

	"github.com/mattn/go-runewidth"
)

// columns lines rows up, two spaces between the columns. It counts the cells of
// a terminal: some characters take two, and some none.
func columns(rows [][]string) []string {
	var widths []int
	for _, row := range rows {
		for i := range row {
			row[i] = oneLine(row[i])
		}
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], runewidth.StringWidth(cell))
		}
	}
	lines := make([]string, len(rows))
	for n, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			b.WriteString(runewidth.FillRight(cell, widths[i]) + "  ")
		}
		lines[n] = strings.TrimRight(b.String(), " ")
	}
	return lines
}

// fit cuts a line to a terminal's width in cells: one that wraps would be two.
// A width of 0 or 1 means that there is no terminal.
func fit(line string, width int) string {
	if width > 1 && runewidth.StringWidth(line) >= width {
		return runewidth.Truncate(line, width-1, "…")
	}
	return line
}
