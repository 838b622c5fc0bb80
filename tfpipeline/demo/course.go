package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"golang.org/x/sync/errgroup"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/console"
)

// demo is the course of events.
type demo struct {
	*workspace
	tell *narrator
	// keep leaves everything running until an interrupt.
	keep bool

	aws   *endpoint
	trees map[string]string // checkouts by release

	mu          sync.Mutex
	loads       map[string]*load // by environment
	deployments []deployment
}

// The releases.
const (
	first, second, bad = "v1.0.0", "v1.1.0", "v1.2.0"
)

// newMigration is what the second release brings.
const newMigration = `-- Who is to be told when a page changes.

CREATE TABLE page_watchers (
    page  text NOT NULL,
    email text NOT NULL,
    PRIMARY KEY (page, email)
);
`

// show goes through it all.
func (d *demo) show(ctx context.Context) (err error) {
	defer d.tell.close()
	d.trees, d.loads = map[string]string{}, map[string]*load{}
	proved := slices.IndexFunc(d.platform.Environments, func(e config.Environment) bool { return e.Proof != nil })
	if proved < 0 {
		return errors.New("no environment asks for a proof: the demo shows a release on its way from one environment to another")
	}
	production := d.platform.Environments[proved]
	staging, _ := d.platform.Environment(production.Proof.From)

	d.tell.say("PostgreSQL is in %s; Terraform and moto are found too, or installed.\nAn AWS on this machine: Terraform, the program and the services take it for the real one. Everything lies in %s.", d.postgres, d.folder)
	if err := d.work("local AWS", func(report io.Writer) (err error) { d.aws, err = d.startEndpoint(ctx, report); return err }); err != nil {
		return err
	}
	defer d.aws.stop()
	defer func() {
		for _, l := range d.loads {
			l.stop()
		}
	}()
	if err := d.build(ctx, staging.Name, production.Name); err != nil {
		return err
	}
	if err := d.releases(ctx, staging, production); err != nil {
		return err
	}
	total := traffic{}
	var failure error
	for _, l := range d.loads {
		l.stop()
		t, err := l.total()
		total, failure = total.plus(t), errors.Join(failure, err)
	}
	d.tell.say("\n%s", table(d.deployments, total, time.Since(d.tell.begun), processorTime()))
	d.tell.say("plan and apply are Terraform's time and the local AWS's; health checks and draining are %d times faster here than on AWS.", d.aws.speed)
	if failure != nil {
		return fmt.Errorf("%d of %d requests failed: %w", total.failed, total.requests, failure)
	}
	if d.keep {
		return d.wait(ctx)
	}
	return ctx.Err()
}

// build makes the account, and the images of the releases while Terraform waits for
// the provider's timers: its plans would be slower beside them.
func (d *demo) build(ctx context.Context, environments ...string) error {
	d.tell.say("\n1. From an empty account: state bucket, roles, repositories and zone, then %s, as their roles. The provider waits by fixed timers, so they are made side by side.", strings.Join(environments, " and "))
	if _, err := d.run(ctx, "shared", invocation{args: []string{"bootstrap", "-env", "shared", "-yes"}}); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	var waiting sync.WaitGroup
	for _, env := range environments {
		waiting.Add(1)
		waits := sync.OnceFunc(waiting.Done)
		g.Go(func() error {
			defer waits()
			apply := invocation{args: []string{"apply", "-env", env, "-yes"}, role: "deploy-" + env, waits: waits}
			if _, err := d.run(ctx, env, apply); err != nil {
				return err
			}
			return d.provide(ctx, env)
		})
	}
	g.Go(func() error {
		waiting.Wait()
		return d.work("images", func(report io.Writer) error {
			for _, release := range []string{first, second, bad} {
				if err := d.release(ctx, release, report); err != nil {
					return err
				}
			}
			return nil
		})
	})
	return g.Wait()
}

