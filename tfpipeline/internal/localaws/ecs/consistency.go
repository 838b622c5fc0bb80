package ecs

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// Consistency makes reads lag behind what has happened: "The Amazon ECS API
// follows an eventual consistency model"
// (https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html).
// For as long as Lag after a change, each read sees it or does not see it, as a
// coin falls that Seed makes: one read may show what the one before it no
// longer did.
//
// Of a service that was changed it shows what was before, names no deployment,
// calls it DRAINING, or says MISSING; UpdateService may answer with the service
// as it was. New service deployments, revisions and tasks are MISSING and
// unlisted, ended deployments are in progress, stopped tasks still run, and
// digests are not there yet. How often and in which way is our reading.
//
// The same seed and the same calls at the same times see the same answers.
type Consistency struct {
	// Lag bounds how late a read may be; with 0 every read is up to date.
	Lag  time.Duration
	Seed uint64
}

type consistent struct{}

// Consistent marks a request to ServeHTTP whose reads must be up to date,
// whatever Consistency says: AWS's own services make such requests behind its
// API.
func Consistent(ctx context.Context) context.Context {
	return context.WithValue(ctx, consistent{}, true)
}

// lagging decides what each read sees.
type lagging struct {
	Consistency
	clock  *clock
	chance *rand.Rand
	before map[string][]glimpse // by service ARN, oldest first
}

// glimpse is a service as it was until some time.
type glimpse struct {
	until   time.Time
	service types.Service
}

func newLagging(c Consistency, now *clock) lagging {
	return lagging{Consistency: c, clock: now, chance: rand.New(rand.NewPCG(c.Seed, c.Seed)), before: map[string][]glimpse{}}
}

// behind reports whether this read misses something that happened at a time;
// nil means it never did happen. Each call decides for another read.
func (l *lagging) behind(at *time.Time) bool {
	return at != nil && l.Lag > 0 && l.clock.agenda.now.Before(at.Add(l.Lag)) && l.chance.IntN(2) == 0
}

// changing saves a service as it is before a change.
func (m *model) changing(s *service) {
	if m.reads.Lag > 0 {
		m.reads.before[s.arn()] = append(m.reads.before[s.arn()], glimpse{m.agenda.now, m.describeService(s, true)})
	}
}

// answered is a service as the call that changed it returns it.
func (m *model) answered(s *service) *types.Service {
	if old := m.reads.before[s.arn()]; len(old) > 0 && m.reads.behind(&old[len(old)-1].until) {
		return &old[len(old)-1].service
	}
	return new(m.describeService(s, true))
}

// seen is a service as a read sees it; ok is false for one that it does not
// see.
func (m *model) seen(s *service, tags bool) (out types.Service, ok bool) {
	out = m.describeService(s, tags)
	if m.reads.behind(s.api.CreatedAt) {
		return out, false
	}
	old := slices.DeleteFunc(m.reads.before[s.arn()], func(g glimpse) bool { return !m.agenda.now.Before(g.until.Add(m.reads.Lag)) })
	m.reads.before[s.arn()] = old
	if len(old) == 0 || !m.reads.behind(&old[len(old)-1].until) {
		return out, true
	}
	out = old[m.reads.chance.IntN(len(old))].service
	if !tags {
		out.Tags = []types.Tag{}
	}
	switch m.reads.chance.IntN(8) {
	case 0:
		return out, false
	case 1:
		out.Status = new("DRAINING")
	case 2:
		out.Deployments = []types.Deployment{}
	}
	return out, true
}

// seenDeployment is a service deployment as a read sees it.
func (m *model) seenDeployment(w *serviceDeployment) (out types.ServiceDeployment, ok bool) {
	out = m.describeServiceDeployment(w)
	if m.reads.behind(out.CreatedAt) {
		return out, false
	}
	if m.reads.behind(out.FinishedAt) {
		out.FinishedAt, out.StoppedAt, out.StatusReason = nil, nil, nil
		switch out.Status {
		case types.ServiceDeploymentStatusRollbackSuccessful, types.ServiceDeploymentStatusRollbackFailed:
			out.Status = types.ServiceDeploymentStatusRollbackInProgress
		default:
			out.Status = types.ServiceDeploymentStatusInProgress
		}
	}
	return out, true
}

// seenRevision is a service revision as a read sees it.
func (l *lagging) seenRevision(v *revision) (out types.ServiceRevision, ok bool) {
	out = v.api
	if l.behind(out.CreatedAt) {
		return out, false
	}
	if l.behind(v.resolved) {
		out.ContainerImages = slices.Clone(out.ContainerImages)
		for i := range out.ContainerImages {
			out.ContainerImages[i].ImageDigest = nil
		}
	}
	return out, true
}

// seenTask is a task as a read sees it.
func (l *lagging) seenTask(t *task) (out types.Task, ok bool) {
	out = t.api
	if l.clock.agenda.now.Before(t.visible) || l.behind(out.CreatedAt) {
		return out, false
	}
	late, stopped := l.behind(out.PullStartedAt), l.behind(out.StoppedAt)
	if late || stopped {
		out.Containers = slices.Clone(out.Containers)
	}
	for i := range out.Containers {
		c := &out.Containers[i]
		if late {
			c.ImageDigest = nil
		}
		if stopped {
			c.LastStatus, c.ExitCode, c.Reason = new("RUNNING"), nil, nil
		}
	}
	if stopped {
		out.LastStatus, out.DesiredStatus = new("RUNNING"), new("RUNNING")
		out.StoppedAt, out.StoppingAt, out.ExecutionStoppedAt, out.StoppedReason, out.StopCode = nil, nil, nil, nil, ""
	}
	return out, true
}

// listed is the desired status under which a read lists a task; "" if it does
// not list it.
func (l *lagging) listed(t *task) string {
	switch {
	case l.clock.agenda.now.Before(t.visible) || l.behind(t.api.CreatedAt):
		return ""
	case l.behind(t.api.StoppingAt) || t.api.StoppingAt == nil && l.behind(t.api.StoppedAt):
		return "RUNNING"
	}
	return *t.api.DesiredStatus
}
