package ecs

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

const (
	// migrateTick is the pause between two looks at the task.
	migrateTick = 2 * time.Second
	// migrateWithin bounds its run, which finds nothing to migrate.
	migrateWithin = 15 * time.Minute
	// revisionsBack is how many revisions of a family are looked at for one that has an
	// image by digest. Terraform's revisions have none.
	revisionsBack = 20
	// linesOfFailure is how many lines of a failed task's log are shown.
	linesOfFailure = 20
)

// Migrate runs the task migrate to its end, as Terraform has just applied it, with the
// image that it ran last. It reports false if it never ran: the first promotion runs it.
// token makes the start idempotent.
func (e *Environment) Migrate(ctx context.Context, o deploy.Outputs, token string) (ran bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, migrateWithin)
	defer cancel()
	task, ok := e.platform.Task(config.MigrateTask)
	if template := o.Templates[task.Name]; !ok || template == "" {
		return false, nil
	}
	image, err := e.lastImage(ctx, task.Name)
	if err != nil || image == "" {
		return false, err
	}
	definition, err := e.Register(ctx, deploy.Revision{Name: task.Name, Template: o.Templates[task.Name], Image: image})
	if err != nil {
		return false, err
	}
	arn, err := e.RunTask(ctx, deploy.TaskRun{
		Name: task.Name, TaskDefinition: definition, Token: token, StartedBy: token, Placement: o.Placements[task.Name],
		// The image may be that of a release from before the schema's last migration.
		Command: append(append([]string{}, task.Command...), "-allow-ahead"),
	})
	if err != nil {
		return false, err
	}
	ticks := time.NewTicker(migrateTick)
	defer ticks.Stop()
	for {
		ended, err := e.DescribeTask(ctx, arn)
		switch {
		case err != nil:
			return true, err
		case ended.State == deploy.TaskStopped && ended.ExitCode != nil && *ended.ExitCode == 0:
			return true, nil
		case ended.State == deploy.TaskStopped:
			return true, e.failedTask(ctx, ended)
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return true, fmt.Errorf("follow task %s (%s): %w", task.Name, short(arn), context.Cause(ctx))
		}
	}
}

// lastImage is the image of a family's newest revision that has one by digest; "" if
// there is none.
func (e *Environment) lastImage(ctx context.Context, name string) (string, error) {
	newest := e.platform.Family(e.name, name)
	known, err := e.DescribeTaskDefinitions(ctx, []string{newest})
	if err != nil {
		return "", err
	}
	d := known[newest]
	family, number, _ := strings.Cut(d.ARN[strings.LastIndex(d.ARN, "/")+1:], ":")
	n, _ := strconv.Atoi(number) // 0: the family has no revision
	for back := 1; !d.Active || !strings.Contains(d.Image, "@sha256:"); back++ {
		if n-back < 1 || back > revisionsBack {
			return "", nil
		}
		revision := family + ":" + strconv.Itoa(n-back)
		if known, err = e.DescribeTaskDefinitions(ctx, []string{revision}); err != nil {
			return "", err
		}
		d = known[revision]
	}
	return d.Image, nil
}

// failedTask says how a task failed, with the last lines that it logged.
func (e *Environment) failedTask(ctx context.Context, t deploy.Task) error {
	err := fmt.Errorf("task %s (%s) never began: %s: %s", t.Name, short(t.ARN), t.StopCode, t.Reason)
	if t.ExitCode != nil {
		err = fmt.Errorf("task %s (%s) ended with exit code %d", t.Name, short(t.ARN), *t.ExitCode)
	}
	lines, logErr := e.lastLines(ctx, t.Name, t.Name, t.ARN, linesOfFailure)
	if logErr != nil {
		return fmt.Errorf("%w; its log cannot be read: %w", err, logErr)
	}
	for _, line := range lines {
		err = fmt.Errorf("%w\n  %s", err, line.Message)
	}
	return err
}
