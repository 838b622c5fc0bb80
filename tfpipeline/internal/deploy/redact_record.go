package deploy

import "slices"

// each returns a copy of a list with every element changed.
func each[T any](list []T, f func(*T)) []T {
	list = slices.Clone(list)
	for i := range list {
		f(&list[i])
	}
	return list
}

func (r Redactor) in(text *string) { *text = r.Hide(*text) }

// record returns a copy whose words from elsewhere hold no secret.
func (r Redactor) record(record Record) Record {
	record = record.clone()
	r.in(&record.Error)
	r.in(&record.Next)
	record.Left = each(record.Left, r.in)
	record.Overrides = each(record.Overrides, func(o *Override) { r.in(&o.Reason) })
	for _, s := range record.Services {
		r.in(&s.Reason)
	}
	for _, t := range []*TaskRecord{record.Migration.task(), record.Seed} {
		if t != nil {
			r.in(&t.Reason)
		}
	}
	return record
}

// evidence returns a copy without secrets.
func (r Redactor) evidence(e Evidence) Evidence {
	events := map[string][]ServiceEvent{}
	for name, list := range e.Events {
		events[name] = each(list, func(e *ServiceEvent) { r.in(&e.Message) })
	}
	targets := map[string]Targets{}
	for name, t := range e.Targets {
		t.Reasons = each(t.Reasons, r.in)
		targets[name] = t
	}
	e.Events, e.Targets = events, targets
	e.Stopped = each(e.Stopped, func(t *StoppedTask) {
		r.in(&t.Reason)
		t.Containers = each(t.Containers, func(c *StoppedContainer) { r.in(&c.Reason) })
		t.Log = each(t.Log, func(l *LogLine) { r.in(&l.Message) })
	})
	e.Deployments = each(e.Deployments, func(b *Breaker) { r.in(&b.Reason) })
	e.Gaps = each(e.Gaps, r.in)
	return e
}

// hiddenError is an error whose text holds no secret.
type hiddenError struct {
	text string
	err  error
}

func (e hiddenError) Error() string { return e.text }
func (e hiddenError) Unwrap() error { return e.err }

func (r Redactor) err(err error) error { return hiddenError{r.Hide(err.Error()), err} }
