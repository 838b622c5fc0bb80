package render

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/gen/config/configtest"
)

// AWS changes neither a group's name nor its description in place, and deletes none that is
// in use: another name here is a replacement that never ends.
func TestSecurityGroupsAreKept(t *testing.T) {
	t.Parallel()
	group := regexp.MustCompile(`(?s)resource "aws_security_group" "[a-z]+" \{\n(.*?)\n\}\n`)
	name := regexp.MustCompile(`\n? +name +=( .*)`)
	got := map[string]string{}
	for file, content := range renderTree(t, configtest.Docs()) {
		for _, m := range group.FindAllStringSubmatch(string(content), -1) {
			got[file] += strings.TrimSpace(name.FindStringSubmatch(m[1])[1])
			if !strings.Contains(m[1], "ignore_changes = [description]") {
				t.Errorf("%s: another description would replace the group:\n%s", file, m[0])
			}
		}
	}
	if d := cmp.Diff(map[string]string{
		"modules/cache/main.tf":         `"${var.name}-cache"`,
		"modules/database/main.tf":      `"${var.name}-database"`,
		"modules/load_balancer/main.tf": `"${var.name}-load-balancer"`,
		"modules/service/network.tf":    `local.family`,
		"modules/task/network.tf":       `local.family`,
	}, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}
