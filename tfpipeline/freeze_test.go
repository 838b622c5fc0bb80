package main

import (
	"testing"

	"github.com/specboard/platform/tfpipeline/internal/console"
)

// A freeze refuses every change with its reason until it is lifted, and a rollback
// where nobody can be asked goes on.
func TestFreeze(t *testing.T) {
	t.Parallel()
	w := newPromotions(t)
	w.release("v1.0.0")
	w.must(console.ExitOK, "promote", "-env", "staging", "-release", "v1.0.0")
	w.release("v1.1.0")
	w.must(console.ExitOK, "promote", "-env", "staging", "-release", "v1.1.0")

	_, stderr := w.must(console.ExitFailed, "freeze", "-env", "staging")
	mentions(t, stderr, "why?", "next: tfpipeline freeze -env staging -why")
	stdout, _ := w.must(console.ExitOK, "unfreeze", "-env", "staging")
	mentions(t, stdout, "staging: it is not frozen")
	stdout, stderr = w.must(console.ExitOK, "freeze", "-env", "staging", "-why", "the holidays")
	mentions(t, stdout, "staging: frozen: the holidays")
	mentions(t, stderr, "next: tfpipeline unfreeze -env staging")
	_, stderr = w.must(console.ExitOK, "freeze", "-env", "staging", "-why", "an incident")
	mentions(t, stderr, "staging: before, it was frozen by ada since ", ": the holidays")

	w.release("v1.2.0")
	changes := len(w.cloud.called.Of("UpdateService"))
	_, stderr = w.must(console.ExitFailed, "promote", "-env", "staging", "-release", "v1.2.0")
	mentions(t, stderr, "staging is frozen by ada since ", ": an incident", "next: once it may be changed: tfpipeline unfreeze -env staging")
	for _, change := range [][]string{{"apply", "-yes"}, {"apply", "-yes", "-lock-timeout", "1s"}, {"destroy", "-yes", "-name", "staging"}, {"run", "-task", "migrate"}} {
		_, stderr = w.must(console.ExitFailed, append([]string{change[0], "-env", "staging"}, change[1:]...)...)
		mentions(t, stderr, "staging is frozen by ada since ", ": an incident", "next: once it may be changed: tfpipeline unfreeze -env staging")
	}
	mentions(t, stderr, "if it must be now: -force")
	w.must(console.ExitOK, "run", "-env", "staging", "-task", "migrate", "-force")
	if n := len(w.cloud.called.Of("UpdateService")); n != changes {
		t.Errorf("%d services were changed", n-changes)
	}
	// A statement that writes is refused as well; who only looks is told.
	_, stderr = w.must(console.ExitFailed, "db", "-env", "staging", "-write", "-command", "select 1")
	mentions(t, stderr, "staging is frozen by ada since ", "tfpipeline unfreeze -env staging; if it must be now: tfpipeline db -env staging -write -force -command SQL")
	for _, look := range [][]string{{"db", "-command", "select 1"}, {"db", "-write", "-force", "-command", "select 1"}, {"exec", "-service", "api"}} {
		_, stderr, _ = w.run(append([]string{look[0], "-env", "staging"}, look[1:]...)...)
		mentions(t, stderr, "warning: staging is frozen by ada since ")
	}
	stdout, _ = w.must(console.ExitOK, "status", "-env", "staging")
	mentions(t, stdout, "  frozen by ada since ", ": an incident\n")
	stdout, _ = w.must(console.ExitOK, "status", "-env", "staging", "-json")
	mentions(t, stdout, `"why": "an incident"`)
	if left := w.keys("locks/"); left != nil {
		t.Errorf("locks: %v", left)
	}

	_, stderr = w.must(console.ExitOK, "rollback", "-env", "staging", "-to", "v1.0.0")
	mentions(t, stderr, "warning: staging is frozen by ada", "a rollback goes on all the same")
	stdout, _ = w.must(console.ExitOK, "unfreeze", "-env", "staging")
	mentions(t, stdout, "staging: no longer frozen by ada since ", ": an incident")
	stdout, stderr = w.must(console.ExitOK, "freeze", "-env", "staging", "-why", "a demo", "-json")
	mentions(t, stdout, `{"environment":"staging","frozen":{"why":"a demo","actor":"ada","caller":"arn:aws:iam::123456789012:user/ada","since":"`, `"before":null}`)
	if stderr != "" {
		t.Errorf("beside the object: %s", stderr)
	}
	stdout, _ = w.must(console.ExitOK, "unfreeze", "-env", "staging", "-json")
	mentions(t, stdout, `{"environment":"staging","frozen":null,"before":{"why":"a demo","actor":"ada","caller":"arn:aws:iam::123456789012:user/ada","since":"`)
	w.must(console.ExitOK, "promote", "-env", "staging", "-release", "v1.2.0")
}
