package root

import (
	"fmt"
	"strings"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/plan"
)

// planned holds the values of a resource to be created, as far as the plan
// knows them.
type planned map[string]any

func plannedValues(c plan.Change) planned {
	if c.Raw == nil {
		return nil
	}
	values, _ := c.Raw.After.(map[string]any)
	return values
}

// text is a value as a string, "" while it is unknown.
func (v planned) text(name string) string {
	switch x := v[name].(type) {
	case string:
		return x
	case float64:
		return fmt.Sprintf("%.0f", x)
	}
	return ""
}

// join joins values; it returns "" if one is unknown.
func (v planned) join(separator string, names ...string) string {
	var parts []string
	for _, n := range names {
		s := v.text(n)
		if s == "" {
			return ""
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, separator)
}

// identity returns the id by which the provider imports a resource whose id
// follows from its name, or "" while a part of it is unknown. ok is false for
// types whose id AWS chooses.
func identity(p config.Platform, kind string, v planned) (id string, ok bool) {
	prefixed := func(prefix, s string) string {
		if s == "" {
			return ""
		}
		return prefix + s
	}
	switch kind {
	case "aws_cloudwatch_log_group", "aws_iam_role", "aws_ecr_repository", "aws_ecs_cluster",
		"aws_db_subnet_group", "aws_db_parameter_group", "aws_elasticache_subnet_group",
		"aws_scheduler_schedule_group", "aws_cloudwatch_event_rule":
		return v.text("name"), true
	case "aws_s3_bucket", "aws_s3_bucket_lifecycle_configuration", "aws_s3_bucket_policy", "aws_s3_bucket_public_access_block",
		"aws_s3_bucket_server_side_encryption_configuration", "aws_s3_bucket_versioning":
		return v.text("bucket"), true
	case "aws_cloudwatch_metric_alarm":
		return v.text("alarm_name"), true
	case "aws_cloudwatch_dashboard":
		return v.text("dashboard_name"), true
	case "aws_ecr_lifecycle_policy":
		return v.text("repository"), true
	case "aws_ecs_cluster_capacity_providers":
		return v.text("cluster_name"), true
	case "aws_db_instance":
		return v.text("identifier"), true
	case "aws_elasticache_replication_group":
		return v.text("replication_group_id"), true
	case "aws_iam_role_policy":
		return v.join(":", "role", "name"), true
	case "aws_iam_role_policy_attachment":
		return v.join("/", "role", "policy_arn"), true
	case "aws_iam_policy":
		return prefixed("arn:aws:iam::"+p.Account+":policy", v.join("", "path", "name")), true
	case "aws_sns_topic":
		return prefixed("arn:aws:sns:"+p.Region+":"+p.Account+":", v.text("name")), true
	case "aws_scheduler_schedule":
		return v.join("/", "group_name", "name"), true
	case "aws_cloudwatch_event_target":
		return v.join("/", "rule", "target_id"), true
	case "aws_sqs_queue":
		return prefixed("https://sqs."+p.Region+".amazonaws.com/"+p.Account+"/", v.text("name")), true
	case "aws_sesv2_email_identity":
		return v.text("email_identity"), true
	case "aws_sns_topic_policy":
		return v.text("arn"), true
	case "aws_ecs_service":
		cluster := v.text("cluster")
		return strings.TrimPrefix(prefixed(cluster[strings.LastIndex(cluster, "/")+1:]+"/", v.text("name")), "/"), true
	case "aws_appautoscaling_target":
		return v.join("/", "service_namespace", "resource_id", "scalable_dimension"), true
	case "aws_appautoscaling_policy":
		return v.join("/", "service_namespace", "resource_id", "scalable_dimension", "name"), true
	case "aws_route53_record":
		return v.join("_", "zone_id", "name", "type"), true
	case "aws_route":
		return v.join("_", "route_table_id", "destination_cidr_block"), true
	case "aws_route_table_association":
		return v.join("/", "subnet_id", "route_table_id"), true
	}
	return "", false
}
