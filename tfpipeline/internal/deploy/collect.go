package deploy

import (
	"context"
	"maps"
	"slices"
)

// collect gathers evidence of a failure before ECS forgets it: once, and only
// if anything ran that could show some.
func (a *attempt) collect(ctx context.Context) {
	r := a.record()
	if !a.evidence.Collected.IsZero() || !a.journal.Changed {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, a.limits.Collect)
	defer cancel()
	scope := Scope{Since: r.Started}
	for _, name := range slices.Sorted(maps.Keys(r.Services)) {
		s := r.Services[name]
		if !s.Updated {
			continue
		}
		scope.Services = append(scope.Services, name)
		scope.TaskDefinitions = append(scope.TaskDefinitions, s.After)
		if s.Deployment != "" {
			scope.Deployments = append(scope.Deployments, s.Deployment)
		}
		if s.Started.Before(scope.Since) {
			scope.Since = s.Started
		}
	}
	for name, t := range map[string]*TaskRecord{taskMigrate: r.Migration.task(), taskSeed: r.Seed} {
		if t != nil && t.ARN != "" && !t.Succeeded() {
			scope.Tasks = append(scope.Tasks, Task{ARN: t.ARN, Name: name})
		}
	}
	if len(scope.Services) == 0 && len(scope.Tasks) == 0 {
		return
	}
	a.evidence = a.Collector.Collect(ctx, scope)
}

// task is the record of the task that ran the migrations; nil if none did.
func (m *MigrationRecord) task() *TaskRecord {
	if m == nil {
		return nil
	}
	return &m.TaskRecord
}
