package deploy

import (
	"context"
	"fmt"
	"time"
)

// changing stores what is about to be changed, and is called before every
// change. It fails, and nothing may be changed, if the journal cannot be
// stored or the lock is not ours.
func (a *attempt) changing(ctx context.Context, tell func(*Journal)) error {
	if err := a.hold.valid(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	next := a.journal
	next.Record = next.Record.clone()
	next.Changed = true
	if tell != nil {
		tell(&next)
	}
	if err := a.write(ctx, next); err != nil {
		return fmt.Errorf("store the journal before a change: %w", err)
	}
	a.journal, a.acted = next, true
	// Storing it may have taken longer than the lease lived.
	return a.hold.valid()
}

// changed stores what has come of a change. Should that fail, a later run finds
// it out by looking.
func (a *attempt) changed(ctx context.Context) {
	ctx, cancel := a.finishing(ctx)
	defer cancel()
	if err := a.write(ctx, a.journal); err != nil {
		a.warn("store the journal: %v", err)
	}
}

func (a *attempt) write(ctx context.Context, j Journal) error {
	j.Time = time.Now()
	j.Record = a.Redactor.record(j.Record)
	return a.again(ctx, func(ctx context.Context) error { return a.History.WriteJournal(ctx, j) })
}

// clone is a copy that shares nothing that an attempt changes.
func (r Record) clone() Record {
	services := make(map[string]*ServiceRecord, len(r.Services))
	for name, s := range r.Services {
		services[name] = new(*s)
	}
	if r.Services != nil {
		r.Services = services
	}
	if r.Migration != nil {
		r.Migration = new(*r.Migration)
	}
	if r.Seed != nil {
		r.Seed = new(*r.Seed)
	}
	return r
}
