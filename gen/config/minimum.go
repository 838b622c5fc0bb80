package config

import (
	"slices"
	"strings"
)

// mostBacklogs is how many queues fit into a metric of autoscaling: it has ten parts,
// and the number of tasks and the quotient take two.
const mostBacklogs = 8

// Floor is the least number of tasks for autoscaling. now is the least number at
// present, which Floor keeps if one of the Minimums has set it.
func (s Size) Floor(now int) int {
	if slices.ContainsFunc(s.Minimums, func(m Minimum) bool { return m.MinTasks == now }) {
		return now
	}
	return s.MinTasks
}

// minimums checks the minimums of a size whose tasks are valid.
func (c *checker) minimums(path string, s Size) {
	used := firsts(s.Minimums, func(m Minimum) string { return m.Name })
	for i, m := range s.Minimums {
		at := element(path, i, m.Name, used)
		if c.name(at+".name", m.Name, "day") {
			c.must(used[m.Name] == i, at+".name", m.Name, "is declared twice", m.Name+"-2")
		}
		if !s.Autoscaled() {
			c.must(false, at, nil, "has no effect: the service does not scale while maxTasks is minTasks", nil)
			continue
		}
		next, err := Schedule{Expression: m.Expression, TimeZone: m.TimeZone}.Next(begin(), begin())
		switch {
		case !strings.HasPrefix(m.Expression, "cron("):
			c.must(false, at+".expression", m.Expression, "is no cron expression, which says the time of a day", "cron(0 7 ? * MON-FRI *)")
		case err != nil:
			c.must(false, at+".expression", m.Expression, err.Error(), "cron(0 7 ? * MON-FRI *)")
		default:
			c.must(!next.IsZero(), at+".expression", m.Expression, "never comes", "cron(0 7 ? * MON-FRI *)")
		}
		c.must(m.MinTasks >= s.MinTasks && m.MinTasks <= s.MaxTasks, at+".minTasks", m.MinTasks,
			"is not a number of tasks from minTasks ("+show(s.MinTasks)+") to maxTasks ("+show(s.MaxTasks)+")", s.MaxTasks)
	}
	other := func(m Minimum) bool { return m.MinTasks != s.Minimums[0].MinTasks }
	if len(s.Minimums) > 0 && s.Autoscaled() && !slices.ContainsFunc(s.Minimums, other) {
		c.must(s.Minimums[0].MinTasks == s.MinTasks, keyed(path, s.Minimums[0].Name), nil, "would never end: another one has to set minTasks again", literal(`{Name: "night", …}`))
	}
}
