package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
)

func TestNextRun(t *testing.T) {
	for _, c := range []struct{ expression, zone, after, want string }{
		{"rate(15 minutes)", "", "2026-03-01T10:07:00Z", "2026-03-01T10:15:00Z"},
		{"rate(1 hour)", "", "2026-03-01T10:00:00Z", "2026-03-01T11:00:00Z"},
		{"rate(7 days)", "", "2026-03-01T00:00:00Z", "2026-03-08T00:00:00Z"},
		{"cron(30 2 * * ? *)", "", "2026-03-01T10:00:00Z", "2026-03-02T02:30:00Z"},
		{"cron(0 9 ? * MON-FRI *)", "", "2026-03-06T10:00:00Z", "2026-03-09T09:00:00Z"}, // a Friday
		{"cron(0 9 ? * 2-6 *)", "", "2026-03-06T10:00:00Z", "2026-03-09T09:00:00Z"},     // 1 is Sunday
		{"cron(0 9 ? * 1 *)", "", "2026-03-06T10:00:00Z", "2026-03-08T09:00:00Z"},
		{"cron(0 9 ? * 6#3 *)", "", "2026-03-06T10:00:00Z", "2026-03-20T09:00:00Z"},
		{"cron(0 9 ? * 6L *)", "", "2026-03-06T10:00:00Z", "2026-03-27T09:00:00Z"},
		{"cron(0 9 ? * L *)", "", "2026-03-06T10:00:00Z", "2026-03-07T09:00:00Z"},
		{"cron(0 9 L * ? *)", "", "2026-02-06T10:00:00Z", "2026-02-28T09:00:00Z"},
		{"cron(0 9 15W * ? *)", "", "2026-03-06T10:00:00Z", "2026-03-16T09:00:00Z"}, // the 15th is a Sunday
		{"cron(0/20 * * JAN,MAR ? 2027)", "", "2026-03-06T10:00:00Z", "2027-01-01T00:00:00Z"},
		{"cron(30 2 * * ? *)", "Europe/Berlin", "2026-01-06T02:00:00Z", "2026-01-07T01:30:00Z"},
		{"cron(30 2 * * ? *)", "Europe/Berlin", "2026-03-28T02:00:00Z", "2026-03-30T00:30:00Z"}, // the clock skips it on the 29th
		{"cron(30 2 * * ? *)", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}, // it has come already
		{"cron(0 0 30 2 ? *)", "", "2026-03-28T02:00:00Z", ""},
		{"cron(0 0 * * ? 2025)", "", "2026-03-28T02:00:00Z", ""},
		{"cron(0 0 1 1 ? 2026)", "", "2026-01-01T00:00:00Z", ""}, // the last time is now
		{"cron(0 0 1 1 ? 2026)", "", "2025-12-31T23:59:59Z", "2026-01-01T00:00:00Z"},
		{"cron(0 0 * 1 ? 2024-2026)", "Asia/Tokyo", "2026-01-30T15:00:00Z", ""},
		{"cron(30 2 29 3 ? 2026)", "Europe/Berlin", "2026-03-01T00:00:00Z", ""},  // the clock skips the last one
		{"cron(30 2 ? 3 1L *)", "Europe/Berlin", "2026-03-01T00:00:00Z", ""},     // and here every one
		{"cron(30 2 25 10 ? 2026)", "Europe/Berlin", "2026-10-25T00:30:00Z", ""}, // it has come already
		{"cron(0 0 1 1 ? 2026/4)", "", "2026-03-28T02:00:00Z", "2030-01-01T00:00:00Z"},
		{"cron(0 0 1 1 ? 2026-2040/4)", "", "2030-03-28T02:00:00Z", "2034-01-01T00:00:00Z"},
		{"cron(0 0 1 1 ? */4)", "", "2026-03-28T02:00:00Z", "2030-01-01T00:00:00Z"}, // counted from 1970
		{"cron(0 0 1 1 ? 2026,*/5)", "", "2026-03-28T02:00:00Z", "2030-01-01T00:00:00Z"},
	} {
		s := config.Schedule{Expression: c.expression, TimeZone: c.zone}
		got, err := s.Next(at(t, c.after), at(t, "2026-03-01T00:00:00Z"))
		if text := strings.TrimSuffix(got.UTC().Format(time.RFC3339), "0001-01-01T00:00:00Z"); err != nil || text != c.want {
			t.Errorf("%s in %q after %s: %s, %v, want %s", c.expression, c.zone, c.after, text, err, c.want)
		}
	}
}

