package ecs_test

import (
	"net/http"
	"slices"
	"testing"
	"time"
)

// A tail reads on from the newest line of each log, whatever the clock here says, and
// shows a line that comes late once.
func TestTailGoesByTheLinesOwnTime(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		behind := time.Now().Add(-time.Hour) // the clock of what writes
		event := func(id string, after time.Duration) members {
			return members{"eventId": id, "timestamp": behind.Add(after).UnixMilli(), "message": id, "logStreamName": "api/api/1"}
		}
		written := []members{event("first", 0)}
		w.wire.on("FilterLogEvents", func(in members) (int, any) {
			var shown []any
			for _, e := range written {
				if float64(e["timestamp"].(int64)) >= in["startTime"].(float64) {
					shown = append(shown, e)
				}
			}
			return http.StatusOK, members{"events": shown}
		})
		tail := w.env.Tail([]string{"api"}, "", behind.Add(-time.Minute))
		var got []string
		for _, more := range [][]members{nil, {event("second", time.Minute)}, {event("late", 30*time.Second)}, {event("third", time.Hour)}, nil} {
			written = append(written, more...)
			for _, l := range ok(tail.Read(w.ctx))(t) {
				got = append(got, l.Message)
			}
			pause(w.ctx, time.Minute)
		}
		if want := []string{"first", "second", "late", "third"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}
