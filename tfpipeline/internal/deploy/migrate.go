package deploy

import (
	"context"
	"slices"

	"github.com/specboard/platform/gen/config"
)

// The one-off tasks that a deployment runs, where the platform has them.
const (
	taskMigrate = "migrate"
	taskSeed    = "seed"
)

// migrate brings the schema to the release's, and fills the database of a first
// deployment. A rollback leaves the schema, unless asked.
func (a *attempt) migrate(ctx context.Context) error {
	r := a.record()
	task, ok := a.Platform.Task(taskMigrate)
	rollback := r.Kind == KindRollback
	switch {
	case rollback && !a.request.WithMigrations:
		a.note("migrations are not run: every release since keeps the schema that %s needs", r.Release)
		return nil
	case !ok:
		a.note("the platform has no task %s", taskMigrate)
		return nil
	}
	if r.Migration == nil {
		r.Migration = &MigrationRecord{Contracts: a.contracts}
	}
	command := slices.Clone(task.Command)
	if rollback {
		// Newer releases have migrated further.
		command = append(command, "-allow-ahead")
	}
	if err := a.oneOff(ctx, task, command, func(r *Record) *TaskRecord { return &r.Migration.TaskRecord }); err != nil {
		return err
	}
	seed, ok := a.Platform.Task(taskSeed)
	if !r.First || !ok {
		return nil
	}
	if r.Seed == nil {
		r.Seed = &TaskRecord{}
	}
	return a.oneOff(ctx, seed, seed.Command, func(r *Record) *TaskRecord { return r.Seed })
}

// taskEnvironment is what a one-off task is told of the release.
func (a *attempt) taskEnvironment() map[string]string {
	return map[string]string{"RELEASE": a.record().Release.name()}
}

// imageOf is the full reference of the image that a service or one-off task
// runs.
func (a *attempt) imageOf(service string) string {
	return a.Platform.RepositoryURL(service) + "@" + a.record().Release.Digests[service]
}

func (a *attempt) tags(template string) map[string]string {
	release := a.record().Release
	return map[string]string{"release": release.name(), "commit": release.Commit, "template": short(template)}
}

// registerTask registers a one-off task with the release's image.
func (a *attempt) registerTask(ctx context.Context, task config.Task) (string, error) {
	template := a.outputs.Templates[task.Name]
	return a.registerRevision(ctx, Revision{Name: task.Name, Template: template, Image: a.imageOf(task.Service), Tags: a.tags(template)})
}
