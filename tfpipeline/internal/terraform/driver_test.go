package terraform

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

func TestCommands(t *testing.T) {
	d, log := fake(t, "")
	if err := d.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Plan(t.Context(), PlanOptions{LockTimeout: 5 * time.Minute}); err != nil {
		t.Fatal(err)
	}
	if err := d.Apply(t.Context(), 5*time.Minute); err != nil {
		t.Fatal(err)
	}
	plan := d.workspace.Plan
	want := []string{
		// Once, before any writer is set.
		"version -json",
		"init -no-color -input=false -backend=true -get=true -upgrade=false",
		// Both wait for a lock: apply has no timeout of its own.
		"plan -no-color -input=false -detailed-exitcode -lock-timeout=5m0s -out=" + plan + " -lock=true -parallelism=10 -refresh=true",
		"show -json -no-color " + plan,
		"apply -no-color -auto-approve -input=false -lock-timeout=5m0s -lock=true -parallelism=10 -refresh=true -json " + plan,
	}
	if d := cmp.Diff(want, calls(t, log)); d != "" {
		t.Errorf("calls (-want +got):\n%s", d)
	}
}

func TestPlanWithoutLock(t *testing.T) {
	d, log := fake(t, "")
	if _, err := d.Plan(t.Context(), PlanOptions{NoLock: true, Destroy: true}); err != nil {
		t.Fatal(err)
	}
	call := calls(t, log)[1]
	if !strings.Contains(call, "-lock=false") || !strings.Contains(call, " -destroy") {
		t.Errorf("plan was called as %q, want -lock=false and -destroy", call)
	}
}

func TestInterruptIsPassedOnAndWaitedFor(t *testing.T) {
	d, log := fake(t, "wait")
	ctx, cancel := context.WithCancelCause(t.Context())
	because := errors.New("somebody pressed Ctrl-C")
	go func() {
		for ; ; <-time.After(10 * time.Millisecond) {
			if _, err := os.Stat(log + ".waiting"); err == nil || t.Context().Err() != nil {
				cancel(because)
				return
			}
		}
	}()
	err := d.Apply(ctx, time.Minute)
	if !errors.Is(err, because) {
		t.Errorf("Apply = %v, want the cause of the interruption", err)
	}
	released, readErr := os.ReadFile(log + ".released")
	if readErr != nil {
		t.Fatalf("terraform was not waited for: %v", readErr)
	}
	if string(released) != "1" {
		t.Errorf("terraform got %s interrupts, want 1: a second one loses state", released)
	}
}

func TestFailures(t *testing.T) {
	t.Run("locked", func(t *testing.T) {
		d, _ := fake(t, "locked no-plan")
		_, err := d.Plan(t.Context(), PlanOptions{})
		locked, ok := errors.AsType[*LockedError](err)
		want := &LockedError{StateLock: deploy.StateLock{
			ID: "f216bbea-1111-2222-3333-444455556666", Path: "bucket/terraform/staging.tfstate",
			Operation: "OperationTypeApply", Who: "ada@laptop", Created: "2026-11-23 06:00:00.123 +0000 UTC",
		}}
		if !ok || cmp.Diff(want, locked) != "" {
			t.Errorf("Plan = %v, want %v", err, want)
		}
	})
	t.Run("errored plan is still shown", func(t *testing.T) {
		d, _ := fake(t, "fail")
		document, err := d.Plan(t.Context(), PlanOptions{})
		if document == nil {
			t.Error("no plan, though one was saved")
		}
		if want := "plan: Error: something is wrong\n\nwith this"; err == nil || err.Error() != want {
			t.Errorf("Plan = %q, want %q", err, want)
		}
	})
	t.Run("no plan saved", func(t *testing.T) {
		d, log := fake(t, "fail no-plan")
		document, err := d.Plan(t.Context(), PlanOptions{})
		if document != nil || err == nil {
			t.Errorf("Plan = %s, %v, want an error alone", document, err)
		}
		if got := calls(t, log); len(got) != 2 {
			t.Errorf("calls: %v, want no show", got)
		}
	})
	t.Run("state that could not be saved", func(t *testing.T) {
		d, _ := fake(t, "unsaved push-fails")
		d.pushAfter = []time.Duration{0, 0}
		unsaved, ok := errors.AsType[*UnsavedStateError](d.Apply(t.Context(), 0))
		if !ok {
			t.Fatal("Apply does not say where the state is")
		}
		if err := d.workspace.Close(); err != nil {
			t.Fatal(err)
		}
		kept, err := os.ReadFile(unsaved.Path)
		if err != nil || string(kept) != `{"serial":7}` {
			t.Errorf("kept state: %q, %v", kept, err)
		}
	})
}

func TestProviderLock(t *testing.T) {
	t.Run("another version", func(t *testing.T) {
		d, _ := fake(t, "reselect")
		err := d.Init(t.Context())
		if err == nil || !strings.Contains(err.Error(), "registry.terraform.io/hashicorp/aws 6.0.0") {
			t.Errorf("Init = %v, want it to name what was selected", err)
		}
	})
	t.Run("another checksum", func(t *testing.T) {
		d, _ := fake(t, "add-hash")
		if err := d.Init(t.Context()); err != nil {
			t.Errorf("Init = %v, want none: the same provider on another platform", err)
		}
	})
}

func TestWorkspace(t *testing.T) {
	d, _ := fake(t, "")
	w := d.workspace
	info, err := os.Stat(w.top)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v: Terraform writes plans that others may read, so the folder must keep them out", info.Mode().Perm())
	}
	entries, err := os.ReadDir(w.Dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if d := cmp.Diff([]string{lockFile, "main.tf", overrideFile}, names); d != "" {
		t.Errorf("workspace (-want +got):\n%s", d)
	}
	if _, err := os.Stat(filepath.Join(w.Dir, "..", "..", "modules", "m", "main.tf")); err != nil {
		t.Errorf("modules are not where roots look for them: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(w.top); !errors.Is(err, os.ErrNotExist) {
		t.Error("the workspace is still there after Close")
	}
}

// A root that was just added has no provider lock; it takes over the one of
// shared, into the repository too.
func TestBorrowedLock(t *testing.T) {
	repository := t.TempDir()
	const lock = "provider \"registry.terraform.io/hashicorp/aws\" {\n  version = \"5.100.0\"\n}\n"
	for path, content := range map[string]string{"envs/shared/" + lockFile: lock, "envs/new/main.tf": "# new\n"} {
		path = filepath.Join(repository, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	w, err := NewWorkspace(repository, "new", t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	d, err := New(t.Context(), Options{Program: program, Workspace: w, Environ: map[string]string{"FAKE_TERRAFORM": "on", "HOME": t.TempDir()}})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile(filepath.Join(repository, "envs", "new", lockFile))
	if err != nil || string(kept) != lock || !w.Borrowed {
		t.Errorf("lock of the new root: %q, %v; borrowed %v", kept, err, w.Borrowed)
	}
}
