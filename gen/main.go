// Gen renders the platform in gen/config to Terraform: reusable modules in
// modules/, their example in examples/ and one root per state in envs/. It is
// offline and deterministic.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/internal/manual"
	"github.com/specboard/platform/gen/internal/reference"
	"github.com/specboard/platform/gen/internal/render"
	"github.com/specboard/platform/gen/internal/tree"
)

// Exit codes.
const (
	done    = 0
	failed  = 1
	badCall = 2
)

func main() {
	// The program is too short-lived to need garbage collection; the default rate
	// costs a third of its time.
	debug.SetGCPercent(400)
	os.Exit(run(os.Args[1:], config.Default(), os.Stdout, os.Stderr))
}

const usage = `usage: go run ./gen [-check] [-C DIR]

Gen renders the platform that gen/config describes to Terraform: reusable
modules in modules/, their example in examples/, one root per state in envs/;
and the comments of the struct to docs/config.md. It needs neither Terraform nor
AWS. It warns of default quotas of AWS that the platform exceeds.

Before anything is written, the platform is validated and the rendered tree is
checked: every reference resolves, every variable is used, every module gets
its arguments. Files without the header of generated files are never replaced,
generated files that are no longer rendered are removed, and
.terraform.lock.hcl is left to Terraform: a root without one gets a copy of the
shared root's.

Flags:
`

const examples = `
Examples:
  go run ./gen           write what changed
  go run ./gen -check    list what differs, write nothing (for CI)

To add a service or an environment, add one literal in gen/config/default.go
and run make gen.

Exit codes: 0 as asked; 1 something differs (-check), or nothing could be
rendered or written; 2 wrong usage.
`

// run is the program without its access to the operating system.
func run(args []string, p config.Platform, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("gen", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	check := flags.Bool("check", false, "list the files that differ from what would be rendered, and write nothing")
	dir := flags.String("C", "", "the repository's root `folder` (default: the nearest one above with a go.mod)")
	help := func(w io.Writer) {
		fmt.Fprint(w, usage)
		flags.SetOutput(w)
		flags.PrintDefaults()
		fmt.Fprint(w, examples)
	}
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		help(stdout)
		return done
	case err == nil && flags.NArg() > 0:
		err = fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	if err != nil {
		fmt.Fprintf(stderr, "gen: %v\nRun go run ./gen -h to see how it is used.\n", err)
		return badCall
	}

	code, err := generate(p, *dir, *check, stdout)
	if err == nil {
		for _, w := range p.Quotas() {
			fmt.Fprintf(stderr, "gen: warning: %s\n", w)
		}
	}
	if err != nil {
		fmt.Fprintf(stderr, "gen: %v\n", err)
		if h, ok := errors.AsType[hinted](err); ok {
			fmt.Fprintln(stderr, h.hint)
		}
		return failed
	}
	return code
}

// generate renders the platform and writes it, or says what differs.
func generate(p config.Platform, dir string, check bool, stdout io.Writer) (code int, err error) {
	if dir == "" {
		if dir, err = repository(); err != nil {
			return failed, err
		}
	}
	files, err := rendered(p)
	if err == nil {
		err = document(files, dir)
	}
	if err != nil {
		return failed, hinted{err, "Nothing was written."}
	}
	t, err := tree.Open(dir, files)
	if err != nil {
		return failed, err
	}
	defer func() { err = errors.Join(err, t.Close()) }()

	missing, _, err := unlocked(p, dir)
	if err != nil {
		return failed, err
	}
	// The files on disk were formatted and proved before they were written, so a tree
	// without differences needs neither again, which takes most of the time.
	var differences []tree.Difference
	for _, format := range []bool{false, true} {
		if format {
			render.Format(files)
		}
		if !check {
			continue
		}
		if differences, err = t.Compare(); err != nil {
			return failed, err
		}
		if len(differences) == 0 && len(missing) == 0 {
			fmt.Fprintf(stdout, "examples/, modules/ and envs/ are up to date (%d files).\n", len(files))
			return done, nil
		}
	}
	if err := reference.Check(files); err != nil {
		return failed, hinted{fmt.Errorf("gen/internal/render renders inconsistent Terraform:\n%w", indented{err}), "Nothing was written."}
	}
	if check {
		for _, path := range missing {
			differences = append(differences, tree.Difference{State: tree.Missing, Path: filepath.ToSlash(path)})
		}
		return report(differences, stdout), nil
	}
	if code, err := write(t, len(files), stdout); err != nil {
		return code, err
	}
	locked, err := lock(p, dir)
	if err != nil {
		return failed, hinted{err, "Everything else was written; run make gen again to finish."}
	}
	for _, path := range locked {
		fmt.Fprintf(stdout, "%-7s %s\n", "wrote", filepath.ToSlash(path))
	}
	return done, nil
}

// rendered is the whole tree in memory.
func rendered(p config.Platform) (map[string][]byte, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("the platform in gen/config is not valid:\n%w", indented{err})
	}
	return render.Render(p)
}

// document adds docs/config.md, if the struct's source is there.
func document(files map[string][]byte, dir string) error {
	source, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(manual.Source)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a tree of Terraform alone
	}
	if err != nil {
		return fmt.Errorf("read the struct: %w", err)
	}
	files[manual.Path], err = manual.Page(source)
	return err
}

// report lists what differs and says what to do.
func report(differences []tree.Difference, stdout io.Writer) int {
	foreign := false
	for _, d := range differences {
		fmt.Fprintf(stdout, "%-9s %s\n", d.State, d.Path)
		foreign = foreign || d.State == tree.Foreign
	}
	if foreign {
		fmt.Fprintln(stdout, "A foreign file stands where a generated one belongs: move it away, or delete it if it may be replaced.")
	}
	fmt.Fprintln(stdout, "examples/, modules/ and envs/ are not what gen/config renders. Run make gen and commit what it writes.")
	return failed
}

func write(t *tree.Tree, files int, stdout io.Writer) (int, error) {
	changed, err := t.Write()
	for _, d := range changed {
		action := "wrote"
		if d.State == tree.Orphaned {
			action = "removed"
		}
		fmt.Fprintf(stdout, "%-7s %s\n", action, d.Path)
	}
	if err != nil {
		if len(changed) == 0 {
			return failed, hinted{err, "Nothing was written."}
		}
		return failed, hinted{err, "The files above are as they should be, the others as they were; run make gen again to go on."}
	}
	if len(changed) == 0 {
		fmt.Fprintf(stdout, "examples/, modules/ and envs/ were up to date (%d files).\n", files)
	}
	return done, nil
}

// repository is the nearest folder at or above the current one with a go.mod.
func repository() (string, error) {
	here, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	for dir := here; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("find the repository: no go.mod in %s or above; name the folder with -C", here)
		}
	}
}

// hinted is an error with a sentence on how things were left.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

// indented sets a list of problems apart from the sentence before it.
type indented struct{ error }

func (e indented) Error() string { return "  " + strings.ReplaceAll(e.error.Error(), "\n", "\n  ") }
func (e indented) Unwrap() error { return e.error }
