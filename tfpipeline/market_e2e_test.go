package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/jackc/pgx/v5"

	"github.com/specboard/platform/tfpipeline/internal/calls"
	"github.com/specboard/platform/tfpipeline/internal/console"
)

// market is the platform of that name on an endpoint of its own.
type market struct{ *ownPlatform }

// TestMarket runs a platform of another shape than Docs through its life, with the
// workflows' roles: workers with queues, scheduled tasks, an internal service that the
// website calls. While it deploys releases, one with a bad worker, every request is
// answered, and each of 10,000 messages handled exactly once. Then it restores the
// database and destroys the environment.
func TestMarket(t *testing.T) {
	t.Parallel()
	e2e(t)
	if os.Getenv("SOAK") == "" {
		t.Skip("needs six minutes of processor time: run make soak")
	}
	m := market{newOwnPlatform(t, operated())}
	const env = "trial"
	m.administrator.must(t, console.ExitOK, "bootstrap", "-C", m.repository, "-env", "shared", "-yes")
	m.deployer(env).must(t, console.ExitOK, "apply", "-C", m.repository, "-env", env, "-yes")
	m.unchanged(env)

	m.release("v1.0.0", nil)
	mentions(t, m.deploys(console.ExitFailed, "", env, "promote", "-release", "v1.0.0"), provided, "tfpipeline secrets set -env "+env)
	m.stores(env, "the first key")
	m.deploys(console.ExitOK, "v1.0.0", env, "promote", "-release", "v1.0.0")
	first := m.scheduled()
	m.load = m.users(env, 1)
	letters := m.sends(env, m.load)
	m.release("v1.1.0", nil)
	m.deploys(console.ExitOK, "v1.1.0", env, "promote", "-release", "v1.1.0")
	second := m.scheduled()
	if slices.Equal(first, second) {
		t.Errorf("a promotion left the schedules at %v", first)
	}

	m.release("v1.2.0", map[string]string{"mail": "-crash-at 25"})
	mentions(t, m.deploys(console.ExitRolledBack, "v1.1.0", env, "promote", "-release", "v1.2.0"), "mail", "stopped by itself", "told to crash at message 25")
	if got := m.scheduled(); !slices.Equal(got, second) {
		t.Errorf("after a bad worker the schedules start %v, want %v", got, second)
	}
	m.deploys(console.ExitOK, "v1.0.0", env, "rollback")
	if got := m.scheduled(); !slices.Equal(got, first) {
		t.Errorf("after the rollback the schedules start %v, want %v", got, first)
	}

	// The website finds the search by its name.
	if a, err := m.load.ask(t.Context(), "/?call="+url.QueryEscape("http://search:9200/")); err != nil || a.Service != "search" || a.Release != "v1.0.0" {
		t.Errorf("the search answers the website as %+v, %v", a, err)
	}
	m.operates(env, "v1.0.0")
	m.rotates(env)
	m.minimum(env, "web", 1)
	sent := letters()
	asked := m.load.end(t)
	t.Logf("figure: requests while releases came, one with a bad worker, and while an operator was at work: %d, of which %d failed", asked, len(m.load.failed))
	m.handled(sent)
	if !slices.ContainsFunc(m.printed("report"), func(line string) bool { return strings.HasSuffix(line, "messages were handled") }) {
		t.Error("no scheduled task reported what was handled")
	}

	m.unchanged(env)
	m.restores(env, sent)
	m.expectDenials()
	m.administrator.must(t, console.ExitOK, "destroy", "-C", m.repository, "-env", env, "-yes", "-name", env)
	left, err := m.cloud.Inventory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for kind, names := range left {
		for _, name := range names {
			if strings.Contains(name, env) && !strings.Contains(kind, "s3") && !strings.Contains(name, "deploy-"+env) && !strings.HasSuffix(name, env+"-boundary") {
				t.Errorf("destroy left %s %s", kind, name)
			}
		}
	}
}

// scheduled are the task definitions that the schedules start; all are switched on.
func (m market) scheduled() (definitions []string) {
	m.t.Helper()
	client := scheduler.NewFromConfig(m.cfg)
	list, err := client.ListSchedules(m.t.Context(), &scheduler.ListSchedulesInput{})
	if err != nil || len(list.Schedules) != 2 {
		m.t.Fatalf("%d schedules, want 2: %v", len(list.Schedules), err)
	}
	for _, s := range list.Schedules {
		one, err := client.GetSchedule(m.t.Context(), &scheduler.GetScheduleInput{GroupName: s.GroupName, Name: s.Name})
		if err != nil {
			m.t.Fatal(err)
		}
		if one.State != "ENABLED" {
			m.t.Errorf("schedule %s is %s", *s.Name, one.State)
		}
		definitions = append(definitions, aws.ToString(one.Target.EcsParameters.TaskDefinitionArn))
	}
	slices.Sort(definitions)
	return definitions
}

