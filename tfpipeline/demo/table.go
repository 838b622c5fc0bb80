package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
)

// deployment is a row of the closing table.
type deployment struct {
	what    string
	exit    int
	elapsed time.Duration
	traffic traffic
	steps   []step
}

// step is how long a part of a deployment lasted.
type step struct {
	name    string
	elapsed time.Duration
}

// noteworthy is the shortest step that the table names.
const noteworthy = 500 * time.Millisecond

// table lists the deployments and what people asked meanwhile, and in all.
func table(deployments []deployment, all traffic, elapsed, cpu time.Duration) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "DEPLOYMENT\tEXIT\tTIME\tREQUESTS\tFAILED\tWORST\tBY STEP")
	for _, d := range deployments {
		var steps []string
		for _, s := range d.steps {
			if s.elapsed >= noteworthy {
				steps = append(steps, s.name+" "+seconds(s.elapsed))
			}
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%d\t%s\t%s\n", d.what, d.exit, seconds(d.elapsed), d.traffic.requests, d.traffic.failed, worst(d.traffic), strings.Join(steps, ", "))
	}
	fmt.Fprintf(w, "all, and between\t\t%s\t%d\t%d\t%s\t%s of processor time\n", seconds(elapsed), all.requests, all.failed, worst(all), seconds(cpu))
	_ = w.Flush() // a strings.Builder takes everything
	return b.String()
}

func worst(t traffic) string {
	if t.requests == 0 {
		return "-"
	}
	return fmt.Sprintf("%d ms", t.worst.Milliseconds())
}
