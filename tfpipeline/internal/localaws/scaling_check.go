package localaws

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// checkScaling refuses policies and scheduled actions that Application Auto Scaling
// refuses:
// https://docs.aws.amazon.com/autoscaling/application/APIReference/API_PutScheduledAction.html
// https://docs.aws.amazon.com/autoscaling/application/APIReference/API_TargetTrackingScalingPolicyConfiguration.html
func checkScaling(k *scalingKind, fields map[string]json.RawMessage) error {
	text := (&scalingCall{given: fields}).text
	switch k.put {
	case "PutScheduledAction":
		var action struct{ MinCapacity, MaxCapacity *int }
		_ = json.Unmarshal(fields["ScalableTargetAction"], &action) // absent: no capacity
		if action.MinCapacity == nil && action.MaxCapacity == nil {
			return endpoint.Refuse("ValidationException", "Specify at least one of minCapacity and maxCapacity of the scalable target action")
		}
		if action.MinCapacity != nil && action.MaxCapacity != nil && *action.MinCapacity > *action.MaxCapacity {
			return endpoint.Refuse("ValidationException", "Maximum capacity cannot be less than minimum capacity")
		}
		return checkSchedule(text("Schedule"), text("Timezone"))
	case "PutScalingPolicy":
		var tracking struct {
			PredefinedMetricSpecification json.RawMessage
			CustomizedMetricSpecification *struct {
				MetricName string
				Metrics    []struct {
					ID         string `json:"Id"`
					ReturnData *bool
				}
			}
		}
		_ = json.Unmarshal(fields["TargetTrackingScalingPolicyConfiguration"], &tracking) // absent: another type
		custom := tracking.CustomizedMetricSpecification
		if custom == nil {
			return nil
		}
		if tracking.PredefinedMetricSpecification != nil || (custom.MetricName == "") == (len(custom.Metrics) == 0) {
			return endpoint.Refuse("ValidationException", "A target tracking policy has one metric: a predefined one, or a customized one by its name or as metrics")
		}
		ids, returned := map[string]bool{}, 0
		for _, m := range custom.Metrics {
			ids[m.ID] = true
			if m.ReturnData == nil || *m.ReturnData {
				returned++
			}
		}
		if n := len(custom.Metrics); n > 0 && (n > 10 || len(ids) != n || returned != 1) {
			return endpoint.Refuse("ValidationException", "A customized metric has up to 10 metrics, each with an Id of its own, of which one returns data")
		}
	}
	return nil
}

// checkSchedule reads the schedule of an action: at, rate or cron.
func checkSchedule(expression, zone string) error {
	refusal := endpoint.Refuse("ValidationException", "Unsupported schedule expression %q in time zone %q", expression, zone)
	if at, ok := strings.CutPrefix(expression, "at("); ok {
		if _, err := time.Parse("2006-01-02T15:04:05)", at); err != nil {
			return refusal
		}
		expression = "rate(1 day)" // for the time zone
	}
	now := time.Now()
	if _, err := (config.Schedule{Expression: expression, TimeZone: zone}).Next(now, now); err != nil {
		return refusal
	}
	return nil
}
