package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// forge is as much of GitHub's API as a comment on a pull request needs.
type forge struct {
	url  string
	stop func() error

	mu   sync.Mutex
	body string // of the last comment
}

func startForge(ctx context.Context) (*forge, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("stand in for GitHub: %w", err)
	}
	f := &forge{url: "http://" + listener.Addr().String()}
	server := &http.Server{Handler: http.HandlerFunc(f.serve), ReadHeaderTimeout: 10 * time.Second}
	f.stop = server.Close
	go func() { _ = server.Serve(listener) }() // it ends with stop
	return f, nil
}

func (f *forge) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	answer := any(map[string]any{"login": "github-actions[bot]"})
	switch comments := strings.HasSuffix(r.URL.Path, "/comments"); {
	case comments && r.Method == http.MethodGet:
		answer = []any{}
	case comments && r.Method == http.MethodPost:
		var comment struct {
			Body string `json:"body"`
		}
		if err := json.NewDecoder(r.Body).Decode(&comment); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		f.mu.Lock()
		f.body = comment.Body
		f.mu.Unlock()
		w.WriteHeader(http.StatusCreated)
		answer = map[string]any{"id": 1, "html_url": f.url + "/pull/7", "body": comment.Body}
	}
	_ = json.NewEncoder(w).Encode(answer) // the client has gone: nobody needs it
}

// comment is the text of the last comment.
func (f *forge) comment() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.body
}

// environ makes a command take itself for the job of a pull request.
func (f *forge) environ(folder, repository, commit string) ([]string, error) {
	event, err := json.Marshal(map[string]any{"pull_request": map[string]any{
		"number": 7, "head": map[string]any{"sha": commit, "repo": map[string]any{"full_name": repository}},
	}})
	path := filepath.Join(folder, "event.json")
	if err = errors.Join(err, os.WriteFile(path, event, 0o600)); err != nil {
		return nil, fmt.Errorf("stand in for GitHub: %w", err)
	}
	return []string{"GITHUB_API_URL=" + f.url, "GITHUB_REPOSITORY=" + repository, "GITHUB_TOKEN=demo", "GITHUB_EVENT_PATH=" + path}, nil
}

// asShown is a comment as GitHub shows it to a reader who has opened its folds, but
// for the colours: what is folded away inside of those is named, and marks that
// nobody sees are left out.
func asShown(markdown string) string {
	var b strings.Builder
	depth := 0
	for line := range strings.Lines(markdown) {
		line = strings.TrimRight(line, "\n")
		title, folded := strings.CutPrefix(strings.TrimSpace(line), "<details><summary>")
		switch {
		case folded:
			if depth < 2 {
				title, _, _ = strings.Cut(title, "</summary>")
				b.WriteString([]string{"▾ ", "▸ "}[depth] + plainTags.Replace(title) + "\n")
			}
			depth++
		case strings.HasPrefix(strings.TrimSpace(line), "</details>"):
			depth--
		case depth > 1, strings.HasPrefix(line, "<!--"), strings.HasPrefix(line, "```"):
		default:
			b.WriteString(plainTags.Replace(line) + "\n")
		}
	}
	return strings.Trim(b.String(), "\n")
}

// plainTags takes away what GitHub renders.
var plainTags = strings.NewReplacer("<code>", "", "</code>", "", "<b>", "", "</b>", "", "<br>", " ", "**", "", "`", "", "&lt;", "<", "&gt;", ">", "&amp;", "&", "\\", "")
