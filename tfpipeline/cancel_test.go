package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"

	"github.com/specboard/platform/tfpipeline/internal/calls"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	model "github.com/specboard/platform/tfpipeline/internal/localaws/ecs"
	"github.com/specboard/platform/tfpipeline/internal/workflowtest"
)

// second is one of the time in which GitHub ends a cancelled job, S3 answers and
// Terraform stops. The full length is for make soak.
func second() time.Duration {
	if os.Getenv("SOAK") != "" {
		return time.Second
	}
	return time.Second / 10
}

// moment is when a run is cancelled or killed: while a request is in flight, or
// once a file has appeared beside the fake Terraform.
type moment struct {
	name string
	// step is the one that has begun, where the program tells of steps.
	step deploy.StepName
	// request is what its name or its method and key begin with, with ENV for the
	// environment; nth counts them.
	request string
	nth     int
	// wait is the command of Terraform that waits to be stopped, in place of a
	// request.
	wait string
	// ends: the run may have ended well before it could be stopped, so that the
	// next one is another attempt.
	ends bool
	// often are the ways in which it is tried not only in make soak.
	often string
}

// TestCancelledAndKilled ends the deploying steps of the workflows, as the YAML has
// them, at each step of the program, by GitHub's way to cancel a job and by kill -9, while S3 takes 4 seconds a call and Terraform 30 to
// stop. What is in flight is said before S3 answers anything; settle finishes what
// is left; and the same command elsewhere ends well.
func TestCancelledAndKilled(t *testing.T) {
	promotion := []moment{
		{name: "lock", step: deploy.StepLock, request: "PUT locks/", often: "cancelled"},
		{name: "preflight", step: deploy.StepPreflight, nth: 2, often: "cancelled"},
		{name: "plan", wait: "plan", often: "cancelled"},
		{name: "migrate", step: deploy.StepMigrate, request: "RunTask", often: "killed"},
		{name: "migrating", step: deploy.StepMigrate, request: "DescribeTasks", often: "cancelled"},
		{name: "state lock", step: deploy.StepApply, request: "PUT terraform/ENV.tfstate.tflock", often: "killed"},
		{name: "apply", wait: "apply", often: "cancelled, killed"},
		{name: "register", step: deploy.StepRegister, request: "RegisterTaskDefinition", nth: 2},
		{name: "update", step: deploy.StepUpdate, request: "UpdateService", nth: 2, often: "cancelled, killed"},
		{name: "watch", step: deploy.StepWatch, nth: 2, often: "cancelled"},
		{name: "verify", step: deploy.StepVerify, nth: 2, often: "cancelled"},
		{name: "record", step: deploy.StepRecord, request: "PUT history/", ends: true, often: "cancelled"},
		{name: "unlock", step: deploy.StepUnlock, request: "DELETE locks/", ends: true, often: "killed"},
	}
	rollback := []moment{
		{name: "lock", step: deploy.StepLock, request: "PUT locks/"},
		{name: "preflight", step: deploy.StepPreflight, nth: 2},
		{name: "update", step: deploy.StepUpdate, request: "UpdateService", nth: 2, often: "cancelled, killed"},
		{name: "watch", step: deploy.StepWatch, nth: 2, often: "cancelled"},
		{name: "verify", step: deploy.StepVerify, nth: 2},
		{name: "record", step: deploy.StepRecord, request: "PUT history/"},
		{name: "unlock", step: deploy.StepUnlock, request: "DELETE locks/"},
	}
	change := []moment{
		{name: "plan", wait: "plan"},
		{name: "lock", request: "PUT locks/"},
		{name: "state lock", request: "PUT terraform/ENV.tfstate.tflock", often: "cancelled"},
		{name: "apply", wait: "apply", often: "cancelled, killed"},
		{name: "refresh", wait: "refresh"},
		{name: "unlock", request: "DELETE locks/"},
	}
	refresh := []moment{
		{name: "plan", wait: "plan", often: "cancelled"},
		{name: "lock", request: "PUT locks/"},
		{name: "state lock", request: "PUT terraform/ENV.tfstate.tflock"},
		{name: "apply", wait: "apply", often: "cancelled, killed"},
	}
	if testing.Short() {
		t.Skip("starts a hundred processes: the gate has it, and make quick does not")
	}
	t.Parallel()
	steps, tried := deployingSteps(t), map[string]bool{}
	// They mostly wait, so all at a time, however many processors there are.
	var worlds sync.WaitGroup
	defer worlds.Wait()
	each := func(step, way string, some []moment, end func(w *cancelled, i int, m moment)) {
		tried[step] = true
		worlds.Go(func() {
			t.Run(strings.Join([]string{step, way, some[0].name}, "/"), func(t *testing.T) {
				w := newCancelled(t, steps[step])
				for i, m := range some {
					end(w, i, m)
				}
			})
		})
	}
	for w, way := range []string{"cancelled", "killed"} {
		promotes := []string{"staging-deploy promote", "prod-deploy promote"}
		for i, some := range slices.Collect(slices.Chunk(chosen(promotion, way), 5)) {
			for j, step := range promotes {
				if os.Getenv("SOAK") == "" && j != (i+w)%len(promotes) {
					continue // each has its share
				}
				each(step, way, some, func(w *cancelled, i int, m moment) {
					tag := fmt.Sprintf("v1.%d.0", i+1)
					w.release(tag)
					w.end(way, m, tag, tag, 1)
				})
			}
		}
		each("prod-rollback rollback", way, chosen(rollback, way), func(w *cancelled, i int, m moment) {
			tag := []string{"v1.0.0", "v1.1.0"}[i%2]
			named := tag
			if i == 0 { // to the last good one
				named = ""
				w.release("v1.1.0")
				w.first("v1.1.0")
			}
			w.end(way, m, named, tag, 0)
		})
		each("prod-deploy apply", way, chosen(change, way), func(w *cancelled, _ int, m moment) { w.end(way, m, "", "v1.0.0", 0) })
		each("operate apply", way, chosen(refresh, way), func(w *cancelled, _ int, m moment) { w.end(way, m, "", "v1.0.0", 0) })
	}
	for step := range steps {
		if !tried[step] {
			t.Errorf("nothing ends the step %q", step)
		}
	}
}

