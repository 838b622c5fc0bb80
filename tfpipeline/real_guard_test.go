package main

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/plan"
	"github.com/specboard/platform/tfpipeline/internal/root"
)

// danger is a change that the guard refuses: what a resource is, what somebody
// makes of it, and what the guard says of that.
type danger struct {
	address       string
	before, after string
	what          string
}

// resourceBlock writes a resource.
func resourceBlock(address, body string) string {
	kind, name, _ := strings.Cut(address, ".")
	return "resource \"" + kind + "\" \"" + name + "\" {\n" + body + "\n}\n"
}

const (
	deletedBlock = "-"
	trustTasks   = `jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ecs-tasks.amazonaws.com" } }] })`
	trustAnybody = `jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = "*" }] })`
	ingress      = `
  security_group_id = aws_security_group.ground.id
  ip_protocol       = "tcp"
  from_port         = %PORT%
  to_port           = %PORT%
  `
	database = `
  identifier          = "doc-platform-production"
  engine              = "postgres"
  instance_class      = "db.t4g.micro"
  allocated_storage   = 20
  username            = "root"
  password            = "not-a-secret-0123456789"
  apply_immediately   = true
  skip_final_snapshot = %SKIP%
  deletion_protection = %PROTECTED%
  backup_retention_period = %DAYS%
  multi_az                = %PROTECTED%
  publicly_accessible     = %SKIP%
  `
)

func rule(port, more string) string { return strings.ReplaceAll(ingress, "%PORT%", port) + more }

func databaseBlock(skip, protected, days string) string {
	return strings.NewReplacer("%SKIP%", skip, "%PROTECTED%", protected, "%DAYS%", days).Replace(database)
}

func accessBlock(bucket, policy string) string {
	return "bucket = aws_s3_bucket." + bucket + ".id\nblock_public_policy = " + policy +
		"\nblock_public_acls = true\nignore_public_acls = true\nrestrict_public_buckets = true"
}

// dangers have a resource each, so that one plan holds all of them.
func dangers() []danger {
	return []danger{
		{"aws_secretsmanager_secret.deleted", `name = "production/a"`, deletedBlock, "destroys a secret and its earlier versions"},
		{"aws_secretsmanager_secret.renamed", `name = "production/b"`, `name = "production/b2"`, "destroys and replaces a secret and its earlier versions"},
		{"aws_secretsmanager_secret.forgotten", `name = "production/c"`,
			"removed {\n  from = aws_secretsmanager_secret.forgotten\n  lifecycle {\n    destroy = false\n  }\n}", "stops managing a secret and its earlier versions"},
		{"aws_secretsmanager_secret.window", "name = \"production/d\"\nrecovery_window_in_days = 30", "name = \"production/d\"\nrecovery_window_in_days = 7", "shortens the time in which a deleted secret can be restored"},
		{"aws_ecr_repository.deleted", `name = "doc-platform/a"`, deletedBlock, "destroys the images that services run and rollbacks need"},
		{"aws_ecr_repository.renamed", `name = "doc-platform/b"`, `name = "doc-platform/b2"`, "destroys and replaces the images that services run and rollbacks need"},
		{"aws_ecr_repository.force", "name = \"doc-platform/c\"\nforce_delete = false", "name = \"doc-platform/c\"\nforce_delete = true", "lets the repository be deleted with its images"},
		{"aws_s3_bucket.deleted", `bucket = "doc-platform-a"`, deletedBlock, "destroys every object in the bucket"},
		{"aws_s3_bucket.renamed", `bucket = "doc-platform-b"`, `bucket = "doc-platform-b2"`, "destroys and replaces every object in the bucket"},
		{"aws_s3_bucket.force", "bucket = \"doc-platform-c\"\nforce_destroy = false", "bucket = \"doc-platform-c\"\nforce_destroy = true", "lets the bucket be deleted with its objects"},
		{"aws_s3_bucket_versioning.off", "bucket = aws_s3_bucket.ground.id\nversioning_configuration {\n  status = \"Enabled\"\n}", "bucket = aws_s3_bucket.ground.id\nversioning_configuration {\n  status = \"Suspended\"\n}", "stops keeping earlier versions"},
		{"aws_s3_bucket_public_access_block.open", accessBlock("ground", "true"), accessBlock("ground", "false"), "lets the bucket be made public (block_public_policy)"},
		{"aws_s3_bucket_public_access_block.gone", accessBlock("force", "true"), deletedBlock, "lets the bucket be made public"},
		{"aws_kms_key.deleted", `description = "a"`, deletedBlock, "destroys the key, and so everything encrypted with it"},
		{"aws_kms_key.disabled", "description = \"b\"\nis_enabled = true", "description = \"b\"\nis_enabled = false", "disables the key"},
		{"aws_kms_key.window", "description = \"c\"\ndeletion_window_in_days = 30", "description = \"c\"\ndeletion_window_in_days = 7", "shortens the time in which a deleted key can be restored"},
		{"aws_vpc_security_group_ingress_rule.everybody", rule("5432", `cidr_ipv4 = "10.0.0.0/8"`), rule("5432", `cidr_ipv4 = "0.0.0.0/0"`), "opens port 5432 to the world"},
		{"aws_vpc_security_group_ingress_rule.halves", rule("22", `cidr_ipv4 = "10.0.0.0/8"`), rule("22", `cidr_ipv4 = "128.0.0.0/1"`), "opens port 22 to the world"},
		{"aws_vpc_security_group_ingress_rule.six", rule("6379", `cidr_ipv4 = "10.0.0.0/8"`), rule("6379", `cidr_ipv6 = "::/0"`), "opens port 6379 to the world"},
		{"aws_security_group.inline", "name = \"inline\"\nvpc_id = aws_vpc.ground.id", "name = \"inline\"\nvpc_id = aws_vpc.ground.id\ningress {\n  protocol = \"tcp\"\n  from_port = 5432\n  to_port = 5432\n  cidr_blocks = [\"0.0.0.0/0\"]\n}", "opens port 5432 to the world"},
		{"aws_security_group_rule.classic", "", "type = \"ingress\"\nsecurity_group_id = aws_security_group.ground.id\nprotocol = \"tcp\"\nfrom_port = 3389\nto_port = 3389\ncidr_blocks = [\"0.0.0.0/0\"]", "opens port 3389 to the world"},
		{"aws_iam_role.open", "name = \"open\"\nassume_role_policy = " + trustTasks, "name = \"open\"\nassume_role_policy = " + trustAnybody, "lets anybody assume the role"},
		{"aws_route53_zone.force", "name = \"example.com\"\nforce_destroy = false", "name = \"example.com\"\nforce_destroy = true", "lets the zone be deleted with its records"},
		{"aws_route53_zone.deleted", `name = "example.org"`, deletedBlock, "destroys the zone and the delegation of its domain"},
	}
}

