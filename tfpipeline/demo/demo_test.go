package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/xml"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/console"
)

func TestTable(t *testing.T) {
	got := table([]deployment{
		{"promote v1.0.0 on staging", 0, 31 * time.Second, traffic{}, []step{{"lock", 20 * time.Millisecond}, {"plan", 8200 * time.Millisecond}, {"watch", 12 * time.Second}}},
		{"promote v1.2.0 on staging", 3, 9900 * time.Millisecond, traffic{120, 1, 250 * time.Millisecond}, []step{{"roll back", 4 * time.Second}}},
	}, traffic{4000, 1, 300 * time.Millisecond}, 290*time.Second, 400*time.Second)
	want := `DEPLOYMENT                 EXIT  TIME   REQUESTS  FAILED  WORST   BY STEP
promote v1.0.0 on staging  0     31 s   0         0       -       plan 8.2 s, watch 12 s
promote v1.2.0 on staging  3     9.9 s  120       1       250 ms  roll back 4.0 s
all, and between                 290 s  4000      1       300 ms  400 s of processor time
`
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// A recording plays every line in its order, and what is said is text.
func TestRecording(t *testing.T) {
	long := strings.Repeat("word ", 40)
	lines := slices.Concat(wrapped(0, "1. <begin>\n"+long), wrapped(time.Second, "   staging: exit 3 after 2 s"), wrapped(time.Second, ""), wrapped(2*time.Second, "end"))
	if len(lines) != 6 || len(lines[1].line) > columns || !strings.HasPrefix(lines[2].line, "   word") {
		t.Fatalf("%v", lines)
	}
	svg := recording(lines)
	if err := xml.Unmarshal([]byte(svg), new(struct{})); err != nil {
		t.Fatalf("%v in\n%s", err, svg)
	}
	for _, want := range []string{
		`class="step" xml:space="preserve">1. &lt;begin&gt;</text>`, `class="bad" xml:space="preserve">   staging: exit 3`, "{0%{transform:translateY(510px)}0.00%{transform:translateY(459px)}",
		"41.67%{transform:translateY(425px)}83.33%{transform:translateY(408px)}100%{transform:translateY(408px)}", "prefers-reduced-motion",
	} {
		if !strings.Contains(svg, want) {
			t.Errorf("no %s in\n%s", want, svg)
		}
	}
}

// A recording names no folder of the machine that it was made on.
func TestRecordingTellsNoFolder(t *testing.T) {
	var out bytes.Buffer
	folder := filepath.Join(os.TempDir(), "tfpipeline-demo-1")
	n := newNarrator(&console.Console{Out: &out}, folder)
	a := n.begin("staging")
	if _, err := a.Write([]byte("reads " + filepath.Join(folder, "checkout") + "\n")); err != nil {
		t.Fatal(err)
	}
	n.mu.Lock()
	n.show(n.begun.Add(time.Second))
	n.mu.Unlock()
	a.end()
	n.say("Everything lies in %s.", folder)
	n.close()
	svg := recording(n.said)
	if strings.Contains(svg, os.TempDir()) || !strings.Contains(svg, "lies in ~/demo.<") || !strings.Contains(svg, "reads ~/demo/checkout<") {
		t.Errorf("recorded %v", n.said)
	}
	if !strings.Contains(out.String(), folder) {
		t.Errorf("whoever runs it is not told the folder: %s", out.String())
	}
}

func TestProgress(t *testing.T) {
	var out bytes.Buffer
	n := newNarrator(&console.Console{Out: &out}, t.TempDir())
	a, b := n.begin("staging"), n.begin("images")
	for _, part := range []string{"staging: [1/9] create a\nstaging: [2/", "9] create b\n\n"} {
		if _, err := a.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	now := n.begun.Add(85 * time.Second)
	a.begun, b.begun = now.Add(-70*time.Second), now.Add(-time.Second)
	if got, want := progress(now, n.begun, n.at), "  … 85 s  staging 70 s: [1/9] create a | images 1.0 s"; got != want {
		t.Errorf("in the middle of a line: %q, want %q", got, want)
	}
	a.end()
	b.end()
	if got := progress(now, n.begun, n.at); got != "" {
		t.Errorf("nothing is at work: %q", got)
	}
	n.say("said %d", 1)
	n.close()
	if got := out.String(); got != "said 1\n" {
		t.Errorf("out: %q", got)
	}
	if got := cut("äöüß", 3); got != "äö…" {
		t.Errorf("cut: %q", got)
	}
}

func TestCommentAsShown(t *testing.T) {
	const comment = "<!-- tfpipeline -->\n## Plan of **shop**\n\n| root | plan |\n|---|---|\n| `staging` | &lt;1&gt; |\n\n<details><summary><code>staging</code>: 2 changes</summary>\n\n```\nshown\n```\n<details><summary>more</summary>\nhidden\n</details>\n</details>\nend\n"
	const want = "## Plan of shop\n\n| root | plan |\n|---|---|\n| staging | <1> |\n\n▾ staging: 2 changes\n\nshown\n▸ more\nend"
	if d := cmp.Diff(want, asShown(comment)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// People use what a browser would: a platform has public services by routes, by hosts
// alone, or none at all.
func TestAddresses(t *testing.T) {
	docs := configtest.Docs()
	e := docs.Environments[0]
	hosts, workers := docs, docs
	hosts.Services = []config.Service{{Name: "web", Hosts: []string{"shop"}}, {Name: "search"}}
	workers.Services = []config.Service{{Name: "mail"}}
	for name, c := range map[string]struct {
		platform config.Platform
		want     string
	}{
		"hosts alone": {hosts, "https://shop." + hosts.Host(e) + "/"},
		"workers":     {workers, ""},
	} {
		if got := strings.Join(addresses(c.platform, e), " "); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	if len(addresses(docs, e)) == 0 {
		t.Error("nobody uses the public services")
	}
	l := startLoad(t.Context(), "http://127.0.0.1:1", nil)
	l.stop()
	if total, err := l.total(); total.requests != 0 || err != nil {
		t.Errorf("%d requests of nothing, %v", total.requests, err)
	}
}

// The images wait for the first resource that takes long.
func TestWaiter(t *testing.T) {
	waits := 0
	w := waiter(func() { waits++ })
	for _, line := range []string{"staging: [ 1/146] create aws_vpc.this (12s)\n", "staging: still at it: create aws_lb.this (30s)\n"} {
		if n, err := w.Write([]byte(line)); n != len(line) || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	if waits != 1 {
		t.Errorf("called %d times", waits)
	}
}

func TestEdit(t *testing.T) {
	w := &workspace{checkout: t.TempDir()}
	path := filepath.Join(w.checkout, "x.go")
	if err := os.WriteFile(path, []byte(`Proof: &Proof{From: "staging", MinimumBake: 10 * time.Minute}},`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.edit("x.go", bakes, "${1}1 * time.Second"); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if want := `Proof: &Proof{From: "staging", MinimumBake: 1 * time.Second}},`; err != nil || string(got) != want {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
	if err := w.edit("x.go", "nothing", ""); err == nil || !strings.Contains(err.Error(), "x.go: it has no nothing") {
		t.Errorf("an edit of what is not there: %v", err)
	}
}

// fakeProgram stands for tfpipeline: an endpoint with a process behind it, and a
// bootstrap that does not end.
const fakeProgram = `#!/bin/sh
case $1 in
local)
  sleep 600 >/dev/null 2>&1 &
  echo $! >"$FOLDER/behind"
  echo $$ >"$FOLDER/endpoint"
  echo '{"endpoint":"http://127.0.0.1:9","environment":{},"unset":[]}' ;;
bootstrap) echo $$ >"$FOLDER/new" && mv "$FOLDER/new" "$FOLDER/bootstrap" ;;
esac
exec sleep 600
`

// An interrupt in the middle leaves no process and no folder.
func TestInterrupt(t *testing.T) {
	pids := t.TempDir()
	w := &workspace{platform: configtest.Docs(), folder: filepath.Join(t.TempDir(), "demo"), env: append(os.Environ(), "FOLDER="+pids)}
	w.checkout, w.program = w.folder, filepath.Join(w.folder, "tfpipeline")
	if err := errors.Join(os.Mkdir(w.folder, 0o755), os.WriteFile(w.program, []byte(fakeProgram), 0o755)); err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	d := &demo{workspace: w, tell: newNarrator(&console.Console{Out: &bytes.Buffer{}}, t.TempDir())}
	go func() { ended <- errors.Join(d.show(ctx), w.remove()) }()
	await(t, "the bootstrap begins", func() bool { _, err := os.Stat(filepath.Join(pids, "bootstrap")); return err == nil })
	interrupt()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
	for _, name := range []string{"endpoint", "behind", "bootstrap"} {
		pid, err := os.ReadFile(filepath.Join(pids, name))
		if err != nil {
			t.Fatal(err)
		}
		await(t, name+" is gone", func() bool {
			state, _ := exec.CommandContext(t.Context(), "ps", "-o", "stat=", "-p", strings.TrimSpace(string(pid))).Output()
			return len(state) == 0 || state[0] == 'Z'
		})
	}
	if _, err := os.Stat(w.folder); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is left: %v", err)
	}
}

// await fails a test in which something does not come about.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	end := time.NewTimer(time.Minute)
	defer end.Stop()
	for !so() {
		select {
		case <-look.C:
		case <-end.C:
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// The whole demo, as make demo runs it: to its end, and interrupted while Terraform
// makes both environments. Neither leaves a process, a port or a folder.
func TestDemo(t *testing.T) {
	if os.Getenv("SOAK") == "" {
		t.Skip("SOAK=1 runs the whole demo, and a second one up to an interrupt")
	}
	program := filepath.Join(t.TempDir(), "demo")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	for name, c := range map[string]struct {
		until string // after which it is interrupted; "" for never
		code  int
		want  []string
	}{
		"to its end": {"", console.ExitOK, []string{
			`promote v1\.0\.0 on production +0 .* plan `, `promote v1\.2\.0 on staging +3 .* roll back `, `promote v1\.2\.0 on production +1 `, `rollback v1\.0\.0 on production +0 `,
			`all, and between +\d+ s +\d{3,} +0 `, `│ .*production`,
		}},
		"interrupted": {"staging .*: (terraform apply|.*create )", console.ExitInterrupted, []string{"demo: interrupted"}},
	} {
		t.Run(name, func(t *testing.T) {
			var out watched
			// Whatever it starts has this variable too, and ps shows it.
			mark := "DEMO_TEST=" + rand.Text()
			cmd := exec.CommandContext(t.Context(), program)
			cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), mark), &out, &out
			if c.until != "" {
				out.pattern, out.found = regexp.MustCompile(c.until), sync.OnceFunc(func() { _ = cmd.Process.Signal(os.Interrupt) })
			}
			err := cmd.Run()
			if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != c.code {
				t.Fatalf("%v, expected exit code %d\n%s", err, c.code, out.content)
			}
			for _, want := range c.want {
				if !regexp.MustCompile(want).Match(out.content) {
					t.Errorf("there is no %s in\n%s", want, out.content)
				}
			}
			folder := regexp.MustCompile(`Everything lies in (\S+)\.`).FindSubmatch(out.content)
			if folder == nil {
				t.Fatalf("no folder is named in\n%s", out.content)
			}
			if _, err := os.Stat(string(folder[1])); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the folder is left: %v", err)
			}
			left, err := exec.CommandContext(t.Context(), "ps", "axeww").Output()
			if err != nil || bytes.Contains(left, []byte(mark)) || bytes.Contains(left, folder[1]) {
				t.Errorf("a process is left, %v:\n%s", err, left)
			}
		})
	}
}

// watched keeps what is written, and calls found once that matches a pattern.
type watched struct {
	content []byte
	pattern *regexp.Regexp
	found   func()
}

func (w *watched) Write(p []byte) (int, error) {
	w.content = append(w.content, p...)
	if w.pattern != nil && w.pattern.Match(w.content) {
		w.found()
	}
	return len(p), nil
}
