package plan

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/specboard/platform/gen/config"
)

// traffic are the resource types whose loss interrupts requests of users or of
// services.
var traffic = []string{
	"aws_acm_certificate", "aws_ecs_cluster", "aws_ecs_service", "aws_internet_gateway", "aws_lb", "aws_lb_listener", "aws_lb_listener_certificate",
	"aws_lb_listener_rule", "aws_lb_target_group", "aws_nat_gateway", "aws_route", "aws_route53_record", "aws_route_table", "aws_route_table_association",
	"aws_service_discovery_http_namespace", "aws_subnet", "aws_vpc",
}

// holds says what data would be lost with a resource of this type.
func holds(kind string) (data string, ok bool) {
	for _, d := range config.DataTypes() {
		if d.Type == kind {
			return d.Holds, true
		}
	}
	return "", false
}

// HoldsData reports whether data would be lost with a resource of this type.
func HoldsData(kind string) bool {
	_, ok := holds(kind)
	return ok
}

// Bears says what would be lost with a resource of this type: data or traffic;
// "" is neither.
func Bears(kind string) string {
	if data, ok := holds(kind); ok {
		return "holds " + data
	}
	if slices.Contains(traffic, kind) {
		return "serves traffic"
	}
	return ""
}

// restarts are the arguments whose change restarts the resource.
var restarts = []struct {
	kind, what string
	arguments  []string
}{
	{"aws_db_instance", "restarts the database", []string{"instance_class", "engine_version", "parameter_group_name", "storage_type", "ca_cert_identifier"}},
	{"aws_elasticache_replication_group", "replaces the cache nodes, which ends their connections", []string{"node_type", "engine", "engine_version", "parameter_group_name"}},
}

// rollouts are the arguments of a service whose change makes ECS start a
// deployment.
var rollouts = []string{
	"capacity_provider_strategy", "enable_execute_command", "force_new_deployment", "load_balancer", "network_configuration",
	"platform_version", "service_connect_configuration", "service_registries", "volume_configuration",
}

// Effect says what a change causes that its attributes do not show, such as a
// restart; "" if nothing, or if that is unknown.
func (c Change) Effect() string {
	switch {
	case c.Action == Revise:
		return "rolled out by the next promotion"
	case c.Action == Replace && c.Type == "aws_lb_target_group" && c.CreateBeforeDestroy:
		return "its targets register anew with the new one before the old one goes"
	case c.Action == Replace && c.Type == "aws_lb_target_group":
		return "requests fail until its targets have registered with the new one and are healthy"
	case c.Action == Replace && c.Type == "aws_ecs_service":
		return "its tasks stop, and others start"
	case c.Action == Replace && c.Type == "aws_nat_gateway":
		return "open connections to the outside end"
	case c.Action != Update || c.Raw == nil:
		return ""
	}
	changed := func(names []string) bool {
		return slices.ContainsFunc(names, func(n string) bool {
			before, after := field[any](c.Raw, n)
			return !reflect.DeepEqual(before, after) && (after != nil || asMap(c.Raw.AfterUnknown)[n] != nil)
		})
	}
	for _, r := range restarts {
		if r.kind == c.Type && changed(r.arguments) {
			return r.what + ", " + c.when()
		}
	}
	if c.Type == "aws_ecs_service" && changed(rollouts) {
		return "starts a deployment: its tasks are replaced one after the other"
	}
	return ""
}

// when says whether AWS makes a change at once or in the maintenance window.
func (c Change) when() string {
	if _, at := field[bool](c.Raw, "apply_immediately"); at {
		return "at once"
	}
	for _, n := range []string{"maintenance_window", "preferred_maintenance_window"} {
		if _, window := field[string](c.Raw, n); window != "" {
			return fmt.Sprintf("in its maintenance window (%s UTC)", window)
		}
	}
	return "in its maintenance window"
}
