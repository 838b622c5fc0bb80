package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/specboard/platform/tfpipeline/internal/console"
)

// The page tells what the terminal does, and besides what has been promoted.
func TestDashboard(t *testing.T) {
	t.Parallel()
	w := newPromotions(t)
	file := filepath.Join(t.TempDir(), "dashboard.html")
	page := func() string {
		t.Helper()
		if stdout, stderr := w.must(console.ExitOK, "status", "-html", file); stdout+stderr != "" {
			t.Errorf("status -html says %s%s", stdout, stderr)
		}
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	mentions(t, page(), "no release yet", "nothing was ever promoted here")
	w.release("v1.0.0")
	w.must(console.ExitOK, "promote", "-env", "staging", "-release", "v1.0.0")
	mentions(t, page(), `<p class="release">v1.0.0</p>`, "as released", "none of 0 rings", "promote v1.0.0", `class="s-watch"`)
	stdout, _ := w.must(console.ExitOK, "status", "-env", "staging", "-json")
	mentions(t, stdout, `"alarms": []`, `"problems": []`)

	for _, wrong := range [][]string{
		{"status", "-html", file, "-json"}, {"status", "-drift", file}, {"status", "-without-logs"},
		{"dashboard", "-every", "1ms"},
	} {
		_, stderr := w.must(console.ExitFailed, wrong...)
		mentions(t, stderr, wrong[1])
	}
}
