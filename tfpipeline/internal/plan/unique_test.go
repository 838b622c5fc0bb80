package plan_test

import (
	"strings"
	"testing"

	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/plan"
)

// AWS refuses a key that another object has, and Terraform knows no order between two
// objects of which one leaves a key and the other takes it: the apply fails halfway.
func TestGuardRefusesAKeyThatAnotherLeaves(t *testing.T) {
	t.Parallel()
	const rule, record, ingress = "aws_lb_listener_rule", "aws_route53_record", "aws_vpc_security_group_ingress_rule"
	at := func(priority int) object { return object{"listener_arn": "arn:https", "priority": priority} }
	name := func(name, kind string) object { return object{"zone_id": "Z1", "name": name, "type": kind} }
	from := func(port int) object {
		return object{"security_group_id": "sg-1", "referenced_security_group_id": "sg-2", "ip_protocol": "tcp", "from_port": port, "to_port": port}
	}
	update, create, remove, replace := []string{"update"}, []string{"create"}, []string{"delete"}, []string{"delete", "create"}
	for _, c := range []struct {
		what string
		plan []object
		want []string // nothing: allowed
	}{
		{"two rules swap", []object{resource("module.a.r", rule, update, at(100), at(200)), resource("module.b.r", rule, update, at(200), at(100))},
			[]string{"module.a.r: takes priority 200, which module.b.r has", "module.b.r: takes priority 100, which module.a.r has", "in a release before"}},
		{"a rule moves to one that moves", []object{resource("module.a.r", rule, update, at(100), at(200)), resource("module.b.r", rule, update, at(200), at(300))},
			[]string{"module.a.r: takes priority 200, which module.b.r has"}},
		{"a new rule takes that of one that goes", []object{resource("module.a.r", rule, create, nil, at(200)), resource("module.b.r", rule, remove, at(200), nil)},
			[]string{"module.a.r: takes priority 200, which module.b.r has"}},
		{"a rule of another listener", []object{resource("module.a.r", rule, create, nil, at(200)), resource("module.b.r", rule, remove, object{"listener_arn": "arn:other", "priority": 200}, nil)}, nil},
		{"the listener is replaced", []object{
			resource("module.a.r", rule, replace, at(100), object{"priority": 200}, object{"after_unknown": object{"listener_arn": true}}),
			resource("module.b.r", rule, replace, at(200), object{"priority": 100}, object{"after_unknown": object{"listener_arn": true}})}, nil},
		{"a rule changes and keeps its number", []object{resource("module.a.r", rule, update, at(100), at(100)), resource("module.b.r", rule, update, at(200), at(200))}, nil},
		{"a free number", []object{resource("module.a.r", rule, update, at(100), at(150)), resource("module.b.r", rule, remove, at(200), nil)}, nil},
		{"a name", []object{resource(`m.host["b"]`, record, remove, name("b", "A"), nil), resource("m.this", record, replace, name("a", "A"), name("b", "A"))},
			[]string{"m.this: takes the record A of b, which m.host[\"b\"] has"}},
		{"a name of another type", []object{resource("m.x", record, remove, name("b", "TXT"), nil), resource("m.y", record, create, nil, name("b", "A"))}, nil},
		{"a port under another key", []object{resource(`m.at_peer["api-a"]`, ingress, remove, from(9090), nil), resource(`m.at_peer["api-b"]`, ingress, create, nil, from(9090))},
			[]string{`m.at_peer["api-b"]: takes the rule of sg-1 for tcp 9090, which m.at_peer["api-a"] has`}},
		{"another port", []object{resource(`m.at_peer["api-a"]`, ingress, remove, from(9090), nil), resource(`m.at_peer["api-b"]`, ingress, create, nil, from(9091))}, nil},
	} {
		err := plan.Guard(parse(t, "staging", document(t, c.plan...)), configtest.Docs(), nil)
		if (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", c.what, err, want)
			}
		}
	}
}
