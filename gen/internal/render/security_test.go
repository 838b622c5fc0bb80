package render

import (
	"regexp"
	"strings"
	"testing"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
)

// Every field of a container's Security reaches the module that makes the container.
func TestSecurityIsRendered(t *testing.T) {
	t.Parallel()
	p := configtest.Docs()
	security := config.Security{User: "1000", NoCapabilities: true, OwnInit: true, ReadOnlyRoot: true, Writable: []string{"/tmp"}}
	p.Environments[0].Exec = false
	p.Services[0].Security, p.Tasks[0].Security = security, security
	want := `security = { drop = ["ALL"] own_init = true read_only_root = true user = "1000" writable = ["/tmp"] }`
	found := 0
	for _, content := range renderTree(t, p) {
		found += strings.Count(regexp.MustCompile(`\s+`).ReplaceAllString(string(content), " "), want)
	}
	if found != 4 { // a service and a task, in two environments
		t.Errorf("%d modules receive %s, want 4", found, want)
	}
}
