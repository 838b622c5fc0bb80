package config

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// OrDefault fills in what is empty.
func (q Queue) OrDefault() Queue {
	q.Visibility = cmp.Or(q.Visibility, 5*time.Minute)
	q.MaxReceives = cmp.Or(q.MaxReceives, 5)
	q.AlarmAge = cmp.Or(q.AlarmAge, 15*time.Minute)
	return q
}

// QueueVariable is the environment variable in which containers find a queue's
// URL: "MAIL_QUEUE_URL".
func QueueVariable(queue string) string {
	return strings.ToUpper(strings.ReplaceAll(queue, "-", "_")) + "_QUEUE_URL"
}

// deadLetterSuffix ends the name of a dead-letter queue, as Terraform makes it.
const deadLetterSuffix = "-dead"

// queues checks every queue, and that somebody receives what it is sent.
func (c *checker) queues() {
	used := firsts(c.Queues, func(q Queue) string { return q.Name })
	for i, q := range c.Queues {
		path := element("queues", i, q.Name, used)
		if c.name(path+".name", q.Name, "mail") && c.must(used[q.Name] == i, path+".name", q.Name, "is declared twice", q.Name+"-2") {
			c.partNameFits(path+".name", q.Name)
			c.must(!strings.HasSuffix(q.Name, deadLetterSuffix), path+".name", q.Name, "ends as the names of dead-letter queues do", strings.TrimSuffix(q.Name, deadLetterSuffix))
		}
		c.seconds(path+".visibility", q.Visibility, time.Second, 12*time.Hour, 5*time.Minute)
		c.must(q.MaxReceives == 0 || q.MaxReceives >= 1 && q.MaxReceives <= 1000, path+".maxReceives", q.MaxReceives, "is not a number that SQS counts to, 1 to 1000", 5)
		c.seconds(path+".alarmAge", q.AlarmAge, time.Minute, 3*24*time.Hour, 15*time.Minute)
		received := slices.ContainsFunc(c.Services, func(s Service) bool { return slices.Contains(s.Receives, q.Name) })
		c.must(received || q.Name == "", path, nil, "is received by no service, so its messages would stay there", literal("Receives: []string{"+show(q.Name)+"}"))
	}
}

// queuesOf are the queues that a container sends to or receives from, each once.
func queuesOf(receives, sends []string) []string {
	all := slices.Sorted(slices.Values(slices.Concat(receives, sends)))
	return slices.Compact(all)
}
