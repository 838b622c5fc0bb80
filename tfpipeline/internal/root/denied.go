package root

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/specboard/platform/tfpipeline/internal/console"
)

// lacking is how AWS says which permission the caller lacks. The older form
// names no resource.
var lacking = regexp.MustCompile(`not authorized to perform: ([a-z0-9-]+:[A-Za-z]+)(?: on resource: ([^\s"]+))?`)

// denied is a permission that the caller lacks, for each that an error names;
// none if the error is another one.
func denied(err error) []string {
	// Terraform breaks lines where it likes.
	text := strings.Join(strings.Fields(strings.ReplaceAll(err.Error(), "│", " ")), " ")
	var all []string
	for _, m := range lacking.FindAllStringSubmatch(text, -1) {
		permission := m[1]
		if m[2] != "" {
			permission += " on " + m[2]
		}
		all = append(all, permission)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// refused says what to do about permissions that the caller lacks: trying it
// another time fails the same.
func (r *Root) refused(err error, permissions []string) error {
	return console.WithNext(fmt.Errorf("%s: %w", r.Name, r.hide(err)),
		"these credentials lack %s: if a workflow needs it, add it in gen/internal/render/github*.go, make gen, and an administrator runs tfpipeline apply -env shared; then tfpipeline apply -env %s",
		strings.Join(permissions, ", "), r.Name)
}
