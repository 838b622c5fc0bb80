package config

// AcceptedDrift is a difference between the state and the account that is
// meant to be there: something else than Terraform owns the value.
type AcceptedDrift struct {
	// Type is a Terraform resource type, Attribute the path of one of its attributes,
	// such as "target[0].role_arn".
	Type, Attribute string
	// Owner says what changes the value.
	Owner string
}

// AcceptedDrifts lists what the drift command does not report. A rule may match nothing
// for weeks, until a promotion or an upgrade needs it. A test fails on a rule for a
// type or attribute that no module has.
func AcceptedDrifts() []AcceptedDrift {
	return []AcceptedDrift{
		{"aws_ecs_service", "desired_count", "a promotion and autoscaling"},
		{"aws_ecs_service", "task_definition", "a promotion"},
		{"aws_appautoscaling_target", "min_capacity", "a promotion and the minimums of a size"},
		{"aws_scheduler_schedule", "state", "a promotion"},
		{"aws_scheduler_schedule", "target[0].ecs_parameters[0].task_definition_arn", "a promotion"},
		{"aws_db_instance", "engine_version_actual", "AWS's minor upgrades"},
		{"aws_db_instance", "allocated_storage", "storage autoscaling"},
	}
}
