package terraform

import "testing"

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