// deployingStep is a step of a workflow that changes an environment.
type deployingStep struct{ env, run, settle string }

// deployingSteps are those of the workflows, by the file and the verb.
func deployingSteps(t *testing.T) map[string]deployingStep {
	t.Helper()
	all := map[string]deployingStep{}
	for file, w := range workflowtest.Workflows(t) {
		for _, j := range w.Jobs {
			i := slices.IndexFunc(j.Steps, func(s workflowtest.Step) bool { return strings.HasPrefix(s.Run, "exec bin/tfpipeline settle ") })
			for _, s := range j.Steps {
				verb := regexp.MustCompile(`bin/tfpipeline (promote|rollback|apply)\b`).FindStringSubmatch(s.Run)
				if verb == nil || j.Environment.Name == "" {
					continue
				}
				if i < 0 {
					t.Fatalf("%s: nothing settles what was cancelled: %s", file, s.Run)
				}
				env := j.Environment.Name
				if strings.Contains(env, "${{") {
					env = "production"
				}
				all[file+" "+verb[1]] = deployingStep{env, s.Run, j.Steps[i].Run}
			}
		}
	}
	return all
}

// chosen are the moments that the gate ends runs at; make soak has all.
func chosen(moments []moment, way string) []moment {
	return slices.DeleteFunc(slices.Clone(moments), func(m moment) bool {
		return os.Getenv("SOAK") == "" && !strings.Contains(m.often, way)
	})
}

// cancelled is a world in which programs are cancelled and killed.
type cancelled struct {
	*promotions
	gate *gate
	bin  string
	step deployingStep
	// fingerprint is that of the plan.
	fingerprint string
}

