package deploy

import (
	"errors"
	"slices"
	"testing"
	"time"
)

func TestRunATaskByHand(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := w.start()
		began := time.Now()
		ended, err := p.Run(t.Context(), TaskRequest{Task: taskMigrate, Command: []string{"migrate", "status"}})
		if err != nil || *ended.ExitCode != 0 {
			t.Fatalf("%+v, %v", ended, err)
		}
		if took := time.Since(began); took > 25*time.Second {
			t.Errorf("a task of 20 s took %v", took)
		}
		var lines []string
		for _, e := range p.events {
			if e.Kind == EventLog {
				lines = append(lines, e.Message)
			}
		}
		if !slices.Contains(lines, "applying 0001") || len(w.records) != 2 || w.lease != nil {
			t.Errorf("log %q, %d records, lock %+v", lines, len(w.records), w.lease)
		}
		w.lease = &Lease{Environment: testEnv, RecordID: "other"}
		if _, err := w.start().Run(t.Context(), TaskRequest{Task: taskMigrate}); !errors.As(err, new(LockError)) {
			t.Errorf("under a lock: %v", err)
		}
		w.taskEnds = func(string, int) taskEnd { return taskEnd{after: time.Second, code: new(7), reason: "no"} }
		if ended, err := w.start().Run(t.Context(), TaskRequest{Task: taskMigrate, Force: true}); err == nil || *ended.ExitCode != 7 {
			t.Errorf("%+v, %v", ended, err)
		}
		w.taskEnds = func(string, int) taskEnd { return taskEnd{after: time.Hour} }
		_, err = w.start().Run(t.Context(), TaskRequest{Task: taskMigrate, Force: true, Timeout: time.Minute})
		if e, ok := errors.AsType[*TaskError](err); !ok || !errors.Is(err, ErrGoesOn) || w.tasks[e.ARN].State != TaskRunning {
			t.Errorf("%v", err)
		}
		w.records = nil
		if _, err := w.start().Run(t.Context(), TaskRequest{Task: taskMigrate, Force: true}); !errors.Is(err, ErrNotDeployed) {
			t.Errorf("%v", err)
		}
	})
}
