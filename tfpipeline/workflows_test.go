package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/workflowtest"
)

// pins are the actions of others: the only commits that workflows may use.
var pins = map[string]string{
	"actions/attest-build-provenance":       "a2bbfa25375fe432b6a289bc6b6cd05ecd0c4c32 # v4.1.0",
	"actions/checkout":                      "3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1",
	"actions/upload-artifact":               "b7c566a772e6b6bfb58ed0dc250532a479d7789f # v6.0.0",
	"actions/setup-go":                      "b7ad1dad31e06c5925ef5d2fc7ad053ef454303e # v7.0.0",
	"aws-actions/amazon-ecr-login":          "d539f0932e70871a027e9d5a9d8fc38589180a64 # v2.1.6",
	"aws-actions/configure-aws-credentials": "e6de054238d6b7531b4efff3b6587d9aade6a06c # v6.2.3",
	"docker/build-push-action":              "f9f3042f7e2789586610d6e8b85c8f03e5195baf # v7.2.0",
	"docker/setup-buildx-action":            "d7f5e7f509e45cec5c76c4d5afdd7de93d0b3df5 # v4.1.0",
}

// jobRow is what one job may do.
type jobRow struct {
	role, environment, permissions string
	minutes                        int
}

// jobTable is every job of every workflow.
var jobTable = map[string]jobRow{
	"binaries/build":          {"", "", "contents: read", 30},
	"binaries/attest":         {"", "", "actions: read, attestations: write, contents: read, id-token: write", 10},
	"binaries/publish":        {"", "", "actions: read, contents: write", 10},
	"checks/checks":           {"", "", "contents: read", 40},
	"plan/plan":               {"plan", "", "contents: read, id-token: write, pull-requests: write", 20},
	"plan/plan-offline":       {"", "", "contents: read", 20},
	"plan/result":             {"", "", "", 5},
	"staging-deploy/checks":   {"", "", "contents: read", 0},
	"staging-deploy/shared":   {"plan", "", "contents: read, id-token: write", 15},
	"staging-deploy/build":    {"build", "", "contents: read, id-token: write", 30},
	"staging-deploy/promote":  {"deploy-staging", "staging", "contents: read, deployments: write, id-token: write", 100},
	"prod-deploy/preview":     {"plan", "", "contents: read, id-token: write", 20},
	"prod-deploy/promote":     {"deploy-production", "production", "contents: read, deployments: write, id-token: write", 100},
	"prod-deploy/annotate":    {"", "", "contents: write", 5},
	"drift/drift":             {"plan", "", "contents: read, id-token: write, issues: write", 30},
	"dashboard/dashboard":     {"plan", "", "contents: read, id-token: write", 30},
	"prod-rollback/preview":   {"plan", "", "contents: read, id-token: write", 20},
	"prod-rollback/rollback":  {"deploy-production", "production", "contents: read, deployments: write, id-token: write", 100},
	"operate/operate":         {"deploy-${{ inputs.environment }}", "${{ inputs.environment }}", "contents: read, id-token: write", 30},
	"nightly/vulnerabilities": {"", "", "contents: read", 20},
	"scan/scan":               {"", "", "contents: read", 40},
	"nightly/simulate":        {"", "", "contents: read", 20},
	"nightly/race":            {"", "", "contents: read", 60},
	"nightly/soak":            {"", "", "contents: read", 350},
}

// triggers are what starts each workflow.
var triggers = map[string]string{
	"binaries":       "release released",
	"checks":         "merge_group, pull_request, workflow_call",
	"plan":           "merge_group, pull_request",
	"staging-deploy": "push " + config.Default().Repository.Branch, // the roles trust this one
	"prod-deploy":    "release released, workflow_dispatch bootstrap fingerprint override_proof tag",
	"prod-rollback":  "workflow_dispatch force skip_migrations tag",
	"operate":        "workflow_dispatch environment operation",
	"drift":          "schedule, workflow_dispatch",
	"dashboard":      "schedule, workflow_dispatch",
	"nightly":        "schedule, workflow_dispatch",
	"scan":           "release released, schedule, workflow_dispatch",
}

