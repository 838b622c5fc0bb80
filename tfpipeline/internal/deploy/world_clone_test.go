package deploy

import (
	"maps"
	"slices"
	"time"
)

// clone is a second world with the same past, so that one can be made once and
// used many times. No process may be at work.
func (w *world) clone() *world {
	c := &world{
		platform: w.platform, env: w.env, latency: w.latency,
		services: map[string]*fakeService{}, schedules: map[string]*fakeSchedule{}, definitions: map[string]*fakeDefinition{}, deployments: map[string]*fakeDeployment{},
		tasks: map[string]*fakeTask{}, minimums: maps.Clone(w.minimums), journals: maps.Clone(w.journals),
		records: slices.Clone(w.records), versions: w.versions, stateLock: w.stateLock, images: map[string][]string{}, kept: slices.Clone(w.kept),
		schema: w.schema, planned: w.planned, applied: slices.Clone(w.applied), history: slices.Clone(w.history),
		tags: maps.Clone(w.tags), empty: w.empty, former: map[string][]FormerDeployment{}, notified: slices.Clone(w.notified),
		unhealthy: maps.Clone(w.unhealthy), targets: maps.Clone(w.targets), sick: maps.Clone(w.sick), indexed: maps.Clone(w.indexed), templates: maps.Clone(w.templates), serves: maps.Clone(w.serves), onApply: w.onApply, behave: w.behave, taskEnds: w.taskEnds, serial: w.serial, started: w.started, consistency: w.consistency,
	}
	if w.lease != nil {
		c.lease = new(*w.lease)
		if w.lease == w.putLease.lease {
			c.putLease.lease, c.putLease.at = c.lease, w.putLease.at
		}
	}
	for arn, d := range w.definitions {
		c.definitions[arn] = new(*d)
	}
	for arn, d := range w.deployments {
		c.deployments[arn] = new(*d)
	}
	for arn, t := range w.tasks {
		c.tasks[arn] = new(*t)
	}
	for name, s := range w.services {
		s := new(*s)
		s.events, s.crashed = slices.Clone(s.events), slices.Clone(s.crashed)
		if s.latest != nil {
			s.latest = c.deployments[s.latest.ARN]
		}
		c.services[name] = s
	}
	for name, s := range w.schedules {
		c.schedules[name] = new(*s)
	}
	for name, digests := range w.images {
		c.images[name] = slices.Clone(digests)
	}
	for name, list := range w.former {
		c.former[name] = slices.Clone(list)
	}
	return c
}

// snapshot is a world at a time of a bubble's clock. Every bubble's clock begins
// at the same time.
type snapshot struct {
	world *world
	at    time.Time
}

func (w *world) snapshot() snapshot { return snapshot{w.clone(), time.Now()} }

// restore returns the world as it was, in a bubble that has come to that time.
func (s snapshot) restore() *world {
	<-time.After(time.Until(s.at))
	return s.world.clone()
}
