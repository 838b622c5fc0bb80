package config

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // schedules are the same on a machine that has no time zones

	"github.com/adhocore/gronx"
)

// OrDefault fills in what is empty.
func (s Schedule) OrDefault() Schedule {
	s.TimeZone = cmp.Or(s.TimeZone, "UTC")
	s.Retries = max(0, cmp.Or(s.Retries, 3))
	s.MaximumAge = cmp.Or(s.MaximumAge, time.Hour)
	return s
}

// ScheduleOf is when a task runs in an environment, which may override the
// task's own schedule; false if it does not run by itself there.
func (e Environment) ScheduleOf(t Task) (Schedule, bool) {
	s := t.Schedule
	if own, ok := e.Schedules[t.Name]; ok {
		s = own
	}
	return s.OrDefault(), s.Expression != ""
}

// Scheduled are the tasks that run by themselves in an environment.
func (p Platform) Scheduled(e Environment) []Task {
	var tasks []Task
	for _, t := range p.Tasks {
		if _, ok := e.ScheduleOf(t); ok {
			tasks = append(tasks, t)
		}
	}
	return tasks
}

var (
	ratePattern = regexp.MustCompile(`^rate\(([1-9][0-9]{0,4}) (minute|hour|day)(s?)\)$`)
	cronPattern = regexp.MustCompile(`^cron\(([^()]*)\)$`)
	// yearPattern matches a year, or a step with the slash before it, which is skipped.
	yearPattern = regexp.MustCompile(`/[0-9]+|[0-9]+`)
	// digitOfDay matches the number of a day of the week, or a number with the # or / before
	// it, which is kept.
	digitOfDay = regexp.MustCompile(`[#/][0-9]+|[0-9]+`)
)

var units = map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}

// cronFields are the forms that AWS's cron has for each part of a field's list, and for
// a field that is no list. The library accepts more.
var cronFields = [...]struct {
	name        string
	part, alone *regexp.Regexp
}{
	{"minute", cronPart(`[0-9]{1,2}`), nil},
	{"hour", cronPart(`[0-9]{1,2}`), nil},
	{"day of the month", cronPart(`[0-9]{1,2}`), regexp.MustCompile(`^(\?|L|([1-9]|[12][0-9]|3[01])W)$`)},
	{"month", cronPart(`([0-9]{1,2}|JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)`), nil},
	{"day of the week", cronPart(dayOfWeek), regexp.MustCompile(`^(\?|L|` + dayOfWeek + `(L|#[1-5]))$`)},
	{"year", cronPart(`[0-9]{4}`), nil},
}

const dayOfWeek = `([0-9]|SUN|MON|TUE|WED|THU|FRI|SAT)`

// cronPart is every value, one or a range, and steps from there.
func cronPart(value string) *regexp.Regexp {
	return regexp.MustCompile(`^(\*|` + value + `(-` + value + `)?)(/[0-9]{1,3})?$`)
}

// Next returns the first run of a schedule after a time; for a rate, begun is when the
// rate began. The zero time means never. Errors say what is wrong with the schedule.
func (s Schedule) Next(after, begun time.Time) (time.Time, error) {
	zone, err := s.zone()
	if err != nil {
		return time.Time{}, err
	}
	if m := ratePattern.FindStringSubmatch(s.Expression); m != nil {
		n, err := strconv.Atoi(m[1])
		if err != nil || (n == 1) != (m[3] == "") {
			return time.Time{}, errors.New("has a unit that does not go with its number: 1 minute, 2 minutes")
		}
		every := time.Duration(n) * units[m[2]]
		if after.Before(begun) {
			return begun.Add(every), nil
		}
		return begun.Add((after.Sub(begun)/every + 1) * every), nil
	}
	m := cronPattern.FindStringSubmatch(s.Expression)
	if m == nil {
		return time.Time{}, errors.New("is neither a rate of minutes, hours or days nor a cron expression")
	}
	expression, err := standardCron(m[1])
	if err != nil {
		return time.Time{}, err
	}
	// The library calculates in UTC, where every time exists, with what the zone's
	// clock shows; the result is read as a time of the zone again.
	local := after.In(zone)
	_, offset := local.Zone()
	clock := local.Add(time.Duration(offset) * time.Second).UTC()
	for {
		next, err := gronx.NextTickAfter(expression, clock, false)
		// After the last run, the library returns the time of that run again.
		follows := err == nil && next.After(clock) && next.Year() <= lastYear
		if !follows {
			return time.Time{}, nil // there is no such day, or none that is left
		}
		at := time.Date(next.Year(), next.Month(), next.Day(), next.Hour(), next.Minute(), 0, 0, zone)
		if at.Hour() == next.Hour() && at.Minute() == next.Minute() && at.After(after) {
			return at, nil
		}
		clock = next // the clock skips it, or has shown it
	}
}

// lastYear is the last that Scheduler knows.
const lastYear = 2199

// mostAbsent is the longest time without data after which an alarm of CloudWatch
// rings, with periods of an hour:
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
const mostAbsent = 7 * 24 * time.Hour

// AbsentAfter is how long after a run began the next one is certainly missing: the
// longest time between two, MaximumAge, and an hour for clocks that change. False if
// that is more than an alarm may wait, or if no run follows.
func (s Schedule) AbsentAfter() (time.Duration, bool) {
	most := mostAbsent - s.MaximumAge - time.Hour
	pause, ok := s.longestPause(most)
	return pause + s.MaximumAge + time.Hour, ok && pause <= most
}

