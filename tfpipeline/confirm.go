package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// errDeclined is the answer no.
var errDeclined = errors.New("not confirmed: nothing was changed")

// canAsk reports whether a person is there to answer.
func (a *app) canAsk() bool { return terminal(a.stdin) }

// ask prints a question and returns the answer without its line end. An
// interrupt ends the waiting.
func (a *app) ask(ctx context.Context, question string) (string, error) {
	fmt.Fprint(a.stderr, question+" ")
	type line struct {
		text string
		err  error
	}
	answered := make(chan line, 1)
	go func() {
		text, err := bufio.NewReader(a.stdin).ReadString('\n')
		answered <- line{strings.TrimSpace(text), err}
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(a.stderr)
		return "", context.Cause(ctx)
	case l := <-answered:
		if l.err != nil && !errors.Is(l.err, io.EOF) {
			return "", fmt.Errorf("read the answer: %w", l.err)
		}
		return l.text, nil
	}
}

// confirm asks a question that only "yes" answers in the affirmative. yes, the
// flag, is an answer given beforehand.
func (a *app) confirm(ctx context.Context, question string, yes bool) error {
	if yes {
		return nil
	}
	if !a.canAsk() {
		return errDeclined
	}
	answer, err := a.ask(ctx, question+` Only "yes" is taken for one:`)
	if err != nil {
		return err
	}
	if answer != "yes" {
		return errDeclined
	}
	return nil
}

// mustBeAbleToAsk refuses early what would end in a question to nobody.
func (a *app) mustBeAbleToAsk(command string, yes bool) error {
	if yes || a.canAsk() {
		return nil
	}
	return usageError{command + " asks before it changes anything, and there is no terminal to ask on", "tfpipeline " + command + " -yes, after reading tfpipeline plan"}
}
