package manual

import (
	"strings"
	"testing"
)

func TestPage(t *testing.T) {
	page, err := Page([]byte(`package config

// Platform is a platform.
//
// It has two
// paragraphs.
type Platform struct {
	// Name begins
	// every name, a|b.
	Name string
	// Kinds and More are what it knows.
	Kinds, More []Kind
	// Way is one way or none.
	//
	// Mostly none.
	Way *Way

	hidden int
}

// Way goes somewhere. It repeats.
type Way struct {
	// Kind is how.
	Kind Kind
	// Sizes by name.
	Sizes map[string]Way
}

// Kind is a kind.
type Kind string

const (
	// Fast is fast.
	Fast Kind = "fast"
	Slow Kind = "slow" // no comment above
)
`))
	if err == nil || err.Error() != "gen/config/platform.go: Slow has no comment, and docs/config.md is made of them" {
		t.Errorf("error %v", err)
	}
	const want = `
## Platform

Platform is a platform.

It has two paragraphs.

| field | type | meaning |
|---|---|---|
| ` + "`Name` | `string`" + ` | Name begins every name, a\|b. |
| ` + "`Kinds`, `More` | [`[]Kind`](#kind)" + ` | Kinds and More are what it knows. |
| ` + "`Way` | [`*Way`](#way)" + ` | Way is one way or none.<br>Mostly none. |

## Kind

Kind is a kind.

| value | meaning |
|---|---|
| ` + "`Fast`" + ` | Fast is fast. |
| ` + "`Slow`" + ` |  |

## Way

Way goes somewhere. It repeats.

| field | type | meaning |
|---|---|---|
| ` + "`Kind` | [`Kind`](#kind)" + ` | Kind is how. |
| ` + "`Sizes` | [`map[string]Way`](#way)" + ` | Sizes by name. |
`
	if !strings.HasSuffix(string(page), want) {
		t.Errorf("%s", page)
	}
	if _, err := Page([]byte("package")); err == nil {
		t.Error("a file that is no Go is read")
	}
}
