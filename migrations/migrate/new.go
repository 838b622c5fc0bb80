package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/specboard/platform/migrations"
)

const aboutNew = `migrate new makes the file of the next migration, with its header, and prints
its path:

  migrate new -name "add due date"
  migrate new -name drop_archived -unused-since v1.4.0`

const expandText = `-- What this is for, in a sentence or two.
-- phase: expand

`

const contractText = `-- What this takes away, and what replaced it.
-- phase: contract
-- unused-since: %s

`

func create(_ context.Context, p *program, args []string) error {
	f := newFlags("new")
	name := f.String("name", "", "what it does, in a few `words`: add due date")
	dir := f.String("dir", "migrations", "the `folder` of the migrations")
	unused := f.String("unused-since", "", "make it a contract: the first `release` that does without what it takes away")
	if err := p.parse(f, aboutNew, args); err != nil {
		return err
	}
	if *name == "" {
		return errors.New("name the migration: migrate new -name \"add due date\"")
	}
	list, _, err := migrations.Read(os.DirFS(*dir))
	if err != nil {
		return err
	}
	next := 1
	if len(list) > 0 {
		next = list[len(list)-1].Number + 1
	}
	file, err := migrations.FileName(next, fileWords(*name))
	if err != nil {
		return err
	}
	text := expandText
	if *unused != "" {
		text = fmt.Sprintf(contractText, *unused)
	}
	if _, wrong := migrations.Parse(file, []byte(text+"SELECT 1")); len(wrong) > 0 {
		return &migrations.LoadError{Problems: wrong}
	}
	path := filepath.Join(*dir, file)
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("make the migration: %w", err)
	}
	_, err = out.WriteString(text)
	if err := errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = fmt.Fprintln(p.stdout, path)
	return err
}

// fileWords writes a few words as a file's name has them.
func fileWords(text string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return r < 0x80 && (r < 'a' || r > 'z') && (r < '0' || r > '9')
	}), "_")
}
