package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

func (p *process) Register(ctx context.Context, r Revision) (string, error) {
	return call(ctx, p, "Register", r.Name+" from "+short(r.Template), func() (string, error) {
		if p.definitions[r.Template] == nil {
			return "", fmt.Errorf("ClientException: no task definition %s", r.Template)
		}
		return p.define(r.Name, r.Image), nil
	})
}

func (p *process) DescribeTaskDefinitions(ctx context.Context, arns []string) (map[string]TaskDefinition, error) {
	return call(ctx, p, "DescribeTaskDefinitions", "", func() (map[string]TaskDefinition, error) {
		all := map[string]TaskDefinition{}
		for _, arn := range arns {
			if d := p.definitions[arn]; d != nil {
				all[arn] = TaskDefinition{ARN: arn, Active: !d.inactive, Image: d.image}
			}
		}
		return all, nil
	})
}

func (p *process) Digests(ctx context.Context, tag string, services []string) (map[string]string, error) {
	return call(ctx, p, "Digests", "", func() (map[string]string, error) {
		all := map[string]string{}
		for _, s := range services {
			if d := digestOf(s, tag); slices.Contains(p.images[s], d) {
				all[s] = d
			}
		}
		return all, nil
	})
}

func (p *process) Missing(ctx context.Context, images map[string]string) ([]string, error) {
	return call(ctx, p, "Missing", "", func() ([]string, error) {
		held := map[string]bool{}
		for s, digests := range p.images {
			for _, d := range digests {
				held[p.world.platform.RepositoryURL(s)+"@"+d] = true
			}
		}
		var missing []string
		for s, image := range images {
			if !held[image] {
				missing = append(missing, s)
			}
		}
		return missing, nil
	})
}

func (p *process) Tag(ctx context.Context, digests map[string]string, tag string) error {
	return ignore(call(ctx, p, "Tag", tag, func() (struct{}, error) {
		p.kept = append(p.kept, tag)
		return struct{}{}, nil
	}))
}

func (p *process) TargetHealth(ctx context.Context, services []string) (map[string]Targets, error) {
	return call(ctx, p, "TargetHealth", "", func() (map[string]Targets, error) {
		all := map[string]Targets{}
		for _, s := range services {
			if known, _ := p.world.platform.Service(s); p.services[s] == nil || !known.Public() {
				continue
			}
			all[s] = Targets{Healthy: p.services[s].desired}
			if t, ok := p.targets[s]; ok {
				all[s] = t
			}
			if p.unhealthy[s] {
				all[s] = Targets{Unhealthy: 2, Reasons: []string{"Target.ResponseCodeMismatch"}}
			}
		}
		return all, nil
	})
}

func (p *process) Get(ctx context.Context, url string) (int, error) {
	return call(ctx, p, "Get", url, func() (int, error) {
		if e, _ := p.platform.Environment(p.env); len(e.AllowedCIDRs) > 0 {
			return 0, errors.New("i/o timeout")
		}
		return 200, nil
	})
}