// groups are the concurrency of workflows and of jobs.
var groups = map[string]workflowtest.Concurrency{
	"checks":                 {Group: "checks-${{ github.event_name == 'push' && github.sha || github.ref }}", Cancel: true},
	"plan":                   {Group: "plan-${{ github.event.pull_request.number || github.ref }}", Cancel: true},
	"staging-deploy/promote": {Group: "staging-deploy", Queue: "max"},
	"drift":                  {Group: "drift", Cancel: true},
	"dashboard":              {Group: "dashboard", Cancel: true},
	"nightly":                {Group: "nightly", Cancel: true},
}

// roleOf is the role that a job's steps assume.
func roleOf(j workflowtest.Job) string {
	role := ""
	for _, s := range j.Steps {
		if s.Uses == buildAction {
			role = s.With["role"]
		} else if strings.Contains(s.With["role-to-assume"], ".roles.build ") {
			role = "build"
		}
	}
	return role
}

const buildAction = "./.github/actions/tfpipeline"

func sorted(m map[string]string) string {
	var list []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		list = append(list, k+": "+m[k])
	}
	return strings.Join(list, ", ")
}

// Triggers, permissions, roles, environments and minutes are the tables'.
func TestWorkflowsAreTheTables(t *testing.T) {
	all := workflowtest.Workflows(t)
	got, started, concurrent := map[string]jobRow{}, map[string]string{}, map[string]workflowtest.Concurrency{}
	for file, w := range all {
		var events []string
		for _, event := range slices.Sorted(maps.Keys(w.On)) {
			on := w.On[event]
			events = append(events, strings.Join(slices.Concat([]string{event}, on.Branches, on.Types, slices.Sorted(maps.Keys(on.Inputs))), " "))
		}
		started[file], concurrent[file] = strings.Join(events, ", "), w.Concurrency
		if w.Permissions == nil || len(w.Permissions) > 0 || w.Name != file {
			t.Errorf("%s: permissions at the top are %v, its name %q", file, w.Permissions, w.Name)
		}
		for id, j := range w.Jobs {
			name := file + "/" + id
			got[name] = jobRow{roleOf(j), j.Environment.Name, sorted(j.Permissions), j.Timeout}
			concurrent[name] = j.Concurrency
			if j.Permissions == nil {
				t.Errorf("%s says nothing of its permissions", name)
			}
			if j.Environment.Name != "" && (j.Environment.Deployment == nil || *j.Environment.Deployment) {
				t.Errorf("%s: GitHub's own deployment has the run's commit, not the release's", name)
			}
			if runner := "ubuntu-24.04"; j.Uses == "" && j.RunsOn != runner &&
				j.RunsOn != "${{ matrix.service.platform == 'linux/arm64' && '"+runner+"-arm' || '"+runner+"' }}" {
				t.Errorf("%s runs on %s", name, j.RunsOn)
			}
		}
	}
	maps.DeleteFunc(concurrent, func(_ string, c workflowtest.Concurrency) bool { return c == workflowtest.Concurrency{} })
	for _, d := range []string{cmp.Diff(jobTable, got, cmp.AllowUnexported(jobRow{})), cmp.Diff(triggers, started), cmp.Diff(groups, concurrent)} {
		if d != "" {
			t.Errorf("-table +workflows:\n%s", d)
		}
	}
}

// fromDefaultBranch is the condition of a job whose program has to be the newest.
const fromDefaultBranch = "github.ref == format('refs/heads/{0}', github.event.repository.default_branch)"

