package ecs_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// stream is a log stream as CloudWatch pages it: a token is the place to go on
// at, the last page gives the token that it was asked with, and a page may be
// empty without being the last.
type stream struct {
	lines []string
	page  int
	gaps  bool // an empty page before every full one
	empty map[string]bool
}

func (s *stream) answer(in members) (int, any) {
	if len(s.lines) == 0 {
		return refusal("ResourceNotFoundException", "The specified log stream does not exist.")
	}
	token, _ := in["nextToken"].(string)
	limit, _ := in["limit"].(float64)
	start, end := 0, len(s.lines)
	if in["startFromHead"] == false {
		start = max(0, end-int(limit))
	} else {
		if token != "" {
			start, _ = strconv.Atoi(strings.TrimPrefix(token, "f/"))
		}
		end = min(start+s.page, end)
	}
	if place := fmt.Sprint(start); s.gaps && !s.empty[place] && start < end {
		s.empty[place] = true
		return http.StatusOK, members{"events": []any{}, "nextForwardToken": "f/0" + place, "nextBackwardToken": "b"}
	}
	events := []any{}
	for i, line := range s.lines[start:end] {
		events = append(events, members{"timestamp": 1000 * (start + i), "message": line, "ingestionTime": 1})
	}
	next := fmt.Sprintf("f/%d", end)
	if token != "" && start == end {
		next = token
	}
	return http.StatusOK, members{"events": events, "nextForwardToken": next, "nextBackwardToken": "b"}
}

func messages(lines []deploy.LogLine) []string {
	var all []string
	for _, l := range lines {
		all = append(all, fmt.Sprintf("%d %s", l.Time.Unix(), l.Message))
	}
	return all
}

func TestTaskLogIsReadToItsEndEachTime(t *testing.T) {
	for _, gaps := range []bool{false, true} {
		t.Run(fmt.Sprintf("empty pages %v", gaps), func(t *testing.T) {
			inWorld(t, options{services: 1}, func(w *world) {
				s := &stream{page: 2, gaps: gaps, empty: map[string]bool{}}
				w.wire.on("GetLogEvents", s.answer)
				task := deploy.Task{Name: "migrate", ARN: "arn:aws:ecs:us-west-2:123456789012:task/doc-platform-staging/0123"}
				cursor := ""
				look := func(want ...string) {
					t.Helper()
					lines, next, err := w.env.TaskLog(w.ctx, task, cursor)
					if err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff(want, messages(lines)); diff != "" {
						t.Errorf("lines (- want, + got):\n%s", diff)
					}
					cursor = next
				}
				look() // the stream is not there yet
				s.lines = []string{"a", "b", "c", "d", "e"}
				look("0 a", "1 b", "2 c", "3 d", "4 e")
				look()
				s.lines = append(s.lines, "f")
				look("5 f")
				// What came between the last look and the end of the task is
				// there for a last one.
				s.lines = append(s.lines, "g", "h", "i")
				look("6 g", "7 h", "8 i")
				look()
				want := `GetLogEvents {"logGroupName":"/doc-platform/staging/migrate","logStreamName":"migrate/migrate/0123","startFromHead":true}`
				if got := w.wire.made()[len(w.wire.made())-1]; got != want {
					t.Errorf("request\n%s\nwant\n%s", got, want)
				}
			})
		})
	}
}

// A task that writes without end does not keep anybody from looking at it.
func TestTaskLogIsBounded(t *testing.T) {
	inWorld(t, options{services: 1}, func(w *world) {
		n := 0
		w.wire.on("GetLogEvents", func(members) (int, any) {
			n++
			return http.StatusOK, members{"events": []any{members{"timestamp": 0, "message": "again"}}, "nextForwardToken": fmt.Sprint(n)}
		})
		lines, cursor, err := w.env.TaskLog(w.ctx, deploy.Task{Name: "migrate", ARN: "task/0123"}, "")
		if err != nil || len(lines) != n || cursor != fmt.Sprint(n) || n > 100 {
			t.Errorf("%d lines in %d calls, cursor %s, %v", len(lines), n, cursor, err)
		}
	})
}

func TestTaskLogFailures(t *testing.T) {
	inWorld(t, options{services: 1}, func(w *world) {
		task := deploy.Task{Name: "migrate", ARN: "task/0123"}
		calls := 0
		w.wire.on("GetLogEvents", func(members) (int, any) {
			if calls++; calls == 1 {
				return http.StatusOK, members{"events": []any{members{"timestamp": 0, "message": "first"}}, "nextForwardToken": "f/1"}
			}
			return refusal("ThrottlingException", "Rate exceeded")
		})
		lines, cursor, err := w.env.TaskLog(w.ctx, task, "")
		// What was read is not lost, and not read again.
		if !deploy.IsTransient(err) || len(lines) != 1 || cursor != "f/1" {
			t.Errorf("%d lines, cursor %q, %v", len(lines), cursor, err)
		}
		if _, _, err := w.env.TaskLog(w.ctx, deploy.Task{ARN: "task/0123"}, ""); err == nil {
			t.Error("read the log of a task without a name")
		}
		begin := time.Now()
		w.wire.on("GetLogEvents", func(members) (int, any) { return refusal("AccessDeniedException", "no") })
		if _, _, err := w.env.TaskLog(w.ctx, task, ""); err == nil || deploy.IsTransient(err) {
			t.Errorf("denied: %v", err)
		}
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("was denied after %s", took)
		}
	})
}
