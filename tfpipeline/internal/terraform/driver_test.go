package terraform

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCommands(t *testing.T) {
	d, log := fake(t, "")
	if err := d.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, o := range []PlanOptions{{}, {Destroy: true}, {RefreshOnly: true}} {
		if _, err := d.Plan(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(d.Apply(t.Context()), d.Refresh(t.Context())); err != nil {
		t.Fatal(err)
	}
	plan := d.workspace.Plan
	want := []string{
		// terraform-exec asks for it a single time.
		"version -json",
		"init -no-color -input=false -backend=true -get=true -upgrade=false",
		// Never with a lock of Terraform's own.
		"plan -no-color -input=false -detailed-exitcode -lock-timeout=0s -out=" + plan + " -lock=false -parallelism=10 -refresh=true",
		"show -json -no-color " + plan,
		"plan -no-color -input=false -detailed-exitcode -lock-timeout=0s -out=" + plan + " -lock=false -parallelism=10 -refresh=true -destroy",
		"show -json -no-color " + plan,
		"plan -no-color -input=false -detailed-exitcode -lock-timeout=0s -out=" + plan + " -lock=false -parallelism=10 -refresh=true -refresh-only",
		"show -json -no-color " + plan,
		"apply -no-color -auto-approve -input=false -lock=false -parallelism=10 -refresh=true -json " + plan,
		"apply -no-color -auto-approve -input=false -lock=false -parallelism=10 -refresh=true -refresh-only",
	}
	if d := cmp.Diff(want, calls(t, log)); d != "" {
		t.Errorf("calls (-want +got):\n%s", d)
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
	err := d.Apply(ctx)
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
		if got := calls(t, log); slices.ContainsFunc(got, func(call string) bool { return strings.HasPrefix(call, "show") }) {
			t.Errorf("calls: %v, want no show", got)
		}
	})
	t.Run("state that could not be saved", func(t *testing.T) {
		d, _ := fake(t, "unsaved")
		unsaved, ok := errors.AsType[*UnsavedStateError](d.Apply(t.Context()))
		if !ok || string(unsaved.State) != `{"serial":7}` {
			t.Errorf("the state is lost: %v", unsaved)
		}
	})
}

// A plan that is interrupted is killed, since it leaves nothing; so is an apply
// whose state somebody else has by now, also if it has been interrupted before.
func TestKill(t *testing.T) {
	interrupt := errors.New("interrupted")
	apply := func(ctx context.Context, d *Driver) error { return d.Apply(ctx) }
	for name, do := range map[string]func(context.Context, *Driver) error{
		"plan": func(ctx context.Context, d *Driver) error {
			_, err := d.Plan(ctx, PlanOptions{})
			return err
		},
		"apply":             apply,
		"interrupted apply": apply,
	} {
		t.Run(name, func(t *testing.T) {
			d, log := fake(t, "wait")
			parent, stop := context.WithCancelCause(t.Context())
			defer stop(nil)
			ctx, cancel := WithStateLock(parent)
			want := ErrStateTaken
			if name == "interrupted apply" {
				want = interrupt
			}
			go func() {
				for ; ; <-time.After(10 * time.Millisecond) {
					if _, err := os.Stat(log + ".waiting"); err == nil || t.Context().Err() != nil {
						if want == interrupt {
							stop(interrupt)
						}
						cancel(ErrStateTaken)
						return
					}
				}
			}()
			err := do(ctx, d)
			if !errors.Is(err, want) {
				t.Errorf("%v", err)
			}
			if failure, ok := errors.AsType[*ApplyError](err); name != "plan" && (!ok || !failure.Killed) {
				t.Errorf("%v, which does not say that it was killed", err)
			}
			if _, err := os.Stat(log + ".released"); err == nil {
				t.Error("it was left to end in good order")
			}
		})
	}
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
	d, err := New(Options{Program: program, Workspace: w, Environ: map[string]string{"FAKE_TERRAFORM": "on", "HOME": t.TempDir(), "GORACE": os.Getenv("GORACE")}})
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
