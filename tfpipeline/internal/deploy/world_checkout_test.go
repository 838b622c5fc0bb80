package deploy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/specboard/platform/migrations"
)

// The checkout, and what stands around it.

func (p *process) Head(ctx context.Context) (string, []string, error) {
	commit, err := call(ctx, p, "Head", "", func() (string, error) { return p.head(), nil })
	return commit, nil, err
}

// head is the commit that the process was started for.
func (p *process) head() string {
	if p.checkedOut != "" {
		return p.checkedOut
	}
	return p.history[len(p.history)-1]
}

func (p *process) Peel(ctx context.Context, tag string) (string, error) {
	return call(ctx, p, "Peel", tag, func() (string, error) {
		if c, ok := p.tags[tag]; ok {
			return c, nil
		}
		return "", fmt.Errorf("there is no tag %s", tag)
	})
}

func (p *process) Contains(ctx context.Context, descendant, ancestor string) (bool, error) {
	return call(ctx, p, "Contains", "", func() (bool, error) {
		d, a := slices.Index(p.history, descendant), slices.Index(p.history, ancestor)
		return a >= 0 && d >= a, nil
	})
}

func (p *process) Schema(ctx context.Context) (Schema, error) {
	return call(ctx, p, "Schema", "", func() (Schema, error) { return p.schema, nil })
}

func (p *process) Plan(ctx context.Context) (Plan, error) {
	return call(ctx, p, "Plan", "", func() (Plan, error) { return p.planned, nil })
}

func (p *process) Apply(ctx context.Context, attempt string) error {
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.dead {
			p.stateLock.attempt = ""
		}
	}()
	return ignore(call(ctx, p, "Apply", p.planned.Fingerprint, func() (struct{}, error) {
		p.stateLock.attempt, p.stateLock.at = attempt, time.Now()
		p.applied = append(p.applied, p.planned.Fingerprint)
		p.planned = Plan{Fingerprint: "fp-none", Empty: true}
		if p.onApply != nil {
			p.onApply()
		}
		return struct{}{}, nil
	}))
}

func (p *process) ForgetDead(ctx context.Context, attempt string) (time.Duration, error) {
	return call(ctx, p, "ForgetDead", "", func() (time.Duration, error) {
		age := time.Since(p.stateLock.at)
		switch {
		case p.stateLock.attempt != attempt:
			return 0, nil
		case age < time.Minute:
			return time.Minute - age, nil
		}
		p.stateLock.attempt = ""
		return 0, nil
	})
}

func (p *process) Outputs(ctx context.Context) (Outputs, error) {
	return call(ctx, p, "Outputs", "", func() (Outputs, error) {
		o := Outputs{Templates: map[string]string{}, Placements: map[string]Placement{}}
		for _, s := range p.platform.Services {
			o.Templates[s.Name] = p.arn(s.Name, 1)
		}
		for _, t := range p.platform.Tasks {
			o.Templates[t.Name] = p.arn(t.Name, 1)
			o.Placements[t.Name] = Placement{Subnets: []string{"subnet-1"}, SecurityGroups: []string{"sg-" + t.Name}}
		}
		maps.Copy(o.Templates, p.templates)
		return o, nil
	})
}

func (p *process) Empty(ctx context.Context, names []string) ([]string, error) {
	return call(ctx, p, "Empty", "", func() ([]string, error) { return p.empty, nil })
}

func (p *process) FormerDeployments(ctx context.Context, services []string) (map[string][]FormerDeployment, error) {
	return call(ctx, p, "Past", "", func() (map[string][]FormerDeployment, error) { return p.former, nil })
}

func (p *process) Notify(ctx context.Context, r Record) error {
	return ignore(call(ctx, p, "Notify", string(r.Outcome), func() (struct{}, error) {
		p.notified = append(p.notified, r)
		return struct{}{}, nil
	}))
}

func (p *process) NotifyDied(ctx context.Context, r Record) error { return p.Notify(ctx, r) }

// contract is a contract migration.
func contract(number int, name, since string) migrations.Migration {
	return migrations.Migration{Number: number, Name: name, Header: migrations.Header{Phase: migrations.Contract, UnusedSince: since}}
}
