package iam_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/gen/gentest"
	"github.com/specboard/platform/tfpipeline/internal/localaws/iam/iamtest"
)

// TestSimulator compares the verdicts with those of an independent simulator,
// which npm fetches: its licence (AGPL) forbids to link it.
func TestSimulator(t *testing.T) {
	if os.Getenv("SIMULATE") == "" {
		t.Skip("fetches a simulator with npm: run make simulate")
	}
	type question struct {
		Role     string              `json:"role"`
		Action   string              `json:"action"`
		Resource string              `json:"resource"`
		Keys     map[string][]string `json:"keys"`
	}
	var input struct {
		Roles map[string]iamtest.Documents `json:"roles"`
		Asked []question                   `json:"asked"`
	}
	input.Roles = iamtest.Rendered(t, gentest.Tree(t, configtest.Docs()), zone())
	roles := iamtest.Identities(t, input.Roles)
	wanted := append(iamtest.Recorded(t), iamtest.Documented(t)...)
	all := append(wanted, iamtest.Forbidden(t)...)
	for _, a := range all {
		input.Asked = append(input.Asked, question{prefix + a.Role, a.Action, a.Resource, a.Keys})
	}
	dir := t.TempDir()
	write := func(name string, content []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	document, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("iamtest/simulate.mjs")
	if err != nil {
		t.Fatal(err)
	}
	write("questions.json", document)
	write("simulate.mjs", script)
	run := func(name string, args ...string) []byte {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir, cmd.Stderr = dir, os.Stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s %v: %v", name, args, err)
		}
		return out
	}
	run("npm", "install", "--silent", "--no-audit", "--no-fund", "@cloud-copilot/iam-simulate@0.1.173")
	var answers []string
	if err := json.Unmarshal(run("node", "simulate.mjs", "questions.json"), &answers); err != nil || len(answers) != len(all) {
		t.Fatalf("%d answers to %d questions: %v", len(answers), len(all), err)
	}
	agreed, refused := 0, map[string]int{}
	for i, a := range all {
		// Application Auto Scaling asks for an alarm without a name.
		if strings.HasPrefix(answers[i], "error: ") && (i >= len(wanted) || slices.Contains(unreferenced, a.Action) || strings.HasSuffix(a.Resource, ":alarm:")) {
			refused[a.Action]++
			continue
		}
		if v := roles[prefix+a.Role].Judge(a.Question); v.Allowed != (answers[i] == "Allowed") {
			t.Errorf("%s: %s there, allowed %t here", iamtest.Pattern(a), answers[i], v.Allowed)
			continue
		}
		agreed++
	}
	t.Logf("agreed on %d of %d questions, %d of them recorded or documented; it refused to judge %v", agreed, len(all), len(wanted), refused)
}

// unreferenced are actions on resources that AWS's service reference lacks, so the
// simulator refuses to judge them: AddTags is there for classic load balancers only,
// SetWebAcl for no resource, though WAF's guide grants it on load balancers.
var unreferenced = []string{"elasticloadbalancing:AddTags", "elasticloadbalancing:SetWebAcl"}