// TestAbsentAfter: an alarm rings once the next run is certainly missing, where
// CloudWatch can wait for so long.
func TestAbsentAfter(t *testing.T) {
	for _, c := range []struct {
		expression, zone string
		age, want        time.Duration // 0 is not watched
	}{
		{"rate(5 minutes)", "", 0, 2*time.Hour + 5*time.Minute},
		{"rate(1 day)", "", 0, 26 * time.Hour},
		{"rate(6 days)", "", 0, 146 * time.Hour},
		{"rate(7 days)", "", 0, 0},
		{"cron(30 2 * * ? *)", "Europe/Berlin", time.Minute, 25*time.Hour + time.Minute},
		{"cron(0/10 * * * ? *)", "", 0, 2*time.Hour + 10*time.Minute},
		{"cron(0/10 8-17 ? * MON-FRI *)", "", 0, 64*time.Hour + 10*time.Minute}, // Friday 17:50 to Monday 8:00
		{"cron(0 6 ? * MON,THU *)", "", 24 * time.Hour, 121 * time.Hour},
		{"cron(0 6 ? * MON *)", "", 0, 0},
		{"cron(0 6 1,6,11,16,21,26 * ? *)", "", 0, 146 * time.Hour}, // the 26th to the 1st
		{"cron(0/5 * * JAN-MAR ? *)", "", 0, 0},
		{"cron(0/5 * * * ? 2026)", "", 0, 0}, // nothing comes after it
		{"cron(0 6 29 2 ? *)", "", 0, 0},     // first in 2028
		{"cron(0 6 * * ? 2028-2030)", "", 0, 0},
		{"cron(0 6 * * ? 2026-2027)", "", 0, 0},
		{"cron(0 6 * * ? */1)", "", 0, 0},
		{"every day", "", 0, 0},
	} {
		s := config.Schedule{Expression: c.expression, TimeZone: c.zone, MaximumAge: c.age}.OrDefault()
		if got, ok := s.AbsentAfter(); ok != (c.want > 0) || ok && got != c.want {
			t.Errorf("%s in %q: %s, %t, want %s", c.expression, c.zone, got, ok, c.want)
		}
	}
}

