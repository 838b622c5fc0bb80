package deploy

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
)

// fakeSchedule is a schedule of the world's Scheduler.
type fakeSchedule struct {
	Schedule
	// before is what old reads show until stale has passed.
	before Schedule
	stale  time.Time
	gone   bool
}

// scheduled is a platform with two tasks that run by themselves.
func scheduled() config.Platform {
	p := configtest.Docs()
	for _, of := range [][2]string{{"report", "api"}, {"sitemap", "frontend"}} {
		p.Tasks = append(p.Tasks, config.Task{
			Name: of[0], Service: of[1], Command: []string{of[0]}, CPU: 256, Memory: 512,
			Schedule: config.Schedule{Expression: "rate(1 hour)"},
		})
	}
	return p
}

// createSchedules makes the schedules that the world lacks, as Terraform does: off,
// with the placeholder.
func (w *world) createSchedules() {
	env, _ := w.platform.Environment(w.env)
	for _, t := range w.platform.Scheduled(env) {
		if w.schedules[t.Name] == nil {
			w.schedules[t.Name] = &fakeSchedule{Schedule: Schedule{TaskDefinition: w.arn(t.Name, 1)}}
		}
	}
}

// starts is the release that a schedule starts.
func (w *world) starts(name string, s *fakeSchedule) string {
	for tag, commit := range w.tags {
		switch {
		case w.digestIn(s.TaskDefinition) != digestOf(imageName(w.platform, name), commit):
		case s.Enabled:
			return tag
		default:
			return tag + ", off"
		}
	}
	if s.Enabled {
		return "placeholder, on"
	}
	return "placeholder"
}

func (p *process) DescribeSchedules(ctx context.Context, tasks []string) (map[string]Schedule, error) {
	return call(ctx, p, "DescribeSchedules", strings.Join(tasks, " "), func() (map[string]Schedule, error) {
		all := map[string]Schedule{}
		for _, name := range tasks {
			s := p.schedules[name]
			switch {
			case s == nil || s.gone:
			case p.late(s.stale):
				all[name] = s.before
			default:
				all[name] = s.Schedule
			}
		}
		return all, nil
	})
}

func (p *process) SetSchedule(ctx context.Context, task string, set Schedule) error {
	return ignore(call(ctx, p, "SetSchedule", fmt.Sprint(task, " ", set), func() (struct{}, error) {
		s := p.schedules[task]
		if s == nil || s.gone {
			return struct{}{}, fmt.Errorf("ResourceNotFoundException: schedule %s does not exist", task)
		}
		if d := p.definitions[set.TaskDefinition]; d == nil || set.Enabled && d.inactive {
			return struct{}{}, fmt.Errorf("the schedule of %s would start %s, which is not active", task, set.TaskDefinition)
		}
		if p.consistency != nil {
			if !time.Now().Before(s.stale) {
				s.before = s.Schedule
			}
			s.stale = time.Now().Add(p.lag())
		}
		s.Schedule = set
		return struct{}{}, nil
	}))
}