// Whoever starts a workflow by hand may choose any tag, and the trust of roles
// allows the tags of releases. Whatever then has a role runs the program of the
// default branch, and never that of an old tag; only prod-deploy checks out the
// tag that it deploys.
func TestStartedByHandFromTheDefaultBranch(t *testing.T) {
	var held []string
	for file, w := range workflowtest.Workflows(t) {
		if _, byHand := w.On["workflow_dispatch"]; !byHand || file == "prod-deploy" {
			continue
		}
		for id, j := range w.Jobs {
			if j.Permissions["id-token"] != "write" {
				continue
			}
			first := j
			for len(first.Needs) > 0 && first.If == "" { // it is skipped with the job that it needs
				first = w.Jobs[first.Needs[0]]
			}
			want := fromDefaultBranch
			if _, scheduled := w.On["schedule"]; scheduled { // which has no other ref
				want = "github.event_name == 'schedule' || " + want
			}
			if file == "dashboard" { // eight times a day, where somebody asks for it
				want = "github.event_name == 'schedule' && vars.DASHBOARD == 'true' || github.event_name == 'workflow_dispatch' && " + fromDefaultBranch
			}
			if first.If != want {
				t.Errorf("%s/%s runs on any ref: if: %s", file, id, first.If)
			}
			held = append(held, file+"/"+id)
		}
	}
	if d := cmp.Diff([]string{"dashboard/dashboard", "drift/drift", "operate/operate", "prod-rollback/preview", "prod-rollback/rollback"}, slices.Sorted(slices.Values(held))); d != "" {
		t.Errorf("-want +held:\n%s", d)
	}
}

// What takes long, and proves the project and not a platform, costs a private
// repository minutes only if it asks for them.
func TestLongTestsAreAskedFor(t *testing.T) {
	all := workflowtest.Workflows(t)
	for name, event := range map[string]string{
		"nightly/simulate": "== 'workflow_dispatch'", "nightly/race": "== 'workflow_dispatch'", "nightly/soak": "== 'workflow_dispatch'",
		"scan/scan": "!= 'schedule'", // every release is scanned
	} {
		file, job, _ := strings.Cut(name, "/")
		if got := all[file].Jobs[job].If; got != "vars.LONG_TESTS == 'true' || github.event_name "+event {
			t.Errorf("%s runs by itself: if: %s", name, got)
		}
	}
	for file, w := range all {
		for id, j := range w.Jobs {
			if _, scheduled := w.On["schedule"]; scheduled && j.Timeout > 30 && j.If == "" {
				t.Errorf("%s/%s runs by schedule for up to %d minutes in every repository", file, id, j.Timeout)
			}
		}
	}
}

// Programs are added to a release that can take them, and with an attestation where
// GitHub has those: in a private repository a job that cannot attest would end without
// any.
func TestBinariesArePublishedWithoutAttestations(t *testing.T) {
	jobs := workflowtest.Workflows(t)["binaries"].Jobs
	for id, want := range map[string]string{
		"build":   "${{ !github.event.release.immutable }}",
		"attest":  "${{ !github.event.repository.private }}",
		"publish": "${{ !cancelled() && needs.build.result == 'success' && (needs.attest.result == 'success' || github.event.repository.private) }}",
	} {
		if got := jobs[id].If; got != want {
			t.Errorf("%s: if: %s, want %s", id, got, want)
		}
	}
}

// steps calls f for every step, also those of the composite action.
func steps(t *testing.T, f func(where string, j workflowtest.Job, s workflowtest.Step)) {
	t.Helper()
	for file, w := range workflowtest.Workflows(t) {
		for id, j := range w.Jobs {
			for i, s := range j.Steps {
				f(file+"/"+id+" step "+string(rune('1'+i)), j, s)
			}
		}
	}
	for i, s := range workflowtest.BuildAction(t).Runs.Steps {
		f("action step "+string(rune('1'+i)), workflowtest.Job{}, s)
	}
}

