package report

import (
	"io"
	"strings"
	"testing"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// TestResult: only an environment with a load balancer has an address to print.
func TestResult(t *testing.T) {
	for _, c := range []struct {
		platform config.Platform
		want     string
	}{
		{configtest.Docs(), "https://"},
		{configtest.Mill(), ""},
	} {
		env := c.platform.Environments[0]
		var out strings.Builder
		Result(&console.Console{Out: &out, Err: io.Discard}, c.platform, deploy.Record{Environment: env.Name, Kind: deploy.KindPromote, Outcome: deploy.Deployed}, false, false)
		lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		if got := lines[1:]; (len(got) == 0) != (c.want == "") || c.want != "" && !strings.HasPrefix(got[0], env.Name+": "+c.want) {
			t.Errorf("%s prints:\n%s", c.platform.Name, &out)
		}
	}
}
