package ecs_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

func TestTail(t *testing.T) {
	inWorld(t, options{services: 1}, func(w *world) {
		type event struct {
			seconds    int
			task, text string
		}
		var log []event
		refuse := false
		w.wire.on("FilterLogEvents", func(in members) (int, any) {
			if refuse && in["nextToken"] != nil {
				return refusal("AccessDeniedException", "no")
			}
			start, page := in["startTime"].(float64), 0
			fmt.Sscan(fmt.Sprint(in["nextToken"]), &page)
			events := []any{}
			for i, e := range log { // a page has what came as an even or odd number
				if i%2 == page && float64(1000*e.seconds) >= start {
					events = append(events, members{"eventId": fmt.Sprint(i), "timestamp": 1000 * e.seconds, "message": e.text, "logStreamName": "api/api/" + e.task})
				}
			}
			if page == 0 {
				return http.StatusOK, members{"events": events, "nextToken": "1"}
			}
			return http.StatusOK, members{"events": events}
		})
		tail := w.env.Tail("api", time.Unix(100, 0))
		look := func(want ...string) {
			t.Helper()
			var got []string
			for _, l := range ok(tail.Next(w.ctx))(t) {
				got = append(got, fmt.Sprintf("%d %s %s", l.Time.Unix(), l.Task, l.Message))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("lines (- want, + got):\n%s", diff)
			}
		}
		look()
		log = []event{{99, "a", "too early"}, {101, "a", "one"}, {103, "b", "two"}, {102, "b", "late"}, {103, "a", "two"}}
		look("101 a one", "102 b late", "103 a two", "103 b two")
		look()
		// One that comes late is not lost, and nothing is told twice.
		log = append(log, event{200, "a", "three"}, event{195, "b", "later"}, event{103, "b", "two"})
		look("103 b two", "195 b later", "200 a three")
		log = append(log, event{191, "b", "very late"}, event{201, "b", "four"})
		refuse = true
		if _, err := tail.Next(w.ctx); err == nil || deploy.IsTransient(err) {
			t.Errorf("denied: %v", err)
		}
		refuse = false
		look("191 b very late", "201 b four")
		if made := w.wire.made(); !slices.Contains(made, `FilterLogEvents {"logGroupName":"/doc-platform/staging/api","startTime":100000}`) {
			t.Errorf("requests %v", made)
		}
	})
}
