// Package render turns the platform's configuration into Terraform: reusable
// modules in modules/, their example in examples/ and one root per state in
// envs/, in the form that a person would write. It knows Terraform's language and no provider's schema.
package render

import (
	"fmt"
	"maps"

	"golang.org/x/sync/errgroup"

	"github.com/specboard/platform/gen/config"
)

// Render returns every generated file by its path, which is relative to the
// repository's root, with slashes. Equal platforms give equal bytes. The platform should be valid (see config.Platform.Validate).
func Render(p config.Platform) (map[string][]byte, error) {
	jobs := []func() (map[string][]byte, error){sharedRoot(p).render}
	for _, e := range p.Environments {
		jobs = append(jobs, func() (map[string][]byte, error) {
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
	jobs = append(jobs, func() (map[string][]byte, error) { return exampleFiles(modules()) })

	parts := make([]map[string][]byte, len(jobs))
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
	files := map[string][]byte{}
	for _, part := range parts {
		maps.Copy(files, part)
	}
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
