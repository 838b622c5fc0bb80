package scaffold

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/console"
)

// Init makes a checkout somebody's own platform.
type Init struct {
	// Dir is the checkout.
	Dir     string
	Console *console.Console
	Answers Answers
	// Yes answers the question that comes before anything is written.
	Yes bool
	// NoPlan skips the plan at the end.
	NoPlan bool
}

// Declare declares the flags that give answers.
func (i *Init) Declare(set *flag.FlagSet) {
	a := &i.Answers
	set.StringVar(&a.Name, "name", "", "what begins every AWS name, such as shop")
	set.StringVar(&a.Account, "account", "", "AWS account, twelve digits")
	set.StringVar(&a.Region, "region", "", "AWS region")
	set.StringVar(&a.Domain, "domain", "", "apex of the hosted zone, such as shop.io")
	set.StringVar(&a.Repository, "repository", "", "GitHub repository, as `owner/name`")
	set.StringVar(&a.IDs, "ids", "", "GitHub's ids of the owner and the repository, as `OWNER/REPOSITORY`, such as 1234567/987654321 (default: none yet)")
	set.StringVar(&a.Zones, "zones", "", "`letters` of availability zones, such as a,c (default: two that every account has; us-west-1 has none)")
	set.StringVar(&a.Email, "email", "", "who hears production's alarms (default on-call@ the domain)")
	set.StringVar(&a.HealthPath, "health", "", "`path` that answers 200 while a service can serve (default /health)")
	set.Func("service", "`NAME:PORT[:FOLDER[:DOCKERFILE]]` of a service; its build may copy what is in FOLDER, where its Dockerfile is unless named; may be repeated (default: what the Dockerfiles here expose)", func(text string) error {
		s, err := ParseService(text)
		a.Services = append(a.Services, s)
		return err
	})
	set.Func("worker", "`NAME[:FOLDER[:DOCKERFILE]]` of a service without a port; the HEALTHCHECK of its Dockerfile becomes its health command; may be repeated", func(text string) error {
		a.Services = append(a.Services, ParseWorker(text))
		return nil
	})
	set.BoolVar(&a.NoDatabase, "no-database", false, "make a platform without a database")
	set.BoolVar(&a.NoCache, "no-cache", false, "make a platform without a cache")
	set.BoolVar(&i.Yes, "yes", false, "do not ask before files are replaced")
	set.BoolVar(&i.NoPlan, "no-plan", false, "end without a plan")
}

// Run finds the services unless flags name them, asks for what is missing,
// writes the platform and renders it. It returns the platform.
func (i *Init) Run(ctx context.Context) (config.Platform, error) {
	a, c := &i.Answers, i.Console
	if err := i.services(ctx); err != nil {
		return config.Platform{}, console.WithNext(err, "%s", a.Command())
	}
	if missing := a.Missing(); len(missing) > 0 && !c.CanAsk() {
		return config.Platform{}, console.Usage("init asks for "+strings.Join(missing, ", ")+", and there is no terminal to ask on", a.Command()+" -yes")
	}
	if err := c.RequireAnswer("init", a.Command()+" -yes", i.Yes); err != nil {
		return config.Platform{}, err
	}
	ask := func(question string) (string, error) { return c.Ask(ctx, question) }
	if !c.CanAsk() {
		ask = nil
	}
	if err := a.Complete(ask); err != nil {
		if p, ok := errors.AsType[problem](err); ok {
			err = console.WithNext(fmt.Errorf("init: nothing was written: %w", err), "%s", a.Command(p.flag))
		}
		return config.Platform{}, err
	}
	p, flags, err := a.validate()
	if err != nil {
		return p, console.WithNext(fmt.Errorf("init: nothing was written, since this is no valid platform:\n  %s",
			strings.ReplaceAll(err.Error(), "\n", "\n  ")), "%s", a.Command(flags...))
	}
	question, err := i.question()
	if err != nil {
		return p, err
	}
	if err := c.Confirm(ctx, question, i.Yes); err != nil {
		return p, err
	}
	did, err := Write(i.Dir, p)
	for _, line := range did {
		c.Progress("%s", line)
	}
	if err != nil {
		return p, console.WithNext(fmt.Errorf("init: %w", err), "%s, which goes on from here", a.Command())
	}
	i.remind(p)
	return p, i.render(ctx)
}

