package view

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// Status is what an environment runs, beside what it should.
type Status struct {
	Environment string    `json:"environment"`
	URL         string    `json:"url"`
	Time        time.Time `json:"time"`
	// Release is the one that was deployed last; nil if none ever was.
	Release *deploy.Release `json:"release"`
	// Record is the attempt that deployed it, Since when that was, By who.
	Record string    `json:"record,omitempty"`
	Since  time.Time `json:"since,omitzero"`
	By     string    `json:"by,omitempty"`
	// Last is the latest attempt, if it is another one.
	Last *deploy.Record `json:"last,omitempty"`
	// Lock is whoever holds the environment's.
	Lock *deploy.Lease `json:"lock,omitempty"`
	// Frozen is why nothing is promoted; nil if it is not frozen.
	Frozen   *deploy.Freeze  `json:"frozen,omitempty"`
	Services []ServiceStatus `json:"services"`
	// Alarms are the environment's; nil if they are not known.
	Alarms []Alarm `json:"alarms"`
	// Schedules are what the tasks' schedules start, by task.
	Schedules map[string]deploy.Schedule `json:"schedules,omitempty"`
	// Problems are sentences; none: all is as it should be.
	Problems []string `json:"problems"`
}

// Alarm is one of CloudWatch's.
type Alarm struct {
	Name string `json:"name"`
	// Ringing says that its threshold is passed, Since when that changed, Reason
	// by what.
	Ringing bool      `json:"ringing"`
	Since   time.Time `json:"since,omitzero"`
	Reason  string    `json:"reason,omitempty"`
}

// AlarmsKnown reports whether CloudWatch has answered.
func (s Status) AlarmsKnown() bool { return s.Alarms != nil }

// Ringing are the alarms that ring.
func (s Status) Ringing() []Alarm {
	return slices.DeleteFunc(slices.Clone(s.Alarms), func(a Alarm) bool { return !a.Ringing })
}

// ServiceStatus is one service of an environment.
type ServiceStatus struct {
	Name string `json:"name"`
	// Known is false if ECS has no such service.
	Known          bool   `json:"known"`
	TaskDefinition string `json:"task_definition,omitempty"`
	Desired        int    `json:"desired"`
	Running        int    `json:"running"`
	// Digests are those of the running tasks, each once.
	Digests []string `json:"digests"`
	// Runs are the releases that these are of, one for each.
	Runs []string `json:"runs"`
	// Release is whether all of them are the release's.
	Release    bool                   `json:"runs_release"`
	Deployment deploy.DeploymentState `json:"deployment,omitempty"`
	// Restarts counts the tasks of what the service is set to that stopped by
	// themselves, within the hour that ECS remembers.
	Restarts int `json:"restarts"`
	// Unhealthy counts the running tasks whose own health check fails.
	Unhealthy int `json:"unhealthy,omitempty"`
	// Targets is nil if the service is not public.
	Targets *deploy.Targets `json:"targets,omitempty"`
}

// Observation is what was read of an environment at one time.
type Observation struct {
	// Records are its attempts, the oldest first; Skipped what lies among
	// them and is none.
	Records []deploy.Record
	Skipped []deploy.Skipped
	// Lock is whoever holds the lock, or LockError why that is not known.
	Lock      *deploy.Lease
	LockError error
	// Frozen is why nothing is promoted; nil if it is not frozen.
	Frozen *deploy.Freeze
	// Services are those that ECS knows; Tasks those of theirs that run; Targets
	// the health of those that are public.
	Services map[string]deploy.Service
	Tasks    map[string][]deploy.RunningTask
	Targets  map[string]deploy.Targets
	// Scheduled are the tasks that are to have a schedule, Schedules those that
	// have.
	Scheduled []string
	Schedules map[string]deploy.Schedule
	// Stopped are the tasks that ECS remembers, of an hour.
	Stopped []deploy.StoppedTask
	// Alarms are CloudWatch's of the environment, or AlarmsError why they are not
	// known.
	Alarms      []Alarm
	AlarmsError error
}

