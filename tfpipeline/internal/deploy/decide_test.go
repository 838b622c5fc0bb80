package deploy

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/specboard/platform/gen/config"
)

func TestJudge(t *testing.T) {
	began := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	deployment := func(arn, definition string, state DeploymentState, after time.Duration) *Deployment {
		return &Deployment{ARN: arn, TaskDefinition: definition, State: state, Created: began.Add(after)}
	}
	ours := func(s DeploymentState) *Deployment { return deployment("ours", "new", s, 0) }
	for _, tt := range []struct {
		name   string
		set    string
		latest *Deployment
		ours   *Deployment
		old    bool
		want   verdict
	}{
		{"begun", "new", ours(DeploymentInProgress), ours(DeploymentInProgress), false, goesOn},
		{"done", "new", ours(DeploymentSuccessful), ours(DeploymentSuccessful), false, succeeded},
		{"not shown yet", "new", deployment("old", "old", DeploymentSuccessful, -time.Hour), nil, false, goesOn},
		{"shown late", "new", ours(DeploymentSuccessful), nil, false, succeeded},
		{"nothing to do", "new", deployment("old", "old", DeploymentRolledBack, -time.Hour), nil, true, succeeded},
		{"ECS is bringing it back by itself", "new", deployment("bad", "bad", DeploymentRollingBack, -time.Minute), nil, true, goesOn},
		{"ECS could not bring it back", "new", deployment("bad", "bad", DeploymentRollbackFailed, -time.Minute), nil, true, failed},
		{"circuit breaker", "old", ours(DeploymentRollingBack), ours(DeploymentRollingBack), false, failed},
		{"circuit breaker, seen between two calls", "old", ours(DeploymentInProgress), ours(DeploymentInProgress), false, goesOn},
		{"circuit breaker without rollback", "new", ours(DeploymentStopped), ours(DeploymentStopped), false, failed},
		{"rolled back", "old", ours(DeploymentRolledBack), ours(DeploymentRolledBack), false, failed},
		{"the same deployed once more", "new", deployment("again", "new", DeploymentInProgress, time.Minute), ours(DeploymentStopped), false, goesOn},
		{"the same deployed once more, done", "new", deployment("again", "new", DeploymentSuccessful, time.Minute), ours(DeploymentStopped), false, succeeded},
		{"somebody else's", "other", deployment("other", "other", DeploymentInProgress, time.Minute), ours(DeploymentStopped), false, superseded},
		{"somebody else's after ours was done", "other", deployment("other", "other", DeploymentSuccessful, time.Minute), ours(DeploymentSuccessful), false, superseded},
		{"set to something else before it was shown", "other", nil, nil, false, superseded},
	} {
		var d Deployment
		if tt.ours != nil {
			d = *tt.ours
		}
		s := Service{Name: "api", TaskDefinition: tt.set, Deployment: tt.latest}
		if got := judge(s, d, tt.ours != nil, tt.old, ServiceRecord{Before: "old", After: "new"}); got.verdict != tt.want {
			t.Errorf("%s: verdict %d (%s), want %d", tt.name, got.verdict, got.why, tt.want)
		}
	}
}