// longestPause is the longest time between two runs in the year after the first, without
// summer time. It is false if no second run follows, or if the expression names years,
// since the runs then end. It stops once a pause is longer than most. It relies on all
// days with runs having the same times.
func (s Schedule) longestPause(most time.Duration) (time.Duration, bool) {
	s.TimeZone = "UTC"
	begin := begin()
	first, err := s.Next(begin.Add(-time.Second), begin)
	if err != nil || first.IsZero() {
		return 0, false
	}
	if strings.HasPrefix(s.Expression, "rate(") {
		return first.Sub(begin), true
	}
	if !strings.HasSuffix(s.Expression, " *)") {
		return 0, false
	}
	midnight := func(t time.Time) time.Time { return t.Truncate(24 * time.Hour).Add(24 * time.Hour) }
	pause, last := time.Duration(0), first
	for {
		next, err := s.Next(last, begin)
		if err != nil || next.IsZero() || !next.Before(midnight(first)) {
			break
		}
		pause, last = max(pause, next.Sub(last)), next
	}
	for day := first; day.Before(first.AddDate(1, 1, 0)) && pause <= most; {
		next, err := s.Next(midnight(day).Add(-time.Second), begin)
		if err != nil || next.IsZero() {
			return 0, false
		}
		pause, day = max(pause, next.Sub(day.Add(last.Sub(first)))), next
	}
	return pause, true
}

func (s Schedule) zone() (*time.Location, error) {
	name := cmp.Or(s.TimeZone, "UTC")
	zone, err := time.LoadLocation(name)
	// Local is this machine's zone; the other names are files that lie beside the
	// zones.
	if err != nil || name == "Local" || name == "Factory" || name == "localtime" || name == "posixrules" || strings.HasPrefix(name, "posix/") || strings.HasPrefix(name, "right/") {
		return nil, fmt.Errorf("has time zone %q, which does not exist", name)
	}
	return zone, nil
}

// standardCron turns the six fields of AWS's cron into those of the library, which
// has seconds in front, counts the days of the week from 0, and reads a day of the
// month and one of the week as alternatives.
func standardCron(fields string) (string, error) {
	f := strings.Split(fields, " ")
	if len(f) != 6 {
		return "", fmt.Errorf("has %d fields of 6: minute, hour, day of the month, month, day of the week, year, with one space between", len(f))
	}
	if (f[2] == "?") == (f[4] == "?") {
		return "", errors.New(`needs "?" as the day of the month or as the day of the week, but not as both`)
	}
	if strings.Contains(","+strings.ReplaceAll(fields, " ", ",")+",", ",,") {
		return "", errors.New("has an empty element in a list")
	}
	for _, year := range yearPattern.FindAllString(f[5], -1) {
		if !strings.HasPrefix(year, "/") && (year < "1970" || year > "2199") {
			return "", fmt.Errorf("has the year %s, where Scheduler knows 1970 to 2199", year)
		}
	}
	for i, known := range cronFields {
		for part := range strings.SplitSeq(f[i], ",") {
			if !known.part.MatchString(part) && (known.alone == nil || !known.alone.MatchString(f[i])) {
				return "", fmt.Errorf("has %q as its %s", f[i], known.name)
			}
		}
	}
	// The library would count the steps from year 0.
	f[5] = strings.ReplaceAll(f[5], "*/", "1970-2199/")
	wrong := false
	if strings.HasPrefix(f[4], "L") {
		f[4] = "7" + f[4][1:] // the last day of the week
	}
	f[4] = digitOfDay.ReplaceAllStringFunc(f[4], func(d string) string {
		n, err := strconv.Atoi(d)
		if err != nil { // #2 or /2
			return d
		}
		wrong = wrong || n < 1 || n > 7
		return strconv.Itoa(n - 1)
	})
	// Each part is checked by itself, since the library stops at the first part that is
	// due now.
	for i, field := range f {
		for part := range strings.SplitSeq(field, ",") {
			one := []string{"*", "*", "*", "*", "*", "*"}
			one[i] = part
			wrong = wrong || !gronx.IsValid("0 "+strings.Join(one, " "))
		}
	}
	standard := "0 " + strings.Join(f, " ")
	if wrong {
		return "", errors.New("has a field that Scheduler does not read: minutes 0-59, hours 0-23, days 1-31, L or 15W, months 1-12 or JAN-DEC, days of the week 1-7 or SUN-SAT, FRI#2 or FRIL, years 1970-2199")
	}
	return standard, nil
}

// begin is the fixed time from which schedules are judged, so that the verdict is the
// same on every day.
func begin() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// scheduleExpression is how many characters Scheduler takes in an expression.
const scheduleExpression = 256

// schedule checks when a task runs by itself.
func (c *values) schedule(path, task string, s Schedule) {
	if s.Expression == "" {
		c.must(s == Schedule{}, path+".expression", nil, "none, so the other fields have no effect", literal(`"cron(30 2 * * ? *)"`))
		return
	}
	c.must(task != MigrateTask, path+".expression", s.Expression, "would run the migrations by itself, which every promotion runs", nil)
	c.must(len(s.Expression) <= scheduleExpression, path+".expression", s.Expression, "is longer than Scheduler takes: 256 characters", "cron(30 2 * * ? *)")
	c.must(s.TimeZone == "" || !ratePattern.MatchString(s.Expression), path+".timeZone", s.TimeZone, "has no effect: a rate follows no clock", "")
	if next, err := s.Next(begin(), time.Time{}); err != nil {
		c.must(false, path+".expression", s.Expression, err.Error(), "cron(30 2 * * ? *)")
	} else {
		c.must(!next.IsZero(), path+".expression", s.Expression, "never comes", "cron(30 2 * * ? *)")
	}
	c.must(s.Retries <= 185, path+".retries", s.Retries, "is more than Scheduler tries: 185", 3)
	c.seconds(path+".maximumAge", s.MaximumAge, time.Minute, 24*time.Hour, time.Hour)
}
