package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/account"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/localaws"
	"github.com/specboard/platform/tfpipeline/internal/root"
)

// small is a root of everything that is quickly made: names that decide an
// identity, ids that AWS gives, and rules without a name.
const small = `
provider "aws" {
  region              = "us-west-2"
  allowed_account_ids = ["123456789012"]
  default_tags {
    tags = { Environment = "staging", Platform = "doc-platform" }
  }
}
resource "aws_cloudwatch_log_group" "this" {
  for_each = toset(["api", "mcp"])
  name     = "/doc-platform/staging/${each.key}"
}
resource "aws_iam_role" "this" {
  name = "doc-platform-staging-api-task"
  path = "/doc-platform/staging/"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ecs-tasks.amazonaws.com" } }]
  })
}
resource "aws_iam_role_policy" "this" {
  name = "logs"
  role = aws_iam_role.this.id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "logs:PutLogEvents", Resource = "*" }]
  })
}
resource "aws_iam_policy" "this" {
  name = "doc-platform-staging-boundary"
  path = "/doc-platform/"
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "*", Resource = "*" }]
  })
}
resource "aws_iam_role_policy_attachment" "this" {
  role       = aws_iam_role.this.name
  policy_arn = aws_iam_policy.this.arn
}
resource "aws_sns_topic" "this" { name = "doc-platform-staging-alarms" }
resource "aws_ecr_repository" "this" { name = "doc-platform/api" }
resource "aws_vpc" "this" {
  cidr_block = "10.10.0.0/16"
  tags       = { Name = "doc-platform-staging" }
}
resource "aws_subnet" "this" {
  for_each   = toset(["0", "1"])
  vpc_id     = aws_vpc.this.id
  cidr_block = "10.10.${each.key}.0/24"
  tags       = { Name = "doc-platform-staging-private-${each.key}" }
}
resource "aws_internet_gateway" "this" {
  vpc_id = aws_vpc.this.id
  tags   = { Name = "doc-platform-staging" }
}
resource "aws_route_table" "this" {
  vpc_id = aws_vpc.this.id
  tags   = { Name = "doc-platform-staging-public" }
}
resource "aws_route" "this" {
  route_table_id         = aws_route_table.this.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this.id
}
resource "aws_route_table_association" "this" {
  subnet_id      = aws_subnet.this["0"].id
  route_table_id = aws_route_table.this.id
}
resource "aws_eip" "this" {
  domain = "vpc"
  tags   = { Name = "doc-platform-staging-nat" }
}
resource "aws_security_group" "this" {
  for_each    = toset(["a", "b"])
  name        = "doc-platform-staging-${each.key}"
  description = each.key
  vpc_id      = aws_vpc.this.id
  tags        = { Name = "doc-platform-staging-${each.key}" }
}
resource "aws_vpc_security_group_ingress_rule" "this" {
  security_group_id            = aws_security_group.this["a"].id
  description                  = "a from b"
  referenced_security_group_id = aws_security_group.this["b"].id
  ip_protocol                  = "tcp"
  from_port                    = 3000
  to_port                      = 3000
  tags                         = { Name = "a from b" }
}
resource "aws_vpc_security_group_egress_rule" "this" {
  security_group_id = aws_security_group.this["a"].id
  description       = "HTTPS out"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  tags              = { Name = "HTTPS out of a" }
}
resource "aws_secretsmanager_secret" "this" { name = "staging/doc-platform/session-secret" }
resource "aws_secretsmanager_secret_version" "this" {
  secret_id                = aws_secretsmanager_secret.this.id
  secret_string_wo         = "generated-value"
  secret_string_wo_version = 1
}
resource "aws_lb_target_group" "this" {
  name        = "doc-platform-staging-api"
  port        = 80
  protocol    = "HTTP"
  target_type = "ip"
  vpc_id      = aws_vpc.this.id
}
resource "aws_acm_certificate" "this" {
  domain_name       = "staging.specboard.io"
  validation_method = "DNS"
}
resource "aws_service_discovery_http_namespace" "this" { name = "doc-platform-staging" }
`

