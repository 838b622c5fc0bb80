package config

import (
	"slices"
	"strings"
)

// mostBacklogs is how many queues fit into a metric of autoscaling: it has ten parts,
// and the number of tasks and the quotient take two.
const mostBacklogs = 8

const (
	// mostMinimums is what Application Auto Scaling takes for a service:
	// https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-quotas.html
	mostMinimums = 200
	// minimumName is what the 256 characters of a scheduled action's name leave, besides
	// the environment's and the service's.
	minimumName = 256 - environmentPrefix - partName - 2
	// minimumExpression is the most characters of a scheduled action's schedule.
	minimumExpression = 1600
)

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
	c.atMost(path, len(s.Minimums), "minimum", mostMinimums, "autoscaling takes for a service", nil)
	used := firsts(s.Minimums, func(m Minimum) string { return m.Name })
	for i, m := range s.Minimums {
		at := element(path, i, m.Name, used)
		if c.name(at+".name", m.Name, "day") {
			c.must(used[m.Name] == i, at+".name", m.Name, "is declared twice", m.Name+"-2")
			c.must(len(m.Name) <= minimumName, at+".name", m.Name, "has "+plural(len(m.Name), "character")+", where the name of a scheduled action leaves "+show(minimumName), shorten(m.Name, minimumName))
		}
		if !s.Autoscaled() {
			c.must(false, at, nil, "has no effect: the service does not scale while maxTasks is minTasks", nil)
			continue
		}
		next, err := Schedule{Expression: m.Expression, TimeZone: m.TimeZone}.Next(begin(), begin())
		switch {
		case len(m.Expression) > minimumExpression:
			c.must(false, at+".expression", m.Expression, "is longer than autoscaling takes: "+show(minimumExpression)+" characters", "cron(0 7 ? * MON-FRI *)")
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
