package reference

import (
	"bytes"
	"slices"

	"github.com/hashicorp/hcl/v2/hclwrite"
)

// CheckFormat finds the files that terraform fmt would write differently. It
// returns nil or Problems. Only tests call it: what is written was formatted.
func CheckFormat(files map[string][]byte) error {
	problems := slices.DeleteFunc(eachFile(files, func(name string, content []byte) Problem {
		formatted := hclwrite.Format(content)
		if bytes.Equal(formatted, content) {
			return Problem{}
		}
		return Problem{name, firstDifference(content, formatted), "is not formatted as terraform fmt does it"}
	}), func(p Problem) bool { return p == Problem{} })
	if len(problems) == 0 {
		return nil
	}
	return Problems(problems)
}

// firstDifference is the first line, counted from 1, in which two texts differ.
func firstDifference(a, b []byte) int {
	line := 1
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			break
		}
		if a[i] == '\n' {
			line++
		}
	}
	return line
}
