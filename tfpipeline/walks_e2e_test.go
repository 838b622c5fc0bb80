package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/console"
)

// TestWalks follows docs/adopt.md through the life of a platform: it adds a service,
// adds an environment, removes that and removes the service, with the commands and in
// the order that the page gives, each as whoever the page says.
func TestWalks(t *testing.T) {
	t.Parallel()
	e2e(t)
	if os.Getenv("SOAK") == "" {
		t.Skip("needs five minutes of processor time: run make soak")
	}
	w := walks{newOwnPlatform(t, millAlone())}
	w.administrator.must(t, console.ExitOK, "bootstrap", "-C", w.repository, "-env", "shared", "-yes")
	w.administrator.must(t, console.ExitOK, "bootstrap", "-C", w.repository, "-env", "test", "-yes")
	w.release("v1.0.0", nil)
	w.deploys(console.ExitOK, "", "test", "promote", "-release", "v1.0.0")
	w.runs("test", "grind", "scale")

	w.addsService()
	w.addsEnvironment()
	w.removesEnvironment()
	w.removesService()
}

type walks struct{ *ownPlatform }

// millAlone is a platform that is soon created: without a load balancer and data stores.
func millAlone() config.Platform {
	p := configtest.Mill()
	checked := []string{"CMD", "sample", "check"}
	p.Services = []config.Service{
		{Name: "grind", Image: config.Image{Context: "grind"}, HealthCommand: checked, Calls: []string{"scale"}},
		{Name: "scale", Image: config.Image{Context: "scale"}, Port: 8080, HealthCommand: []string{"CMD-SHELL", "wget -q -O- localhost:8080/health"}},
	}
	p.Environments = p.Environments[:1]
	return p
}

// changed is the platform after a change, with lists of its own.
func (w walks) changed(change func(*config.Platform)) config.Platform {
	p := w.platform
	p.Services, p.Environments = slices.Clone(p.Services), slices.Clone(p.Environments)
	change(&p)
	return p
}

// shared applies the shared root as a person does, and leaves nothing pending.
func (w walks) shared() {
	w.t.Helper()
	w.administrator.must(w.t, console.ExitOK, "apply", "-C", w.repository, "-env", "shared", "-yes")
	w.unchanged("shared")
}

// runs checks which services an environment has.
func (w walks) runs(env string, want ...string) {
	w.t.Helper()
	out, err := ecs.NewFromConfig(w.cfg).ListServices(w.t.Context(), &ecs.ListServicesInput{Cluster: aws.String(w.platform.Cluster(env))})
	if err != nil {
		w.t.Fatal(err)
	}
	var got []string
	for _, arn := range out.ServiceArns {
		got = append(got, arn[strings.LastIndex(arn, "/")+1:])
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		w.t.Errorf("%s has the services %q, want %q", env, got, want)
	}
}

// clean checks that nothing is left to commit.
func (w walks) clean() {
	w.t.Helper()
	if left := w.git("status", "--porcelain"); left != "" {
		w.t.Errorf("a second commit is needed for:\n%s", left)
	}
}

func (w walks) addsService() {
	t := w.t
	w.becomes(w.changed(func(p *config.Platform) {
		p.Services = append(p.Services, config.Service{Name: "sieve", Image: config.Image{Context: "sieve"}, HealthCommand: []string{"CMD", "sample", "check"}})
	}), "Add a sieve")
	// Whoever promotes before the repository is there hears what is missing.
	mentions(t, w.deploys(console.ExitFailed, "", "test", "promote", "-commit", w.git("rev-parse", "HEAD")), "mill/sieve", "tfpipeline apply -env shared")
	w.runs("test", "grind", "scale")
	w.shared()
	w.release("v1.1.0", nil)
	w.deploys(console.ExitOK, "", "test", "promote", "-release", "v1.1.0")
	w.runs("test", "grind", "scale", "sieve")
	w.unchanged("test")
}

