package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/endpoint"
	"github.com/specboard/platform/tfpipeline/internal/localaws"
	"github.com/specboard/platform/tfpipeline/internal/root"
)

// pushSample puts images of the sample application into the repositories of
// the endpoint in the environment.
func (a *app) pushSample(ctx context.Context, o localOptions) error {
	url := a.console.Getenv("AWS_ENDPOINT_URL")
	if !root.IsLoopback(url) {
		return console.WithNext(fmt.Errorf("push the sample application: AWS_ENDPOINT_URL=%q is no local endpoint; real images are pushed by docker", url), "tfpipeline local")
	}
	services := a.platform.Services
	if o.only != "" {
		s, ok := a.platform.Service(o.only)
		if !ok {
			return console.Usage(fmt.Sprintf("local: -only %s: there is no such service", o.only), "tfpipeline help local")
		}
		services = []config.Service{s}
	}
	if err := a.findRepository(); err != nil {
		return err
	}
	folder, err := a.buildSample(ctx, o.push)
	if err != nil {
		return fmt.Errorf("push the sample application: %w", err)
	}
	region := a.console.Getenv("AWS_REGION")
	if region == "" {
		region = a.platform.Region
	}
	cfg := endpoint.Access{URL: url, Region: region, Key: "local"}.Config()
	for _, s := range services {
		command := slices.Concat([]string{"sample", "-service", s.Name, "-release", o.push}, strings.Fields(o.sample))
		digest, err := localaws.Push(ctx, cfg, a.platform.RepositoryName(s.Name), o.push, localaws.Image{Folder: folder, Command: command})
		if err != nil {
			return console.WithNext(fmt.Errorf("push the sample application as %s: %w", s.Name, err), "tfpipeline bootstrap -env %s", config.SharedRoot)
		}
		fmt.Fprintf(a.console.Out, "%s:%s@%s\n", a.platform.RepositoryURL(s.Name), o.push, digest)
	}
	return nil
}

// seedProgram is the command of the seed task.
const seedProgram = "#!/bin/sh\nexec sample seed\n"

// buildSample makes the folder of programs that is the image of a release. It
// stays, as an image does.
func (a *app) buildSample(ctx context.Context, tag string) (string, error) {
	folder := filepath.Join(cacheDir(), "releases", strings.ReplaceAll(tag, string(filepath.Separator), "-"))
	bin := filepath.Join(folder, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-o", bin+string(filepath.Separator), "./tfpipeline/internal/localaws/sample", "./migrations/migrate")
	cmd.Dir, cmd.Env = a.repository, a.console.Env
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build it: %w\n%s", err, strings.TrimSpace(string(out)))
	}
	return folder, os.WriteFile(filepath.Join(bin, "seed"), []byte(seedProgram), 0o755)
}
