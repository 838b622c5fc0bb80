package deploy

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fakeTask is a one-off task of the world's ECS.
type fakeTask struct {
	Task
	run   TaskRun
	began time.Time
	ends  time.Time
	end   taskEnd
}

func (p *process) RunTask(ctx context.Context, t TaskRun) (string, error) {
	return call(ctx, p, "RunTask", t.Name, func() (string, error) {
		for arn, other := range p.tasks {
			if other.run.Token == t.Token {
				if fmt.Sprint(other.run) != fmt.Sprint(t) {
					return "", fmt.Errorf("ConflictException: the token came with another request:\n%v\n%v", other.run, t)
				}
				return arn, nil
			}
		}
		n := p.runs(t.Name)
		end := taskEnd{after: 20 * time.Second, code: new(0), log: []string{"applying 0001", "done"}}
		if p.taskEnds != nil {
			end = p.taskEnds(t.Name, n)
		}
		arn := fmt.Sprintf("%stask/%s/%s%d", accountARN, p.platform.Cluster(p.env), t.Name, n)
		p.tasks[arn] = &fakeTask{
			Task: Task{ARN: arn, Name: t.Name, Known: true, State: TaskRunning}, run: t,
			began: time.Now(), ends: time.Now().Add(end.after), end: end,
		}
		return arn, nil
	})
}

// runs counts the tasks of a name.
func (w *world) runs(name string) int {
	n := 0
	for _, t := range w.tasks {
		if t.Name == name {
			n++
		}
	}
	return n
}

func (p *process) DescribeTask(ctx context.Context, arn string) (Task, error) {
	return call(ctx, p, "DescribeTask", "", func() (Task, error) {
		t := p.tasks[arn]
		if t == nil || time.Since(t.began) < 2*time.Second || !t.Stopped.IsZero() && time.Since(t.Stopped) > time.Hour {
			return Task{ARN: arn}, nil
		}
		return t.Task, nil
	})
}

func (p *process) StopTask(ctx context.Context, arn, reason string) error {
	return ignore(call(ctx, p, "StopTask", short(arn), func() (struct{}, error) {
		t := p.tasks[arn]
		t.ends, t.end = time.Now().Add(2*time.Second), taskEnd{code: new(143), reason: reason}
		return struct{}{}, nil
	}))
}

// TaskLog has a task's lines one by one, and the last only some seconds after
// its end.
func (p *process) TaskLog(ctx context.Context, t Task, cursor string) ([]LogLine, string, error) {
	type answer struct {
		lines []LogLine
		next  string
	}
	a, err := call(ctx, p, "TaskLog", "", func() (answer, error) {
		task := p.tasks[t.ARN]
		if task == nil {
			return answer{nil, cursor}, nil
		}
		n := 0
		fmt.Sscan(cursor, &n)
		if n >= len(task.end.log) || n == len(task.end.log)-1 && (task.Stopped.IsZero() || time.Since(task.Stopped) < time.Second) {
			return answer{nil, cursor}, nil
		}
		return answer{[]LogLine{{Time: time.Now(), Message: task.end.log[n]}}, fmt.Sprint(n + 1)}, nil
	})
	return a.lines, a.next, err
}

func (p *process) Index(ctx context.Context) (Index, []Skipped, error) {
	x, err := call(ctx, p, "Index", "", func() (Index, error) {
		x := NewIndex(p.env, p.stored()...)
		for _, r := range p.stored() {
			if !p.indexed[r.ID] && len(p.indexed) > 0 {
				x.Unindexed = append(x.Unindexed, r)
			}
		}
		return x, nil
	})
	return x, nil, err
}

// UpdateIndex notes what the index has; the world's is made when it is read.
func (p *process) UpdateIndex(ctx context.Context, stored ...Record) error {
	return ignore(call(ctx, p, "UpdateIndex", "", func() (struct{}, error) {
		for _, r := range stored {
			if p.recorded(r.ID) == nil {
				panic("the index is to have a record that is not stored: " + r.ID)
			}
		}
		for _, r := range p.records {
			p.indexed[r.ID] = true
		}
		return struct{}{}, nil
	}))
}

