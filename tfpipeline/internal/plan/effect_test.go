package plan_test

import (
	"testing"
)

func TestEffect(t *testing.T) {
	update := []string{"update"}
	replace, createFirst := []string{"delete", "create"}, []string{"create", "delete"}
	for _, tt := range []struct {
		name, kind    string
		actions       []string
		before, after object
		want          string
	}{
		{"a class at once", "aws_db_instance", update, object{"instance_class": "s"}, object{"instance_class": "m", "apply_immediately": true, "maintenance_window": "sun:04:00-sun:05:00"}, "restarts the database, at once"},
		{"a class later", "aws_db_instance", update, object{"instance_class": "s"}, object{"instance_class": "m", "apply_immediately": false, "maintenance_window": "sun:04:00-sun:05:00"}, "restarts the database, in its maintenance window (sun:04:00-sun:05:00 UTC)"},
		{"a class in a window that is unknown", "aws_db_instance", update, object{"instance_class": "s"}, object{"instance_class": "m"}, "restarts the database, in its maintenance window"},
		{"a database's backups", "aws_db_instance", update, object{"backup_retention_period": 1}, object{"backup_retention_period": 7}, ""},
		{"a cache's nodes", "aws_elasticache_replication_group", update, object{"node_type": "s"}, object{"node_type": "m", "apply_immediately": true}, "replaces the cache nodes, which ends their connections, at once"},
		{"a service's network", "aws_ecs_service", update, object{"platform_version": "1.3.0"}, object{"platform_version": "1.4.0"}, "starts a deployment: its tasks are replaced one after the other"},
		{"a service's tags", "aws_ecs_service", update, object{"tags": "a"}, object{"tags": "b"}, ""},
		{"another service", "aws_ecs_service", replace, object{"name": "a"}, object{"name": "b"}, "its tasks stop, and others start"},
		{"another target group", "aws_lb_target_group", replace, object{"port": 1}, object{"port": 2}, "requests fail until its targets have registered with the new one and are healthy"},
		{"another target group first", "aws_lb_target_group", createFirst, object{"port": 1}, object{"port": 2}, "its targets register anew with the new one before the old one goes"},
		{"another NAT gateway", "aws_nat_gateway", replace, object{"subnet_id": "a"}, object{"subnet_id": "b"}, "open connections to the outside end"},
		{"a new database", "aws_db_instance", []string{"create"}, nil, object{"instance_class": "m"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := parse(t, "staging", document(t, resource("x.this", tt.kind, tt.actions, tt.before, tt.after)))
			if len(p.Changes) != 1 {
				t.Fatalf("%d changes", len(p.Changes))
			}
			if got := p.Changes[0].Effect(); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}
