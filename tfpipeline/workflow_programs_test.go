package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/localaws"
	"github.com/specboard/platform/tfpipeline/internal/webidentity"
)

// scriptPlatform is what tfpipeline deploys where a test runs it as a program: the
// one that the file in SCRIPT_PLATFORM holds, or else Docs. SCRIPT_WINDOW shortens what
// would be waited for.
func scriptPlatform() config.Platform {
	p := configtest.Docs()
	if name := os.Getenv("SCRIPT_PLATFORM"); name != "" {
		content, err := os.ReadFile(name)
		if err == nil {
			p = config.Platform{}
			err = json.Unmarshal(content, &p)
		}
		if err != nil {
			panic(err)
		}
	}
	window, err := time.ParseDuration(os.Getenv("SCRIPT_WINDOW"))
	for i := range p.Environments {
		if e := &p.Environments[i]; err == nil {
			e.HealthWindow = window * localaws.DefaultSpeed
			if e.Proof != nil {
				e.Proof.MinimumBake = time.Nanosecond
			}
		}
	}
	return p
}

// scriptLimits are those of promotions there; SCRIPT_HURRY shortens them.
func scriptLimits() deploy.Limits {
	if os.Getenv("SCRIPT_HURRY") == "" {
		return deploy.Limits{}
	}
	return deploy.Limits{Window: 100 * time.Millisecond, Tick: 100 * time.Millisecond, Backoff: 100 * time.Millisecond, Confirm: 2 * time.Second}
}

// programs are what the jobs of a workflow find on PATH, by name.
func programs() map[string]func(context.Context, []string) error {
	return map[string]func(context.Context, []string) error{
		"go": standInGo, "aws": standInAWS, "credentials": standInCredentials, "push": standInPush, "gh": standInGitHub,
	}
}

// standIn runs one of them.
func standIn(name string, args []string) (code int, ok bool) {
	program, ok := programs()[name]
	if !ok {
		return 0, false
	}
	if err := program(context.Background(), args); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 254, true
	}
	return 0, true
}

// standInGo builds the program by linking this one: go build -o bin/tfpipeline ./tfpipeline.
func standInGo(_ context.Context, args []string) error {
	if got := strings.Join(args, " "); got != "build -o bin/tfpipeline ./tfpipeline" {
		return fmt.Errorf("go stands in for one build, not for %s", got)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := os.MkdirAll("bin", 0o755); err != nil {
		return err
	}
	return os.Symlink(self, filepath.Join("bin", "tfpipeline"))
}

// standInGitHub downloads the artifact of a run, and prints what is uploaded to a
// release.
func standInGitHub(_ context.Context, args []string) error {
	if args[0] == "run" {
		return os.CopyFS(args[len(args)-1], os.DirFS(filepath.Join(os.Getenv("ARTIFACTS"), "artifact")))
	}
	fmt.Println("gh " + strings.Join(args, " "))
	return nil
}

func ecrClient(ctx context.Context) (*ecr.Client, error) {
	cfg, err := awsconfig.LoadDefaultConfig(ctx)
	return ecr.NewFromConfig(cfg), err
}

// standInAWS prints an image's digest, as the one command of AWS's that
// workflows use.
func standInAWS(ctx context.Context, args []string) error {
	repository, tag := "", ""
	for i, a := range args {
		if a == "--repository-name" {
			repository = args[i+1]
		}
		if t, ok := strings.CutPrefix(a, "imageTag="); ok {
			tag = t
		}
	}
	client, err := ecrClient(ctx)
	if err != nil {
		return err
	}
	out, err := client.DescribeImages(ctx, &ecr.DescribeImagesInput{RepositoryName: &repository, ImageIds: []types.ImageIdentifier{{ImageTag: &tag}}})
	if err != nil {
		return err
	}
	fmt.Println(aws.ToString(out.ImageDetails[0].ImageDigest))
	return nil
}

// standInCredentials prints what configure-aws-credentials puts into the
// environment.
func standInCredentials(ctx context.Context, _ []string) error {
	job, ok := webidentity.Find(func(name string) string {
		if name == "AWS_ROLE_ARN" {
			name = "ROLE"
		}
		return os.Getenv(name)
	})
	if !ok {
		return fmt.Errorf("no role %q", os.Getenv("ROLE"))
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithRegion("us-west-2"))
	if err != nil {
		return err
	}
	cfg.HTTPClient = awshttp.NewBuildableClient()
	c, err := job.Assume(ctx, cfg)
	if err != nil {
		return err
	}
	for _, secret := range []string{c.SecretAccessKey, c.SessionToken} {
		fmt.Fprintln(os.Stderr, "::add-mask::"+secret)
	}
	fmt.Printf("AWS_REGION=us-west-2\nAWS_ACCESS_KEY_ID=%s\nAWS_SECRET_ACCESS_KEY=%s\nAWS_SESSION_TOKEN=%s\n", c.AccessKeyID, c.SecretAccessKey, c.SessionToken)
	return nil
}

// standInPush pushes an image of a service by its tags.
func standInPush(ctx context.Context, _ []string) error {
	client, err := ecrClient(ctx)
	if err != nil {
		return err
	}
	digest := ""
	for _, name := range strings.Fields(os.Getenv("TAGS")) {
		repository, tag, _ := strings.Cut(name[strings.Index(name, "/")+1:], ":")
		if digest == "" {
			digest = imageDigest(filepath.Base(repository), tag) // the commit is the first tag
		}
		if _, err := client.PutImage(ctx, &ecr.PutImageInput{RepositoryName: &repository, ImageTag: &tag, ImageDigest: &digest, ImageManifest: aws.String("{}")}); err != nil {
			return err
		}
	}
	fmt.Println("digest=" + digest)
	return nil
}