func (p *process) Find(ctx context.Context, id string) (*Record, error) {
	return call(ctx, p, "Find", "", func() (*Record, error) { return p.recorded(id), nil })
}

// recorded is the record of an attempt; nil if there is none.
func (w *world) recorded(id string) *Record {
	for _, r := range w.stored() {
		if r.ID == id {
			return &r
		}
	}
	return nil
}

// stored are the records, as a program reads them.
func (w *world) stored() []Record {
	var records []Record
	for _, r := range w.records {
		records = append(records, r.clone())
	}
	slices.SortFunc(records, Record.Compare)
	return records
}

func (p *process) Record(ctx context.Context, r Record) error {
	return ignore(call(ctx, p, "Record", string(r.Kind)+" "+string(r.Outcome), func() (struct{}, error) {
		stored := throughJSON(r)
		for _, other := range p.records {
			if other.ID == r.ID {
				if !cmp.Equal(other, stored) {
					return struct{}{}, ErrRecorded
				}
				return struct{}{}, nil
			}
		}
		p.records = append(p.records, stored)
		return struct{}{}, nil
	}))
}

// throughJSON is a value as it comes back from the bucket.
func throughJSON[T any](v T) T {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	var back T
	if err := json.Unmarshal(text, &back); err != nil {
		panic(err)
	}
	return back
}

func (p *process) Journal(ctx context.Context, id string) (Journal, error) {
	return call(ctx, p, "Journal", "", func() (Journal, error) {
		j, ok := p.journals[id]
		if !ok {
			return Journal{}, ErrNoJournal
		}
		return throughJSON(j), nil
	})
}

func (p *process) WriteJournal(ctx context.Context, j Journal) error {
	return ignore(call(ctx, p, "WriteJournal", "", func() (struct{}, error) {
		j.Record = j.Record.clone()
		p.journals[j.Record.ID] = j
		return struct{}{}, nil
	}))
}

func (p *process) Holder(ctx context.Context) (*Lease, error) {
	return call(ctx, p, "Holder", "", func() (*Lease, error) {
		if p.lease == nil {
			return nil, nil
		}
		l := *p.lease
		if p.lease == p.putLease.lease {
			l.Age = time.Since(p.putLease.at)
		}
		return &l, nil
	})
}

func (p *process) Take(ctx context.Context, l Lease, over *Lease) (Lease, error) {
	return call(ctx, p, "Take", "", func() (Lease, error) {
		if (p.lease == nil) != (over == nil) || over != nil && over.Version != p.lease.Version {
			return Lease{}, ErrLockTaken
		}
		return p.put(l), nil
	})
}

func (w *world) put(l Lease) Lease {
	w.versions++
	l.Version = fmt.Sprint(w.versions)
	w.lease, w.putLease.lease, w.putLease.at = &l, &l, time.Now()
	return l
}

func (p *process) Renew(ctx context.Context, l Lease) (Lease, error) {
	return call(ctx, p, "Renew", "", func() (Lease, error) {
		if p.lease == nil || p.lease.Version != l.Version {
			return Lease{}, ErrLockLost
		}
		return p.put(l), nil
	})
}

func (p *process) Release(ctx context.Context, l Lease) error {
	return ignore(call(ctx, p, "Release", "", func() (struct{}, error) {
		if p.lease == nil || p.lease.Version != l.Version {
			return struct{}{}, ErrLockLost
		}
		p.lease = nil
		return struct{}{}, nil
	}))
}

func (p *process) Remove(ctx context.Context, version string) error {
	return ignore(call(ctx, p, "Remove", "", func() (struct{}, error) {
		if p.lease == nil || p.lease.Version != version {
			return struct{}{}, ErrLockLost
		}
		p.lease = nil
		return struct{}{}, nil
	}))
}

func (p *process) Collect(ctx context.Context, s Scope) Evidence {
	args := strings.Join(s.Services, " ")
	for _, t := range s.Tasks {
		args += " task " + t.Name
	}
	e, err := call(ctx, p, "Collect", args, func() (Evidence, error) {
		return Evidence{Collected: time.Now(), Stopped: []StoppedTask{{Name: "api", Reason: "Essential container in task exited"}}}, nil
	})
	if err != nil {
		e.Gaps = append(e.Gaps, err.Error())
	}
	return e
}