// release commits and tags a release, builds its images, and keeps its checkout.
func (d *demo) release(ctx context.Context, tag string, report io.Writer) error {
	if tag == second {
		before, err := filepath.Glob(filepath.Join(d.checkout, "migrations", "[0-9]*.sql"))
		name := fmt.Sprintf("%04d_create_page_watchers.sql", len(before)+1) // no number is left out
		if err := errors.Join(err, os.WriteFile(filepath.Join(d.checkout, "migrations", name), []byte(newMigration), 0o644)); err != nil {
			return fmt.Errorf("write a migration: %w", err)
		}
	}
	fmt.Fprintln(report, tag)
	commit, err := d.commit(ctx, "Release "+tag, tag)
	if err != nil {
		return err
	}
	d.trees[tag] = filepath.Join(d.folder, tag)
	if err := d.git(ctx, "worktree", "add", "--quiet", "--detach", d.trees[tag], tag); err != nil {
		return err
	}
	// An image here is a folder of programs: it goes when the demo goes.
	cache, err := d.output(ctx, d.checkout, "go", "env", "GOCACHE")
	if err != nil {
		return err
	}
	env := []string{"XDG_CACHE_HOME=" + filepath.Join(d.folder, "cache"), "GOCACHE=" + cache}
	if _, err := d.call(ctx, d.aws, invocation{args: []string{"local", "-push", commit}, env: env}); err != nil {
		return err
	}
	if tag == bad {
		_, err = d.call(ctx, d.aws, invocation{args: []string{"local", "-push", commit, "-only", d.crashing(), "-sample", "-crash-after 1ns"}, env: env})
	}
	return err
}

// crashing is the service that crashes in the bad release.
func (d *demo) crashing() string { return d.platform.Services[0].Name }

// provide stores what a person would.
func (d *demo) provide(ctx context.Context, env string) error {
	cfg := aws.Config{Region: d.platform.Region, BaseEndpoint: &d.aws.url, Credentials: credentials.NewStaticCredentialsProvider("local", "local", "")}
	for _, s := range d.platform.Secrets {
		if s.Kind != config.Provided {
			continue
		}
		_, err := secretsmanager.NewFromConfig(cfg).PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: aws.String(d.platform.SecretName(env, s.Name)), SecretString: aws.String("provided-by-a-person")})
		if err != nil {
			return fmt.Errorf("store the secret %s: %w", s.Name, err)
		}
	}
	return nil
}

// releases brings releases to both environments. While one takes a release, the
// other takes the one before, as on any day.
func (d *demo) releases(ctx context.Context, staging, production config.Environment) error {
	d.tell.say("\n2. %s goes to %s. From then on people use it, and no request may fail.", first, staging.Name)
	if err := d.deploy(ctx, staging, console.ExitOK, "promote", "-release", first); err != nil {
		return err
	}
	d.tell.say("\n3. %s goes to %s, which asks for a proof: the very images that %s ran. Meanwhile %s takes %s, with a migration.", first, production.Name, staging.Name, staging.Name, second)
	if err := both(ctx,
		func(ctx context.Context) error {
			return d.deploy(ctx, production, console.ExitOK, "promote", "-release", first)
		},
		func(ctx context.Context) error {
			return d.deploy(ctx, staging, console.ExitOK, "promote", "-release", second)
		},
	); err != nil {
		return err
	}
	before, err := d.digests(ctx, staging.Name)
	if err != nil {
		return err
	}
	d.tell.say("\n4. %s goes to %s. On %s comes %s, whose %s crashes at its start: every service has to be back on %s.", second, production.Name, staging.Name, bad, d.crashing(), second)
	if err := both(ctx,
		func(ctx context.Context) error {
			return d.deploy(ctx, production, console.ExitOK, "promote", "-release", second)
		},
		func(ctx context.Context) error {
			return d.deploy(ctx, staging, console.ExitRolledBack, "promote", "-release", bad)
		},
	); err != nil {
		return err
	}
	after, err := d.digests(ctx, staging.Name)
	switch {
	case err != nil:
		return err
	case !maps.Equal(before, after):
		return fmt.Errorf("%s ran %v before the bad release, and runs %v after it", staging.Name, before, after)
	}
	for _, service := range slices.Sorted(maps.Keys(after)) {
		d.tell.say("   %s %s runs %.19s, as before", staging.Name, service, after[service])
	}
	d.tell.say("\n5. %s refuses %s, which %s never ran, and goes back to %s: its recorded task definitions, no build, no Terraform. Meanwhile a pull request wants more tasks.", production.Name, bad, staging.Name, first)
	var comment string
	if err := both(ctx,
		func(ctx context.Context) error {
			if err := d.deploy(ctx, production, console.ExitFailed, "promote", "-release", bad); err != nil {
				return err
			}
			return d.deploy(ctx, production, console.ExitOK, "rollback", "-to", first)
		},
		func(ctx context.Context) (err error) { comment, err = d.pull(ctx, production); return err },
	); err != nil {
		return err
	}
	d.tell.say("\n6. The plan that its reviewer reads:\n\n   │ %s\n", strings.ReplaceAll(asShown(comment), "\n", "\n   │ "))
	status, err := d.call(ctx, d.aws, invocation{args: []string{"status"}})
	if err != nil {
		return err
	}
	d.tell.say("\n7. What tfpipeline status says in the end:\n\n   %s", strings.ReplaceAll(strings.TrimSpace(status.stdout), "\n", "\n   "))
	return nil
}

