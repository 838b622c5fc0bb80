package root

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// denied returns the permissions that an error says the caller lacks; nil for
// any other error.
func denied(err error) []string {
	// Terraform wraps lines anywhere.
	all := deploy.Lacking(strings.Join(strings.Fields(strings.ReplaceAll(err.Error(), "│", " ")), " "))
	slices.Sort(all)
	return slices.Compact(all)
}

// refused says what to do about permissions that the caller lacks, since a
// retry would fail the same way.
func (r *Root) refused(err error, permissions []string) error {
	return console.WithNext(fmt.Errorf("%s: %w", r.Name, r.hide(err)),
		"these credentials lack %s: if a workflow needs it, add it in gen/internal/render/github*.go, make gen, and an administrator runs tfpipeline apply -env shared; then %s",
		strings.Join(permissions, ", "), cmp.Or(r.retry, "run the command again"))
}
