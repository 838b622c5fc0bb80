package render

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
)

// TestReservedNames: an environment's root calls a module of its own by each reserved
// name, and by no other that a service or task could have.
func TestReservedNames(t *testing.T) {
	called := regexp.MustCompile(`(?m)^module "([^"]+)"`)
	var names []string
	for _, p := range configtest.All() {
		containers := append(p.ServiceNames(), p.TaskNames()...)
		for file, content := range renderTree(t, p) {
			if !strings.HasPrefix(file, "envs/") || strings.HasPrefix(file, "envs/"+config.SharedRoot+"/") {
				continue
			}
			for _, m := range called.FindAllSubmatch(content, -1) {
				if name := strings.ReplaceAll(string(m[1]), "_", "-"); !slices.Contains(containers, name) {
					names = append(names, name)
				}
			}
		}
	}
	slices.Sort(names)
	if diff := cmp.Diff(slices.Compact(names), config.ReservedNames()); diff != "" {
		t.Errorf("reserved names (-called +reserved):\n%s", diff)
	}
}