// both does two things at the same time; if one fails, the other is interrupted.
func both(ctx context.Context, a, b func(context.Context) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return a(ctx) })
	g.Go(func() error { return b(ctx) })
	return g.Wait()
}

// work shows that something is at work while do runs.
func (d *demo) work(name string, do func(report io.Writer) error) error {
	a := d.tell.begin(name)
	defer a.end()
	return do(a)
}

// run runs the program and shows what it says.
func (d *demo) run(ctx context.Context, name string, i invocation) (r result, err error) {
	err = d.work(name, func(report io.Writer) (err error) {
		i.report = report
		if i.waits != nil {
			i.report = io.MultiWriter(report, waiter(i.waits))
		}
		r, err = d.call(ctx, d.aws, i)
		return err
	})
	if err == nil {
		d.tell.say("   %s: tfpipeline %s: exit %d after %s", name, strings.Join(i.args, " "), i.want, seconds(r.elapsed))
	}
	return r, err
}

// deploy promotes or rolls back as the environment's role, from the checkout of
// the release, and keeps a row for the table.
func (d *demo) deploy(ctx context.Context, e config.Environment, want int, verb, flag, release string) error {
	d.mu.Lock()
	l := d.loads[e.Name]
	d.mu.Unlock()
	if l != nil {
		l.since()
	}
	r, err := d.run(ctx, e.Name, invocation{
		args: []string{verb, "-env", e.Name, flag, release}, folders: []string{"-C", d.trees[release], "-dossier", filepath.Join(d.folder, "dossiers")},
		role: "deploy-" + e.Name, want: want, env: []string{"USER=demo"},
	})
	if err != nil {
		return err
	}
	row := deployment{what: fmt.Sprintf("%s %s on %s", verb, release, e.Name), exit: want, elapsed: r.elapsed}
	if l != nil {
		row.traffic = l.since()
	}
	if row.steps, err = d.steps(ctx, e.Name); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.deployments = append(d.deployments, row)
	if l == nil {
		// show stops it, which outlives this step.
		d.loads[e.Name] = startLoad(context.WithoutCancel(ctx), d.aws.url, addresses(d.platform, e))
	}
	return nil
}

// addresses are URLs of the public services in an environment; none without any.
func addresses(p config.Platform, e config.Environment) (list []string) {
	for _, s := range p.Services {
		hosts := p.HostsOf(e, s)
		if len(hosts) == 0 {
			hosts = []string{p.Site(e)}
		}
		switch {
		case !s.Public():
		case s.Default:
			list = append(list, "https://"+hosts[0]+"/")
		case len(s.Routes) > 0:
			list = append(list, "https://"+hosts[0]+strings.TrimSuffix(s.Routes[0], "*"))
		case len(s.Hosts) > 0:
			list = append(list, "https://"+hosts[0]+"/")
		}
	}
	return list
}

