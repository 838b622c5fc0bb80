package migrations

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// What a file may set at most. Waiting longer for a lock would stop every
// client that queues behind the migration.
const (
	maxLockTimeout      = time.Second
	maxStatementTimeout = time.Hour
)

// limit returns the setting that a SET statement makes, such as
// "lock_timeout", and its value; the error says why it is refused.
func (s Statement) limit() (setting string, value time.Duration, err error) {
	tokens := s.tokens[1:]
	if tokens[0].is("local") || tokens[0].is("session") {
		tokens = tokens[1:]
	}
	setting = tokens[0].text
	most := maxLockTimeout
	if setting == "statement_timeout" {
		most = maxStatementTimeout
	}
	refuse := fmt.Errorf("a file may lower %s, up to %v, and not switch it off: SET %s = '100ms'", setting, most, setting)
	tokens = tokens[1:]
	if len(tokens) < 2 || !tokens[0].is("=") && !tokens[0].is("to") {
		return setting, 0, refuse
	}
	text := ""
	for _, t := range tokens[1:] {
		text += strings.Trim(t.text, "'")
	}
	value, ok := parseSetting(text)
	if !ok || value <= 0 || value > most {
		return setting, 0, refuse
	}
	return setting, value, nil
}

// parseSetting reads a time as PostgreSQL writes it in settings: a number and
// a unit, milliseconds without one.
func parseSetting(text string) (time.Duration, bool) {
	text = strings.TrimSpace(text)
	digits := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyz ")
	units := map[string]time.Duration{"": time.Millisecond, "us": time.Microsecond, "ms": time.Millisecond,
		"s": time.Second, "min": time.Minute, "h": time.Hour}
	unit, ok := units[strings.TrimSpace(text[len(digits):])]
	n, err := strconv.ParseFloat(digits, 64)
	if !ok || err != nil || n < 0 || n > 1e9 {
		return 0, false
	}
	value := time.Duration(n * float64(unit))
	// PostgreSQL rounds to whole milliseconds, and nought switches off.
	return value.Round(time.Millisecond), true
}