func newCancelled(t *testing.T, step deployingStep) *cancelled {
	t.Helper()
	w, env := makePromotions(t)
	for k, v := range env {
		w.env = append(w.env, k+"="+v)
	}
	w.env = append(os.Environ(), append(w.env, "SCRIPT_HURRY=yes")...)
	c := &cancelled{promotions: w, gate: &gate{next: w.cloud}, bin: filepath.Join(filepath.Dir(w.fake), "bin"), step: step}
	w.server.Config.Handler = c.gate
	if err := errors.Join(
		os.Remove(filepath.Join(c.bin, "terraform")),
		linkTerraform(w.fake),
		os.WriteFile(filepath.Join(c.bin, "terraform"), []byte(quickTerraform), 0o700),
		os.WriteFile(filepath.Join(w.fake, "show.out"), []byte(nothingToChange), 0o600),
		os.Symlink(c.bin, filepath.Join(w.repo.dir, "bin")),
	); err != nil {
		t.Fatal(err)
	}
	w.repo.write(".gitignore", "/bin\n")
	w.release("v1.0.0")
	if step.env != "staging" {
		w.applyTo(step.env)
	}
	c.first("v1.0.0")
	c.serves()
	planned := oneToCreate
	if strings.Contains(step.run, "-refresh-only") {
		planned = oneDrifted
	}
	if err := os.WriteFile(filepath.Join(w.fake, "show.out"), []byte(planned), 0o600); err != nil {
		t.Fatal(err)
	}
	plan := c.program(c.cache(), "plan", "-env", step.env, "-no-lock", "-json")
	plan.must(console.ExitOK)
	content, err := os.ReadFile(plan.stdout)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct{ Fingerprint string }
	if err := json.Unmarshal(content, &answer); err != nil || answer.Fingerprint == "" {
		t.Fatalf("%v:\n%s", err, content)
	}
	c.fingerprint = answer.Fingerprint
	return c
}

// serves has every service answer from now on: whenever it looks, the load balancer
// has a healthy target for each, to which a request would go.
func (w *cancelled) serves() {
	w.t.Helper()
	p, looked, failed := w.cloud.platform, 0, map[string]string{}
	ended := make(chan struct{})
	ctx, cancel := context.WithCancel(w.t.Context())
	look := func() {
		for _, s := range p.Services {
			targets, ok := w.cloud.runtime.TargetHealth(groupOf(p, w.step.env, s.Name))
			healthy := func(t model.TargetHealth) bool { return t.State == "healthy" }
			if (!ok || !slices.ContainsFunc(targets, healthy)) && failed[s.Name] == "" {
				failed[s.Name] = fmt.Sprintf("%+v", targets)
			}
		}
	}
	go func() {
		defer close(ended)
		for ; calls.Pause(ctx, 5*time.Millisecond); looked++ {
			look()
		}
	}()
	w.t.Cleanup(func() {
		cancel()
		<-ended
		if looked == 0 || len(failed) > 0 {
			w.t.Errorf("%d looks; requests failed while these were the targets: %v", looked, failed)
		}
	})
}

// first promotes a release, and is left alone.
func (w *cancelled) first(tag string) {
	w.t.Helper()
	args := []string{"promote", "-env", w.step.env, "-release", tag}
	if w.step.env == "production" {
		args = append(args, "-override-proof", "tested")
	}
	w.program(w.cache(), args...).must(console.ExitOK)
}

// quickTerraform answers itself what needs no fake, which is a large program.
const quickTerraform = `#!/bin/sh
case $1 in
version) echo '{"terraform_version":"1.11.4","platform":"linux_amd64","provider_selections":{}}'; exit;;
init) exit;;
show) exec cat "$FAKE/show.out";;
plan)
  if [ ! -e "$FAKE/plan.1.run" ]; then
    for a; do case $a in -out=*) echo plan >"${a#-out=}";; esac; done
    exit
  fi;;
esac
exec "$FAKE/terraform" "$@"
`

const nothingToChange = `{"format_version":"1.2","terraform_version":"1.11.4","applyable":false}`

const oneToCreate = `{"format_version":"1.2","terraform_version":"1.11.4","applyable":true,"resource_changes":[
 {"address":"terraform_data.a","mode":"managed","type":"terraform_data","name":"a","provider_name":"terraform.io/builtin/terraform",
  "change":{"actions":["create"],"before":null,"after":{"input":"x"},"after_unknown":{"id":true}}}]}`

const oneDrifted = `{"format_version":"1.2","terraform_version":"1.11.4","applyable":true,"resource_drift":[
 {"address":"aws_sqs_queue.a","mode":"managed","type":"aws_sqs_queue","name":"a","provider_name":"registry.terraform.io/hashicorp/aws",
  "change":{"actions":["update"],"before":{"delay_seconds":0},"after":{"delay_seconds":90},"after_unknown":{}}}]}`

