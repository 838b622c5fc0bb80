package session

import (
	"crypto/rand"
	"fmt"
	"regexp"
	"strings"
)

// Command is what is run in a task.
type Command struct {
	words []string
	// mark begins what tells the exit code at the end of the output, which Session
	// Manager does not; "" if nothing does.
	mark string
}

// newCommand is a command by its words; none is a shell. A script that is given to a
// shell is made to tell its exit code.
func newCommand(words []string) Command {
	c := Command{words: words}
	if len(words) == 0 {
		c.words = []string{"/bin/sh"}
	}
	if len(words) >= 3 && shells[words[0]] && words[1] == "-c" {
		c.mark = rand.Text()
	}
	return c
}

// shells know trap.
var shells = map[string]bool{"sh": true, "/bin/sh": true, "bash": true, "/bin/bash": true, "ash": true, "dash": true}

// line is the command as ECS takes it: the agent splits it as a shell would, and
// expands nothing.
func (c Command) line() string {
	quoted := make([]string, len(c.words))
	for i, word := range c.words {
		if c.mark != "" && i == 2 {
			word = fmt.Sprintf("trap 'printf \"\\036%s:%%d\\036\" \"$?\"' EXIT\n%s", c.mark, word)
		}
		quoted[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	return strings.Join(quoted, " ")
}

// plain is a text that a shell takes as one word.
var plain = regexp.MustCompile(`^[\w./:=@,+-]+$`)

// word is a text as one word of a shell.
func word(text string) string {
	if plain.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// String is the command as a person would type it.
func (c Command) String() string { return strings.Join(c.words, " ") }
