package report

import (
	"io"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// Live shows a promotion while it goes on.
type Live struct {
	Observe func(deploy.Event)
	// Log receives what other parts of the program print meanwhile.
	Log   io.Writer
	Close func()
}

// NewLive chooses the form: events for a machine, a live table on a terminal,
// lines elsewhere.
func NewLive(c *console.Console, p view.Promotion, json bool) Live {
	switch {
	case json:
		return Live{view.NewPromotionJSON(c.Out).Observe, c.Err, func() {}}
	case c.Live():
		t := view.NewPromotionTable(c.Err, p, c.Colour(c.Err), c.Size)
		return Live{t.Observe, t, t.Close}
	default:
		observe, end := foldLogs(c, view.NewPromotionLines(c.Err, p).Observe)
		return Live{observe, c.Err, end}
	}
}

// foldLogs puts the lines that a one-off task logs in a row into a group of the
// workflow's log. end closes a group that is still open.
func foldLogs(c *console.Console, observe func(deploy.Event)) (folded func(deploy.Event), end func()) {
	task, closeGroup := "", func() {}
	end = func() {
		closeGroup()
		task, closeGroup = "", func() {}
	}
	return func(e deploy.Event) {
		switch {
		case e.Kind != deploy.EventLog:
			end()
		case e.Service != task:
			end()
			task, closeGroup = e.Service, c.Group("log of "+e.Service)
		}
		observe(e)
	}, end
}