// steps reads from its record how long the parts of the last attempt lasted.
func (d *demo) steps(ctx context.Context, env string) ([]step, error) {
	r, err := d.call(ctx, d.aws, invocation{args: []string{"history", "-env", env, "-limit", "1", "-json"}})
	if err != nil {
		return nil, err
	}
	var history struct {
		Records []struct {
			Steps []struct {
				Step           string
				Started, Ended time.Time
			}
		}
	}
	if err := json.Unmarshal([]byte(r.stdout), &history); err != nil || len(history.Records) != 1 {
		return nil, fmt.Errorf("read the history of %s: %d records, %w", env, len(history.Records), err)
	}
	var steps []step
	for _, s := range history.Records[0].Steps {
		steps = append(steps, step{s.Step, s.Ended.Sub(s.Started)})
	}
	return steps, nil
}

// digests are the images that the services of an environment run.
func (d *demo) digests(ctx context.Context, env string) (map[string]string, error) {
	r, err := d.call(ctx, d.aws, invocation{args: []string{"status", "-env", env, "-json"}})
	if err != nil {
		return nil, err
	}
	var status struct {
		Environments []struct {
			Services []struct {
				Name    string
				Digests []string
			}
		}
	}
	if err := json.Unmarshal([]byte(r.stdout), &status); err != nil || len(status.Environments) != 1 {
		return nil, fmt.Errorf("read the status of %s: %d environments, %w", env, len(status.Environments), err)
	}
	digests := map[string]string{}
	for _, s := range status.Environments[0].Services {
		digests[s.Name] = strings.Join(s.Digests, " and ")
	}
	return digests, nil
}

// pull has the role of plans comment on a pull request that changes an
// environment, and returns the comment.
func (d *demo) pull(ctx context.Context, e config.Environment) (string, error) {
	services := "envs/" + e.Name + "/services.tf"
	hub, err := startForge(ctx)
	if err != nil {
		return "", err
	}
	defer func() { _ = hub.stop() }() // nothing of it is needed any more
	if err := d.edit(services, `(max_tasks *= )\d+`, fmt.Sprintf("${1}%d", e.Size.MaxTasks+2)); err != nil {
		return "", err
	}
	if e.Size.TargetCPUPercent > 0 {
		if err := d.edit(services, `(target_cpu_percent *= )\d+`, fmt.Sprintf("${1}%d", e.Size.TargetCPUPercent-10)); err != nil {
			return "", err
		}
	}
	commit, err := d.commit(ctx, "Start more tasks sooner", "")
	if err != nil {
		return "", err
	}
	repository := d.platform.Repository.Owner + "/" + d.platform.Repository.Name
	env, err := hub.environ(d.folder, repository, commit)
	if err != nil {
		return "", err
	}
	if _, err := d.run(ctx, "pull request", invocation{args: []string{"plan", "-all", "-comment"}, role: "plan", env: env}); err != nil {
		return "", err
	}
	return hub.comment(), nil
}

// wait leaves everything up until an interrupt.
func (d *demo) wait(ctx context.Context) error {
	var lines strings.Builder
	// The user's settings of AWS must not mix with these.
	lines.WriteString(`unset $(env | sed -nE 's/^((AWS_|TF_AWS_|BOTO_)[A-Za-z0-9_]*)=.*/\1/p')` + "\n")
	for _, kv := range d.aws.env {
		if !slices.Contains(d.env, kv) {
			name, value, _ := strings.Cut(kv, "=")
			fmt.Fprintf(&lines, "export %s='%s'\n", name, strings.ReplaceAll(value, "'", `'\''`))
		}
	}
	fmt.Fprintf(&lines, "PATH='%s':\"$PATH\"\ncd '%s'\n", filepath.Dir(d.program), d.trees[first])
	path := filepath.Join(d.folder, "env")
	if err := os.WriteFile(path, []byte(lines.String()), 0o600); err != nil {
		return fmt.Errorf("leave it up: %w", err)
	}
	d.tell.say("It stays up until Ctrl-C. In another terminal:\n   . %s\n   tfpipeline status\n   tfpipeline dashboard", path)
	select {
	case <-ctx.Done():
		return nil
	case <-d.aws.ended:
		return fmt.Errorf("the local AWS has ended: %w", d.aws.err)
	}
}

// processorTime is what this process and those that it waited for have used.
func processorTime() time.Duration {
	var sum time.Duration
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var used syscall.Rusage
		if syscall.Getrusage(who, &used) == nil {
			sum += time.Duration(used.Utime.Nano() + used.Stime.Nano())
		}
	}
	return sum
}
