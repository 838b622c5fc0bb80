package terraform

import (
	"bytes"
	"sync/atomic"
	"time"
)

// planningTick is how often a plan tells how far it has come.
const planningTick = 15 * time.Second

// readCounter counts the resources that a plan says it has read. It keeps
// nothing else of the output, which contains values.
type readCounter struct {
	read atomic.Int64
	rest []byte
}

// Write takes pieces of any size, and never fails.
func (c *readCounter) Write(p []byte) (int, error) {
	c.rest = append(c.rest, p...)
	for {
		line, rest, ok := bytes.Cut(c.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		if readText.Match(line) {
			c.read.Add(1)
		}
		c.rest = rest
	}
}

// tellPlanning sends a Planning event every planningTick until end is called;
// none comes after that.
func tellPlanning(c *readCounter, tell func(Event)) (end func()) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(planningTick)
		defer tick.Stop()
		for elapsed := planningTick; ; elapsed += planningTick {
			select {
			case <-stop:
				return
			case <-tick.C:
				tell(Event{Kind: Planning, Read: int(c.read.Load()), Elapsed: elapsed})
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
	}
}
