package console

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Interruptible returns a context that the first interrupt ends. The program
// then ends what it has begun, which a second interrupt does not cut short: a
// Terraform that is killed leaves its lock, and a state that is not saved. Each
// interrupt is answered at once.
func Interruptible(parent context.Context, stderr io.Writer) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals, quit := make(chan os.Signal, 2), make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		for said := "interrupted: ending what has begun; nothing new begins; should this process be killed before it has ended: tfpipeline settle -env ENV on this machine, then the same command, anywhere"; ; said = "interrupted again: still ending what has begun; after a kill -9: tfpipeline settle -env ENV on this machine" {
			select {
			case <-signals:
				fmt.Fprintln(stderr, said)
				cancel(ErrInterrupted)
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
