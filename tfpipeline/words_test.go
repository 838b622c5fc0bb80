package main_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// privateWords are words that only this project once used, or used for several
// things, each with the field's word in its place. No type, field,
// function, file, flag or heading bears one; prose may use English as it likes.
var privateWords = map[string]string{
	"teller":   "reporter",
	"story":    "report",
	"beside":   "log output",
	"toolbox":  "what it holds: the prepared Terraform, the endpoint",
	"shield":   "secrets filter",
	"hold":     "held lease",
	"putback":  "roll back",
	"sighting": "observed lease",
	"claim":    "lock, lease",
	"took":     "what was done: applied, acquired",
	"doubt":    "recheck",
	"child":    "process",
	"reach":    "local transport",
	"servers":  "instances, databases, or the kind of server",
	"quiet":    "without output",
	"talking":  "with output",
	"past":     "history",
	"again":    "retry, or the command to run next",
	"patience": "timeout, limit",
	"once":     "single, or what is done once",
}

// fieldTerms are the field's own terms that contain one of these words: DNS has
// name servers, OpenID Connect has claims.
var fieldTerms = regexp.MustCompile(`(?i)name_?servers|database_?servers|sync\.Once|once_?values?|subject_?claim|ref_?claim`)

// splitName cuts an identifier or a file's name into lower-case words.
func splitName(name string) []string {
	name = fieldTerms.ReplaceAllString(name, "")
	var words []string
	var word []rune
	flush := func() {
		if len(word) > 0 {
			words = append(words, strings.ToLower(string(word)))
			word = nil
		}
	}
	runes := []rune(name)
	for i, r := range runes {
		switch {
		case !unicode.IsLetter(r):
			flush()
			continue
		case unicode.IsUpper(r) && (i == 0 || !unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])):
			flush()
		}
		word = append(word, r)
	}
	flush()
	return words
}

// privateWord is the first word of a name that the list has.
func privateWord(name string) string {
	words := splitName(name)
	for i, w := range words {
		if _, bad := privateWords[w]; bad {
			return w
		}
		if i+1 < len(words) {
			if _, bad := privateWords[w+words[i+1]]; bad {
				return w + words[i+1]
			}
		}
	}
	return ""
}

func TestSplitName(t *testing.T) {
	for name, want := range map[string]string{
		"putBack": "putback", "PutBackServices": "putback", "put_back.go": "putback", "openToolbox": "toolbox",
		"HTTPServers": "servers", "nameServers": "", "NameServers": "", "household": "", "reached": "", "-again": "again",
		"threshold": "", "pastRecords": "past", "runOnce": "once",
	} {
		if got := privateWord(name); got != want {
			t.Errorf("%s: found %q, want %q", name, got, want)
		}
	}
}

// declaresFlag are methods of flag.FlagSet and of the tests' own that name a flag.
var declaresFlag = regexp.MustCompile(`Var|^(?:Flag|String|Bool|Duration|Int|Float64|Func|BoolFunc)$`)

// declaredNames are the types, fields, functions, methods, flags and package-level
// names that a file declares.
func declaredNames(file *ast.File) map[string]token.Pos {
	names := map[string]token.Pos{}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			names[d.Name.Name] = d.Pos()
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					names[s.Name.Name] = s.Pos()
				case *ast.ValueSpec:
					for _, n := range s.Names {
						names[n.Name] = n.Pos()
					}
				}
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if s, ok := n.(*ast.StructType); ok {
			for _, f := range s.Fields.List {
				for _, n := range f.Names {
					names[n.Name] = n.Pos()
				}
			}
		}
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		selector, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || !declaresFlag.MatchString(selector.Sel.Name) {
			return true
		}
		for _, a := range call.Args {
			if l, ok := a.(*ast.BasicLit); ok && l.Kind == token.STRING && !strings.Contains(l.Value, " ") {
				names[strings.Trim(l.Value, "`\"")] = l.Pos()
			}
		}
		return true
	})
	return names
}

func TestWords(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	say := func(where, what, word string) {
		t.Errorf("%s: %s bears the word %q; say %s", where, what, word, privateWords[word])
	}
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		if entry.IsDir() {
			if slices.Contains([]string{".git", "bin", ".terraform", "testdata"}, entry.Name()) {
				return filepath.SkipDir
			}
		}
		if word := privateWord(entry.Name()); word != "" {
			say(rel, "the name", word)
		}
		switch filepath.Ext(path) {
		case ".go":
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			for name, at := range declaredNames(file) {
				if word := privateWord(name); word != "" {
					say(files.Position(at).String()[len(root)+1:], name, word)
				}
			}
		case ".md":
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for line := range strings.Lines(string(content)) {
				if strings.HasPrefix(line, "#") {
					if word := privateWord(line); word != "" {
						say(rel, "the heading "+strings.TrimSpace(line), word)
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
