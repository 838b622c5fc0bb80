// Package render turns the platform's configuration into Terraform: reusable
// modules in modules/, their example in examples/ and one root per state in
// envs/, in the form that a person would write. It knows Terraform's language and no provider's schema.
package render

import (
	"cmp"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/specboard/platform/gen/config"
)

// File is one generated file.
type File struct {
	// Path is relative to the repository's root, with slashes.
	Path    string
	Content []byte
}

// Render returns every generated file, sorted by path. Equal platforms give
// equal bytes. The platform should be valid (see config.Platform.Validate).
func Render(p config.Platform) ([]File, error) {
	jobs := []func() ([]File, error){sharedRoot(p).render}
	for _, e := range p.Environments {
		jobs = append(jobs, func() ([]File, error) {
			r, err := environmentRoot(p, e)
			if err != nil {
				return nil, err
			}
			return r.render()
		})
	}
	for _, m := range modules() {
		jobs = append(jobs, m.render)
	}
	jobs = append(jobs, func() ([]File, error) { return exampleFiles(modules()) })

	parts := make([][]File, len(jobs))
	var g errgroup.Group
	for i, job := range jobs {
		g.Go(func() (err error) {
			parts[i], err = job()
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("render: %w", err)
	}
	files := slices.Concat(parts...)
	slices.SortFunc(files, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	return files, nil
}

// modules lists the reusable modules. They do not depend on the platform: what
// differs comes in through their variables.
func modules() []module {
	return []module{
		alarms(), bucket(), cache(), cluster(), database(), github(), loadBalancer(),
		firewall(), mail(), network(), queues(), repository(), schedules(), secrets(), service(), task(),
	}
}
