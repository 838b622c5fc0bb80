package config_test

import (
	"testing"

	"github.com/specboard/platform/gen/config/configtest"
)

// A name that fits stays as it is; a longer one keeps the environment's and
// ends in a hash, in the same way as modules/service makes it.
func TestTargetGroup(t *testing.T) {
	t.Parallel()
	for service, want := range map[string]string{
		"frontend":               "doc-platform-production-frontend",
		"notifications":          "doc-platform-production-n-b3ce4e",
		"n-of-what-there-may-be": "doc-platform-production-n-37fec4",
	} {
		if got := configtest.Docs().TargetGroup("production", service); got != want || len(got) > 32 {
			t.Errorf("%s: %s, want %s", service, got, want)
		}
	}
}
