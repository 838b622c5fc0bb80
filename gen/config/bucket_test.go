package config_test

import (
	"strings"
	"testing"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
)

func TestInvalidBucket(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("b", 18)
	for name, c := range map[string]struct {
		spoil func(p *config.Platform)
		want  string
	}{
		"unknown":      {func(p *config.Platform) { p.Services[0].Buckets = []string{"invoices", "inv"} }, `services["store"].buckets[1]: "inv" is not a bucket; for example "invoices"`},
		"listed twice": {func(p *config.Platform) { p.Tasks[1].Buckets = []string{"invoices", "invoices"} }, `tasks["report"].buckets[1]: "invoices" is listed twice`},
		"unused":       {func(p *config.Platform) { p.Services[0].Buckets, p.Tasks[1].Buckets = nil, nil }, `buckets["invoices"]: is used by no service and no task; for example Buckets: []string{"invoices"}`},
		"twice":        {func(p *config.Platform) { p.Buckets = append(p.Buckets, p.Buckets[0]) }, `buckets[1].name: "invoices" is declared twice; for example "invoices-2"`},
		"logs": {func(p *config.Platform) {
			p.Buckets[0].Name, p.Services[0].Buckets, p.Tasks[1].Buckets = "logs", []string{"logs"}, nil
		}, `buckets["logs"].name: "logs" is the bucket of an environment's access logs and flow logs; for example "uploads"`},
		"too long": {func(p *config.Platform) {
			p.Buckets[0].Name, p.Services[0].Buckets, p.Tasks[1].Buckets = long, []string{long}, nil
		}, `buckets["` + long + `"].name: "` + long + `" has 18 characters, where a bucket's name leaves 17; for example "` + long[:17] + `"`},
		"its variable is set": {func(p *config.Platform) { p.Services[0].Environment["INVOICES_BUCKET"] = "x" },
			`services["store"].environment["INVOICES_BUCKET"]: "INVOICES_BUCKET" is a variable that bucket "invoices" sets`},
	} {
		p := configtest.Shop()
		c.spoil(&p)
		wantProblems(t, name, p, c.want)
	}
}
