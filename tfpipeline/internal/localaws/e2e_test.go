package localaws_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	scaling "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/smithy-go"

	"github.com/specboard/platform/tfpipeline/internal/localaws"
	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs"
	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs/ecstest"
	"github.com/specboard/platform/tfpipeline/internal/terraform"
)

// e2e marks tests that need moto and Terraform. They run when E2E is set; then
// a missing program is a failure and not a reason to skip.
func e2e(t *testing.T) {
	t.Helper()
	if os.Getenv("E2E") == "" {
		t.Skip("needs moto, Terraform and the AWS provider: run make e2e")
	}
}

// startReal starts an endpoint with a real moto.
func startReal(t *testing.T, runtime http.Handler) *localaws.Endpoint {
	t.Helper()
	var log bytes.Buffer
	e, err := localaws.Start(t.Context(), localaws.Options{
		Log:      &log,
		Progress: func(s string) { t.Log(s) },
		ECS:      runtime,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		e.Close()
		if t.Failed() && strings.Contains(log.String(), "Traceback") {
			t.Logf("moto said:\n%s", log.String())
		}
	})
	return e
}

// TestLayers lets the real provider create, refresh, change and destroy what
// the endpoint answers or repairs, with the state in the endpoint's own S3.
func TestLayers(t *testing.T) {
	e2e(t)
	runtime := ecs.New(ecs.Options{Launcher: ecstest.NewScript(), Pace: ecs.LocalPace()})
	defer runtime.Close()
	e := startReal(t, runtime)
	client := s3.NewFromConfig(e.Access().Config())
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("state"),
		CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraintUsWest2}}); err != nil {
		t.Fatal(err)
	}
	before := inventory(t, e)
	if want := map[string][]string{"bucket": {"state"}}; fmt.Sprint(before) != fmt.Sprint(want) {
		t.Fatalf("an empty account has %v", before)
	}
	d := openLayers(t, e)
	begin := time.Now()

	if n := d.run(t, false); n < 30 {
		t.Errorf("%d changes at first, want 30 or more", n)
	}
	d.wantNoChanges(t)
	if got := inventory(t, e); !slices.Equal(got["elasticache replication group"], []string{"layers"}) ||
		!slices.Equal(got["repository"], []string{"layers/api"}) || len(got["ec2 vpc"]) != 1 || len(got["ec2 subnet"]) != 6 {
		t.Errorf("inventory %v", got)
	}
	// As a promotion leaves it.
	if _, err := sdk.NewFromConfig(e.Access().Config()).UpdateService(t.Context(), &sdk.UpdateServiceInput{
		Cluster: aws.String("layers"), Service: aws.String("api"), DesiredCount: aws.Int32(3)}); err != nil {
		t.Fatal(err)
	}
	schedules := scheduler.NewFromConfig(e.Access().Config())
	schedule, err := schedules.GetSchedule(t.Context(), &scheduler.GetScheduleInput{GroupName: aws.String("layers-staging"), Name: aws.String("report")})
	if err != nil || schedule.State != "DISABLED" {
		t.Fatalf("schedule %+v, %v", schedule, err)
	}
	schedule.Target.EcsParameters.TaskDefinitionArn = aws.String(*schedule.Target.EcsParameters.TaskDefinitionArn + "1")
	if _, err := schedules.UpdateSchedule(t.Context(), &scheduler.UpdateScheduleInput{
		Name: schedule.Name, GroupName: schedule.GroupName, FlexibleTimeWindow: schedule.FlexibleTimeWindow, State: "ENABLED",
		ScheduleExpression: schedule.ScheduleExpression, ScheduleExpressionTimezone: schedule.ScheduleExpressionTimezone, Target: schedule.Target}); err != nil {
		t.Fatal(err)
	}
	d.set(t, "changed", "true")
	if n := d.run(t, false); n != 7 {
		t.Errorf("%d changes, want the 7 that depend on the variable", n)
	}
	d.wantNoChanges(t)
	// Autoscaling that is switched on has its floor at once.
	targets, err := applicationautoscaling.NewFromConfig(e.Access().Config()).DescribeScalableTargets(t.Context(),
		&applicationautoscaling.DescribeScalableTargetsInput{ServiceNamespace: scaling.ServiceNamespaceEcs})
	if err != nil || len(targets.ScalableTargets) != 1 || *targets.ScalableTargets[0].ResourceId != "service/layers/api" || *targets.ScalableTargets[0].MinCapacity != 2 {
		t.Errorf("autoscaling %+v, %v", targets, err)
	}
	d.run(t, true)
	after := inventory(t, e)
	delete(after, "ecs task definition") // revisions outlive what used them
	if fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("destroy left %v, want %v", after, before)
	}
	t.Logf("create, change and destroy took %s", time.Since(begin).Round(time.Second))
}