// sends has the website send messages to both queues, ten with each request, until
// the function that it returns is called and 10,000 are sent. That returns how many.
func (m market) sends(env string, c *crowd) (end func() int) {
	const enough, batch = 10_000, 10
	stop := make(chan struct{})
	sent := 0
	var sending sync.WaitGroup
	sending.Go(func() {
		pace := time.NewTicker(200 * time.Millisecond)
		defer pace.Stop()
		for m.t.Context().Err() == nil {
			select {
			case <-stop:
				if sent >= enough {
					return
				}
			case <-pace.C:
			}
			query := url.Values{"send": {[]string{"mail", "pages"}[sent/batch%2]}}
			for range batch {
				sent++
				query.Add("body", strconv.Itoa(sent))
			}
			_, err := c.read(m.t.Context(), "/?"+query.Encode())
			c.note(err)
		}
	})
	return func() int {
		close(stop)
		sending.Wait()
		return sent
	}
}

// handled waits until the queues are empty, and checks that the database knows of
// every message one time, and that none was given up.
func (m market) handled(sent int) {
	m.t.Helper()
	began := time.Now()
	for deadline := began.Add(5 * time.Minute); m.waiting() > 0; {
		if time.Now().After(deadline) || !calls.Pause(m.t.Context(), 200*time.Millisecond) {
			m.t.Fatal("the queues are not empty 5 minutes after the last message")
		}
	}
	times, messages := m.count("trial"), 0
	if err := m.database("trial").QueryRow(m.t.Context(), "SELECT count(DISTINCT body) FROM handled").Scan(&messages); err != nil {
		m.t.Fatal(err)
	}
	m.t.Logf("figure: messages through the queues meanwhile: %d sent, %d of them handled, %d times altogether; the queues were empty %.0f s after the last", sent, messages, times, time.Since(began).Seconds())
	if messages != sent || times != sent {
		m.t.Errorf("%d messages were sent, %d handled, %d times", sent, messages, times)
	}
}

// database is a connection to an environment's instance, or to one beside it.
func (m *ownPlatform) database(name string) *pgx.Conn {
	m.t.Helper()
	id := m.platform.Prefix(name)
	found, err := rds.NewFromConfig(m.cfg).DescribeDBInstances(m.t.Context(), &rds.DescribeDBInstancesInput{DBInstanceIdentifier: &id})
	if err != nil {
		m.t.Fatal(err)
	}
	at := found.DBInstances[0]
	db, err := pgx.Connect(m.t.Context(), fmt.Sprintf("host=%s port=%d user=%s dbname=%s sslmode=require", *at.Endpoint.Address, *at.Endpoint.Port, *at.MasterUsername, *at.DBName))
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { _ = db.Close(context.WithoutCancel(m.t.Context())) })
	return db
}

// count is how many messages an instance knows of.
func (m market) count(name string) (n int) {
	m.t.Helper()
	if err := m.database(name).QueryRow(m.t.Context(), "SELECT count(*) FROM handled").Scan(&n); err != nil {
		m.t.Fatal(err)
	}
	return n
}

// restores deletes the rows of a table, restores the database to the second before,
// moves the services onto it, and then returns to the previous instance.
func (m market) restores(env string, sent int) {
	m.t.Helper()
	to := time.Now().Truncate(time.Second).Add(time.Second)
	calls.Pause(m.t.Context(), time.Until(to)+10*time.Millisecond)
	if _, err := m.database(env).Exec(m.t.Context(), "DELETE FROM handled"); err != nil {
		m.t.Fatal(err)
	}
	exits := func(want int, args ...string) (out, stderr string) {
		m.t.Helper()
		args = append([]string{"restore", "-C", m.repository, "-env", env, "-yes", "-name", env}, args...)
		out, stderr, code := m.deployer(env).run(m.t, args...)
		if code != want {
			m.t.Fatalf("%v: exit %d, want %d\n%s\n%s", args, code, want, out, stderr)
		}
		return out, stderr
	}
	restore := func(what string, args ...string) string {
		m.t.Helper()
		began := time.Now()
		out, _ := exits(console.ExitOK, args...)
		if what != "" {
			m.t.Logf("figure: %s: %.1f minutes", what, time.Since(began).Minutes())
		}
		return out
	}
	// heard is whether what is sent now arrives in the database.
	heard := func(want int) {
		m.t.Helper()
		if _, err := m.users(env, 0).read(m.t.Context(), "/?send=mail&body=afterwards"); err != nil {
			m.t.Fatal(err)
		}
		for deadline := time.Now().Add(time.Minute); m.count(env) != want; {
			if time.Now().After(deadline) || !calls.Pause(m.t.Context(), 200*time.Millisecond) {
				m.t.Fatalf("%d messages in %s, want %d: the services use another database", m.count(env), env, want)
			}
		}
	}
	contains(m.t, "restore", restore("`restore -to` a second before the rows were deleted", "-to", to.UTC().Format(time.RFC3339)), "1. restore market-trial as of", "trial: market-trial holds the data as of", "market-trial-replaced is kept")
	if now, before := m.count(env), m.count(env+"-replaced"); now != sent || before != 0 {
		m.t.Errorf("%d messages after the restore, want %d; that of before has %d", now, sent, before)
	}
	heard(sent + 1)
	m.unchanged(env)
	// The same once more restores nothing, and another time does not lead to the loss of
	// the only backups.
	contains(m.t, "restore once more", restore("the same once more", "-to", to.UTC().Format(time.RFC3339)), "1. have Terraform's state adopt", "market-trial-replaced is kept")
	_, stderr := exits(console.ExitFailed, "-to", to.Add(-time.Minute).UTC().Format(time.RFC3339))
	contains(m.t, "restore to another time", stderr, "an earlier restore has left market-trial-replaced", "next: tfpipeline restore -env trial -back, then tfpipeline restore -env trial -discard, then")
	heard(sent + 2)
	contains(m.t, "restore -back", restore("`restore -back`", "-back"), "market-trial-restored is kept")
	heard(1)
	m.unchanged(env)
	contains(m.t, "restore -discard", restore("", "-discard"), "market-trial-restored is deleted")
	contains(m.t, "restore after all", restore("", "-to", to.UTC().Format(time.RFC3339)), "1. restore market-trial as of", "market-trial-replaced is kept")
	heard(sent + 1)
	m.unchanged(env)
	contains(m.t, "restore -discard that of before", restore("", "-discard"), "market-trial-replaced is deleted")
}

