package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/flags"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// hintIn returns the text of an expression, with what is only known when the
// program runs left as %s.
func hintIn(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		if err != nil {
			return "%s"
		}
		return text
	case *ast.BinaryExpr:
		return hintIn(e.X) + hintIn(e.Y)
	default:
		return "%s"
	}
}

// callee is the name of the function that is called.
func callee(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.SelectorExpr:
		return f.Sel.Name
	case *ast.Ident:
		return f.Name
	}
	return ""
}

// hints are the texts of the program's source that name a command, by where. A
// concatenation is one text.
func hints(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	files := token.NewFileSet()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			e, ok := n.(ast.Expr)
			if !ok {
				return true
			}
			text := hintIn(e)
			if call, ok := e.(*ast.CallExpr); ok && callee(call) == "Named" {
				e = call.Args[len(call.Args)-1] // a command but for the value of its last flag
				text = hintIn(e) + " %s"
			}
			if !strings.Contains(text, "tfpipeline ") && !strings.Contains(text, "make plan") {
				return true
			}
			found[files.Position(e.Pos()).String()] = text
			return false
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// commandLine finds commands of this program in a text. What is optional in a
// synopsis is no command, and neither is what a shell does with the output.
var commandLine = regexp.MustCompile("(?:^|[^./a-z-])(?:bin/)?tfpipeline ([a-z-][^;,|>&()#\n`]*)")

// parse feeds a command to the flags of its verb, and returns why it would be
// refused before anything is asked of AWS.
func parse(line string) error {
	formatted := strings.Contains(line, "%")
	line, _, _ = strings.Cut(regexp.MustCompile(`(\w)%s`).ReplaceAllString(line, "$1"), ": ")
	line = regexp.MustCompile(`%[sdq]`).ReplaceAllString(line, "staging")
	line = regexp.MustCompile(`"[^"]*"|'[^']*'|\$\S+`).ReplaceAllString(line, "VALUE")
	args := strings.Fields(line)
	if args[0] == "--version" {
		return nil
	}
	a := &app{platform: configtest.Docs(), console: &console.Console{}}
	root := a.program().Command()
	c, rest, err := root.Find(args)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(commands(), func(v command) bool { return v.name == c.Name() }) {
		return nil // help, completion, --version
	}
	rest = flags.Long(c.Flags(), rest)
	// A number or a duration that is only known when the program runs.
	for i := 1; i < len(rest); i++ {
		if f := c.Flags().Lookup(strings.TrimLeft(rest[i-1], "-")); f != nil && f.NoOptDefVal == "" && f.Value.Type() != "string" && rest[i] == "staging" {
			rest[i] = f.DefValue
		}
	}
	if err := c.ParseFlags(rest); err != nil {
		return flags.Error(c, err)
	}
	return refused(a, c, formatted)
}

// refused is what dispatch and the verb itself would say of flags that parse.
func refused(a *app, c *cobra.Command, formatted bool) error {
	v := commands()[slices.IndexFunc(commands(), func(v command) bool { return v.name == c.Name() })]
	flag := func(name string) string {
		if f := c.Flags().Lookup(name); f != nil {
			return f.Value.String()
		}
		return ""
	}
	if env := flag("env"); env != "" || v.env != nil && !v.anyEnv {
		if slices.Contains([]string{"ENV", "VALUE", "production", "qa"}, env) {
			env = "staging"
		}
		if err := v.verb(a).CheckEnv(env); err != nil {
			return err
		}
	}
	switch {
	case v.name == "plan" && flag("env") == "" && flag("all") == "false":
		return console.Usage("which environment?", "")
	case v.name == "destroy" && flag("yes") == "true" && flag("name") != flag("env"):
		return console.Usage("destroy -yes without the name", "")
	case v.name == "promote" && (flag("release") == "") == (flag("commit") == ""):
		return console.Usage("promote needs one of -release and -commit", "")
	case v.name == "run" && flag("task") == "":
		return console.Usage("which task?", "")
	case flag("timeout") != "" && strings.HasPrefix(flag("timeout"), "0"):
		return console.Usage("no time", "")
	}
	args := trailing(c.Flags().Args())
	if formatted && slices.Contains(args, "staging") {
		return nil // an argument, or a flag, that only the running program knows
	}
	return v.verb(a).CheckArgs(args)
}

// trailing are arguments without the words with which a sentence goes on.
func trailing(args []string) []string {
	if len(args) > 0 && slices.Contains([]string{"continues", "ends", "goes", "which", "and", "first", "says", "to", "explains", "is", "in", "prints", "wrote", "adopts", "has", "does"}, args[0]) {
		return nil
	}
	return args
}

// Every next step that the program spells is a command that it takes.
func TestHintsAreCommands(t *testing.T) {
	commands := 0
	for at, hint := range hints(t) {
		if hint == "tfpipeline db" {
			continue // what PostgreSQL shows as the name of the program
		}
		for _, m := range commandLine.FindAllStringSubmatch(hint, -1) {
			commands++
			if err := parse(m[1]); err != nil {
				t.Errorf("%s: %q: %v", at, m[0], err)
			}
		}
		if strings.Contains(hint, "make plan") {
			t.Errorf("%s: %q: name the command, which works without make too", at, hint)
		}
	}
	if commands < 100 {
		t.Errorf("%d commands found: is the search broken?", commands)
	}
}

// So is every command that view makes of a move.
func TestMovesAreCommands(t *testing.T) {
	for _, verb := range []deploy.Verb{deploy.VerbPromote, deploy.VerbRollback, deploy.VerbStatus, deploy.VerbUnlock, deploy.VerbScale} {
		m := deploy.Move{Verb: verb, Release: deploy.Release{Tag: "v1"}}
		moves := []deploy.Move{m}
		switch verb {
		case deploy.VerbPromote:
			m.Force, m.Reviewed, m.OverrideProof = true, "47773ac14efb91b0cb53", "staging is down"
			moves = append(moves, m, deploy.Move{Verb: verb, Release: deploy.Release{Commit: "c0ffee0"}})
		case deploy.VerbRollback:
			m.Force, m.ForceReason, m.WithMigrations = true, "search is down", true
			moves = append(moves, m, deploy.Move{Verb: verb, Advice: deploy.AdviceElsewhere})
		case deploy.VerbScale:
			moves = []deploy.Move{{Verb: verb, Service: "api", Tasks: 3}}
		}
		for _, m := range moves {
			line := view.Command("staging", m)
			if err := parse(strings.TrimPrefix(line, "tfpipeline ")); err != nil {
				t.Errorf("%s: %v", line, err)
			}
		}
	}
}

// So are the examples of the help and the commands of the documents.
func TestDocumentsNameCommands(t *testing.T) {
	texts := map[string]string{}
	for _, c := range commands() {
		_, examples, ok := strings.Cut(c.long(), "Example")
		if ok {
			texts["help "+c.name] = examples
		}
	}
	documents, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	// The page of commands is the help, forms included.
	documents = slices.DeleteFunc(documents, func(path string) bool { return filepath.Base(path) == "commands.md" })
	for _, path := range append(documents, "../README.md", "../ARCHITECTURE.md", "../CONTRIBUTING.md", "../Makefile") {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts[path] = string(content)
	}
	found := 0
	for at, text := range texts {
		for _, m := range commandLine.FindAllStringSubmatch(text, -1) {
			line := strings.TrimSpace(m[1])
			if !strings.Contains(line, " -") && !strings.HasPrefix(at, "help ") {
				continue // prose
			}
			found++
			if err := parse(line); err != nil {
				t.Errorf("%s: tfpipeline %s: %v", at, line, err)
			}
		}
	}
	if found < 30 {
		t.Errorf("%d commands found: is the search broken?", found)
	}
}

// A test that cannot fail proves nothing.
func TestHintsThatAreNoCommands(t *testing.T) {
	for _, line := range []string{
		"plan", "plan -env nowhere", "plan -environment staging", "promot -env staging", "destroy -env staging -yes",
		"promote -env staging", "status staging", "rollback -env shared", "apply -env staging -lock-timeout x",
	} {
		if parse(line) == nil {
			t.Errorf("%q is taken for a command", line)
		}
	}
}
