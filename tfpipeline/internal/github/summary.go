package github

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// SummaryLimit bounds a step's summary in bytes, all parts together. GitHub
// accepts 1 MiB, and drops a summary that comes near it without an error.
const SummaryLimit = 1_000 << 10

// SummaryRoom returns how many bytes may still be appended to a summary.
func SummaryRoom(path string) (int, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return SummaryLimit, nil
	}
	if err != nil {
		return 0, fmt.Errorf("write the step's summary: %w", err)
	}
	return max(0, SummaryLimit-int(info.Size())), nil
}

// AppendSummary appends Markdown to the summary of a step. It refuses a text
// that does not fit: one that is cut within a code block would hide what
// follows.
func AppendSummary(path, markdown string) error {
	room, err := SummaryRoom(path)
	if err != nil {
		return err
	}
	if len(markdown) > room {
		return fmt.Errorf("write the step's summary: %d bytes do not fit into the %d that are left", len(markdown), room)
	}
	return wrap(appendTo(path, markdown), "write the step's summary")
}

// appendTo appends to one of the files that GitHub reads after a step.
func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