func TestNextMove(t *testing.T) {
	began := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	ours := func(s DeploymentState) *Deployment {
		return &Deployment{ARN: "ours", TaskDefinition: "new", State: s, Created: began}
	}
	back := func(s DeploymentState) *Deployment {
		return &Deployment{ARN: "back", TaskDefinition: "old", State: s, Created: began.Add(time.Minute)}
	}
	foreign := &Deployment{ARN: "foreign", TaskDefinition: "other", State: DeploymentInProgress, Created: began.Add(time.Minute)}
	for _, tt := range []struct {
		name    string
		set     string
		desired int
		running int
		latest  *Deployment
		asked   move
		idle    bool // it had no tasks before
		noted   bool // the journal knows the deployment that brings it back
		same    time.Duration
		want    move
	}{
		{name: "never changed", set: "old", latest: &Deployment{ARN: "before", TaskDefinition: "old", State: DeploymentSuccessful, Created: began.Add(-time.Hour)}, want: moveDone},
		{name: "in flight", set: "new", latest: ours(DeploymentInProgress), want: moveStop},
		{name: "in flight and asked to stop", set: "new", latest: ours(DeploymentInProgress), asked: moveStop, want: moveWait},
		{name: "rolling back", set: "new", latest: ours(DeploymentRollingBack), want: moveWait},
		{name: "rolling back, set already", set: "old", latest: ours(DeploymentRollingBack), want: moveWait},
		{name: "rolled back", set: "old", latest: ours(DeploymentRolledBack), want: moveDone},
		{name: "rolled back to something else", set: "older", latest: ours(DeploymentRolledBack), want: moveSet},
		{name: "rollback failed", set: "old", latest: ours(DeploymentRollbackFailed), want: moveStuck},
		{name: "rollback failed on the new one", set: "new", latest: ours(DeploymentRollbackFailed), want: moveSet},
		{name: "done", set: "new", latest: ours(DeploymentSuccessful), want: moveSet},
		{name: "stopped without a rollback", set: "new", latest: ours(DeploymentStopped), want: moveSet},
		{name: "set and not shown yet", set: "old", latest: ours(DeploymentSuccessful), asked: moveSet, want: moveWait},
		{name: "on its way back", set: "old", latest: back(DeploymentInProgress), noted: true, want: moveWait},
		{name: "on its way back, by a run that died", set: "old", latest: back(DeploymentInProgress), want: moveWait},
		{name: "back", set: "old", latest: back(DeploymentSuccessful), noted: true, want: moveDone},
		{name: "the old one fails too", set: "old", latest: back(DeploymentRollingBack), noted: true, want: moveStuck},
		{name: "the old one fails too, and ECS goes back to the new one", set: "new", latest: back(DeploymentRolledBack), noted: true, asked: moveSet, want: moveStuck},
		{name: "somebody else's", set: "other", latest: foreign, want: moveLeave},
		{name: "first, in flight", set: "new", desired: 2, latest: ours(DeploymentInProgress), idle: true, want: moveSet},
		{name: "first, asked", set: "new", desired: 2, latest: ours(DeploymentInProgress), idle: true, asked: moveSet, want: moveWait},
		{name: "first, tasks end", set: "old", running: 1, latest: back(DeploymentInProgress), idle: true, noted: true, want: moveWait},
		{name: "first, back at zero", set: "old", latest: back(DeploymentInProgress), idle: true, noted: true, want: moveDone},
		{name: "first, ECS went back with tasks", set: "old", desired: 2, latest: ours(DeploymentRolledBack), idle: true, want: moveSet},
	} {
		own := ServiceRecord{Before: "old", After: "new", DesiredBefore: 2, Deployment: "ours", Updated: true}
		if tt.idle {
			own.DesiredBefore = 0
		}
		if tt.noted {
			own.RollBack = "back"
		}
		deployments := map[string]Deployment{}
		if tt.latest != nil && (tt.latest.ARN == "ours" || tt.noted) {
			deployments[tt.latest.ARN] = *tt.latest
		}
		if tt.latest != nil && tt.latest.ARN != "ours" {
			deployments["ours"] = *ours(DeploymentSuccessful)
		}
		if tt.name == "never changed" {
			delete(deployments, "ours")
			own.Deployment = ""
		}
		if !tt.idle {
			tt.desired, tt.running = 2, 2
		}
		s := Service{Name: "api", TaskDefinition: tt.set, Desired: tt.desired, Running: tt.running, Deployment: tt.latest}
		k := known{asked: tt.asked, written: tt.name != "never changed", same: tt.same, since: tt.same, confirm: time.Minute, size: config.Size{MinTasks: 2, MaxTasks: 2}}
		if got := nextMove(own, s, deployments, k); got != tt.want {
			t.Errorf("%s: move %d, want %d", tt.name, got, tt.want)
		}
	}
}

// What is so in two looks with a long pause between them was not seen to be so in the
// pause.
func TestSteady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		so := steady{}
		for i, look := range []struct {
			after time.Duration
			so    bool
			want  time.Duration
		}{{0, true, 0}, {2 * time.Second, true, 2 * time.Second}, {5 * time.Minute, true, 12 * time.Second}, {time.Second, false, 0}, {time.Second, true, 0}, {3 * time.Second, true, 3 * time.Second}} {
			<-time.After(look.after)
			if got := so.since("it", look.so); got != look.want {
				t.Errorf("look %d: so for %v, want %v", i, got, look.want)
			}
		}
	})
}
