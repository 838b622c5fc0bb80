package plan_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/plan"
)

func template(ports string) object {
	return object{"skip_destroy": true, "container_definitions": fmt.Sprintf(
		`[{"name":"api","image":"a","portMappings":[%s]},{"name":"otel","image":"o","portMappings":[{"containerPort":4317}]}]`, ports)}
}

// The running tasks listen on the old port until the promotion's replace them, and the
// apply comes before.
func TestGuardRefusesAPortThatMoves(t *testing.T) {
	const api, next, metrics = `{"name":"api","containerPort":3001}`, `{"name":"api","containerPort":3005}`, `{"name":"api-metrics","containerPort":9090}`
	balanced := func(port int) object {
		return object{"load_balancer": []any{object{"container_name": "api", "container_port": port}}}
	}
	none := object{"load_balancer": []any{}}
	offered := func(name string) object {
		return object{"service_connect_configuration": []any{object{"service": []any{object{"port_name": name}}}}}
	}
	for _, c := range []struct {
		what                    string
		before, after           string
		balancer, balancerAfter object
		want                    []string // "" is allowed
	}{
		{"another port of a public service", api, next, balanced(3001), balanced(3005), []string{"moves port api from 3001 to 3005", "a service of another name"}},
		{"another port of an internal service", api, next, none, none, []string{"moves port api from 3001 to 3005"}},
		{"another number of a further port", api + "," + metrics, api + `,{"name":"api-metrics","containerPort":9091}`, none, none, []string{"moves port api-metrics from 9090 to 9091"}},
		{"a further port", api, api + "," + metrics, none, offered("api-metrics"), []string{"offers port api-metrics"}},
		{"a further port of no callers", api, api + "," + metrics, none, none, nil},
		{"the first port of a worker", "", api, none, offered("api"), []string{"offers port api"}},
		{"a port less", api + "," + metrics, api, none, none, nil},
		{"public with a port that runs", api, api + "," + metrics, none, balanced(3001), nil},
		{"public with a port that does not run yet", "", api, none, balanced(3001), []string{"forward to port 3001", "a service of another name"}},
	} {
		changes := []object{resource("module.api.aws_ecs_task_definition.template", "aws_ecs_task_definition", []string{"create", "delete"}, template(c.before), template(c.after))}
		if fmt.Sprint(c.balancer) != fmt.Sprint(c.balancerAfter) {
			changes = append(changes, resource("module.api.aws_ecs_service.this", "aws_ecs_service", []string{"update"}, c.balancer, c.balancerAfter))
		}
		err := plan.Guard(parse(t, "staging", document(t, changes...)), configtest.Docs(), nil)
		if (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "module.api.") {
				t.Errorf("%s: %v, want %q", c.what, err, want)
			}
		}
	}
}
