package localaws

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// Sample is the sample application as the images of a release.
type Sample struct {
	Platform config.Platform
	Console  *console.Console
	// Repository is the checkout from which it is built, and Cache the folder
	// that keeps the images.
	Repository, Cache string
	// Tag is the release's tag, Only the single service to push for (all if
	// ""), and Arguments the application's arguments: those of Bad alone, if it
	// names a service.
	Tag, Only, Bad, Arguments string
}

// Push puts the images into the repositories of the endpoint that the
// environment names.
func (s Sample) Push(ctx context.Context) error {
	address := s.Console.Getenv("AWS_ENDPOINT_URL")
	if !isLocal(address) {
		return console.WithNext(fmt.Errorf("push the sample application: AWS_ENDPOINT_URL=%q is no local endpoint; real images are pushed by docker", address), "tfpipeline local")
	}
	services := s.Platform.Services
	if s.Only != "" {
		service, ok := s.Platform.Service(s.Only)
		if !ok {
			return console.Usage(fmt.Sprintf("local: -only %s: there is no such service", s.Only), "tfpipeline help local")
		}
		if !service.Builds() {
			return console.Usage(fmt.Sprintf("local: -only %s: it runs the image of %s: push that", s.Only, service.Image.Service), "tfpipeline local -push "+s.Tag+" -only "+service.Image.Service)
		}
		services = []config.Service{service}
	}
	folder, err := s.build(ctx)
	if err != nil {
		return fmt.Errorf("push the sample application: %w", err)
	}
	region := s.Console.Getenv("AWS_REGION")
	if region == "" {
		region = s.Platform.Region
	}
	cfg := endpoint.Access{URL: address, Region: region, Key: "local"}.Config()
	for _, service := range services {
		if !service.Builds() {
			continue // it uses another service's image
		}
		arguments := []string{"-service", service.Name, "-release", s.Tag}
		if service.HealthPath != "" {
			arguments = append(arguments, "-health", service.HealthPath)
		}
		if s.Bad == "" || s.Bad == service.Name {
			arguments = append(arguments, strings.Fields(s.Arguments)...)
		}
		image := Image{
			Folder: folder, Command: slices.Concat([]string{"sample"}, arguments),
			Environ: []string{"SAMPLE_ARGUMENTS=" + strings.Join(arguments, " ")},
		}
		digest, err := Push(ctx, cfg, s.Platform.RepositoryName(service.Name), s.Tag, image)
		if err != nil {
			return console.WithNext(fmt.Errorf("push the sample application as %s: %w", service.Name, err), "tfpipeline bootstrap -env %s", config.SharedRoot)
		}
		fmt.Fprintf(s.Console.Out, "%s:%s@%s\n", s.Platform.RepositoryURL(service.Name), s.Tag, digest)
	}
	return nil
}

// crashes are the arguments of a service that is to be bad in no particular way.
const crashes = "-crash-after 1ns"

// PushBad makes a release that fails: an empty commit on the current branch whose
// image of the service Bad crashes, unless Arguments say something else.
func (s Sample) PushBad(ctx context.Context) error {
	service, ok := s.Platform.Service(s.Bad)
	if !ok || !service.Builds() {
		return console.Usage(fmt.Sprintf("local: -bad %s: no service of that name has an image of its own", s.Bad), "tfpipeline help local")
	}
	if address := s.Console.Getenv("AWS_ENDPOINT_URL"); !isLocal(address) {
		return console.WithNext(fmt.Errorf("make a bad release: AWS_ENDPOINT_URL=%q is no local endpoint", address), "tfpipeline local")
	}
	if s.Arguments == "" {
		s.Arguments = crashes
	}
	git := func(args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, "git", append([]string{"-c", "user.name=tfpipeline", "-c", "user.email=tfpipeline@localhost"}, args...)...)
		cmd.Dir, cmd.Env = s.Repository, s.Console.Env
		out, err := cmd.CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("make a bad release: git %s: %w\n%s", args[0], err, out)
		}
		return strings.TrimSpace(string(out)), nil
	}
	// What is staged stays out of the commit, and staged.
	commit, err := git("commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", fmt.Sprintf("Have %s fail on purpose: %s", s.Bad, s.Arguments))
	if err != nil {
		return err
	}
	s.Tag = commit
	if err := s.Push(ctx); err != nil {
		return err
	}
	if _, err := git("update-ref", "-m", "tfpipeline local -bad "+s.Bad, "HEAD", commit); err != nil {
		return err
	}
	s.Console.Progress("the branch has one empty commit more, %s; git reset --soft HEAD~1 takes it away", commit)
	s.Console.Suggest("tfpipeline promote -env %s -commit %s, which ends with exit code 3 and every service on the release before", s.Platform.Environments[0].Name, commit)
	return nil
}

// seedProgram is the command of the seed task.
const seedProgram = "#!/bin/sh\nexec sample seed\n"

// serviceProgram stands for the program that a service starts in place of the
// image's command, such as a worker's.
const serviceProgram = "#!/bin/sh\nexec sample $SAMPLE_ARGUMENTS\n"

// build creates the folder of programs that stands for the image of a release.
// It is kept, since a pushed image refers to it.
func (s Sample) build(ctx context.Context) (string, error) {
	folder := filepath.Join(s.Cache, "releases", strings.ReplaceAll(s.Tag, string(filepath.Separator), "-"))
	bin := filepath.Join(folder, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-ldflags=-w", "-o", bin+string(filepath.Separator), "./tfpipeline/internal/localaws/sample", "./migrations/migrate")
	cmd.Dir, cmd.Env = s.Repository, s.Console.Env
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build it: %w\n%s", err, strings.TrimSpace(string(out)))
	}
	programs := map[string]string{"seed": seedProgram}
	for _, service := range s.Platform.Services {
		if name := ownProgram(service); name != "" {
			programs[name] = serviceProgram
		}
	}
	for name, text := range programs {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(text), 0o755); err != nil {
			return "", err
		}
	}
	return folder, nil
}

// ownProgram is the program in an image's bin that a service starts in place of
// the image's command; "" if there is none, or if the sample application has it.
func ownProgram(s config.Service) string {
	line := slices.Concat(s.EntryPoint, s.Command)
	if len(line) == 0 {
		return ""
	}
	name := strings.TrimPrefix(line[0], "/bin/")
	if strings.Contains(name, "/") || name == "sample" || name == "migrate" || name == "seed" {
		return ""
	}
	return name
}

// isLocal reports whether the URL of an endpoint leads to this machine.
func isLocal(endpoint string) bool {
	u, err := url.Parse(endpoint)
	return err == nil && (u.Hostname() == "127.0.0.1" || u.Hostname() == "localhost" || u.Hostname() == "::1")
}