// slowDangers take minutes to create and to change.
func slowDangers() []danger {
	return []danger{
		{"aws_db_instance.this", databaseBlock("false", "true", "7"), databaseBlock("true", "false", "1"), "shortens the backups"},
	}
}

// ground is what the dangers stand on.
const ground = `
provider "aws" {
  region              = "us-west-2"
  allowed_account_ids = ["123456789012"]
}
resource "aws_vpc" "ground" {
  cidr_block                       = "10.20.0.0/16"
  assign_generated_ipv6_cidr_block = true
}
resource "aws_security_group" "ground" {
  name   = "ground"
  vpc_id = aws_vpc.ground.id
}
resource "aws_s3_bucket" "ground" {
  bucket = "doc-platform-ground"
}
`

// TestRealDangers applies every change that the guard knows, to real resources
// of a protected root: refused until the very address is named, and then done.
func TestRealDangers(t *testing.T) {
	t.Parallel()
	list := dangers()
	if os.Getenv("SOAK") != "" {
		list = append(list, slowDangers()...)
	}
	var before, after strings.Builder
	before.WriteString(ground)
	after.WriteString(ground)
	for _, d := range list {
		if d.before != "" {
			before.WriteString(resourceBlock(d.address, d.before))
		}
		switch {
		case d.after == deletedBlock:
		case strings.HasPrefix(d.after, "removed"):
			after.WriteString(d.after + "\n")
		default:
			after.WriteString(resourceBlock(d.address, d.after))
		}
	}
	f, cfg := newCloudFixture(t, "production", before.String())
	f.run(console.ExitOK, "apply", "-env", "production", "-yes")
	f.writeRoot("production", after.String())

	// Refused, all of it, each with its reason and the flag that allows it.
	stdout, stderr := f.run(console.ExitFailed, "apply", "-env", "production", "-yes")
	contains(t, "stdout", stdout, "production: ")
	for _, d := range list {
		contains(t, "stderr", stderr, "\n  "+d.address+": "+d.what+"\n", "-allow '"+d.address+"'")
	}
	_, again := f.run(console.ExitFailed, "apply", "-env", "production", "-yes")
	if again != stderr {
		t.Errorf("a refusal changed something:\n%s\nand then\n%s", stderr, again)
	}

	// Each is refused alone when all others are named.
	a := &app{platform: configtest.Docs(), repository: f.dir, cache: cacheDir(), console: &console.Console{Out: &bytes.Buffer{}, Err: &bytes.Buffer{}, Env: f.env}}
	p := productionPlan(t, a, cfg)
	var all []string
	for _, d := range list {
		all = append(all, d.address)
	}
	for _, d := range list {
		others := slices.DeleteFunc(slices.Clone(all), func(s string) bool { return s == d.address })
		err := plan.Guard(p, a.platform, others)
		if err == nil || !strings.Contains(err.Error(), "\n  "+d.address+": "+d.what) {
			t.Errorf("%s: %v", d.address, err)
		}
		for _, o := range others {
			if err != nil && strings.Contains(err.Error(), "\n  "+o+":") {
				t.Errorf("%s is allowed and refused: %v", o, err)
			}
		}
	}

	// Named, all of them are done.
	args := []string{"apply", "-env", "production", "-yes"}
	for _, address := range all {
		args = append(args, "-allow", address)
	}
	stdout, _ = f.run(console.ExitOK, args...)
	contains(t, "stdout", stdout, "production: applied")
	f.run(console.ExitOK, "plan", "-env", "production", "-detailed-exitcode")
}

// productionPlan is the plan that the guard judges.
func productionPlan(t *testing.T, a *app, cfg aws.Config) *plan.Plan {
	t.Helper()
	r, err := root.Open(t.Context(), a.rootOptions(root.Cloud{Target: root.Local, Config: cfg}), "production")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p, err := r.Plan(t.Context(), root.Choices{Operation: root.Plan, NoLock: true})
	if err != nil {
		t.Fatal(err)
	}
	return p
}
