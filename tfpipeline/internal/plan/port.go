package plan

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// movesPort refuses another number for a port that a service has. The tasks that run
// listen on the old one until the promotion's replace them, but the rules of the
// security groups change with the apply: nobody reaches the tasks. And a load balancer
// may forward only to a port that the running tasks declare: ECS refuses any other, in
// the middle of the apply. c is the change of the service's template, whose old
// form says on what the tasks listen.
func movesPort(p *Plan, c Change) []string {
	if c.Type != "aws_ecs_task_definition" || c.Raw == nil || c.Action != Revise && c.Action != Replace {
		return nil
	}
	its := serviceAt(p, strings.TrimSuffix(c.Address, "aws_ecs_task_definition.template")+"aws_ecs_service.this")
	before, after := namedPorts(c.Raw.Before), namedPorts(c.Raw.After)
	var out []string
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if was, has := before[name]; has && was != after[name] {
			out = append(out, fmt.Sprintf("moves port %s from %v to %v, while its tasks listen on %v: nobody would reach them. "+
				"Add a service of another name with the new port, move the routes to it, and remove this one in a later release (docs/services.md)", name, was, after[name], was))
		}
	}
	if its == nil || its.Action != Update || len(out) > 0 {
		return out
	}
	for _, balancer := range asList(asMap(its.Raw.After)["load_balancer"]) {
		port, known := asMap(balancer)["container_port"].(float64)
		if known && !slices.Contains(slices.Collect(maps.Values(before)), port) {
			out = append(out, fmt.Sprintf("has the load balancer forward to port %v, on which its tasks do not listen yet, and ECS refuses that. "+
				"Add a service of another name, and remove this one in a later release (docs/services.md)", port))
		}
	}
	for _, connect := range asList(asMap(its.Raw.After)["service_connect_configuration"]) {
		for _, s := range asList(asMap(connect)["service"]) {
			name, _ := asMap(s)["port_name"].(string)
			if _, has := before[name]; name != "" && !has {
				out = append(out, fmt.Sprintf("offers port %s to other services, which its tasks do not have yet, and ECS refuses that. "+
					"Add a service of another name with the port, and remove this one in a later release (docs/services.md)", name))
			}
		}
	}
	return out
}

func serviceAt(p *Plan, address string) *Change {
	i := slices.IndexFunc(p.Changes, func(c Change) bool { return c.Address == address && c.Raw != nil })
	if i < 0 {
		return nil
	}
	return &p.Changes[i]
}

// namedPorts are the ports of a task definition that have a name, by it. Those of
// sidecars have none.
func namedPorts(definition any) map[string]float64 {
	text, _ := asMap(definition)["container_definitions"].(string)
	var containers []struct {
		PortMappings []struct {
			Name          string
			ContainerPort float64
		}
	}
	if json.Unmarshal([]byte(text), &containers) != nil {
		return nil
	}
	ports := map[string]float64{}
	for _, c := range containers {
		for _, m := range c.PortMappings {
			if m.Name != "" {
				ports[m.Name] = m.ContainerPort
			}
		}
	}
	return ports
}
