package main

import (
	"fmt"
	"html"
	"strings"
	"time"
)

// said is a line of the demo's output, and when it was printed.
type said struct {
	at   time.Duration
	line string
}

// The recording's window is in characters and lines; all of it plays in a minute, of
// which the end stays for a while.
const (
	columns, rows = 132, 30
	plays, stays  = 60 * time.Second, 10 * time.Second
	charWidth     = 7.25
	lineHeight    = 17
	padding       = 12
)

// recording draws what was said as an SVG that plays like a terminal: every line comes
// from below at its time, sped up. Whoever prefers no motion sees the end of it.
func recording(lines []said) string {
	var b strings.Builder
	width, height := columns*charWidth+2*padding, rows*lineHeight+2*padding
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %d" role="img" aria-label="A run of make demo, sped up">`+"\n", width, height)
	end := time.Nanosecond
	for _, l := range lines {
		end = max(end, l.at)
	}
	var frames strings.Builder
	shown, last := 0, -1.0
	for i, l := range lines {
		shown++
		percent := float64(l.at) / float64(end) * 100 * float64(plays-stays) / float64(plays)
		if i+1 < len(lines) && lines[i+1].at == l.at {
			continue // they come together
		}
		if percent-last < 0.01 {
			percent = last + 0.01
		}
		last = percent
		fmt.Fprintf(&frames, "%.2f%%{transform:translateY(%dpx)}", percent, (rows-shown)*lineHeight)
	}
	final := (rows - len(lines)) * lineHeight
	fmt.Fprintf(&b, `<style>
rect{fill:#f6f8fa;stroke:#d0d7de}text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#1f2328;white-space:pre}.step{font-weight:700;fill:#0550ae}.work{fill:#6e7781}.bad{fill:#a40e26}
@media(prefers-color-scheme:dark){rect{fill:#0d1117;stroke:#30363d}text{fill:#e6edf3}.step{fill:#79c0ff}.work{fill:#8b949e}.bad{fill:#ff7b72}}
#lines{transform:translateY(%dpx);animation:play %.0fs step-end infinite}
@keyframes play{0%%{transform:translateY(%dpx)}%s100%%{transform:translateY(%dpx)}}
@media(prefers-reduced-motion:reduce){#lines{animation:none}}
</style>
<rect x="0.5" y="0.5" width="%.0f" height="%d" rx="8"/>
<svg x="%d" y="%d" width="%.0f" height="%d"><g id="lines">
`, final, plays.Seconds(), rows*lineHeight, frames.String(), final, width-1, height-1, padding, padding, columns*charWidth, rows*lineHeight)
	for i, l := range lines {
		if l.line == "" {
			continue
		}
		class := ""
		switch trimmed := strings.TrimSpace(l.line); {
		case l.line[0] >= '1' && l.line[0] <= '9':
			class = ` class="step"`
		case strings.HasPrefix(trimmed, "…"):
			class = ` class="work"`
		case strings.HasPrefix(trimmed, "!") || strings.Contains(trimmed, ": exit 3") || strings.Contains(trimmed, ": exit 1 "):
			class = ` class="bad"`
		}
		fmt.Fprintf(&b, `<text y="%d"%s xml:space="preserve">%s</text>`+"\n", i*lineHeight+13, class, html.EscapeString(cut(l.line, columns)))
	}
	b.WriteString("</g></svg>\n</svg>\n")
	return b.String()
}

// wrapped are the lines of a text, none longer than the recording's window.
func wrapped(at time.Duration, text string) []said {
	var lines []said
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		for {
			if len([]rune(line)) <= columns || !strings.Contains(line[:columns], " ") || strings.HasPrefix(strings.TrimSpace(line), "…") {
				lines = append(lines, said{at, line})
				break
			}
			end := strings.LastIndexByte(line[:columns], ' ')
			lines = append(lines, said{at, line[:end]})
			line = "   " + strings.TrimSpace(line[end:])
		}
	}
	return lines
}
