package render

import "cmp"

// metricAlarm is an alarm of CloudWatch, which notifies a topic when it rings and when
// it is over.
type metricAlarm struct {
	resource          string
	where             node // count or for_each, if there is one
	name, about       any
	namespace, metric string
	dimensions        object
	statistic         string
	period            any  // in seconds; nil: 60
	evaluations       any  // nil: one
	below             bool // it rings below the threshold instead of above it
	threshold         any
	without           string  // what a missing value is; "": no reason to ring
	note              comment // above treat_missing_data
	topic             expr
}

func (a metricAlarm) block() block {
	var body []node
	if a.where != nil {
		body = append(body, a.where)
	}
	comparison := "GreaterThanThreshold"
	if a.below {
		comparison = "LessThanThreshold"
	}
	or := func(value any, fallback int) any {
		if value == nil {
			return fallback
		}
		return value
	}
	body = append(body,
		set("alarm_name", a.name),
		set("alarm_description", a.about),
		set("namespace", a.namespace),
		set("metric_name", a.metric),
		set("dimensions", a.dimensions),
		set("statistic", a.statistic),
		set("period", or(a.period, 60)),
		set("evaluation_periods", or(a.evaluations, 1)),
		set("comparison_operator", comparison),
		set("threshold", a.threshold),
	)
	if a.note != "" {
		body = append(body, a.note)
	}
	return resource("aws_cloudwatch_metric_alarm", a.resource, append(body,
		set("treat_missing_data", cmp.Or(a.without, "notBreaching")),
		set("alarm_actions", row{a.topic}),
		set("ok_actions", row{a.topic}),
	)...)
}