// Fill fills in from an observation what the named services run, and what is
// not as it should be.
func (s *Status) Fill(services []string, o Observation) {
	var release deploy.Release
	if r := deploy.LastDeployed(o.Records); r != nil {
		release = r.Release
		s.Release, s.Record, s.Since, s.By = &release, r.ID, r.Ended, r.Actor
	}
	if n := len(o.Records); n > 0 && o.Records[n-1].ID != s.Record {
		s.Last = &o.Records[n-1]
	}
	s.Lock, s.Frozen = o.Lock, o.Frozen
	for _, name := range services {
		service, known := o.Services[name]
		v := ServiceStatus{
			Name: name, Known: known && !service.Gone, TaskDefinition: service.TaskDefinition,
			Desired: service.Desired, Running: service.Running,
			Digests: slices.Compact(slices.Sorted(slices.Values(deploy.Digests(o.Tasks[name])))),
		}
		for _, d := range v.Digests {
			v.Runs = append(v.Runs, releaseOf(o.Records, name, d))
		}
		v.Release = len(v.Digests) == 1 && v.Digests[0] == release.Digests[name]
		if service.Deployment != nil {
			v.Deployment = service.Deployment.State
		}
		for _, t := range o.Stopped {
			if t.Name == name && t.TaskDefinition == service.TaskDefinition && t.Crashed() {
				v.Restarts++
			}
		}
		for _, t := range o.Tasks[name] {
			if t.Unhealthy {
				v.Unhealthy++
			}
		}
		if t, ok := o.Targets[name]; ok {
			v.Targets = &t
		}
		s.Services = append(s.Services, v)
	}
	s.Judge()
	if s.Alarms = o.Alarms; s.Alarms == nil && o.AlarmsError == nil {
		s.Alarms = []Alarm{}
	}
	if o.AlarmsError != nil {
		s.Problems = append(s.Problems, o.AlarmsError.Error())
	}
	s.Schedules = o.Schedules
	s.judgeSchedules(o)
	if o.LockError != nil {
		s.Problems = append(s.Problems, o.LockError.Error())
	}
	for _, x := range o.Skipped {
		s.Problems = append(s.Problems, fmt.Sprintf("left out of the history: %s: %s", x.Key, x.Reason))
	}
}

// judgeSchedules adds to the problems the schedules that do not start the release.
func (s *Status) judgeSchedules(o Observation) {
	last := deploy.LastDeployed(o.Records)
	for _, task := range o.Scheduled {
		now, exists := o.Schedules[task]
		switch {
		case !exists:
			s.Problems = append(s.Problems, task+": there is no schedule of it")
		case last == nil:
		case last.Schedules[task] == nil || last.Schedules[task].Off:
			s.Problems = append(s.Problems, fmt.Sprintf("%s: its schedule was no part of %s, and the next promotion sets it", task, last.Release))
		case !now.Enabled:
			s.Problems = append(s.Problems, task+": its schedule is off")
		case now.TaskDefinition != last.Schedules[task].After:
			s.Problems = append(s.Problems, fmt.Sprintf("%s: its schedule starts %s and not %s, of %s", task, revision(now.TaskDefinition), revision(last.Schedules[task].After), last.Release))
		}
	}
}

// releaseOf names the release that a service's image was promoted as last; ""
// if it never was.
func releaseOf(records []deploy.Record, service, digest string) string {
	for _, r := range slices.Backward(records) {
		if r.Release.Digests[service] == digest {
			return r.Release.String()
		}
	}
	return ""
}

// Judge fills in Problems from the rest.
func (s *Status) Judge() {
	s.Problems = []string{}
	add := func(format string, args ...any) { s.Problems = append(s.Problems, fmt.Sprintf(format, args...)) }
	if s.Lock != nil {
		switch {
		case s.Lock.Left != "":
			add("an attempt was left %s: %s %s, record %s", s.Lock.Left, s.Lock.Kind, s.Lock.Release, s.Lock.RecordID)
		case s.Lock.Expired():
			add("an attempt died: %s %s, record %s", s.Lock.Kind, s.Lock.Release, s.Lock.RecordID)
		}
	}
	for _, v := range s.Services {
		switch {
		case !v.Known:
			add("%s: ECS has no such service", v.Name)
			continue
		case s.Release == nil:
			continue
		case v.Desired == 0:
			add("%s: no task is wanted", v.Name)
		case v.Running < v.Desired:
			add("%s: %d of %d tasks run", v.Name, v.Running, v.Desired)
		}
		if !v.Release && len(v.Digests) > 0 {
			add("%s does not run %s but %s", v.Name, s.Release, strings.Join(v.runs(), " and "))
		}
		if v.Restarts > 0 {
			add("%s: %d tasks stopped by themselves within the hour", v.Name, v.Restarts)
		}
		if v.Unhealthy > 0 {
			add("%s: the health check fails in %d of %d tasks", v.Name, v.Unhealthy, v.Running)
		}
		// One that ECS rolled back to the release stays the last until the next.
		if v.Deployment.Failed() && (v.Deployment != deploy.DeploymentRolledBack || !v.Release) {
			add("%s: its last deployment is %s", v.Name, v.Deployment)
		}
		if v.Targets != nil && v.Targets.Healthy == 0 {
			add("%s: no target is healthy: %s", v.Name, strings.Join(v.Targets.Reasons, "; "))
		}
	}
}

