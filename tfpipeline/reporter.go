package main

import (
	"io"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// reporter tells of a promotion while it happens.
type reporter struct {
	observe func(deploy.Event)
	// log receives what others have to say meanwhile.
	log   io.Writer
	close func()
}

// newReporter chooses the form: events for a machine, a live table on a
// terminal, lines elsewhere.
func newReporter(c *console.Console, p view.Promotion, json bool) reporter {
	switch {
	case json:
		return reporter{view.NewPromotionJSON(c.Out).Observe, c.Err, func() {}}
	case c.Live():
		t := view.NewPromotionTable(c.Err, p, c.Colour(c.Err), c.Size)
		return reporter{t.Observe, t, t.Close}
	default:
		return reporter{view.NewPromotionLines(c.Err, p).Observe, c.Err, func() {}}
	}
}
