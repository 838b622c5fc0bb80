package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
)

func TestValidateQueues(t *testing.T) {
	if err := configtest.Shop().Validate(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		spoil func(p *config.Platform)
		want  []string // the problems, and no others
	}{
		{"unknown", func(p *config.Platform) { p.Services[0].Sends = []string{"mial"} }, []string{`services["store"].sends[0]: "mial" is not a queue; for example "mail"`}},
		{"listed twice", func(p *config.Platform) { p.Services[4].Receives = []string{"mail", "mail"} }, []string{`services["mail"].receives[1]: "mail" is listed twice`}},
		{"task", func(p *config.Platform) { p.Tasks[1].Sends = []string{"x"} }, []string{`tasks["report"].sends[0]: "x" is not a queue`}},
		{"nobody receives", func(p *config.Platform) { p.Services[4].Receives = nil }, []string{`queues["mail"]: is received by no service`}},
		{"twice", func(p *config.Platform) {
			p.Queues[1].Name = "mail"
			p.Services[2].Receives = nil
			p.Tasks[1].Sends = nil
		}, []string{`queues[1].name: "mail" is declared twice`}},
		{"limits", func(p *config.Platform) {
			p.Queues[0].Visibility, p.Queues[0].MaxReceives, p.Queues[0].AlarmAge = 13*time.Hour, 1001, time.Second
		}, []string{`queues["mail"].visibility`, `queues["mail"].maxReceives`, `queues["mail"].alarmAge`}},
		{"long name", func(p *config.Platform) {
			long := strings.Repeat("m", 64)
			p.Queues[0].Name, p.Services[4].Receives, p.Services[0].Sends, p.Tasks[1].Sends = long, []string{long}, nil, nil
		}, []string{`queues["` + strings.Repeat("m", 64) + `"].name`}},
		{"its variable is set", func(p *config.Platform) { p.Services[4].Environment = map[string]string{"MAIL_QUEUE_URL": "x"} }, []string{`services["mail"].environment["MAIL_QUEUE_URL"]: "MAIL_QUEUE_URL" is a variable that queue "mail" sets`}},
	} {
		p := configtest.Shop()
		delete(p.Environments[2].Sizes, "stock") // which would scale by its queue
		c.spoil(&p)
		wantProblems(t, c.name, p, c.want...)
	}
}