// runs names what the running tasks are of; where no release is known, by the
// digest.
func (v ServiceStatus) runs() []string {
	names := make([]string, len(v.Digests))
	for i, d := range v.Digests {
		names[i] = shortDigest(d)
		if i < len(v.Runs) && v.Runs[i] != "" {
			names[i] = v.Runs[i]
		}
	}
	return names
}

// address is the URL behind two spaces, unless there is none.
func (s Status) address() string { return strings.TrimRight("  "+s.URL, " ") }

// Text writes it for a terminal.
func (s Status) Text(w io.Writer) error {
	var b strings.Builder
	if s.Release == nil {
		putLine(&b, "%s: no release yet%s", s.Environment, s.address())
	} else {
		putLine(&b, "%s: %s (%s) since %s, by %s%s", s.Environment, s.Release, s.Release.Commit, stamp(s.Since), s.By, s.address())
	}
	rows := [][]string{{"SERVICE", "TASKS", "RESTARTS", "REVISION", "DEPLOYMENT", "TARGETS", "RUNS"}}
	for _, v := range s.Services {
		rows = append(rows, s.row(v))
	}
	for _, l := range columns(rows) {
		if len(s.Services) > 0 {
			b.WriteString("  " + l + "\n")
		}
	}
	for _, task := range sorted(s.Schedules) {
		putLine(&b, "  schedule %s: %s", task, scheduleStarts(s.Schedules[task]))
	}
	if s.Last != nil {
		putLine(&b, "  last attempt: %s %s by %s at %s: %s", s.Last.Kind, subject(*s.Last), s.Last.Actor, stamp(s.Last.Started), s.Last.Outcome)
	}
	if s.Lock != nil {
		fmt.Fprintf(&b, "  lock: %s\n", strings.ReplaceAll(Lease(*s.Lock), "\n", "\n  "))
	}
	if s.Frozen != nil {
		putLine(&b, "  %s", s.Frozen)
	}
	for _, p := range s.Problems {
		putLine(&b, "  ! %s", p)
	}
	for _, a := range s.Ringing() {
		putLine(&b, "  ! alarm %s since %s: %s", a.Name, stamp(a.Since), a.Reason)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (s Status) row(v ServiceStatus) []string {
	if !v.Known {
		return []string{v.Name, "-", "-", "-", "-", "-", "-"}
	}
	targets, runs := "-", "-"
	if v.Targets != nil {
		targets = fmt.Sprintf("%d healthy", v.Targets.Healthy)
		if not := v.Targets.Unhealthy + v.Targets.Initial; not > 0 {
			targets += fmt.Sprintf(", %d not", not)
		}
	}
	switch {
	case len(v.Digests) == 0:
	case v.Release:
		runs = s.Release.String()
	default:
		runs = strings.Join(v.runs(), ", ")
	}
	deployment := string(v.Deployment)
	if deployment == "" {
		deployment = "-"
	}
	return []string{v.Name, fmt.Sprintf("%d/%d", v.Running, v.Desired), fmt.Sprint(v.Restarts), revision(v.TaskDefinition), deployment, targets, runs}
}

// Statuses are several environments.
type Statuses []Status

// Text writes one after the other.
func (s Statuses) Text(w io.Writer) error {
	for i, one := range s {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if err := one.Text(w); err != nil {
			return err
		}
	}
	return nil
}

// JSON writes one object.
func (s Statuses) JSON(w io.Writer) error {
	return WriteJSON(w, struct {
		Environments Statuses `json:"environments"`
	}{s})
}

// Markdown writes the dashboard: which release is where.
func (s Statuses) Markdown(w io.Writer) error {
	var b strings.Builder
	b.WriteString("| environment | release | since | by | services |\n|---|---|---|---|---|\n")
	for _, one := range s {
		release, since, by := "none", "", ""
		if one.Release != nil {
			release, since, by = cellCode(one.Release.String()), stamp(one.Since), cellCode(one.By)
		}
		state := "as released"
		if one.Frozen != nil {
			state = cellCode(one.Frozen.String())
		}
		var problems []string
		for _, p := range one.Problems {
			problems = append(problems, cellCode(p))
		}
		for _, a := range one.Ringing() {
			problems = append(problems, "alarm "+cellCode(a.Name))
		}
		if len(problems) > 0 {
			state = strings.Join(problems, "<br>")
		}
		name := one.Environment
		if one.URL != "" {
			name = "[" + name + "](" + one.URL + ")"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", name, release, since, by, state)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
