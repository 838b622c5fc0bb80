// Package upgrade compares the versions that a checkout pins with those that their
// makers support, by a table that is part of the program and names its sources.
package upgrade

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/specboard/platform/gen/config"
)

//go:embed supported.json
var supported []byte

const (
	// soon is how long before its end a version counts as one to leave.
	soon = 90 * 24 * time.Hour
	// stale is the age at which the table itself has to be checked.
	stale = 180 * 24 * time.Hour
)

// date is the form of the table's dates.
const date = "2006-01-02"

// table is what is known of the products, and when that was looked up.
type table struct {
	Checked  string    `json:"checked"`
	Products []product `json:"products"`
}

type product struct {
	Name     string   `json:"name"`
	PinnedIn string   `json:"pinned_in"`
	Guide    string   `json:"guide"`
	Sources  []string `json:"sources"`
	// Series are from old to new.
	Series []series `json:"series"`
}

// series is a line of versions that are supported together.
type series struct {
	Series string `json:"series"`
	// Newest is its newest version; "" where the maker upgrades within it.
	Newest string `json:"newest"`
	// Until is the last day of its support; "": no end is known.
	Until string `json:"until"`
	// Changes says what it brings to whoever comes from the series before.
	Changes string `json:"changes"`
}

// Report is the comparison of all products.
type Report struct {
	Checked string `json:"checked"`
	// Stale: the table is old, so that it may not know the newest versions.
	Stale    bool      `json:"stale"`
	Products []Product `json:"products"`
}

// Product is one pinned version.
type Product struct {
	Name     string  `json:"name"`
	Pinned   string  `json:"pinned"`
	PinnedIn string  `json:"pinned_in"`
	Verdict  Verdict `json:"verdict"`
	// Until is the last day of its support; "": no end is known.
	Until string `json:"until"`
	// Newest is the newest version that the table knows, Patch that of the pinned
	// series.
	Newest string `json:"newest"`
	Patch  string `json:"patch"`
	// Changes are what newer series bring, from old to new.
	Changes []string `json:"changes"`
	Guide   string   `json:"guide"`
	Sources []string `json:"sources"`
}

// Verdict is what the table says of a pinned version.
type Verdict string

// The verdicts. Those but Supported ask for something.
const (
	Supported   Verdict = "supported"
	EndsSoon    Verdict = "ends soon"
	Unsupported Verdict = "unsupported"
	Unknown     Verdict = "unknown"
)

// Due reports whether something has to be done.
func (r Report) Due() bool {
	return r.Stale || slices.ContainsFunc(r.Products, func(p Product) bool { return p.Verdict != Supported })
}

var (
	lockedVersion = regexp.MustCompile(`(?s)provider "registry\.terraform\.io/hashicorp/aws" \{\s*version\s*=\s*"([^"]+)"`)
	goVersion     = regexp.MustCompile(`(?m)^go (\S+)$`)
)

// Check compares what a platform and its checkout pin with the table, at a time.
func Check(p config.Platform, repository string, now time.Time) (Report, error) {
	var t table
	if err := json.Unmarshal(supported, &t); err != nil {
		return Report{}, fmt.Errorf("read the table of supported versions: %w", err)
	}
	find := func(form *regexp.Regexp, path ...string) (string, error) {
		file := filepath.Join(append([]string{repository}, path...)...)
		text, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("read a pinned version: %w", err)
		}
		m := form.FindSubmatch(text)
		if m == nil {
			return "", fmt.Errorf("read a pinned version: %s names none", file)
		}
		return string(m[1]), nil
	}
	provider, providerErr := find(lockedVersion, "envs", config.SharedRoot, ".terraform.lock.hcl")
	language, languageErr := find(goVersion, "go.mod")
	if err := errors.Join(providerErr, languageErr); err != nil {
		return Report{}, err
	}
	pinned := map[string]string{"terraform": config.TerraformVersion, "aws provider": provider, "postgresql": p.PostgresVersion, "go": language}
	r := Report{Checked: t.Checked, Products: []Product{}}
	checked, err := time.Parse(date, t.Checked)
	if err != nil {
		return Report{}, fmt.Errorf("read the table of supported versions: %w", err)
	}
	r.Stale = now.Sub(checked) > stale
	for _, known := range t.Products {
		if version := pinned[known.Name]; version != "" { // a platform may have no database
			r.Products = append(r.Products, known.judge(version, now))
		}
	}
	return r, nil
}

// judge compares a pinned version with what is known of its product.
func (k product) judge(version string, now time.Time) Product {
	last := k.Series[len(k.Series)-1]
	p := Product{
		Name: k.Name, Pinned: version, PinnedIn: k.PinnedIn, Verdict: Unknown, Newest: last.version(),
		Changes: []string{}, Guide: k.Guide, Sources: k.Sources,
	}
	i := slices.IndexFunc(k.Series, func(s series) bool { return version == s.Series || strings.HasPrefix(version, s.Series+".") })
	if i < 0 {
		return p
	}
	p.Until, p.Patch, p.Verdict = k.Series[i].Until, k.Series[i].version(), Supported
	if end, err := time.Parse(date, p.Until); err == nil {
		switch left := end.AddDate(0, 0, 1).Sub(now); {
		case left <= 0:
			p.Verdict = Unsupported
		case left < soon:
			p.Verdict = EndsSoon
		}
	}
	for _, newer := range k.Series[i+1:] {
		p.Changes = append(p.Changes, strings.TrimSuffix(newer.Series+": "+newer.Changes, ": "))
	}
	return p
}

// version is the newest of a series.
func (s series) version() string {
	if s.Newest == "" {
		return s.Series
	}
	return s.Newest
}

// Print prints the report, for a person or as JSON.
func (r Report) Print(out io.Writer, asJSON bool) error {
	if asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(r); err != nil {
			return fmt.Errorf("print the versions: %w", err)
		}
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PRODUCT\tPINNED\tNEWEST\tSUPPORTED UNTIL\tVERDICT")
	for _, p := range r.Products {
		until := p.Until
		if until == "" {
			until = "no end is known"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", p.Name, p.Pinned, p.Newest, until, p.Verdict)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the versions: %w", err)
	}
	for _, p := range r.Products {
		if len(p.Changes) == 0 && p.Verdict == Supported && (p.Patch == p.Pinned || p.Patch == "") {
			continue
		}
		fmt.Fprintf(out, "\n%s %s (%s; %s)\n", p.Name, p.Pinned, p.PinnedIn, p.Guide)
		if p.Verdict == Unknown {
			fmt.Fprintf(out, "  the table does not know it: see %s\n", p.Sources[0])
		}
		if p.Patch != "" && p.Patch != p.Pinned {
			fmt.Fprintf(out, "  newest of its series: %s\n", p.Patch)
		}
		for _, c := range p.Changes {
			fmt.Fprintf(out, "  %s\n", c)
		}
	}
	fmt.Fprintf(out, "\nlooked up on %s", r.Checked)
	if r.Stale {
		fmt.Fprint(out, ", which is long ago: renew tfpipeline/internal/upgrade/supported.json")
	}
	fmt.Fprintln(out)
	return nil
}
