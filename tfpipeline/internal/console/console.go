// Package console is what a command talks to: the streams, the environment,
// questions to a person, the next command to run and the exit code.
package console

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/term"
)

// Console is the terminal, or what takes its place. Functions are given one
// and do not copy it.
type Console struct {
	// In is where answers come from.
	In io.Reader
	// Out receives the answer of a command; Err everything else.
	Out, Err io.Writer
	// Env is the program's environment, as in os.Environ.
	Env []string

	// doing holds what an interrupt would print; nil if nothing handles
	// interrupts.
	doing *activities
}

// Redirect returns a console whose progress and errors go to w.
func (c *Console) Redirect(w io.Writer) *Console {
	return &Console{In: c.In, Out: c.Out, Err: w, Env: c.Env, doing: c.doing}
}

// Unattended returns a console for work that runs in parallel: nobody can
// answer its questions, and its lines do not mix.
func (c *Console) Unattended() *Console {
	return &Console{In: strings.NewReader(""), Out: c.Out, Err: &lineWriter{w: c.Err}, Env: c.Env, doing: c.doing}
}

// lineWriter lets several goroutines write to one writer.
type lineWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lineWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// Getenv returns a variable of the environment; "" if it is not set.
func (c *Console) Getenv(name string) string {
	for _, kv := range slices.Backward(c.Env) {
		if k, v, ok := strings.Cut(kv, "="); ok && k == name {
			return v
		}
	}
	return ""
}

// CI reports whether a machine runs the program.
func (c *Console) CI() bool {
	v := c.Getenv("CI")
	return v != "" && v != "false" && v != "0"
}

// Answer prints a line of what the command was asked for. Nothing that others wrote, such
// as the reason of a freeze, acts on the terminal.
func (c *Console) Answer(format string, args ...any) {
	fmt.Fprintln(c.Out, printableLines(fmt.Sprintf(format, args...)))
}

// Progress tells a person what is going on; it is not the answer. Nothing that others
// wrote, such as an error of AWS, acts on the terminal.
func (c *Console) Progress(format string, args ...any) {
	fmt.Fprintln(c.Err, printableLines(fmt.Sprintf(format, args...)))
}

// Terminal reports whether a stream is a terminal.
func Terminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Colour reports whether a stream wants colours (https://no-color.org).
func (c *Console) Colour(stream io.Writer) bool {
	return c.Getenv("NO_COLOR") == "" && c.Getenv("TERM") != "dumb" && Terminal(stream)
}

// Live reports whether lines on Err can be redrawn in place.
func (c *Console) Live() bool {
	return Terminal(c.Err) && c.Getenv("TERM") != "dumb" && !c.CI()
}

// Size returns the size of the terminal behind Err in characters, and 80x24
// if there is none.
func (c *Console) Size() (width, height int) {
	if f, ok := c.Err.(*os.File); ok {
		if width, height, err := term.GetSize(int(f.Fd())); err == nil && width > 0 && height > 0 {
			return width, height
		}
	}
	return 80, 24
}

// ErrDeclined is returned when a person answers no.
var ErrDeclined = errors.New("not confirmed: nothing was changed")

// CanAsk reports whether a person is there to answer.
func (c *Console) CanAsk() bool { return Terminal(c.In) }

// Ask prints a question and returns the answer without its line end. An
// interrupt ends the wait for it; the end of the input is no answer, and returns
// ErrDeclined.
func (c *Console) Ask(ctx context.Context, question string) (string, error) {
	fmt.Fprint(c.Err, printableLines(question)+" ")
	type line struct {
		text string
		err  error
	}
	answered := make(chan line, 1)
	go func() {
		text, err := bufio.NewReader(c.In).ReadString('\n')
		answered <- line{strings.TrimSpace(text), err}
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(c.Err)
		return "", context.Cause(ctx)
	case l := <-answered:
		if l.err != nil && !errors.Is(l.err, io.EOF) {
			return "", fmt.Errorf("read the answer: %w", l.err)
		}
		if l.err != nil && l.text == "" {
			fmt.Fprintln(c.Err)
			return "", ErrDeclined
		}
		return l.text, nil
	}
}

// Confirm asks a question to which only "yes" agrees, unless the flag -yes has
// answered it already. It returns ErrDeclined for any other answer, and if
// there is nobody to ask.
func (c *Console) Confirm(ctx context.Context, question string, yes bool) error {
	if yes {
		return nil
	}
	if !c.CanAsk() {
		return ErrDeclined
	}
	answer, err := c.Ask(ctx, question+` Only "yes" is taken for one:`)
	if err != nil {
		return err
	}
	if answer != "yes" {
		return ErrDeclined
	}
	return nil
}

// ConfirmName asks for a name that nobody types by accident. It returns
// ErrDeclined for any other answer.
func (c *Console) ConfirmName(ctx context.Context, question, name string) error {
	answer, err := c.Ask(ctx, question)
	if err != nil {
		return err
	}
	if answer != name {
		return ErrDeclined
	}
	return nil
}

// RequireAnswer fails early if the command would later ask a question that
// nobody can answer. next is the command that asks nothing.
func (c *Console) RequireAnswer(command, next string, yes bool) error {
	if yes || c.CanAsk() {
		return nil
	}
	return Usage(command+" asks before it changes anything, and there is no terminal to ask on", next)
}
