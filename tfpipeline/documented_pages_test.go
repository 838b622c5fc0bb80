package main

import (
	"fmt"
	"html"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// helpNeeds says what the examples of a verb's help need that no test runs as they
// stand.
var helpNeeds = map[string]string{"exec": "account", "db": "account", "restore": "account", "local": "local"}

// page compares a generated page with what it should be, and with UPDATE_DOCS set
// writes it.
func page(t *testing.T, path, want string) {
	t.Helper()
	if os.Getenv("UPDATE_DOCS") != "" {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, string(got)); d != "" {
		t.Errorf("%s is outdated (-want +got); write it with UPDATE_DOCS=1 go test -run %s ./tfpipeline:\n%s", path, t.Name(), d)
	}
}

// The page of commands is what the program says of itself.
func TestHelpPage(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Commands\n\nWhat `tfpipeline help COMMAND` prints, for every command. A test writes this page;\nedit `tfpipeline/help` instead.\n\n| command | to |\n|---|---|\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "| [%s](#tfpipeline-%s) | %s |\n", c.name, c.name, c.summary)
	}
	for _, c := range commands() {
		text, _, _ := cli(t, "help", c.name)
		mark := ""
		if need := helpNeeds[c.name]; need != "" {
			mark = "<!-- commands: " + need + " -->\n\n"
		}
		fmt.Fprintf(&b, "\n## tfpipeline %s\n\n%s```text\n%s\n```\n", c.name, mark, strings.TrimSpace(text))
	}
	page(t, "../docs/commands.md", b.String())
}

// The man page is what the program says of itself, as the page of commands is.
func TestHelpPageForMan(t *testing.T) {
	roff := strings.NewReplacer(`\`, `\e`, "-", `\-`)
	var b strings.Builder
	line := func(text string) {
		if text = roff.Replace(text); strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
			text = `\&` + text
		}
		b.WriteString(text + "\n")
	}
	b.WriteString(".\\\" A test writes this page; edit tfpipeline/help instead.\n.TH TFPIPELINE 1\n.SH NAME\n")
	line("tfpipeline - plan and apply a platform's Terraform, and promote releases on it")
	b.WriteString(".SH SYNOPSIS\n")
	line("tfpipeline COMMAND [flags]")
	b.WriteString(".SH COMMANDS\n")
	for _, c := range commands() {
		text, _, _ := cli(t, "help", c.name)
		b.WriteString(".SS " + c.name + "\n.nf\n")
		for l := range strings.Lines(strings.TrimSpace(text)) {
			line(strings.TrimSuffix(l, "\n"))
		}
		b.WriteString(".fi\n")
	}
	page(t, "../docs/tfpipeline.1", b.String())
}

// The picture of the flow has the steps of a promotion, in their order, and what
// each is for.
func TestDocsFlow(t *testing.T) {
	source, err := os.ReadFile("internal/deploy/attempt.go")
	if err != nil {
		t.Fatal(err)
	}
	var steps []string
	for _, m := range regexp.MustCompile(`(?m)^\tStep\w+ +StepName = "(.*)"$`).FindAllStringSubmatch(string(source), -1) {
		steps = append(steps, m[1])
	}
	page(t, "../docs/flow.svg", flow(t, steps))
}

// purposes say what each step does, within a box.
var purposes = map[string]string{
	"lock": "one change at a time", "resolve": "tags to digests", "preflight": "images, proof, secrets", "plan": "planned and guarded",
	"migrate": "with the new image", "apply": "that very plan", "register": "task definitions", "update": "every service",
	"watch": "every service", "verify": "health holds", "record": "written once", "unlock": "the next may go", "notify": "a webhook",
	"roll back": "all services, on the first failure",
}

// flow draws the steps in rows, from left to right, and the way back below them.
func flow(t *testing.T, steps []string) string {
	t.Helper()
	const perRow, width, height, gapX, gapY, margin = 5, 150, 56, 22, 34, 16
	var b strings.Builder
	rows := (len(steps)-1+perRow-1)/perRow + 1 // the last one is the way back
	w, h := margin*2+perRow*width+(perRow-1)*gapX, margin*2+rows*height+(rows-1)*gapY
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-labelledby="title">`+"\n", w, h, w, h)
	b.WriteString(`<title id="title">The steps of a promotion: ` + html.EscapeString(strings.Join(steps[:len(steps)-1], ", ")) + `. If update, watch or verify fails, every service is rolled back.</title>
<style>
text { font: 14px system-ui, sans-serif; fill: #1f2328; text-anchor: middle }
.name { font-weight: 600 } .for { font-size: 12px }
rect { fill: #f6f8fa; stroke: #57606a } .changes { fill: #ddf4ff; stroke: #0969da } .back { fill: #fff1e5; stroke: #bc4c00 }
path { fill: none; stroke: #57606a; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } rect { fill: #161b22; stroke: #8b949e } .changes { fill: #0c2d6b; stroke: #58a6ff } .back { fill: #4d2d00; stroke: #f0883e } path { stroke: #8b949e }
}
</style>
`)
	box := func(x, y, w int, class, name string) {
		purpose, ok := purposes[name]
		if !ok {
			t.Errorf("step %q has no purpose here", name)
		}
		fmt.Fprintf(&b, `<rect class="%s" x="%d" y="%d" width="%d" height="%d" rx="6"/><text class="name" x="%d" y="%d">%s</text><text class="for" x="%d" y="%d">%s</text>`+"\n",
			class, x, y, w, height, x+w/2, y+24, name, x+w/2, y+43, html.EscapeString(purpose))
	}
	at := func(i int) (x, y int) {
		return margin + i%perRow*(width+gapX), margin + i/perRow*(height+gapY)
	}
	changing := false
	for i, name := range steps[:len(steps)-1] {
		x, y := at(i)
		changing = changing || name == "migrate"
		class := "reads"
		if changing && name != "record" && name != "unlock" && name != "notify" {
			class = "changes"
		}
		box(x, y, width, class, name)
		switch {
		case i == len(steps)-2:
		case (i+1)%perRow == 0:
			fmt.Fprintf(&b, `<path d="M%d %d v%d H%d v%d"/>`+"\n", x+width/2, y+height, gapY/2, margin+width/2, gapY/2)
		default:
			fmt.Fprintf(&b, `<path d="M%d %d h%d"/>`+"\n", x+width, y+height/2, gapX)
		}
	}
	_, y := at((rows - 1) * perRow)
	box(margin, y, perRow*width+(perRow-1)*gapX, "back", steps[len(steps)-1])
	b.WriteString("</svg>\n")
	return b.String()
}