func at(t *testing.T, text string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestValidateSchedule(t *testing.T) {
	for _, c := range []struct {
		schedule config.Schedule
		want     string // in the only problem; "" is none
	}{
		{config.Schedule{}, ""},
		{config.Schedule{Expression: "rate(1 day)", Retries: -1, MaximumAge: time.Minute}, ""},
		{config.Schedule{Expression: "cron(0 9 ? * MON-FRI *)", TimeZone: "Europe/Berlin", Retries: 185}, ""},
		{config.Schedule{TimeZone: "Europe/Berlin"}, "the other fields have no effect"},
		{config.Schedule{Expression: "every day"}, "neither a rate"},
		{config.Schedule{Expression: "rate(1 minutes)"}, "does not go with its number"},
		{config.Schedule{Expression: "rate(5 minute)"}, "does not go with its number"},
		{config.Schedule{Expression: "rate(0 minutes)"}, "neither a rate"},
		{config.Schedule{Expression: "rate(30 seconds)"}, "neither a rate"},
		{config.Schedule{Expression: "at(2026-12-01T00:00:00)"}, "neither a rate"},
		{config.Schedule{Expression: "cron(30 2 * * *)"}, "has 5 fields of 6"},
		{config.Schedule{Expression: "cron(30 2 * * * *)"}, `needs "?"`},
		{config.Schedule{Expression: "cron(30 2 ? * ? *)"}, `needs "?"`},
		{config.Schedule{Expression: "cron(60 2 * * ? *)"}, "does not read"},
		{config.Schedule{Expression: "cron(0 8,25 * * ? *)"}, "does not read"},
		{config.Schedule{Expression: "cron(0 *,99 * * ? *)"}, "does not read"},
		{config.Schedule{Expression: "cron(0 9,17 ? * MON,6L *)"}, "as its day of the week"},
		{config.Schedule{Expression: "cron(0 0 1 1 ? 2026)"}, "never comes"},
		{config.Schedule{Expression: "cron(0 0 1 JUL ? *)"}, ""},
		{config.Schedule{Expression: "cron(0 9 1 JAN,APR,JUL-SEP,OCT ? *)"}, ""},
		{config.Schedule{Expression: "cron(0 9 ? * SUN,MON-WED,FRI *)"}, ""},
		{config.Schedule{Expression: "cron(00 07 ? * WED#2 *)"}, ""},
		{config.Schedule{Expression: "cron(0 7 ? * FRIL *)"}, ""},
		{config.Schedule{Expression: "cron(0 7 31W * ? *)"}, ""},
		{config.Schedule{Expression: "cron(0 0 1 JULY ? *)"}, "as its month"},
		{config.Schedule{Expression: "cron(0 0 ? * 2#1,3#2 *)"}, "as its day of the week"},
		{config.Schedule{Expression: "cron(0 7 ? * 2L,3L *)"}, "as its day of the week"},
		{config.Schedule{Expression: "cron(0 7 ? * LL *)"}, "as its day of the week"},
		{config.Schedule{Expression: "cron(0 0 0W * ? *)"}, "as its day of the month"},
		{config.Schedule{Expression: "cron(0 7 15W,20 * ? *)"}, "as its day of the month"},
		{config.Schedule{Expression: "cron(0 7 L,20 * ? *)"}, "as its day of the month"},
		{config.Schedule{Expression: "cron(1-2-3 7 * * ? *)"}, "as its minute"},
		{config.Schedule{Expression: "cron(+5 0 * * ? *)"}, "as its minute"},
		{config.Schedule{Expression: "cron(000 7 * * ? *)"}, "as its minute"},
		{config.Schedule{Expression: "cron(0 -7 * * ? *)"}, "as its hour"},
		{config.Schedule{Expression: "cron(0 2 ? * 0 *)"}, "does not read"},
		{config.Schedule{Expression: "cron(0 2 ? * 8 *)"}, "does not read"},
		{config.Schedule{Expression: "cron(L 2 * * ? *)"}, "as its minute"},
		{config.Schedule{Expression: "cron(0 0 31 4 ? *)"}, "never comes"},
		{config.Schedule{Expression: "cron(0 9 * * ? *)", TimeZone: "Europe/Atlantis"}, "does not exist"},
		{config.Schedule{Expression: "cron(0 9 * * ? *)", TimeZone: "Local"}, "does not exist"},
		{config.Schedule{Expression: "cron(0 9 * * ? *)", TimeZone: "posixrules"}, "does not exist"},
		{config.Schedule{Expression: "cron(0 9 * * ? *)", TimeZone: "right/UTC"}, "does not exist"},
		{config.Schedule{Expression: "rate(1 hour)", TimeZone: "Europe/Berlin"}, "a rate follows no clock"},
		{config.Schedule{Expression: "cron(0,,5 9 * * ? *)"}, "an empty element"},
		{config.Schedule{Expression: "cron(0 9, * * ? *)"}, "an empty element"},
		{config.Schedule{Expression: "cron(0 9 * * ? 2026-2200)"}, "1970 to 2199"},
		{config.Schedule{Expression: "cron(0 9 * * ? 2200/4)"}, "1970 to 2199"},
		{config.Schedule{Expression: "cron(0 0 1 1 ? 2026/4)"}, ""},
		{config.Schedule{Expression: "cron(0 0 1 1 ? */5)"}, ""},
		{config.Schedule{Expression: "cron(" + strings.Repeat("0,", 130) + "5 9 * * ? *)"}, "longer than Scheduler takes"},
		{config.Schedule{Expression: "rate(1 day)", Retries: 186}, "more than Scheduler tries"},
		{config.Schedule{Expression: "rate(1 day)", MaximumAge: 25 * time.Hour}, "whole seconds"},
	} {
		for where, p := range map[string]config.Platform{
			`tasks["seed"].schedule`: with(func(p *config.Platform) { p.Tasks[1].Schedule = c.schedule }),
			`environments["staging"].schedules["seed"]`: with(func(p *config.Platform) {
				p.Environments[0].Schedules = map[string]config.Schedule{"seed": c.schedule}
			}),
		} {
			err := p.Validate()
			problems, _ := err.(config.Problems)
			switch {
			case c.want == "" && err != nil:
				t.Errorf("%+v: %v", c.schedule, err)
			case c.want != "" && (len(problems) != 1 || !strings.HasPrefix(problems[0].Path, where) || !strings.Contains(problems[0].String(), c.want)):
				t.Errorf("%+v: %v, want %s: … %s", c.schedule, err, where, c.want)
			}
		}
	}
	for want, change := range map[string]func(*config.Platform){
		"run the migrations by itself": func(p *config.Platform) { p.Tasks[0].Schedule.Expression = "rate(1 day)" },
		"is the schedule of no task":   func(p *config.Platform) { p.Environments[0].Schedules = map[string]config.Schedule{"sed": {}} },
	} {
		if err := with(change).Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// with is a platform after a change.
func with(change func(*config.Platform)) config.Platform {
	p := configtest.Docs()
	change(&p)
	return p
}

func TestScheduled(t *testing.T) {
	p := with(func(p *config.Platform) {
		p.Tasks[1].Schedule.Expression = "rate(1 day)"
		p.Environments[0].Schedules = map[string]config.Schedule{"seed": {}}
		p.Environments[1].Schedules = map[string]config.Schedule{"seed": {Expression: "rate(2 days)", Retries: -1}}
	})
	if tasks := p.Scheduled(p.Environments[0]); len(tasks) != 0 {
		t.Errorf("staging runs %v by itself, which it switched off", tasks)
	}
	s, ok := p.Environments[1].ScheduleOf(p.Tasks[1])
	if want := (config.Schedule{"rate(2 days)", "UTC", 0, time.Hour}); !ok || s != want {
		t.Errorf("production: %+v, want %+v", s, want)
	}
}
