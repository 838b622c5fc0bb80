package config

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
)

// Windows that AWS works in where the platform names none, in UTC.
const (
	defaultMaintenance = "sun:04:00-sun:05:00"
	defaultBackup      = "02:00-03:00"
)

const (
	day  = 24 * 60 // minutes
	week = 7 * day
)

var (
	weeklyWindow = regexp.MustCompile(`^(sun|mon|tue|wed|thu|fri|sat):([01][0-9]|2[0-3]):([0-5][0-9])-(sun|mon|tue|wed|thu|fri|sat):([01][0-9]|2[0-3]):([0-5][0-9])$`)
	dailyWindow  = regexp.MustCompile(`^([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])$`)
)

// window is a span of time that comes again each period, in minutes.
type window struct{ start, length int }

func newWindow(period int, from, to []string) window {
	minutes := func(of []string) (sum int) {
		for i, unit := range []int{1, 60, day}[:len(of)] {
			n, err := strconv.Atoi(of[len(of)-1-i])
			if err != nil { // a day's name
				n = slices.Index([]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}, of[len(of)-1-i])
			}
			sum += n * unit
		}
		return sum
	}
	start := minutes(from)
	return window{start, (minutes(to) - start + period) % period}
}

// maintenance checks the windows; ElastiCache wants an hour at least.
func (c *values) maintenance(path string, m Maintenance) {
	weekly := weeklyWindow.FindStringSubmatch(cmp.Or(m.Window, defaultMaintenance))
	daily := dailyWindow.FindStringSubmatch(cmp.Or(m.BackupWindow, defaultBackup))
	ok := c.must(weekly != nil, path+".window", m.Window, "is not a window of the week in UTC: day:hh:mm-day:hh:mm in lower case", defaultMaintenance)
	if !c.must(daily != nil, path+".backupWindow", m.BackupWindow, "is not a window of the day in UTC: hh:mm-hh:mm", defaultBackup) || !ok {
		return
	}
	w, b := newWindow(week, weekly[1:4], weekly[4:7]), newWindow(day, daily[1:3], daily[3:5])
	if !c.must(w.length >= 60 && w.length <= day, path+".window", m.Window, "is not an hour to a day long", defaultMaintenance) ||
		!c.must(b.length >= 60, path+".backupWindow", m.BackupWindow, "is shorter than an hour", defaultBackup) {
		return
	}
	begins := w.start % day
	apart := (begins-b.start+day)%day >= b.length && (b.start-begins+day)%day >= w.length
	c.must(apart, path+".backupWindow", cmp.Or(m.BackupWindow, defaultBackup), "overlaps the maintenance window "+show(cmp.Or(m.Window, defaultMaintenance))+", which RDS refuses", nil)
}