// rotates replaces, while users ask and workers are at work, the password of the
// database, that of the role with which the worker mail logs in, and the database's
// instance class. The class waits for the maintenance window, and no plan has it twice.
func (m market) rotates(env string) {
	m.t.Helper()
	m.edit(env, "secrets.tf", `(username = "mail_login_v)1"`, `${1}2"`)
	m.edit(env, "secrets.tf", `(?s)((?:database|mail-login) = \{[^}]*version     = )1`, `${1}2`)
	m.edit(env, "database.tf", `(password_version +=) 1`, `${1} 2`)
	m.edit(env, "database.tf", `"db.t4g.micro"`, `"db.t4g.small"`)
	m.git("add", "--all")
	m.release("v1.3.0", nil)
	plan := func() string {
		m.t.Helper()
		out, _, _ := m.administrator.as(m.endpoint, "plan").run(m.t, "plan", "-C", m.repository, "-env", env, "-no-lock")
		return out
	}
	contains(m.t, "the plan", plan(), "restarts the database, in its maintenance window (sun:04:00-sun:05:00 UTC)")
	mentions(m.t, m.deploys(console.ExitOK, "v1.3.0", env, "promote", "-release", "v1.3.0"), "task migrate makes the roles of the database")
	contains(m.t, "the plan of what is deferred", plan(), env+": no changes; 1 deferred to its maintenance window")
	var logins string
	const query = "SELECT string_agg(DISTINCT usename::text, ' ') FROM pg_stat_activity WHERE usename LIKE 'mail_login%'"
	if err := m.database(env).QueryRow(m.t.Context(), query).Scan(&logins); err != nil || logins != "mail_login_v2" {
		m.t.Errorf("the worker is logged in as %q, %v", logins, err)
	}
	request, err := http.NewRequestWithContext(m.t.Context(), http.MethodPost, m.endpoint+"/_localaws/maintenance", nil)
	if err != nil {
		m.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		m.t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil || answer.StatusCode != http.StatusOK {
		m.t.Fatalf("the maintenance window: %s, %v", answer.Status, err)
	}
	if out := plan(); !strings.Contains(out, env+": no changes") || strings.Contains(out, "deferred") {
		m.t.Errorf("the plan after the maintenance window:\n%s", out)
	}
}

// waiting is how many messages are in the queues, hidden ones too; of dead letters
// there must be none.
func (m market) waiting() (n int) {
	m.t.Helper()
	client := sqs.NewFromConfig(m.cfg)
	queues, err := client.ListQueues(m.t.Context(), &sqs.ListQueuesInput{})
	if err != nil || len(queues.QueueUrls) != 4 {
		m.t.Fatalf("queues %v, %v", queues, err)
	}
	for _, q := range queues.QueueUrls {
		names := []types.QueueAttributeName{types.QueueAttributeNameApproximateNumberOfMessages, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible}
		out, err := client.GetQueueAttributes(m.t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &q, AttributeNames: names})
		if err != nil {
			m.t.Fatal(err)
		}
		for _, name := range names {
			count, err := strconv.Atoi(out.Attributes[string(name)])
			if err != nil || count > 0 && strings.HasSuffix(q, "-dead") {
				m.t.Fatalf("%s: %v, %v", q, out.Attributes, err)
			}
			n += count
		}
	}
	return n
}
