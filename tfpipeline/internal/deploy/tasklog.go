package deploy

import "context"

// taskLog passes on what a one-off task writes.
type taskLog struct {
	attempt *attempt
	name    string
	cursor  string
	warned  bool
}

// read passes on what is new, and reports whether anything was. A log that
// cannot be read fails no migration.
func (l *taskLog) read(ctx context.Context, t Task) bool {
	lines, next, err := l.attempt.Tasks.TaskLog(ctx, t, l.cursor)
	if err != nil {
		if !l.warned && ctx.Err() == nil {
			l.warned = true
			l.attempt.warn("read the log of task %s: %v", l.name, err)
		}
		return false
	}
	l.cursor = next
	for _, line := range lines {
		l.attempt.emit(Event{Kind: EventLog, Service: l.name, Message: line.Message})
	}
	return len(lines) > 0
}

// flush reads on after the end: the last lines come some seconds late.
func (l *taskLog) flush(ctx context.Context, t Task) {
	for range 5 {
		if !l.attempt.pause(ctx, l.attempt.limits.Tick) {
			return
		}
		if !l.read(ctx, t) {
			return
		}
	}
}