// newCloudFixture is a fixture with one root that lives on a local endpoint.
func newCloudFixture(t *testing.T, root, resources string) (*fixture, aws.Config) {
	t.Helper()
	f := newFixture(t, "")
	f.writeRoot(root, resources)
	repository := &app{}
	if err := repository.findRepository(); err != nil {
		t.Fatal(err)
	}
	lock, err := os.ReadFile(filepath.Join(repository.repository, "envs", root, ".terraform.lock.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(f.dir, "envs", root, ".terraform.lock.hcl"), string(lock))
	endpoint, err := localaws.Start(t.Context(), localaws.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = endpoint.Close() })
	f.env = append(f.env, endpoint.Environ()...)
	url := endpoint.URL()
	cfg := aws.Config{Region: "us-west-2", BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}
	if _, err := account.New(configtest.Docs(), cfg, &console.Console{Err: io.Discard}).EnsureBucket(t.Context()); err != nil {
		t.Fatal(err)
	}
	return f, cfg
}

// networks counts what would be there twice: everything with a name that is
// no more than a tag.
func networks(t *testing.T, cfg aws.Config) int {
	t.Helper()
	f := &root.Finder{Platform: configtest.Docs(), Config: cfg}
	tagged, err := f.Tagged(context.WithoutCancel(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	count := map[[3]string]int{}
	for _, r := range tagged {
		tags := map[string]string{}
		for _, tag := range r.Tags {
			tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
		}
		if tags["Name"] == "" {
			continue
		}
		arn := aws.ToString(r.ResourceARN)
		key := [3]string{arn[:strings.LastIndexByte(arn, '/')], tags["Environment"], tags["Name"]}
		if count[key]++; count[key] > 1 {
			t.Errorf("%v exists %d times", key, count[key])
		}
	}
	return len(count)
}

// Everything exists and the state has gone: all of it is adopted, and nothing
// is made a second time.
func TestRealAdoption(t *testing.T) {
	t.Parallel()
	f, cfg := newCloudFixture(t, "staging", small)
	f.run(0, "apply", "-env", "staging", "-yes")
	before := networks(t, cfg)
	key := configtest.Docs().StateKey("staging")
	if _, err := s3.NewFromConfig(cfg).DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(configtest.Docs().StateBucket()), Key: &key}); err != nil {
		t.Fatal(err)
	}

	stdout, stderr := f.run(0, "apply", "-env", "staging", "-yes", "-adopt")
	// Another version of a secret is the one thing that is made again.
	if !strings.Contains(stdout, "staging: 1 to create, 1 to update, 23 to import") {
		t.Errorf("something is made that exists:\n%s\n%s", stdout, stderr)
	}
	contains(t, "stderr", stderr, "staging: adopting aws_vpc.this (vpc-", "staging: adopting aws_iam_role_policy.this (doc-platform-staging-api-task:logs)")
	if after := networks(t, cfg); after != before {
		t.Errorf("%d network resources, want %d", after, before)
	}
	f.run(0, "plan", "-env", "staging", "-detailed-exitcode")
}

// generation is more to make, for a run that would find nothing left to do.
func generation(n int) string {
	return fmt.Sprintf(`
resource "aws_security_group" "more" {
  count  = %[1]d
  name   = "doc-platform-staging-more-${count.index}"
  vpc_id = aws_vpc.this.id
  tags   = { Name = "doc-platform-staging-more-${count.index}" }
}
resource "aws_vpc_security_group_ingress_rule" "more" {
  count                        = %[1]d
  security_group_id            = aws_security_group.more[count.index].id
  referenced_security_group_id = aws_security_group.this["a"].id
  ip_protocol                  = "tcp"
  from_port                    = 3000
  to_port                      = 3000
  tags                         = { Name = "more-${count.index} from a" }
}
resource "aws_cloudwatch_log_group" "more" {
  count = %[1]d
  name  = "/doc-platform/staging/more-${count.index}"
}
`, n)
}

// Killed again and again, at any moment, while it applies and while it bootstraps: in
// the end everything exists once, and the state knows all of it.
func TestRealKillsAtRandom(t *testing.T) {
	t.Parallel()
	f, cfg := newCloudFixture(t, config.SharedRoot, small)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	more := 0
	wanted := 4
	if os.Getenv("SOAK") != "" {
		wanted = 20
	}
	for kills := 0; kills < wanted; {
		if f.killAtRandom(random, []string{"apply", "bootstrap"}[random.IntN(2)], config.SharedRoot, 6*time.Second) {
			kills++
			endLocks(t, cfg, config.SharedRoot)
			continue
		}
		more += 5
		f.writeRoot(config.SharedRoot, small+generation(more))
	}
	f.run(0, "apply", "-env", config.SharedRoot, "-yes")
	networks(t, cfg)
	f.run(0, "plan", "-env", config.SharedRoot, "-detailed-exitcode")
	if left := f.leftovers(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// endLocks removes the locks of a killed run from a real bucket, as their span
// would end them.
func endLocks(t *testing.T, cfg aws.Config, name string) {
	t.Helper()
	p := configtest.Docs()
	for _, key := range []string{p.LockKey(name), p.StateLockKey(name)} {
		if _, err := s3.NewFromConfig(cfg).DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(p.StateBucket()), Key: &key}); err != nil {
			t.Fatal(err)
		}
	}
}

// killAtRandom starts a command and kills it, at any moment or, as likely,
// while resources are being made. It is false if the command was faster.
func (f *fixture) killAtRandom(random *rand.Rand, command, root string, within time.Duration) bool {
	f.t.Helper()
	cmd, _, _ := f.command(command, "-env", root, "-yes")
	stderr := &watched{changed: make(chan struct{}, 1)}
	cmd.Stderr = stderr
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	if random.IntN(2) == 0 {
		stderr.await("terraform apply", ended)
	}
	select {
	case <-time.After(time.Duration(random.Int64N(int64(within)))):
		_ = cmd.Process.Kill()
		<-ended
		f.t.Logf("%s, killed:\n%s", command, stderr)
		return true
	case <-ended:
		f.t.Logf("%s, ended:\n%s", command, stderr)
		return false
	}
}

// Killed ten times on a root that needs no provider: the next run explains the
// lock and takes it, and no state that was saved is ever lost.
func TestRealKillsKeepTheState(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "")
	resources := func(n int) string {
		return fmt.Sprintf(`
resource "terraform_data" "this" {
  count = %d
  provisioner "local-exec" {
    command = "sleep 1"
  }
}
`, n)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	type state struct {
		Serial    int
		Lineage   string
		Resources []struct{ Instances []struct{} }
	}
	read := func() (s state) {
		content, ok := f.object(configtest.Docs().StateKey("staging"))
		if !ok {
			return s
		}
		if err := json.Unmarshal([]byte(content), &s); err != nil {
			t.Fatalf("the state is no state: %v\n%s", err, content)
		}
		return s
	}
	size := 20
	f.write(resources(size))
	for kills, before := 0, read(); kills < 10; {
		if f.killAtRandom(random, "apply", "staging", 4*time.Second) {
			kills++
			f.endLocks("staging")
		} else {
			size += 20
			f.write(resources(size))
		}
		now := read()
		if now.Serial < before.Serial || before.Lineage != "" && now.Lineage != before.Lineage {
			t.Fatalf("a state was lost: %+v and then %+v", before, now)
		}
		before = now
	}
	f.run(0, "apply", "-env", "staging", "-yes")
	f.run(0, "plan", "-env", "staging", "-detailed-exitcode")
	if last := read(); len(last.Resources) != 1 || len(last.Resources[0].Instances) != size {
		t.Errorf("the state knows %+v, want %d instances", last, size)
	}
	if left := f.leftovers(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// watched is output that can be read while it is written.
type watched struct {
	mu      sync.Mutex
	text    strings.Builder
	changed chan struct{}
}

func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case w.changed <- struct{}{}:
	default:
	}
	return w.text.Write(b)
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// await returns when the text has appeared or can no longer do so.
func (w *watched) await(text string, ended chan error) {
	for !strings.Contains(w.String(), text) {
		select {
		case <-w.changed:
		case err := <-ended:
			ended <- err
			return
		}
	}
}
