package config_test

import (
	"testing"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
)

func TestInvalidMinimum(t *testing.T) {
	t.Parallel()
	type P = config.Platform
	const day, night = "cron(0 7 ? * MON-FRI *)", "cron(0 19 * * ? *)"
	production := func(all ...config.Minimum) func(*P) {
		return func(p *P) { p.Environments[1].Size.Minimums = all }
	}
	checkInvalid(t, []invalid{
		{"what a minimum is", production(
			config.Minimum{Name: "Day", Expression: day, MinTasks: 4}, config.Minimum{Name: "a", Expression: "rate(1 day)", MinTasks: 1},
			config.Minimum{Name: "a", Expression: "cron(0 7 * *)", MinTasks: 7}, config.Minimum{Name: "c", Expression: "cron(0 0 31 2 ? *)", MinTasks: 2},
			config.Minimum{Name: "d", Expression: day, TimeZone: "Berlin", MinTasks: 2},
		), `
environments["production"].size.minimums["Day"].name: "Day" is not lower-case letters, digits and single hyphens between them, beginning with a letter; for example "day"
environments["production"].size.minimums["a"].expression: "rate(1 day)" is no cron expression, which says the time of a day; for example "cron(0 7 ? * MON-FRI *)"
environments["production"].size.minimums["a"].minTasks: 1 is not a number of tasks from minTasks (2) to maxTasks (6); for example 6
environments["production"].size.minimums[2].name: "a" is declared twice; for example "a-2"
environments["production"].size.minimums[2].expression: "cron(0 7 * *)" has 4 fields of 6: minute, hour, day of the month, month, day of the week, year, with one space between; for example "cron(0 7 ? * MON-FRI *)"
environments["production"].size.minimums[2].minTasks: 7 is not a number of tasks from minTasks (2) to maxTasks (6); for example 6
environments["production"].size.minimums["c"].expression: "cron(0 0 31 2 ? *)" never comes; for example "cron(0 7 ? * MON-FRI *)"
environments["production"].size.minimums["d"].expression: "cron(0 7 ? * MON-FRI *)" has time zone "Berlin", which does not exist; for example "cron(0 7 ? * MON-FRI *)"
`},
		{"one that never ends", production(config.Minimum{Name: "day", Expression: day, MinTasks: 4}),
			`environments["production"].size.minimums["day"]: would never end: another one has to set minTasks again; for example {Name: "night", …}`},
		{"two that never end", production(config.Minimum{Name: "day", Expression: day, MinTasks: 4}, config.Minimum{Name: "evening", Expression: night, MinTasks: 4}),
			`environments["production"].size.minimums["day"]: would never end: another one has to set minTasks again; for example {Name: "night", …}`},
		{"without autoscaling", func(p *P) {
			p.Environments[0].Size.Minimums = []config.Minimum{{Name: "day", Expression: day, MinTasks: 1}, {Name: "night", Expression: night, MinTasks: 1}}
		}, `
environments["staging"].size.minimums["day"]: has no effect: the service does not scale while maxTasks is minTasks
environments["staging"].size.minimums["night"]: has no effect: the service does not scale while maxTasks is minTasks
`},
		{"a backlog of nothing", func(p *P) {
			p.Environments[1].Sizes = map[string]config.Size{"api": {CPU: 256, Memory: 512, MinTasks: 2, MaxTasks: 4, TargetBacklog: -1}, "mcp": {CPU: 256, Memory: 512, MinTasks: 2, MaxTasks: 4, TargetBacklog: 50}}
			p.Services[0].Receives = []string{"mail"}
			p.Queues = []config.Queue{{Name: "mail"}}
		}, `
environments["production"].sizes["api"].targetBacklog: -1 is not a number of messages for each task that autoscaling can aim at, 1 to 1000000; for example 100
environments["production"].sizes["mcp"].targetBacklog: 50 has no effect on service "mcp", which receives from no queue: give it a size of its own in sizes
`},
	})
	p := configtest.Docs()
	production(config.Minimum{Name: "leap", Expression: "cron(0 7 29 2 ? 2028/4)", MinTasks: 4}, config.Minimum{Name: "fifth", Expression: "cron(0 7 1 1 ? */5)", MinTasks: 2})(&p)
	if err := p.Validate(); err != nil {
		t.Error(err)
	}
	production(config.Minimum{Name: "day", Expression: day, TimeZone: "Europe/Berlin", MinTasks: 4}, config.Minimum{Name: "night", Expression: night, TimeZone: "Europe/Berlin", MinTasks: 2})(&p)
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	for now, want := range map[int]int{0: 2, 2: 2, 3: 2, 4: 4} {
		if got := p.Environments[1].Size.Floor(now); got != want {
			t.Errorf("floor of %d: %d, want %d", now, got, want)
		}
	}
}
