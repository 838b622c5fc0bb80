package console

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// InFlight is what an interrupt would cut short, for whoever interrupts.
type InFlight struct {
	// Work are sentences on what is being done, and on what was done already.
	Work []string
	// Next is the command that goes on.
	Next string
	// Environment is the one whose cancelled run settle finishes; "" is none.
	Environment string
}

// activities are what a command is at, the outermost first.
type activities struct {
	mu  sync.Mutex
	all []*Activity
	// insisted is closed by the second interrupt.
	insisted chan struct{}
}

// Activity is one thing that a command is at.
type Activity struct {
	of      *activities
	console *Console
	told    InFlight
}

// Begin says what the program is at from now on: the next interrupt tells it at
// once, without asking anybody. The activity ends with End.
func (c *Console) Begin(f InFlight) *Activity {
	a := &Activity{of: c.doing, console: c, told: f}
	if a.of != nil {
		a.of.mu.Lock()
		defer a.of.mu.Unlock()
		a.of.all = append(a.of.all, a)
	}
	return a
}

// Tell says what the activity has come to.
func (a *Activity) Tell(f InFlight) {
	if a.of != nil {
		a.of.mu.Lock()
		defer a.of.mu.Unlock()
	}
	a.told = f
}

// End says that nothing of the activity is in flight any more.
func (a *Activity) End() {
	if a.of != nil {
		a.of.mu.Lock()
		defer a.of.mu.Unlock()
		a.of.all = slices.DeleteFunc(a.of.all, func(other *Activity) bool { return other == a })
	}
}

// Insisted is closed by the second interrupt; nil if there is none to come.
func (c *Console) Insisted() <-chan struct{} {
	if c.doing == nil {
		return nil
	}
	return c.doing.insisted
}

// Interruptible returns a context that the first interrupt ends. The program
// then ends what it has begun, which a second interrupt does not cut short: a
// Terraform that is killed leaves its lock, and a state that is not saved. Each
// interrupt is answered at once with what is in flight and what to do next.
func (c *Console) Interruptible(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	c.doing = &activities{insisted: make(chan struct{})}
	signals, quit := make(chan os.Signal, 2), make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		for n := 1; ; n++ {
			select {
			case <-signals:
				c.answer(n)
				cancel(ErrInterrupted)
				if n == 2 {
					close(c.doing.insisted)
				}
			case <-quit:
				return
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(quit)
		cancel(nil)
	}
}

// answer tells whoever has interrupted for the nth time what is in flight.
func (c *Console) answer(n int) {
	c.doing.mu.Lock()
	defer c.doing.mu.Unlock()
	var text strings.Builder
	text.WriteString("interrupted: ending what has begun; nothing new begins\n")
	if n > 1 {
		text.Reset()
		text.WriteString("interrupted again: still ending what has begun\n")
	}
	next, environment, to := "", "", c
	for _, a := range c.doing.all {
		for _, line := range a.told.Work {
			fmt.Fprintf(&text, "  %s\n", line)
		}
		// The outermost knows what goes on; the lines of the innermost do not mix
		// with a live table.
		next, environment, to = cmp.Or(next, a.told.Next), cmp.Or(environment, a.told.Environment), a.console
	}
	fmt.Fprintf(&text, "next: %s", cmp.Or(next, "the same command, on any machine"))
	if environment != "" {
		fmt.Fprintf(&text, "; should this process be killed before it has ended, first on this machine: tfpipeline settle -env %s", environment)
	}
	text.WriteByte('\n')
	fmt.Fprint(to.Err, text.String())
}
