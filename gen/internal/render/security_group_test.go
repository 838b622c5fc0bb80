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
	files, err := Render(configtest.Docs())
	if err != nil {
		t.Fatal(err)
	}
	group := regexp.MustCompile(`(?s)resource "aws_security_group" "[a-z]+" \{\n(.*?)\n\}\n`)
	name := regexp.MustCompile(`\n? +name +=( .*)`)
	got := map[string]string{}
	for _, f := range files {
		for _, m := range group.FindAllStringSubmatch(string(f.Content), -1) {
			got[f.Path] += strings.TrimSpace(name.FindStringSubmatch(m[1])[1])
			if !strings.Contains(m[1], "ignore_changes = [description]") {
				t.Errorf("%s: another description would replace the group:\n%s", f.Path, m[0])
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
