package plan

import (
	"encoding/json"
	"fmt"
	"testing"
)

// instance is the plan of production's database with these values before and
// after.
func instance(t *testing.T, before, after string) *Plan {
	t.Helper()
	document := fmt.Sprintf(`{"format_version": "1.2", "terraform_version": "1.11.4", "resource_changes": [{"address": "module.database.aws_db_instance.this", "mode": "managed",
		"type": "aws_db_instance", "name": "this", "change": {"actions": ["update"],
		"before": {"identifier": "doc-platform-production", "maintenance_window": "sun:04:00-sun:05:00", %s},
		"after": {"identifier": "doc-platform-production", "maintenance_window": "sun:04:00-sun:05:00", %s}}}]}`, before, after)
	if !json.Valid([]byte(document)) {
		t.Fatal(document)
	}
	p, err := Parse("production", []byte(document))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A change that AWS has taken and will make in the maintenance window is
// deferred: no plan counts it, and it changes no fingerprint.
func TestDefer(t *testing.T) {
	const small, medium = `"apply_immediately": false, "instance_class": "db.t4g.small", "engine_version": "16.4"`, `"apply_immediately": false, "instance_class": "db.t4g.medium", "engine_version": "16.4"`
	nothing := (&Plan{Root: "production"}).Fingerprint()
	for _, c := range []struct {
		name          string
		before, after string
		pending       Pending
		waits         bool
		action        Action
	}{
		{"not yet applied", small, medium, nil, true, Update},
		{"taken", small, medium, Pending{"instance_class": "db.t4g.medium"}, true, Deferred},
		{"another one was taken", small, medium, Pending{"instance_class": "db.t4g.large"}, true, Update},
		{"taken, and more is planned", small, medium + `, "deletion_protection": true`, Pending{"instance_class": "db.t4g.medium"}, true, Update},
		{"a version that stands for the latest of its kind", small, `"apply_immediately": false, "instance_class": "db.t4g.small", "engine_version": "17"`, Pending{"engine_version": "17.2"}, true, Deferred},
		{"applied at once", `"apply_immediately": true, "instance_class": "db.t4g.small"`, `"apply_immediately": true, "instance_class": "db.t4g.medium"`, Pending{"instance_class": "db.t4g.medium"}, false, Update},
		{"nothing that waits", `"apply_immediately": false, "deletion_protection": false`, `"apply_immediately": false, "deletion_protection": true`, nil, false, Update},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := instance(t, c.before, c.after)
			ch := &p.Changes[0]
			if got := ch.Waits(); got != c.waits || ch.Identifier() != "doc-platform-production" {
				t.Errorf("%s waits: %t, want %t", ch.Identifier(), got, c.waits)
			}
			ch.Defer(c.pending)
			if said := ch.Reason == "AWS makes it in its maintenance window (sun:04:00-sun:05:00 UTC)"; said != (c.action == Deferred) {
				t.Errorf("the reason is %q", ch.Reason)
			}
			if ch.Action != c.action {
				t.Errorf("the action is %s, want %s", ch.Action, c.action)
			}
			if deferred := c.action == Deferred; p.Empty() != deferred || (p.Fingerprint() == nothing) != deferred || (len(ch.Attributes()) == 0) {
				t.Errorf("empty: %t, fingerprint %s, attributes %v", p.Empty(), p.Fingerprint(), ch.Attributes())
			}
			if d := p.Deferred(); (len(d) == 1) != (c.action == Deferred) {
				t.Errorf("deferred are %v", d)
			}
		})
	}
}
