package deploy

import "testing"

// A start that is repeated with its token says the same, also for a run that names the
// commit differently.
func TestContinuedUnderAnotherName(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := w.start()
		p.inject[point{StepMigrate, "RunTask", 1}] = killedLate
		p.promote(t.Context(), Request{Commit: commitOf("v1.2")})
		if r, err := w.start().promote(t.Context(), Request{Tag: "v1.2"}); err != nil || r.Release.Tag != "v1.2" || r.Resumes == "" {
			t.Fatalf("%s continues %q: %v", r.Release, r.Resumes, err)
		}
		wantRuns(t, w, "v1.2")
	})
}
