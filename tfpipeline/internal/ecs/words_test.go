package ecs

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

func TestWhyStopped(t *testing.T) {
	for _, c := range []struct {
		what string
		task types.Task
		want string
	}{
		{"nothing is said", types.Task{}, ""},
		{"of the task", types.Task{StoppedReason: new("Task stopped by user")}, "Task stopped by user"},
		{"of a container", types.Task{StoppedReason: new("Essential container in task exited"), Containers: []types.Container{
			{Name: new("proxy")}, {Name: new("api"), Reason: new("OutOfMemoryError: container killed due to memory usage")},
		}}, "Essential container in task exited; api: OutOfMemoryError: container killed due to memory usage"},
		{"twice the same", types.Task{StoppedReason: new("CannotPullContainerError: not found"), Containers: []types.Container{
			{Name: new("api"), Reason: new("CannotPullContainerError: not found")},
		}}, "CannotPullContainerError: not found"},
		{"only of a container", types.Task{Containers: []types.Container{{Name: new("api"), Reason: new("gone")}}}, "api: gone"},
	} {
		if got := whyStopped(c.task); got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}

func TestReasonOf(t *testing.T) {
	rollback := func(reason string) *types.Rollback { return &types.Rollback{Reason: &reason} }
	for _, c := range []struct {
		what string
		of   types.ServiceDeployment
		want string
	}{
		{"none", types.ServiceDeployment{}, ""},
		{"its own", types.ServiceDeployment{StatusReason: new("stopped")}, "stopped"},
		{"the rollback's", types.ServiceDeployment{Rollback: rollback("threshold exceeded")}, "threshold exceeded"},
		{"twice the same", types.ServiceDeployment{StatusReason: new("threshold exceeded"), Rollback: rollback("threshold exceeded")}, "threshold exceeded"},
		{"both", types.ServiceDeployment{StatusReason: new("No candidate."), Rollback: rollback("Threshold exceeded.")}, "No candidate. Threshold exceeded."},
	} {
		if got := reasonOf(c.of); got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}

func TestMergeTags(t *testing.T) {
	got := mergeTags([]types.Tag{
		{Key: new("release"), Value: new("v1")}, {Key: new("aws:cloudformation:stack-name"), Value: new("x")}, {Key: new("Environment"), Value: new("staging")},
	}, map[string]string{"release": "v2", "commit": "abc"})
	text := ""
	for _, tag := range got {
		text += *tag.Key + "=" + *tag.Value + " "
	}
	if want := "Environment=staging commit=abc release=v2 "; text != want {
		t.Errorf("tags %q, want %q", text, want)
	}
}

func TestUnexpected(t *testing.T) {
	if err := unexpected([]types.Failure{{Arn: new("a"), Reason: new("MISSING")}}, "look"); err != nil {
		t.Errorf("missing: %v", err)
	}
	err := unexpected([]types.Failure{{Arn: new("a"), Reason: new("MISSING")}, {Arn: new("b"), Reason: new("ACCESS"), Detail: new("denied")}}, "look")
	if want := "look: ECS says of b: ACCESS: denied"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
