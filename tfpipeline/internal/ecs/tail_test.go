package ecs_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// written is a log that grows.
type written struct {
	w      *world
	events []members
	starts []time.Time // from when each call has read
}

func (l *written) line(id string, at time.Time) {
	l.events = append(l.events, members{"eventId": id, "timestamp": at.UnixMilli(), "ingestionTime": time.Now().UnixMilli(), "message": id, "logStreamName": "api/api/1"})
}

func newWritten(w *world) *written {
	l := &written{w: w}
	w.wire.on("FilterLogEvents", func(in members) (int, any) {
		start := int64(in["startTime"].(float64))
		l.starts = append(l.starts, time.UnixMilli(start))
		shown := []any{}
		for _, e := range l.events {
			if e["timestamp"].(int64) >= start {
				shown = append(shown, e)
			}
		}
		return http.StatusOK, members{"events": shown}
	})
	return l
}

// A tail reads on from the newest line of each log, whatever the clock here says, and
// shows a line that comes late once.
func TestTailGoesByTheLinesOwnTime(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		behind := time.Now().Add(-time.Hour) // the clock of what writes
		log := newWritten(w)
		log.line("first", behind)
		tail := w.env.Tail([]string{"api"}, "", behind.Add(-time.Minute), time.Time{})
		var got []string
		read := func() {
			for _, l := range ok(tail.Read(w.ctx))(t) {
				got = append(got, l.Message)
			}
			pause(w.ctx, time.Minute)
		}
		read()
		read()
		log.line("second", behind.Add(time.Minute))
		read()
		log.line("late", behind.Add(30*time.Second))
		read()
		log.line("third", behind.Add(16*time.Minute))
		read()
		log.line("very late", behind.Add(2*time.Minute))
		read()
		log.line("fourth", behind.Add(time.Hour))
		read()
		read()
		if want := []string{"first", "second", "late", "third", "very late", "fourth"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// A task whose clock is ahead hides nothing of what others write.
func TestTailOfAClockThatIsAhead(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		log, tail, got := newWritten(w), w.env.Tail([]string{"api"}, "", time.Now(), time.Time{}), 0
		for range 40 {
			log.line("ahead "+time.Now().String(), time.Now().Add(time.Hour))
			log.line("right "+time.Now().String(), time.Now())
			got += len(ok(tail.Read(w.ctx))(t))
			pause(w.ctx, time.Minute)
		}
		if got != 80 {
			t.Errorf("%d lines, want 80", got)
		}
	})
}

// A tail that is followed looks back far only now and then, and from 1970 at most.
func TestTailLooksBack(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		log := newWritten(w)
		begun := time.Now()
		tail := w.env.Tail([]string{"api"}, "", begun.AddDate(-250, 0, 0), time.Time{})
		late := 0
		for range 150 { // five minutes
			log.line(time.Now().String(), time.Now())
			log.line("late "+time.Now().String(), time.Now().Add(-10*time.Minute))
			for _, l := range ok(tail.Read(w.ctx))(t) {
				if strings.HasPrefix(l.Message, "late") {
					late++
				}
			}
			pause(w.ctx, 2*time.Second)
		}
		far := 0
		for i, start := range log.starts {
			if start.Before(begun.Add(time.Duration(i-1)*2*time.Second - time.Minute - time.Second)) {
				far++
			}
		}
		if far != 5 || late < 120 || log.starts[0].UnixMilli() != 0 {
			t.Errorf("%d of %d reads looked back far, %d late lines, the first from %s", far, len(log.starts), late, log.starts[0])
		}
	})
}
