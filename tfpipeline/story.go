package main

import (
	"io"
	"os"

	"golang.org/x/term"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// story is how a promotion is told while it happens.
type story struct {
	observe func(deploy.Event)
	// beside receives what others say meanwhile.
	beside io.Writer
	end    func()
}

// tell chooses how: events for a machine, a live table on a terminal, lines
// elsewhere.
func (a *app) tell(p view.Promotion, json bool) story {
	switch {
	case json:
		return story{view.NewPromotionJSON(a.stdout).Observe, a.stderr, func() {}}
	case terminal(a.stderr) && a.getenv("TERM") != "dumb" && !a.ci():
		t := view.NewPromotionTable(a.stderr, p, a.colour(a.stderr), func() (width, height int) { return screen(a.stderr) })
		return story{t.Observe, t, t.Close}
	default:
		return story{view.NewPromotionLines(a.stderr, p).Observe, a.stderr, func() {}}
	}
}

// screen is a terminal's size; that of the first ones if it does not say.
func screen(w io.Writer) (width, height int) {
	if f, ok := w.(*os.File); ok {
		if width, height, err := term.GetSize(int(f.Fd())); err == nil && width > 0 && height > 0 {
			return width, height
		}
	}
	return 80, 24
}