// remind says what a service's own image must hold before the first promotion.
func (i *Init) remind(p config.Platform) {
	for _, t := range p.Tasks {
		s := i.Answers.Services[slices.IndexFunc(i.Answers.Services, func(s Service) bool { return s.Name == t.Service })]
		if s.Folder == "" {
			continue // the sample application has it
		}
		i.Console.Progress("task %s runs %s in the image of %s: its Dockerfile has to copy that program, as docs/migrations.md shows, with Image{Context: %q, Dockerfile: %q}",
			t.Name, strings.Join(t.Command, " "), s.Name, ".", s.dockerfile())
	}
}

// services takes the services from the folder's Dockerfiles, and tells the
// console where it found them.
func (i *Init) services(ctx context.Context) error {
	a, c := &i.Answers, i.Console
	if len(a.Services) > 0 {
		missing, err := a.readDockerfiles(os.DirFS(i.Dir))
		if err != nil {
			return err
		}
		for _, name := range missing {
			c.Progress("%s is not there: the image cannot be built before it is", name)
		}
		if samples := a.samples(); len(samples) > 0 {
			flag := "-worker "
			if samples[0].Port != 0 {
				flag = "-service "
			}
			c.Progress("%s: the image is the sample application until a folder is named, as in %s%s:FOLDER", strings.Join(names(samples), ", "), flag, samples[0])
		}
		for _, s := range a.Services {
			if s.Port == 0 && s.HealthCommand == nil {
				c.Progress("%s has no HEALTHCHECK, which the health command of worker %s would be", s.dockerfile(), s.Name)
			}
		}
		return nil
	}
	a.Found = true
	discovered, err := Discover(os.DirFS(i.Dir))
	if err != nil {
		return err
	}
	found, without := discovered.Services, discovered.Without
	for _, line := range discovered.PassedOver {
		c.Progress("%s", line)
	}
	for _, s := range found {
		if s.Port == 0 {
			c.Progress("found worker %s in %s, which exposes no port and has a HEALTHCHECK", s.Name, s.dockerfile())
		} else {
			c.Progress("found service %s, port %d, in %s", s.Name, s.Port, s.dockerfile())
		}
	}
	if c.CanAsk() {
		if found, err = a.ports(found, without, func(question string) (string, error) { return c.Ask(ctx, question) }); err != nil {
			return err
		}
	} else {
		for _, s := range without {
			c.Progress("%s exposes no port and has no HEALTHCHECK: if it is a service, name all services by flags, the found ones too: -service NAME:PORT:FOLDER, and -worker NAME:FOLDER for one that listens on none", s.dockerfile())
		}
	}
	if a.Services = found; len(found) == 0 {
		a.Services = []Service{{Name: "web", Port: 8080}}
		c.Progress("no Dockerfile with EXPOSE or HEALTHCHECK is here: the platform begins with one service, web, on port 8080, and the sample application as its image")
	}
	return nil
}

// samples are the services for which no folder was named.
func (a *Answers) samples() (samples []Service) {
	for _, s := range a.Services {
		if s.Folder == "" {
			samples = append(samples, s)
		}
	}
	return samples
}

func names(services []Service) (names []string) {
	for _, s := range services {
		names = append(names, s.Name)
	}
	return names
}

// question asks whether to write, and says what will be lost.
func (i *Init) question() (string, error) {
	own, err := owned(i.Dir)
	if err != nil {
		return "", fmt.Errorf("init: %w", err)
	}
	question := fmt.Sprintf("Replace %s by %s", platformFile, i.Answers.Name)
	if own {
		return question + ", and keep a copy if it differs?", nil
	}
	if names, err := fs.Glob(os.DirFS(i.Dir), migrationFiles); err == nil && len(names) > 0 {
		question += fmt.Sprintf(", remove %d migrations", len(names))
	}
	return question + ", and rename the Go module?", nil
}

// longestName is the most characters of a platform's name: the names of an
// environment called production hold it too.
const longestName = 38

// rendering bounds the run of gen, including its compilation.
const rendering = 10 * time.Minute

// render runs the checkout's gen on the new platform.
func (i *Init) render(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, rendering)
	defer cancel()
	i.Console.Progress("rendering modules/ and envs/, with go run ./gen, which is compiled first …")
	cmd := exec.CommandContext(ctx, "go", "run", "./gen")
	cmd.Dir, cmd.Env = i.Dir, i.Console.Env
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil && ctx.Err() != nil:
		err = context.Cause(ctx)
	case err != nil:
		err = errors.Join(err, errors.New(strings.TrimSpace(string(out))))
	default:
		i.Console.Progress("rendered: %d files changed", strings.Count(string(out), "\n"))
		i.Console.Progress("this checkout is yours; what follows is in docs/adopt.md, from section 2 on")
		return nil
	}
	return console.WithNext(fmt.Errorf("init: the platform is written, but not rendered: go run ./gen: %w", err), "make gen")
}