func (w walks) addsEnvironment() {
	t := w.t
	w.becomes(w.changed(func(p *config.Platform) {
		qa := p.Environments[0]
		qa.Name, qa.Network.CIDR = "qa", "10.90.0.0/16"
		p.Environments = append(p.Environments, qa)
	}), "Add an environment for tests")
	laptop := w.administrator
	laptop.env = withoutAWS("SCRIPT_PLATFORM=" + w.description)
	if out := laptop.must(t, console.ExitOK, "plan", "-C", w.repository, "-env", "qa"); !strings.Contains(out, "to create") {
		t.Errorf("the plan of a new environment:\n%s", out)
	}
	w.clean()
	w.shared()
	w.administrator.must(t, console.ExitOK, "bootstrap", "-C", w.repository, "-env", "qa", "-yes")
	w.clean()
	w.release("v1.2.0", nil)
	w.deploys(console.ExitOK, "", "qa", "promote", "-release", "v1.2.0")
	w.runs("qa", "grind", "scale", "sieve")
	w.clean()
	w.unchanged("qa")
}

func (w walks) removesEnvironment() {
	t := w.t
	w.administrator.must(t, console.ExitOK, "destroy", "-C", w.repository, "-env", "qa", "-yes", "-name", "qa")
	role := w.platform.Role("deploy-qa")
	w.becomes(w.changed(func(p *config.Platform) { p.Environments = p.Environments[:1] }), "Remove the environment for tests")
	if left := w.git("ls-files", "envs/qa"); left != "envs/qa/.terraform.lock.hcl" {
		t.Errorf("gen left %q", left)
	}
	w.git("rm", "-r", "--quiet", "envs/qa")
	w.git("commit", "--quiet", "-m", "Remove its lock file")
	w.shared()
	if _, err := iam.NewFromConfig(w.cfg).GetRole(t.Context(), &iam.GetRoleInput{RoleName: &role}); err == nil {
		t.Errorf("role %s is left", role)
	}
	history, err := s3.NewFromConfig(w.cfg).ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(w.platform.StateBucket()), Prefix: aws.String(w.platform.HistoryPrefix("qa"))})
	if err != nil || len(history.Contents) == 0 {
		t.Errorf("the history of the environment is gone: %v", err)
	}
	left, err := w.cloud.Inventory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for kind, names := range left {
		for _, name := range names {
			if strings.Contains(name, "-qa") && !strings.Contains(kind, "s3") {
				t.Errorf("%s %s is left", kind, name)
			}
		}
	}
}

func (w walks) removesService() {
	t := w.t
	w.becomes(w.changed(func(p *config.Platform) { p.Services = p.Services[:2] }), "Remove the sieve")
	w.deployer("test").must(t, console.ExitOK, "apply", "-C", w.repository, "-env", "test", "-yes")
	w.runs("test", "grind", "scale")

	apply := []string{"apply", "-C", w.repository, "-env", "shared", "-yes"}
	const address = `module.repository["mill/sieve"].aws_ecr_repository.this`
	_, stderr, code := w.administrator.run(t, apply...)
	if code != console.ExitFailed {
		t.Fatalf("the guard lets a repository go: exit %d\n%s", code, stderr)
	}
	mentions(t, stderr, address)
	// AWS keeps a repository with images even from those whom the guard lets.
	_, stderr, code = w.administrator.run(t, append(apply, "-allow", address)...)
	if code != console.ExitFailed {
		t.Fatalf("a repository with images is deleted: exit %d\n%s", code, stderr)
	}
	mentions(t, stderr, "RepositoryNotEmptyException")
	if _, err := ecr.NewFromConfig(w.cfg).DeleteRepository(t.Context(), &ecr.DeleteRepositoryInput{RepositoryName: aws.String("mill/sieve"), Force: true}); err != nil {
		t.Fatal(err)
	}
	w.shared()

	w.release("v1.3.0", nil)
	w.deploys(console.ExitOK, "", "test", "promote", "-release", "v1.3.0")
	w.deploys(console.ExitOK, "", "test", "rollback", "-to", "v1.1.0")
	w.runs("test", "grind", "scale")
	w.unchanged("test")
}
