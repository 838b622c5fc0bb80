package report

import (
	"strings"
	"testing"

	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/github"
)

// Who may push may neither make nor move a release's tag.
func TestDifferenceOfTheRuleset(t *testing.T) {
	for want, rules := range map[string][]string{"": {"creation", "update"}, `"update"`: {"creation"}, `"creation"`: nil} {
		got := difference(configtest.Docs(), github.Settings{TagRules: rules}, "ruleset "+tagRule)
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%v: %q", rules, got)
		}
	}
}
