package main

import (
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/console"
)

// TestSnapshotOutlivesItsEnvironment: the data of an environment that was destroyed
// comes into its next life from a snapshot, as the role that deploys it, and goes back.
func TestSnapshotOutlivesItsEnvironment(t *testing.T) {
	t.Parallel()
	e2e(t)
	if os.Getenv("SOAK") == "" {
		t.Skip("waits ten minutes for the provider: run make soak")
	}
	const env = "test"
	p := millAlone()
	p.PostgresVersion, p.Services[0].Database = "17", true
	p.Environments[0].Database = config.Database{InstanceClass: "db.t4g.micro", StorageGiB: 20, MaxStorageGiB: 50, BackupRetentionDays: 1}
	p.Secrets = []config.Secret{{Name: "database", Kind: config.DatabaseCredentials, Variable: "DB_PASSWORD", Length: 32}}
	p.Tasks = []config.Task{{Name: config.MigrateTask, Service: "grind", Command: []string{"migrate", "up"}, CPU: 256, Memory: 512, Database: true}}
	m := newOwnPlatform(t, p)
	id := p.Prefix(env)
	m.administrator.must(t, console.ExitOK, "bootstrap", "-C", m.repository, "-env", "shared", "-yes")
	apply := func() {
		t.Helper()
		m.deployer(env).must(t, console.ExitOK, "apply", "-C", m.repository, "-env", env, "-yes")
	}
	apply()
	if _, err := m.database(env).Exec(t.Context(), "CREATE TABLE sacks AS SELECT generate_series(1, 7)"); err != nil {
		t.Fatal(err)
	}
	client := rds.NewFromConfig(m.cfg)
	for _, name := range []string{id + "-last", "unrelated"} {
		if _, err := client.CreateDBSnapshot(t.Context(), &rds.CreateDBSnapshotInput{DBInstanceIdentifier: &id, DBSnapshotIdentifier: &name}); err != nil {
			t.Fatal(err)
		}
	}
	m.administrator.must(t, console.ExitOK, "destroy", "-C", m.repository, "-env", env, "-yes", "-name", env)
	apply()

	// The order of docs/disaster-recovery.md: a freeze refuses an apply and no restore.
	m.deployer(env).must(t, console.ExitOK, "freeze", "-C", m.repository, "-env", env, "-why", "restoring the database")
	m.deployer(env).must(t, console.ExitFailed, "apply", "-C", m.repository, "-env", env, "-yes")
	restore := func(want int, args ...string) (out, stderr string) {
		t.Helper()
		out, stderr, code := m.deployer(env).run(t, append([]string{"restore", "-C", m.repository, "-env", env, "-yes", "-name", env}, args...)...)
		if code != want {
			t.Fatalf("restore %v: exit %d, want %d\n%s\n%s", args, code, want, out, stderr)
		}
		return out, stderr
	}
	sacks := func() (n int) {
		t.Helper()
		if err := m.database(env).QueryRow(t.Context(), "SELECT count(*) FROM pg_tables WHERE tablename = 'sacks'").Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n == 1 {
			if err := m.database(env).QueryRow(t.Context(), "SELECT count(*) FROM sacks").Scan(&n); err != nil {
				t.Fatal(err)
			}
		}
		return n
	}
	if n := sacks(); n != 0 {
		t.Fatalf("%d sacks in a new database", n)
	}
	_, stderr := restore(console.ExitFailed, "-snapshot", "lost")
	contains(t, "an unknown snapshot", stderr, "there is no snapshot lost; those of the environment that fit, the latest first:", id+"-last  manual, of "+id, "next: tfpipeline restore -env test -snapshot ")
	out, _ := restore(console.ExitOK, "-snapshot", strings.ToUpper(id+"-last"))
	contains(t, "restore", out, "1. restore the snapshot "+id+"-last to "+id+"-restored", id+" holds the data of the snapshot "+id+"-last", id+"-replaced is kept")
	if n := sacks(); n != 7 {
		t.Errorf("%d sacks, want 7", n)
	}
	m.unchanged(env)
	out, _ = restore(console.ExitOK, "-back")
	contains(t, "restore -back", out, id+"-restored is kept")
	if n := sacks(); n != 0 {
		t.Errorf("%d sacks in the database of before", n)
	}
	m.unchanged(env)
	restore(console.ExitOK, "-discard")
	if _, err := client.DescribeDBInstances(t.Context(), &rds.DescribeDBInstancesInput{DBInstanceIdentifier: aws.String(id + "-restored")}); err == nil {
		t.Error("the restored instance is still there")
	}
	// The role may restore its environment's snapshots alone, whatever they hold.
	m.expectDenials()
	_, stderr = restore(console.ExitFailed, "-snapshot", "unrelated")
	contains(t, "another's snapshot", stderr, "AccessDenied")
}
