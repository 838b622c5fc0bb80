package ecs_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// TestSchedules reads schedules, and changes of one what it starts and nothing
// else: Scheduler replaces the whole of it.
func TestSchedules(t *testing.T) {
	inWorld(t, options{services: 1}, func(w *world) {
		const host = "https://scheduler.us-west-2.amazonaws.com/schedules/"
		stored := members{
			"Name": "report", "GroupName": "doc-platform-staging", "State": "DISABLED",
			"ScheduleExpression": "cron(0 6 ? * MON-FRI *)", "ScheduleExpressionTimezone": "Europe/Berlin",
			"FlexibleTimeWindow": members{"Mode": "OFF"}, "ActionAfterCompletion": "NONE", "Description": "weekdays",
			"Target": members{
				"Arn": "cluster", "RoleArn": "role", "RetryPolicy": members{"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 3},
				"EcsParameters": members{
					"TaskDefinitionArn": "report:1", "Group": "schedule:report", "LaunchType": "FARGATE",
					"NetworkConfiguration": members{"awsvpcConfiguration": members{"Subnets": []any{"subnet-1"}, "SecurityGroups": []any{"sg-1"}, "AssignPublicIp": "DISABLED"}},
				},
			},
		}
		w.wire.on("GET "+host+"report?groupName=doc-platform-staging", func(members) (int, any) { return http.StatusOK, stored })
		w.wire.on("GET "+host+"none?groupName=doc-platform-staging", func(members) (int, any) {
			return http.StatusNotFound, members{"__type": "ResourceNotFoundException", "Message": "Schedule none does not exist."}
		})
		refuse := true
		w.wire.on("PUT "+host+"report", func(in members) (int, any) {
			if refuse {
				refuse = false
				return http.StatusConflict, members{"__type": "ConflictException", "Message": "being updated"}
			}
			if in["ClientToken"] == "" {
				t.Error("no client token")
			}
			delete(in, "ClientToken")
			want := members{}
			for k, v := range stored {
				want[k] = v
			}
			delete(want, "Name") // is in the path
			stored = in
			stored["Name"] = "report"
			changed := members{}
			for k, v := range in {
				changed[k] = v
			}
			delete(changed, "Name")
			want["State"] = changed["State"]
			want["Target"].(members)["EcsParameters"].(members)["TaskDefinitionArn"] = "report:2"
			want["Target"].(members)["RetryPolicy"] = changed["Target"].(members)["RetryPolicy"] // numbers
			if diff := cmp.Diff(want, changed); diff != "" {
				t.Errorf("another schedule (- want, + got):\n%s", diff)
			}
			return http.StatusOK, members{"ScheduleArn": "arn"}
		})
		want := map[string]deploy.Schedule{"report": {TaskDefinition: "report:1"}}
		if diff := cmp.Diff(want, ok(w.env.DescribeSchedules(w.ctx, []string{"report", "none"}))(t)); diff != "" {
			t.Errorf("schedules (- want, + got):\n%s", diff)
		}
		set := deploy.Schedule{TaskDefinition: "report:2", Enabled: true}
		if err := w.env.SetSchedule(w.ctx, "report", set); err != nil {
			t.Fatal(err)
		}
		want["report"] = set
		if diff := cmp.Diff(want, ok(w.env.DescribeSchedules(w.ctx, []string{"report"}))(t)); diff != "" {
			t.Errorf("after it was set (- want, + got):\n%s", diff)
		}
		if err := w.env.SetSchedule(w.ctx, "none", set); err == nil || deploy.IsTransient(err) || !strings.Contains(err.Error(), "set the schedule of none") {
			t.Errorf("a schedule that does not exist: %v", err)
		}
	})
}
