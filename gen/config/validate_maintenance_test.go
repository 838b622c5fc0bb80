package config_test

import (
	"testing"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
)

func TestInvalidMaintenance(t *testing.T) {
	t.Parallel()
	windows := func(weekly, daily string) func(*config.Platform) {
		return func(p *config.Platform) {
			m := &p.Environments[0].Maintenance
			m.Window, m.BackupWindow = weekly, daily
		}
	}
	const (
		weekly  = `is not a window of the week in UTC: day:hh:mm-day:hh:mm in lower case; for example "sun:04:00-sun:05:00"`
		daily   = `is not a window of the day in UTC: hh:mm-hh:mm; for example "02:00-03:00"`
		overlap = "which RDS refuses"
	)
	checkInvalid(t, []invalid{
		{"no day", windows("04:00-05:00", ""), `environments["staging"].maintenance.window: "04:00-05:00" ` + weekly},
		{"day in capitals", windows("Sun:04:00-Sun:05:00", ""), `environments["staging"].maintenance.window: "Sun:04:00-Sun:05:00" ` + weekly},
		{"hour 24", windows("sun:23:00-sun:24:00", ""), `environments["staging"].maintenance.window: "sun:23:00-sun:24:00" ` + weekly},
		{"half an hour", windows("sun:04:00-sun:04:30", ""), `environments["staging"].maintenance.window: "sun:04:00-sun:04:30" is not an hour to a day long; for example "sun:04:00-sun:05:00"`},
		{"two days", windows("sat:04:00-mon:04:00", ""), `environments["staging"].maintenance.window: "sat:04:00-mon:04:00" is not an hour to a day long; for example "sun:04:00-sun:05:00"`},
		{"backup on a day", windows("", "sun:02:00-sun:03:00"), `environments["staging"].maintenance.backupWindow: "sun:02:00-sun:03:00" ` + daily},
		{"backup of minute 60", windows("", "02:00-02:60"), `environments["staging"].maintenance.backupWindow: "02:00-02:60" ` + daily},
		{"backup in half an hour", windows("", "02:00-02:30"), `environments["staging"].maintenance.backupWindow: "02:00-02:30" is shorter than an hour; for example "02:00-03:00"`},
		{"backup during maintenance", windows("", "04:30-05:30"), `environments["staging"].maintenance.backupWindow: "04:30-05:30" overlaps the maintenance window "sun:04:00-sun:05:00", ` + overlap},
		{"backup around maintenance", windows("sun:04:15-sun:05:15", "04:00-06:00"), `environments["staging"].maintenance.backupWindow: "04:00-06:00" overlaps the maintenance window "sun:04:15-sun:05:15", ` + overlap},
		{"maintenance over the default backup", windows("mon:01:30-mon:04:30", ""), `environments["staging"].maintenance.backupWindow: "02:00-03:00" overlaps the maintenance window "mon:01:30-mon:04:30", ` + overlap},
		{"both over midnight", windows("tue:22:30-wed:00:30", "23:30-00:45"), `environments["staging"].maintenance.backupWindow: "23:30-00:45" overlaps the maintenance window "tue:22:30-wed:00:30", ` + overlap},
		{"snapshots for two months", func(p *config.Platform) { p.Environments[0].Cache.SnapshotDays = 60 }, `environments["staging"].cache.snapshotDays: 60 is not a number of days that ElastiCache keeps snapshots for, 0 to 35; for example 7`},
		{"rotation backwards", func(p *config.Platform) { p.Secrets[1].Version = -1 }, `secrets["session-secret"].version: -1 is not a number of rotations, 0 to 1000000; for example 2`},
		{"rotation of what a person provides", func(p *config.Platform) { p.Secrets[3].Version = 2 }, `secrets["invite-keys"].version: 2 has no effect: a person provides the value; for example 0`},
	})
}

// A window that ends where the other begins does not overlap it.
func TestWindowsSideBySide(t *testing.T) {
	t.Parallel()
	for _, w := range []config.Maintenance{
		{Window: "sun:03:00-sun:04:00"}, {Window: "sat:23:30-sun:02:00"}, {Window: "sun:01:00-sun:02:00"},
		{Window: "sun:23:00-mon:01:00", BackupWindow: "01:00-23:00"}, {Window: "fri:12:00-fri:13:00", BackupWindow: "23:00-01:00"},
	} {
		p := configtest.Docs()
		p.Environments[0].Maintenance = w
		if err := p.Validate(); err != nil {
			t.Errorf("%+v: %v", w, err)
		}
	}
}
