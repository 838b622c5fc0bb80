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

// InFlight describes the work that an interrupt would cut short.
type InFlight struct {
	// Work lists what is being done and what is already done, a sentence each.
	Work []string
	// Next is the command that continues the work.
	Next string
	// Environment is where tfpipeline settle must run if this process is killed; ""
	// for none.
	Environment string
}

// activities is the work a command is doing, the outermost first.
type activities struct {
	mu  sync.Mutex
	all []*Activity
	// passed is true while a program that has the terminal handles Ctrl-C itself.
	passed bool
	// insisted is closed by the second interrupt.
	insisted chan struct{}
}

// Activity is one piece of work that a command is doing.
type Activity struct {
	of      *activities
	console *Console
	told    InFlight
}

// Begin records what the program is doing, so that the next interrupt can
// print it immediately. The activity ends with End.
func (c *Console) Begin(f InFlight) *Activity {
	a := &Activity{of: c.doing, console: c, told: f}
	if a.of != nil {
		a.of.mu.Lock()
		defer a.of.mu.Unlock()
		a.of.all = append(a.of.all, a)
	}
	return a
}

// Tell updates what the activity has done so far.
func (a *Activity) Tell(f InFlight) {
	if a.of != nil {
		a.of.mu.Lock()
		defer a.of.mu.Unlock()
	}
	a.told = f
}

// End says that the activity is over.
func (a *Activity) End() {
	if a.of != nil {
		a.of.mu.Lock()
		defer a.of.mu.Unlock()
		a.of.all = slices.DeleteFunc(a.of.all, func(other *Activity) bool { return other == a })
	}
}

// Insisted is closed by the second interrupt; it is nil if nothing handles
// interrupts.
func (c *Console) Insisted() <-chan struct{} {
	if c.doing == nil {
		return nil
	}
	return c.doing.insisted
}

// Interrupts returns others, SIGINT and SIGHUP. It leaves SIGHUP out if the program was
// started with it ignored, as by nohup.
func Interrupts(others ...os.Signal) []os.Signal {
	others = append(others, os.Interrupt)
	if !signal.Ignored(syscall.SIGHUP) {
		others = append(others, syscall.SIGHUP)
	}
	return others
}

// Interruptible returns a context that the first interrupt cancels. The
// program then finishes what it has begun, and a second interrupt does not cut
// that short: a Terraform that is killed leaves its lock and an unsaved state.
// Each interrupt immediately prints what is in flight and what to do next.
func (c *Console) Interruptible(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	c.doing = &activities{insisted: make(chan struct{})}
	signals, quit := make(chan os.Signal, 2), make(chan struct{})
	signal.Notify(signals, Interrupts(syscall.SIGTERM)...)
	go func() {
		for n := 1; ; n++ {
			select {
			case s := <-signals:
				if s == os.Interrupt && c.lent() {
					n--
					continue
				}
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

// Lend ignores Ctrl-C until the returned function is called: the program that has the
// terminal receives it itself.
func (c *Console) Lend() (end func()) {
	set := func(passed bool) {
		if c.doing != nil {
			c.doing.mu.Lock()
			defer c.doing.mu.Unlock()
			c.doing.passed = passed
		}
	}
	set(true)
	// That program receives these signals too, and passes them on.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTSTP, syscall.SIGQUIT)
	return func() {
		signal.Stop(signals)
		set(false)
	}
}

func (c *Console) lent() bool {
	c.doing.mu.Lock()
	defer c.doing.mu.Unlock()
	return c.doing.passed
}

// answer prints what is in flight, after the nth interrupt.
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
		// The outermost activity knows the command that continues; the
		// innermost one knows where lines may be printed without breaking a
		// live table.
		next, environment, to = cmp.Or(next, a.told.Next), cmp.Or(environment, a.told.Environment), a.console
	}
	fmt.Fprintf(&text, "next: %s", cmp.Or(next, "the same command, on any machine"))
	if environment != "" {
		fmt.Fprintf(&text, "; should this process be killed before it has ended, first on this machine: tfpipeline settle -env %s", environment)
	}
	text.WriteByte('\n')
	fmt.Fprint(to.Err, printableLines(text.String()))
}