// cache is that of a machine that nothing ran on.
func (w *cancelled) cache() string { return filepath.Join(w.t.TempDir(), "cache") }

// script is a run of the program as a step of a workflow.
type script struct {
	*exec.Cmd
	t              *testing.T
	stdout, stderr string // files
}

func (w *cancelled) program(cache string, args ...string) *script {
	w.t.Helper()
	return w.script(cache, "exec bin/tfpipeline "+strings.Join(args, " "))
}

// deploy is the step of the workflow for a release. That promotions tell of their
// steps as JSON is all that differs.
func (w *cancelled) deploy(cache, tag string) *script {
	w.t.Helper()
	line := w.step.run
	if w.attempts() {
		line += " -json"
	}
	s := w.script(cache, line)
	s.Env = append(s.Env, "TAG="+tag, "GITHUB_SHA="+w.releases[tag], "FINGERPRINT="+w.fingerprint, "ENVIRONMENT="+w.step.env,
		"OVERRIDE_PROOF=search is down", "FORWARD=true", "WITH_MIGRATIONS=", "FORCE=")
	return s
}

// attempts reports whether the step makes attempts, with a record.
func (w *cancelled) attempts() bool { return !strings.Contains(w.step.run, "tfpipeline apply") }

// script is a step with a run: in the checkout.
func (w *cancelled) script(cache, run string) *script {
	w.t.Helper()
	dir := w.t.TempDir()
	path := filepath.Join(dir, "step.sh")
	writeFile(w.t, path, run+"\n")
	s := &script{exec.CommandContext(w.t.Context(), "bash", "-e", path), w.t, filepath.Join(dir, "stdout"), filepath.Join(dir, "stderr")}
	s.Dir = w.repo.dir
	s.Env = append(slices.Clone(w.env), "XDG_CACHE_HOME="+cache, "ENVIRONMENT="+w.step.env)
	for name, to := range map[string]*io.Writer{s.stdout: &s.Stdout, s.stderr: &s.Stderr} {
		f, err := os.Create(name)
		if err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(func() { _ = f.Close() }) // what was written is read elsewhere
		*to = f
	}
	return s
}

// said is what it wrote so far.
func (s *script) said() string {
	content, err := os.ReadFile(s.stderr)
	if err != nil {
		s.t.Error(err)
	}
	return string(content)
}

// must runs it to its end.
func (s *script) must(want int) {
	s.t.Helper()
	if err := s.Run(); s.ProcessState.ExitCode() != want {
		s.t.Fatalf("%s: %v, want exit code %d:\n%s", s, err, want, s.said())
	}
}