func inventory(t *testing.T, e *localaws.Endpoint) map[string][]string {
	t.Helper()
	found, err := e.Inventory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// layers is the root in testdata, opened.
type layers struct {
	*terraform.Driver
	dir string
}

func openLayers(t *testing.T, e *localaws.Endpoint) *layers {
	t.Helper()
	repository, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	// A repository with this one root, the platform's modules and its lock.
	tree := t.TempDir()
	for _, link := range [][2]string{
		{filepath.Join(repository, "modules"), filepath.Join(tree, "modules")},
		{filepath.Join(repository, "envs", "shared"), filepath.Join(tree, "envs", "shared")},
	} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(link[1]), 0o755), os.Symlink(link[0], link[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(filepath.Join(tree, "envs", "layers"), os.DirFS("testdata/layers")); err != nil {
		t.Fatal(err)
	}
	w, err := terraform.NewWorkspace(tree, "layers", t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	env, _ := terraform.Environ(e.Access().Environ(os.Environ()), nil)
	cache := t.TempDir()
	program, err := terraform.DefaultInstallation(cache).Find(t.Context(), func(s string) { t.Log(s) })
	if err != nil {
		t.Fatal(err)
	}
	d, err := terraform.New(terraform.Options{Program: program, Workspace: w, Environ: env, PluginCache: cache})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &layers{d, w.Dir}
}

// set gives a variable another value.
func (d *layers) set(t *testing.T, name, value string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(d.dir, name+".auto.tfvars"), fmt.Appendf(nil, "%s = %s\n", name, value), 0o600); err != nil {
		t.Fatal(err)
	}
}

// plan returns the addresses that change, and how.
func (d *layers) plan(t *testing.T, destroy bool) []string {
	t.Helper()
	document, err := d.Plan(t.Context(), terraform.PlanOptions{Destroy: destroy})
	if err != nil {
		t.Fatal(err)
	}
	var p struct {
		Changes []struct {
			Address string
			Change  struct{ Actions []string }
		} `json:"resource_changes"`
	}
	if err := json.Unmarshal(document, &p); err != nil {
		t.Fatal(err)
	}
	var changes []string
	for _, c := range p.Changes {
		if !slices.Equal(c.Change.Actions, []string{"no-op"}) && !slices.Equal(c.Change.Actions, []string{"read"}) {
			changes = append(changes, fmt.Sprint(c.Address, " ", c.Change.Actions))
		}
	}
	return changes
}

// run plans and applies, and returns how much changed.
func (d *layers) run(t *testing.T, destroy bool) int {
	t.Helper()
	changes := d.plan(t, destroy)
	if err := d.Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	return len(changes)
}

func (d *layers) wantNoChanges(t *testing.T) {
	t.Helper()
	if changes := d.plan(t, false); len(changes) > 0 {
		t.Errorf("a second plan has changes:\n%s", strings.Join(changes, "\n"))
	}
}

// TestLeases is what history and locks stand on: of many that write at once
// one wins.
func TestLeases(t *testing.T) {
	e2e(t)
	client := s3.NewFromConfig(startReal(t, http.NotFoundHandler()).Access().Config())
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("state"),
		CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraintUsWest2}}); err != nil {
		t.Fatal(err)
	}
	// won counts how many of eight equal writes succeed; the others must fail
	// as S3 says they do.
	won := func(put func(context.Context) error) int {
		var mu sync.Mutex
		var wait sync.WaitGroup
		n := 0
		for range 8 {
			wait.Go(func() {
				err := put(t.Context())
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					n++
				} else if api, ok := errors.AsType[smithy.APIError](err); !ok || api.ErrorCode() != "PreconditionFailed" {
					t.Errorf("error %v", err)
				}
			})
		}
		wait.Wait()
		return n
	}
	for round := range 5 {
		key := aws.String(fmt.Sprintf("locks/%d.json", round))
		if n := won(func(ctx context.Context) error {
			_, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("state"), Key: key, IfNoneMatch: aws.String("*"), Body: strings.NewReader("one")})
			return err
		}); n != 1 {
			t.Errorf("%d of 8 created the object", n)
		}
		held, err := client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String("state"), Key: key})
		if err != nil {
			t.Fatal(err)
		}
		if n := won(func(ctx context.Context) error {
			_, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("state"), Key: key, IfMatch: held.ETag, Body: strings.NewReader("two" + fmt.Sprint(time.Now().UnixNano()))})
			return err
		}); n != 1 {
			t.Errorf("%d of 8 renewed the lease", n)
		}
	}
}
