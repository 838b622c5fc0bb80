// Package workflowtest reads the workflows of this repository for tests. It
// knows every key that they use, and refuses any other.
package workflowtest

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// Workflow is one file of .github/workflows.
type Workflow struct {
	// File is its name without its ending, and Text its content.
	File string `yaml:"-"`
	Text string `yaml:"-"`

	Name        string
	On          map[string]Trigger
	Permissions map[string]string
	Concurrency Concurrency
	Env         map[string]string
	Jobs        map[string]Job
}

// Trigger is what an event is limited to.
type Trigger struct {
	Branches []string
	Types    []string
	Inputs   map[string]Input
	Cron     []string
}

// UnmarshalYAML reads a trigger; a schedule is a list.
func (t *Trigger) UnmarshalYAML(n *yaml.Node) error {
	type plain Trigger
	if n.Kind != yaml.SequenceNode {
		return n.Decode((*plain)(t))
	}
	var list []struct{ Cron string }
	err := n.Decode(&list)
	for _, s := range list {
		t.Cron = append(t.Cron, s.Cron)
	}
	return err
}

// Input is what a workflow asks of whoever starts it by hand.
type Input struct {
	Description, Type, Default string
	Required                   bool
	Options                    []string
}

// Concurrency is the group that a run or a job waits in.
type Concurrency struct {
	Group  string
	Cancel bool `yaml:"cancel-in-progress"`
	Queue  string
}

// Job is one job: steps, or another workflow.
type Job struct {
	Name        string
	Needs       Words
	If          string
	Uses        string
	RunsOn      string `yaml:"runs-on"`
	Timeout     int    `yaml:"timeout-minutes"`
	Permissions map[string]string
	Environment Environment
	Concurrency Concurrency
	Strategy    struct{ Matrix map[string]string }
	Env         map[string]string
	Outputs     map[string]string
	Steps       []Step
}

// Environment is what a job deploys to.
type Environment struct {
	Name, URL  string
	Deployment *bool
}

// Step is one step, of a job or of a composite action.
type Step struct {
	ContinueOnError                bool `yaml:"continue-on-error"`
	ID, Name, If, Uses, Run, Shell string
	With, Env                      map[string]string
}

// Action is a composite action.
type Action struct {
	Name, Description string
	Inputs, Outputs   map[string]map[string]string
	Runs              struct {
		Using string
		Steps []Step
	}
	Text string `yaml:"-"`
}

// Words is one word or a list of them.
type Words []string

// UnmarshalYAML reads either.
func (w *Words) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*w = Words{n.Value}
		return nil
	}
	return n.Decode((*[]string)(w))
}

// Repository is the root of the checkout that the test runs in.
func Repository(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	for ; err == nil && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
	}
	t.Fatal("find go.mod above the test:", err)
	return ""
}

// Workflows reads all of them, by the file's name without its ending.
func Workflows(t testing.TB) map[string]Workflow {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(Repository(t), ".github", "workflows", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("find workflows: %d, %v", len(files), err)
	}
	all := map[string]Workflow{}
	for _, path := range files {
		w := Workflow{File: strings.TrimSuffix(filepath.Base(path), ".yml")}
		w.Text = decode(t, path, &w)
		all[w.File] = w
	}
	return all
}

// BuildAction is the composite action that builds tfpipeline.
func BuildAction(t testing.TB) Action {
	t.Helper()
	var a Action
	a.Text = decode(t, filepath.Join(Repository(t), ".github", "actions", "tfpipeline", "action.yml"), &a)
	return a
}

func decode(t testing.TB, path string, into any) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d := yaml.NewDecoder(bytes.NewReader(content))
	d.KnownFields(true)
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return string(content)
}
