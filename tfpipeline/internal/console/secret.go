package console

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// Secret returns the contents of a file or, if that is "" or "-", of the input, without the
// end of the last line. What a person types or pastes may have several lines: Ctrl-D ends
// it. It is not shown, and an interrupt ends the wait for it. An argument of a command
// would be in the shell's history and in the list of processes.
func (c *Console) Secret(ctx context.Context, name, file string) (string, error) {
	type read struct {
		text []byte
		err  error
	}
	value, restore := make(chan read, 1), func() {}
	switch f, ok := c.In.(*os.File); {
	case file != "" && file != "-":
		text, err := os.ReadFile(file)
		value <- read{text, err}
	case ok && c.CanAsk():
		before, err := term.MakeRaw(int(f.Fd()))
		if err != nil {
			return "", fmt.Errorf("read the value unseen: %w", err)
		}
		restore = func() {
			_ = term.Restore(int(f.Fd()), before) // the terminal has gone
			fmt.Fprintln(c.Err)
		}
		fmt.Fprintf(c.Err, "Value of %s, which is not shown; Ctrl-D ends it: ", name)
		go func() {
			text, err := typed(f)
			value <- read{text, err}
		}()
	default:
		go func() {
			text, err := io.ReadAll(c.In)
			value <- read{text, err}
		}()
	}
	defer restore()
	select {
	case <-ctx.Done():
		return "", context.Cause(ctx)
	case v := <-value:
		if v.err != nil {
			return "", fmt.Errorf("read the value: %w", v.err)
		}
		return strings.TrimSuffix(strings.TrimSuffix(string(v.text), "\n"), "\r"), nil
	}
}

// typed reads what a person types on a raw terminal until Ctrl-D. One that is not raw cuts
// a line after some thousand bytes, and says nothing.
func typed(terminal io.Reader) (text []byte, err error) {
	const (
		ctrlC, ctrlD, ctrlU = 3, 4, 21
		backspace, rubout   = 8, 127
	)
	in := bufio.NewReader(terminal)
	for last := byte(0); ; {
		b, err := in.ReadByte()
		switch {
		case err != nil:
			return nil, fmt.Errorf("the terminal was closed: %w", err)
		case b == ctrlC:
			return nil, ErrInterrupted
		case b == ctrlD:
			return text, nil
		case b == ctrlU:
			text = text[:bytes.LastIndexByte(text, '\n')+1]
		case b == backspace || b == rubout:
			_, n := utf8.DecodeLastRune(text)
			text = text[:len(text)-n]
		case b == '\n' && last == '\r':
		case b == '\n' || b == '\r':
			text = append(text, '\n')
		case b < ' ' && b != '\t':
			return nil, errors.New("a key that is no character was pressed; nothing was stored: start anew, or use -file FILE")
		default:
			text = append(text, b)
		}
		last = b
	}
}
