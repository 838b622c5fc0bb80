package upgrade

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
)

// checkout is a folder that pins a provider and a Go.
func checkout(t *testing.T, provider, language string) string {
	t.Helper()
	dir := t.TempDir()
	for path, text := range map[string]string{
		"envs/shared/.terraform.lock.hcl": "provider \"registry.terraform.io/hashicorp/aws\" {\n  version     = \"" + provider + "\"\n}\n",
		"go.mod":                          "module x\n\ngo " + language + "\n",
	} {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func verdicts(r Report) map[string]Verdict {
	all := map[string]Verdict{}
	for _, p := range r.Products {
		all[p.Name] = p.Verdict
	}
	return all
}

func TestCheck(t *testing.T) {
	p := configtest.Docs()
	p.PostgresVersion = "15"
	day := func(s string) time.Time {
		at, err := time.Parse(date, s)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	for _, c := range []struct {
		at, provider, language string
		postgres, aws, golang  Verdict
		stale                  bool
	}{
		{"2026-11-26", "6.34.0", "1.26.0", Supported, Supported, Supported, false},
		{"2026-11-26", "5.100.0", "1.25.3", Supported, Unsupported, Unsupported, false},
		{"2026-12-20", "7.0.0", "1.26", Supported, Unknown, EndsSoon, false},
		{"2028-02-29", "6.34.0", "1.27.1", EndsSoon, Supported, Unsupported, true}, // the last day
		{"2028-03-01", "6.34.0", "1.27.1", Unsupported, Supported, Unsupported, true},
	} {
		r, err := Check(p, checkout(t, c.provider, c.language), day(c.at))
		if err != nil {
			t.Fatal(err)
		}
		got := verdicts(r)
		if got["postgresql"] != c.postgres || got["aws provider"] != c.aws || got["go"] != c.golang || r.Stale != c.stale {
			t.Errorf("%s, provider %s, Go %s: %v, stale %v", c.at, c.provider, c.language, got, r.Stale)
		}
		if c.aws != Supported && !r.Due() {
			t.Errorf("%s: nothing is due", c.at)
		}
	}
	p.PostgresVersion = ""
	r, err := Check(p, checkout(t, "5.100.0", "1.26.0"), day("2026-11-26"))
	if _, database := verdicts(r)["postgresql"]; err != nil || database {
		t.Errorf("a platform without a database: %v, %v", r, err)
	}
	var text, document bytes.Buffer
	if err := r.Print(&text, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"aws provider  5.100.0  6.", "unsupported", "docs/provider-6.md", "newest of its series: 1.26.", "looked up on 2026-"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("without %q:\n%s", want, text.String())
		}
	}
	if err := r.Print(&document, true); err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(document.Bytes(), &back); err != nil || len(back.Products) != 3 || back.Products[1].Pinned != "5.100.0" {
		t.Errorf("%v: %s", err, document.String())
	}
	if _, err := Check(p, t.TempDir(), day("2026-11-26")); err == nil || !strings.Contains(err.Error(), "read a pinned version") {
		t.Errorf("without files: %v", err)
	}
}

// The table knows every product and PostgreSQL that the struct takes, in order, with
// its sources and with guides that exist.
func TestTable(t *testing.T) {
	var known table
	decoder := json.NewDecoder(bytes.NewReader(supported))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&known); err != nil {
		t.Fatal(err)
	}
	for _, p := range known.Products {
		if len(p.Sources) == 0 || p.PinnedIn == "" || len(p.Series) < 2 {
			t.Errorf("%s: %+v", p.Name, p)
		}
		path, heading, _ := strings.Cut(p.Guide, "#")
		page, err := os.ReadFile(filepath.Join("..", "..", "..", path))
		if err != nil {
			t.Error(err)
		}
		anchors := strings.NewReplacer(",", "", " ", "-").Replace(strings.ToLower(string(page)))
		if !strings.Contains(anchors, "##-"+heading+"\n") && heading != "" {
			t.Errorf("%s has no heading for %s", path, heading)
		}
		for i, s := range p.Series {
			if _, err := time.Parse(date, s.Until); s.Until != "" && err != nil || i > 0 && s.Changes == "" && p.Name != "go" {
				t.Errorf("%s %s: %v, changes %q", p.Name, s.Series, err, s.Changes)
			}
			if i > 0 && s.Until != "" && s.Until <= p.Series[i-1].Until {
				t.Errorf("%s %s ends before %s", p.Name, s.Series, p.Series[i-1].Series)
			}
		}
	}
	// Every version that the struct takes is one that the table knows.
	postgres := known.Products[slices.IndexFunc(known.Products, func(p product) bool { return p.Name == "postgresql" })]
	for version := 10; version < 30; version++ {
		p := configtest.Docs()
		p.PostgresVersion = strconv.Itoa(version)
		taken := !strings.Contains(errText(p.Validate()), "postgresVersion")
		if listed := slices.ContainsFunc(postgres.Series, func(s series) bool { return s.Series == p.PostgresVersion }); taken != listed {
			t.Errorf("PostgreSQL %s: the struct takes it %v, the table knows it %v", p.PostgresVersion, taken, listed)
		}
	}
	if !slices.ContainsFunc(known.Products[0].Series, func(s series) bool { return strings.HasPrefix(config.TerraformVersion, s.Series+".") }) {
		t.Errorf("the table does not know Terraform %s", config.TerraformVersion)
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