// Actions of others are pinned by commit, each in one version, and no pin is
// left over.
func TestActionsArePinned(t *testing.T) {
	used := map[string]string{}
	texts := []string{workflowtest.BuildAction(t).Text}
	for _, w := range workflowtest.Workflows(t) {
		texts = append(texts, w.Text)
	}
	for _, text := range texts {
		for _, m := range regexp.MustCompile(`(?m)uses: (.*)$`).FindAllStringSubmatch(text, -1) {
			if strings.HasPrefix(m[1], "./.github/") {
				continue
			}
			name, pin, _ := strings.Cut(m[1], "@")
			if pin != pins[name] {
				t.Errorf("%s is not one of the pins", m[1])
			}
			used[name] = pin
		}
	}
	if d := cmp.Diff(pins, used); d != "" {
		t.Errorf("-pins +used:\n%s", d)
	}
}

// A workflow takes the newest patch of go.mod's minor version of Go: the go line is the
// least that builds, and pinned tools and fixed vulnerabilities want more.
func TestWorkflowsTakeTheNewestPatchOfGo(t *testing.T) {
	mod, err := os.ReadFile(filepath.Join("..", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	minor := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(mod)
	if minor == nil {
		t.Fatal("go.mod has no go line")
	}
	want := regexp.MustCompile(`setup-go@\S+ # \S+\n +with:\n +go-version: "` + regexp.QuoteMeta(string(minor[1])) + `\.x" # .*\n +check-latest: true\n`)
	texts := map[string]string{"the action": workflowtest.BuildAction(t).Text}
	for name, w := range workflowtest.Workflows(t) {
		texts[fmt.Sprint(name)] = w.Text
	}
	steps := 0
	for name, text := range texts {
		n := strings.Count(text, "actions/setup-go@")
		if got := len(want.FindAllString(text, -1)); got != n {
			t.Errorf("%s: %d of %d steps of setup-go take the newest %s", name, got, n, minor[1])
		}
		steps += n
	}
	if steps < 6 {
		t.Errorf("%d steps are found: is the search broken?", steps)
	}
}

// changing are the verbs that change something. A cancel reaches the program
// only if it has taken the shell's place.
var changing = regexp.MustCompile(`bin/tfpipeline (promote|rollback|apply|settle|unlock|destroy|run|drift|annotate)\b`)

var execLine = regexp.MustCompile(`^exec bin/tfpipeline [^|&;\n]*$`)

func TestSteps(t *testing.T) {
	steps(t, func(where string, j workflowtest.Job, s workflowtest.Step) {
		switch {
		case strings.Contains(s.Run, "${{"):
			t.Errorf("%s: an expression in a script is code of whoever made its value: pass it by env", where)
		case strings.HasPrefix(s.Uses, "actions/checkout@") && s.With["persist-credentials"] != "false":
			t.Errorf("%s: the token stays in .git/config", where)
		case changing.MatchString(s.Run) && !execLine.MatchString(strings.TrimSpace(s.Run)):
			t.Errorf("%s: run: exec bin/tfpipeline … and nothing else:\n%s", where, s.Run)
		}
		// Only promotions and rollbacks have a record whose end settle could tell of.
		tells := "GITHUB_TOKEN NOTIFY_URL"
		if j.Permissions["deployments"] != "write" {
			tells = ""
		}
		if has := strings.Join(slices.Sorted(maps.Keys(s.Env)), " "); strings.Contains(s.Run, "tfpipeline settle ") && has != tells {
			t.Errorf("%s: settle has %q, want %q", where, has, tells)
		}
		for name, value := range s.Env {
			if name == "NOTIFY_URL" && !regexp.MustCompile(`tfpipeline (promote|rollback|settle) `).MatchString(s.Run) {
				t.Errorf("%s tells nobody, and has NOTIFY_URL", where)
			}
			if strings.Contains(value, "secrets.") && name != "NOTIFY_URL" {
				t.Errorf("%s: no secret but the webhook's address is needed: %s", where, value)
			}
		}
		for name, value := range j.Env {
			if strings.Contains(value, "secrets.") || strings.Contains(value, "github.token") {
				t.Errorf("%s: %s is given to every step of the job", where, name)
			}
		}
	})
}

// The linter of workflows sees no composite action, and leaves scripts out without
// a word where shellcheck is not installed.
func TestScriptsPassShellcheck(t *testing.T) {
	if _, err := exec.LookPath("shellcheck"); err != nil && os.Getenv("CI") == "" {
		t.Skip("shellcheck is not installed")
	}
	scripts, err := filepath.Glob("../.ci/*")
	if err != nil {
		t.Fatal(err)
	}
	// scan reads its list of accepted findings; that is no script.
	scripts = slices.DeleteFunc(scripts, func(path string) bool { return filepath.Base(path) == "scan-accepted" })
	dir := t.TempDir()
	steps(t, func(where string, _ workflowtest.Job, s workflowtest.Step) {
		if s.Run != "" {
			path := filepath.Join(dir, strings.NewReplacer("/", "-", " ", "-").Replace(where))
			writeFile(t, path, "#!/bin/bash -e\n"+s.Run+"\n")
			scripts = append(scripts, path)
		}
	})
	if len(scripts) < 20 {
		t.Errorf("%d scripts found: is the search broken?", len(scripts))
	}
	if out, err := exec.CommandContext(t.Context(), "shellcheck", scripts...).CombinedOutput(); err != nil {
		t.Errorf("shellcheck: %v\n%s", err, out)
	}
}

// A job that deploys ends with settle, and has time for all that the program
// may take: the promotion, the way back, and what comes after.
func TestDeployingJobs(t *testing.T) {
	l := deploy.DefaultLimits()
	longest := l.Total + l.RollBack + l.Collect + 3*l.Finish
	found := 0
	for file, w := range workflowtest.Workflows(t) {
		for id, j := range w.Jobs {
			if j.Permissions["deployments"] != "write" {
				continue
			}
			found++
			last := j.Steps[len(j.Steps)-1]
			if last.If != "always()" || last.Run != "exec bin/tfpipeline settle -env "+j.Environment.Name {
				t.Errorf("%s/%s ends with if: %s, run: %s", file, id, last.If, last.Run)
			}
			if given := time.Duration(j.Timeout) * time.Minute; given < longest+5*time.Minute {
				t.Errorf("%s/%s has %s, and its program may take %s", file, id, given, longest)
			}
		}
	}
	if found != 3 {
		t.Errorf("%d jobs deploy", found)
	}
}

// The other jobs that work with a role have time for all that their commands wait
// for by their own bounds: a plan has none, so five minutes are left for it.
func TestJobsOutlastTheirCommands(t *testing.T) {
	found := 0
	for file, w := range workflowtest.Workflows(t) {
		for id, j := range w.Jobs {
			if j.Permissions["id-token"] != "write" || j.Permissions["deployments"] == "write" {
				continue
			}
			for i, s := range j.Steps {
				for _, m := range commandLine.FindAllStringSubmatch(option.ReplaceAllString(s.Run, ""), -1) {
					found++
					if given, most := time.Duration(j.Timeout)*time.Minute, bound(t, strings.Fields(m[1])); given < most+5*time.Minute {
						t.Errorf("%s/%s has %s, and step %d may wait %s: tfpipeline %s", file, id, given, i+1, most, m[1])
					}
				}
			}
		}
	}
	if found < 10 {
		t.Errorf("%d commands found: is the search broken?", found)
	}
}

// bound is the most that a command waits, by its flags or by what it promises.
func bound(t *testing.T, line []string) time.Duration {
	t.Helper()
	if line[0] == "settle" {
		return 5 * time.Minute
	}
	i := slices.IndexFunc(commands(), func(c command) bool { return c.name == line[0] })
	if i < 0 {
		t.Fatalf("no command %s", line[0])
	}
	set := flag.NewFlagSet(line[0], flag.ContinueOnError)
	commands()[i].flags(set)
	if err := set.Parse(line[1:]); err != nil {
		t.Fatalf("%v: %v", line, err)
	}
	most := time.Duration(0)
	for _, name := range []string{"timeout", "lock-timeout", "lock-wait"} {
		// A dry run waits for no lock.
		if f := set.Lookup(name); f != nil && (name != "lock-wait" || set.Lookup("dry-run").Value.String() != "true") {
			d, err := time.ParseDuration(f.Value.String())
			if err != nil {
				t.Fatal(err)
			}
			most += d
		}
	}
	if set.Lookup("lock-wait") != nil && set.Lookup("dry-run").Value.String() != "true" {
		most += config.MaxHealthWindow
	}
	return most
}

var option = regexp.MustCompile(`\$\{[A-Z_]+:\+([^}]*)\}`)

// Every line with tfpipeline is one that its flags take, with and without what
// is optional.
func TestWorkflowsNameCommands(t *testing.T) {
	found := 0
	steps(t, func(where string, _ workflowtest.Job, s workflowtest.Step) {
		for _, script := range []string{option.ReplaceAllString(s.Run, ""), option.ReplaceAllString(s.Run, "$1")} {
			for _, m := range commandLine.FindAllStringSubmatch(script, -1) {
				found++
				if err := parse(strings.TrimSpace(m[1])); err != nil {
					t.Errorf("%s: tfpipeline %s: %v", where, m[1], err)
				}
			}
		}
	})
	if found < 15 {
		t.Errorf("%d commands found: is the search broken?", found)
	}
}

// What the struct says stands in no YAML: a service, a task or an account
// changes none. Environments do, since GitHub wants their names.
func TestWorkflowsKnowNoPlatform(t *testing.T) {
	texts := map[string]string{"action": workflowtest.BuildAction(t).Text}
	for file, w := range workflowtest.Workflows(t) {
		texts[file] = w.Text
	}
	var words []string
	for _, p := range []config.Platform{configtest.Docs(), configtest.Shop()} {
		words = append(words, p.Name, p.Region, p.Account, p.Domain, p.Repository.Owner, p.StateBucket())
		for _, s := range p.Services {
			words = append(words, s.Name)
		}
		for _, s := range p.Tasks {
			words = append(words, s.Name)
		}
	}
	for file, text := range texts {
		text = regexp.MustCompile(`vars\.(LONG_TESTS|DASHBOARD) == 'true'`).ReplaceAllString(text, "")
		for _, w := range words {
			if regexp.MustCompile(`(^|[^\w-])` + regexp.QuoteMeta(w) + `($|[^\w-])`).MatchString(text) {
				t.Errorf("%s names %q", file, w)
			}
		}
		if m := regexp.MustCompile(`arn:|\b[0-9]{12}\b|vars\.`).FindString(text); m != "" {
			t.Errorf("%s holds %q", file, m)
		}
	}
	var named []string
	for _, w := range workflowtest.Workflows(t) {
		for _, j := range w.Jobs {
			if !strings.Contains(j.Environment.Name, "$") && j.Environment.Name != "" {
				named = append(named, j.Environment.Name)
			}
		}
	}
	named = append(named, workflowtest.Workflows(t)["operate"].On["workflow_dispatch"].Inputs["environment"].Options...)
	named = slices.Compact(slices.Sorted(slices.Values(named)))
	deployed := config.Default()
	// Other names than these are taken into the workflows by hand, as docs/adopt.md says.
	if slices.ContainsFunc([]string{"staging", "production"}, func(name string) bool { return !slices.Contains(environments(deployed), name) }) {
		t.Logf("%s has no staging or no production: the workflows are not compared with its environments", deployed.Name)
		return
	}
	if d := cmp.Diff(environments(deployed), named, cmpopts.SortSlices(strings.Compare)); d != "" {
		t.Errorf("environments of %s and of the workflows (-struct +YAML):\n%s", deployed.Name, d)
	}
}

// The linter ignores one sentence, about a key that it does not know yet.
func TestLinterIgnoresOneKey(t *testing.T) {
	content, err := os.ReadFile(filepath.Join("..", ".github", "actionlint.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^ +- (.*)$`).FindAllStringSubmatch(string(content), -1)
	if len(found) != 1 || found[0][1] != `'unexpected key "queue" for "concurrency" section'` {
		t.Errorf("it ignores %v", found)
	}
}

// The sample application, which a fork deploys until it has services of its own,
// can be built from this checkout. What else a platform's images are built from
// is the platform's, and the workflow says if it is missing.
func TestSampleImageCanBeBuilt(t *testing.T) {
	const sample = "tfpipeline/internal/localaws/sample/Dockerfile"
	content, err := os.ReadFile(filepath.Join("..", sample))
	if err != nil {
		t.Fatal(err)
	}
	// What it copies is all that its programs are built from, with a Go of go.mod's
	// version.
	dir := t.TempDir()
	for _, m := range regexp.MustCompile(`(?m)^COPY ((?:[^-\s]\S* )+)(\S+)$`).FindAllStringSubmatch(string(content), -1) {
		for _, from := range strings.Fields(m[1]) {
			source, to := filepath.Join("..", from), filepath.Join(dir, m[2])
			if info, err := os.Stat(source); err != nil {
				t.Error(err)
			} else if !info.IsDir() {
				file, err := os.ReadFile(source)
				if err != nil {
					t.Fatal(err)
				}
				writeFile(t, filepath.Join(to, from), string(file))
			} else if err := os.CopyFS(to, os.DirFS(source)); err != nil {
				t.Fatal(err)
			}
		}
	}
	build := regexp.MustCompile(`go build .* -o /out/ (.*) \\`).FindStringSubmatch(string(content))
	module, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil || build == nil {
		t.Fatalf("it builds %q: %v", build, err)
	}
	list := exec.CommandContext(t.Context(), "go", append([]string{"list", "-deps"}, strings.Fields(build[1])...)...)
	list.Dir = dir
	if out, err := list.CombinedOutput(); err != nil || !strings.Contains(string(out), "/migrations/migrate\n") {
		t.Errorf("%s: %v\n%s", build[1], err, out)
	}
	language := regexp.MustCompile(`(?m)^go (1\.\d+)`).FindStringSubmatch(string(module))
	if language == nil || !strings.Contains(string(content), "\nFROM golang:"+language[1]+"-alpine AS build\n") {
		t.Errorf("it does not build with Go %q of go.mod", language)
	}
	for _, s := range config.Default().Services {
		if i := s.Image.OrDefault(); strings.HasPrefix(i.Dockerfile, "tfpipeline/") && (i.Dockerfile != sample || i.Context != ".") {
			t.Errorf("image of %s: %s in %s is no sample application", s.Name, i.Dockerfile, i.Context)
		}
	}
}

// A build says in one sentence which path it looked for.
func TestBuildNamesWhatIsMissing(t *testing.T) {
	build := workflowtest.Workflows(t)["staging-deploy"].Jobs["build"]
	i := slices.IndexFunc(build.Steps, func(s workflowtest.Step) bool { return s.Env["DOCKERFILE"] != "" })
	if i < 0 {
		t.Fatal("no step looks for the Dockerfile")
	}
	script := build.Steps[i].Run
	for _, test := range []struct{ folder, dockerfile, want string }{
		{"services/api", "Dockerfile", "::error title=image of api::There is no services/api in this commit: create it, or set Image of api in gen/config/default.go.\n"},
		{".", "api/Dockerfile", "::error title=image of api::There is no api/Dockerfile in this commit: create it, or set Image of api in gen/config/default.go.\n"},
		{".", "Dockerfile", ""},
	} {
		cmd := exec.CommandContext(t.Context(), "bash", "-e", "-c", script)
		cmd.Dir = t.TempDir()
		cmd.Env = append(os.Environ(), "SERVICE=api", "CONTEXT="+test.folder, "DOCKERFILE="+test.dockerfile)
		if err := os.WriteFile(filepath.Join(cmd.Dir, "Dockerfile"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := cmd.Output()
		if string(out) != test.want || (err == nil) != (test.want == "") {
			t.Errorf("%s in %s: %v, printed %q, want %q", test.dockerfile, test.folder, err, out, test.want)
		}
	}
}
