package terraform

import (
	"testing"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// TestApplied leaves a note behind as a killed run does, before and after the
// end of its apply.
func TestApplied(t *testing.T) {
	for _, applied := range []bool{false, true} {
		runs := Runs{Dir: t.TempDir()}
		run, err := runs.Begin(Run{State: "bucket/key", Operation: "apply", Workspace: "/somewhere"})
		if err != nil {
			t.Fatal(err)
		}
		want := "apply"
		if applied {
			want = operationApplied
			for range 2 { // a promotion may settle its root twice
				if err := run.Applied(); err != nil {
					t.Fatal(err)
				}
			}
		}
		// The kernel lets go of a dead run's file; the note stays.
		if err := run.held.Close(); err != nil {
			t.Fatal(err)
		}
		alive, dead, err := runs.Others("bucket/key", nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(alive) != 0 || len(dead) != 1 {
			t.Fatalf("%d alive, %d dead, want one dead", len(alive), len(dead))
		}
		if dead[0].Operation != want || dead[0].Workspace != "/somewhere" {
			t.Errorf("the note says %q in %q, want %q", dead[0].Operation, dead[0].Workspace, want)
		}
		if err := runs.Forget(dead[0]); err != nil {
			t.Error(err)
		}
	}
}

// TestJudge meets locks of this user on this machine; only what a killed run
// could have taken is a dead one's.
func TestJudge(t *testing.T) {
	runs := Runs{Dir: t.TempDir()}
	own, err := runs.Begin(Run{State: "bucket/key", Operation: "apply"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = own.End() }()
	lock := func(operation string, created, asked time.Time) *LockedError {
		return &LockedError{StateLock: deploy.StateLock{ID: "1", Operation: operation, Who: Who(), Created: created.UTC().Format(lockTime)}, Asked: asked}
	}
	judge := func(name string, e *LockedError, want Holder) {
		t.Helper()
		if got, err := runs.Judge(e, own); err != nil || got != want {
			t.Errorf("%s: %v, %v, want %v", name, got, err, want)
		}
	}
	later := own.Started.Add(time.Minute)
	judge("Terraform by hand, since this run began", lock("OperationTypeApply", later, later.Add(time.Second)), Stranger)
	judge("the answer to this very request was lost", lock("OperationTypeApply", later.Add(time.Second), later), Dead)

	killed := func(operation string) *Run {
		run, err := runs.Begin(Run{State: "bucket/key", Operation: operation})
		if err != nil {
			t.Fatal(err)
		}
		if operation == "none" {
			run.Operation = "apply"
			if err := run.Applied(); err != nil {
				t.Fatal(err)
			}
		}
		if err := run.held.Close(); err != nil {
			t.Fatal(err)
		}
		return run
	}
	for _, tt := range []struct {
		killed, operation string
		want              Holder
	}{
		{"plan", "OperationTypePlan", Dead},
		{"plan", "OperationTypeApply", Stranger},
		{"apply", "OperationTypePlan", Dead},
		{"apply", "OperationTypeApply", Dead},
		{"none", "OperationTypeApply", Stranger},
	} {
		run := killed(tt.killed)
		judge("after a killed "+tt.killed+", "+tt.operation, lock(tt.operation, later, later.Add(time.Second)), tt.want)
		if err := runs.Forget(*run); err != nil {
			t.Fatal(err)
		}
	}
}
