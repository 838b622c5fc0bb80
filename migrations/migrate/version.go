package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"runtime/debug"
)

const aboutVersion = `migrate version shows the newest migration in this build, a sum over all of
them, and the release. It needs no database.`

// build describes what this binary carries.
type build struct {
	Release string `json:"release,omitempty"`
	// Commit is that of the source, if it was built in a repository.
	Commit     string `json:"commit,omitempty"`
	Newest     string `json:"newest"`
	Migrations int    `json:"migrations"`
	// Checksum is a SHA-256 over the sums of all files, in order.
	Checksum string `json:"checksum"`
}

func version(_ context.Context, p *program, args []string) error {
	f := newFlags("version")
	var from source
	from.register(f, p)
	asJSON := f.Bool("json", false, "one JSON object on standard output")
	if err := p.parse(f, aboutVersion, args); err != nil {
		return err
	}
	list, err := from.load()
	if err != nil {
		return err
	}
	b := build{Release: from.release, Migrations: len(list), Newest: "none"}
	sum := sha256.New()
	for _, m := range list {
		b.Newest = m.ID()
		fmt.Fprintln(sum, m.File, m.Checksum)
	}
	b.Checksum = hex.EncodeToString(sum.Sum(nil))
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				b.Commit = s.Value
			}
		}
	}
	if *asJSON {
		if err := json.NewEncoder(p.stdout).Encode(b); err != nil {
			return fmt.Errorf("write the output: %w", err)
		}
		return nil
	}
	_, err = fmt.Fprintf(p.stdout, "%s, the last of %d migrations (sum %.12s)\nrelease %s, commit %s\n", b.Newest, b.Migrations, b.Checksum, dash(b.Release), dash(b.Commit))
	return err
}