// end ends the step at a moment, settles, and has another machine run the same
// step. named is the release that the workflow is given.
func (w *cancelled) end(way string, m moment, named, tag string, migrations int) {
	w.t.Helper()
	w.t.Logf("%s at %s", way, m.name)
	m.request = strings.ReplaceAll(m.request, "ENV", w.step.env)
	for _, name := range []string{"calls", "running", "stopping", "stopped"} {
		_ = os.Remove(filepath.Join(w.fake, name)) // there may be none
	}
	w.cloud.called.Forget()
	waits := filepath.Join(w.fake, m.wait+".1.run")
	if m.wait != "" {
		if err := os.WriteFile(waits, []byte((30 * second()).String()), 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	here := w.cache()
	run := w.deploy(here, named)
	reached := w.gate.arm(m, run)
	if err := run.Start(); err != nil {
		w.t.Fatal(err)
	}
	gone := make(chan error, 1)
	go func() { gone <- run.Wait() }()
	if m.wait != "" {
		go w.gate.await(w.t.Context(), filepath.Join(w.fake, "running"))
	}
	select {
	case <-reached:
	case err := <-gone:
		w.t.Fatalf("%s: never came so far: %v\n%s", m.name, err, run.said())
	}
	processes := w.family(run.Process.Pid)
	if way == "killed" {
		_ = run.Process.Kill()
		<-gone
	} else {
		// The whole tree is killed, as GitHub promises, or the program alone.
		w.cancel(m, run, gone, strings.Contains(w.step.run, "tfpipeline promote"), &processes)
	}
	if way == "killed" || m.wait != "apply" {
		w.gate.open()
	}
	if way == "cancelled" {
		// It waits for Terraform, also while S3 is slow.
		w.script(here, w.step.settle).must(console.ExitOK)
	}
	w.outlived(processes)
	w.gate.open()
	if m.wait != "" {
		if err := os.Remove(waits); err != nil {
			w.t.Fatal(err)
		}
	}
	if way == "killed" {
		w.later()
	}
	w.deploy(w.cache(), named).must(console.ExitOK)
	w.check(m, tag, migrations)
}

// cancel does as GitHub does.
func (w *cancelled) cancel(m moment, run *script, gone <-chan error, tree bool, processes *[]int) {
	w.t.Helper()
	if err := run.Process.Signal(os.Interrupt); err != nil {
		w.t.Fatal(err)
	}
	// S3 answers nothing until it was said.
	w.until("what is in flight", func() bool { return strings.Contains(run.said(), "\nnext: ") })
	told := run.said()
	mentions(w.t, told, "interrupted: ending what has begun", "\nnext: ", "tfpipeline settle -env "+w.step.env)
	if m.step != "" {
		mentions(w.t, told, "is at step "+string(m.step))
	}
	w.gate.slow(4 * second())
	*processes = append(*processes, w.family(run.Process.Pid)...)
	if !passes(gone, 7*second()+second()/2) {
		return
	}
	_ = run.Process.Signal(syscall.SIGTERM) // gone already: fine
	if m.wait == "apply" {
		w.until("the answer to the second signal", func() bool { return strings.Contains(run.said(), "interrupted again: ") })
	}
	if !passes(gone, 2*second()+second()/2) {
		return
	}
	last := w.family(run.Process.Pid)
	*processes = append(*processes, last...)
	if !tree {
		last = last[:1]
	}
	for _, pid := range last {
		_ = syscall.Kill(pid, syscall.SIGKILL) // gone already: fine
	}
	<-gone
}

// passes is false if a run ends before the time is over.
func passes(gone <-chan error, after time.Duration) bool {
	timer := time.NewTimer(after)
	defer timer.Stop()
	select {
	case <-gone:
		return false
	case <-timer.C:
		return true
	}
}

// later is when the locks of whoever died have ended.
func (w *cancelled) later() {
	w.cloud.mu.Lock()
	defer w.cloud.mu.Unlock()
	clear(w.cloud.written)
}

// check looks at what is there in the end.
func (w *cancelled) check(m moment, tag string, migrations int) {
	w.t.Helper()
	for _, key := range w.keys("") {
		if strings.HasPrefix(key, "locks/") || strings.HasSuffix(key, ".tflock") || strings.HasSuffix(key, ".unfinished") {
			w.t.Errorf("%s: %s is left", m.name, key)
		}
	}
	tokens := map[string]bool{}
	for _, c := range w.cloud.called.Of("RunTask") {
		if in, ok := c.Input.(*sdk.RunTaskInput); ok && c.Status == http.StatusOK && strings.Contains(aws.ToString(in.TaskDefinition), "-migrate:") {
			tokens[aws.ToString(in.ClientToken)] = true
		}
	}
	if n := len(tokens); n != migrations && (!m.ends || n != migrations+1) {
		w.t.Errorf("%s: %d tasks have run the migrations, want %d", m.name, len(tokens), migrations)
	}
	w.until("every service to run "+tag, func() bool { return w.everyServiceRuns(w.t.Context(), tag) })
}

func (w *cancelled) everyServiceRuns(ctx context.Context, tag string) bool {
	p := w.cloud.platform
	client := sdk.NewFromConfig(localConfig(w.server.URL))
	for _, s := range p.Services {
		out, err := client.DescribeServices(ctx, &sdk.DescribeServicesInput{Cluster: aws.String(p.Cluster(w.step.env)), Services: []string{s.Name}})
		if err != nil || len(out.Services) != 1 {
			return false
		}
		definition, err := client.DescribeTaskDefinition(ctx, &sdk.DescribeTaskDefinitionInput{TaskDefinition: out.Services[0].TaskDefinition})
		if err != nil || !strings.HasSuffix(aws.ToString(definition.TaskDefinition.ContainerDefinitions[0].Image), imageDigest(s.Name, w.releases[tag])) {
			return false
		}
	}
	return true
}

// family are a process and all that it started, by their ids.
func (w *cancelled) family(pid int) []int {
	w.t.Helper()
	out, err := exec.CommandContext(w.t.Context(), "ps", "-A", "-o", "pid=,ppid=").Output()
	if err != nil {
		w.t.Fatal(err)
	}
	all := []int{pid}
	for grown := true; grown; {
		grown = false
		for line := range strings.Lines(string(out)) {
			var child, parent int
			fmt.Sscan(line, &child, &parent)
			if slices.Contains(all, parent) && !slices.Contains(all, child) {
				all, grown = append(all, child), true
			}
		}
	}
	return all
}

// outlived waits for the end of processes.
func (w *cancelled) outlived(processes []int) {
	w.t.Helper()
	for _, pid := range processes {
		w.until(fmt.Sprintf("the end of process %d", pid), func() bool {
			if syscall.Kill(pid, 0) != nil {
				return true
			}
			calls.Pause(w.t.Context(), 200*time.Millisecond) // ps is not for nothing
			out, err := exec.CommandContext(w.t.Context(), "ps", "-o", "stat=", "-p", fmt.Sprint(pid)).Output()
			return err != nil || strings.HasPrefix(string(out), "Z")
		})
	}
}

// until waits for what comes soon, on however slow a machine.
func (w *cancelled) until(what string, so func() bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 2*time.Minute)
	defer cancel()
	for !so() {
		if !calls.Pause(ctx, 20*time.Millisecond) {
			w.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// gate stands before AWS. It holds the request of a moment back, and S3's answers
// with it, until it is opened or made slow.
type gate struct {
	next http.Handler

	mu      sync.Mutex
	moment  moment
	run     *script
	met     int
	reached chan struct{}
	// through is closed when answers come again, each of S3 after a delay.
	through chan struct{}
	delay   time.Duration
}

// arm waits for a moment of a run, and closes the channel then.
func (g *gate) arm(m moment, run *script) <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.moment, g.run, g.met, g.delay = m, run, 0, 0
	g.reached, g.through = make(chan struct{}), make(chan struct{})
	return g.reached
}

// await takes the moment to be there when a file is.
func (g *gate) await(ctx context.Context, file string) {
	for calls.Pause(ctx, 10*time.Millisecond) {
		if _, err := os.Stat(file); err == nil {
			g.mu.Lock()
			defer g.mu.Unlock()
			close(g.reached)
			return
		}
	}
}

// open lets everything through at once.
func (g *gate) open() { g.slow(0) }

// slow lets everything through, what S3 answers after a delay.
func (g *gate) slow(delay time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.delay, g.run = delay, nil
	select {
	case <-g.through:
	default:
		close(g.through)
	}
}

// meets reports whether a request is that of the moment.
func (g *gate) meets(name string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.run == nil || g.moment.wait != "" || !strings.HasPrefix(name, g.moment.request) {
		return false
	}
	if g.moment.step != "" {
		events, err := os.ReadFile(g.run.stdout)
		if err != nil || !bytes.Contains(events, []byte(`"kind":"step","step":"`+string(g.moment.step)+`"`)) {
			return false
		}
	}
	g.met++
	return g.met == max(g.moment.nth, 1)
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client has gone
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	name := path.Base(r.URL.Path)
	if _, operation, ok := strings.Cut(r.Header.Get("X-Amz-Target"), "."); ok {
		name = operation
	}
	s3 := strings.Contains(r.Header.Get("Authorization"), "/s3/")
	if s3 {
		_, key, _ := strings.Cut(strings.Trim(r.URL.Path, "/"), "/")
		name = r.Method + " " + key
	}
	g.mu.Lock()
	reached, through := g.reached, g.through
	g.mu.Unlock()
	if g.meets(name) {
		close(reached)
		<-through
	} else if s3 && through != nil {
		select {
		case <-reached:
			<-through
		default:
		}
	}
	g.mu.Lock()
	delay := g.delay
	g.mu.Unlock()
	if s3 && delay > 0 {
		<-time.After(delay)
	}
	// What was sent is done, whether or not anybody waits for the answer.
	g.next.ServeHTTP(w, r.WithContext(context.WithoutCancel(r.Context())))
}
