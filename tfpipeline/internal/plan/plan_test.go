package plan_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/plan"
)

type object = map[string]any

// document is a plan with resource changes, as terraform show -json prints it.
func document(t *testing.T, changes ...object) []byte {
	t.Helper()
	return documentWith(t, object{"resource_changes": changes})
}

func documentWith(t *testing.T, parts object) []byte {
	t.Helper()
	parts["format_version"] = "1.2"
	parts["terraform_version"] = "1.11.4"
	b, err := json.Marshal(parts)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func resource(address, kind string, actions []string, before, after object, more ...object) object {
	change := object{"actions": actions, "before": before, "after": after, "after_unknown": object{}, "before_sensitive": object{}, "after_sensitive": object{}}
	if before == nil {
		change["before"] = nil
	}
	if after == nil {
		change["after"] = nil
	}
	r := object{"address": address, "type": kind, "mode": "managed", "name": "this", "provider_name": "registry.terraform.io/hashicorp/aws", "change": change}
	for _, m := range more {
		for k, v := range m {
			if _, inChange := change[k]; inChange || k == "replace_paths" || k == "importing" {
				change[k] = v
			} else {
				r[k] = v
			}
		}
	}
	return r
}

func parse(t *testing.T, root string, b []byte) *plan.Plan {
	t.Helper()
	p, err := plan.Parse(root, b)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestActions(t *testing.T) {
	tests := []struct {
		name    string
		change  object
		want    plan.Action
		reason  string
		replace []string
	}{
		{"create", resource("a", "t", []string{"create"}, nil, object{"x": 1}), plan.Create, "", nil},
		{"update", resource("a", "t", []string{"update"}, object{"x": 1}, object{"x": 2}), plan.Update, "", nil},
		{"replace", resource("a", "t", []string{"delete", "create"}, object{"x": 1}, object{"x": 2},
			object{"action_reason": "replace_because_cannot_update", "replace_paths": []any{[]any{"x"}, []any{"list", 0, "y"}}}),
			plan.Replace, "an attribute cannot be changed in place", []string{"x", "list[0].y"}},
		{"replace, old one forgotten", resource("a", "t", []string{"create", "forget"}, object{"x": 1}, object{"x": 2}), plan.Replace, "", nil},
		{"revise", resource("a", "aws_ecs_task_definition", []string{"delete", "create"}, object{"cpu": 1, "skip_destroy": true}, object{"cpu": 2},
			object{"action_reason": "replace_because_cannot_update", "replace_paths": []any{[]any{"cpu"}}}),
			plan.Revise, "", []string{"cpu"}},
		{"a task definition that is deregistered", resource("a", "aws_ecs_task_definition", []string{"delete", "create"}, object{"cpu": 1, "skip_destroy": false}, object{"cpu": 2, "skip_destroy": true},
			object{"replace_paths": []any{[]any{"cpu"}}}), plan.Replace, "", []string{"cpu"}},
		{"delete", resource("a", "t", []string{"delete"}, object{"x": 1}, nil, object{"action_reason": "delete_because_no_resource_config"}),
			plan.Delete, "it is no longer in the configuration", nil},
		{"forget", resource("a", "t", []string{"forget"}, object{"x": 1}, nil), plan.Forget, "", nil},
		{"move", resource("b", "t", []string{"no-op"}, object{"x": 1}, object{"x": 1}, object{"previous_address": "a"}), plan.Move, "", nil},
		{"import", resource("a", "t", []string{"no-op"}, object{"x": 1}, object{"x": 1}, object{"importing": object{"id": "i"}}), plan.Import, "", nil},
		{"a reason that is new", resource("a", "t", []string{"delete"}, object{}, nil, object{"action_reason": "delete_because_of_the_moon"}),
			plan.Delete, "delete because of the moon", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := parse(t, "staging", document(t, tt.change))
			if len(p.Changes) != 1 {
				t.Fatalf("%d changes, want 1", len(p.Changes))
			}
			c := p.Changes[0]
			if c.Action != tt.want || c.Reason != tt.reason || cmp.Diff(tt.replace, c.ReplacePaths) != "" {
				t.Errorf("%s %q %v, want %s %q %v", c.Action, c.Reason, c.ReplacePaths, tt.want, tt.reason, tt.replace)
			}
			if p.Empty() {
				t.Error("the plan counts as empty")
			}
		})
	}
	if p := parse(t, "staging", document(t, resource("a", "t", []string{"no-op"}, object{}, object{}))); !p.Empty() {
		t.Error("a plan that does nothing is not empty")
	}
	if p := parse(t, "staging", documentWith(t, object{"output_changes": object{"url": object{"actions": []string{"create"}}}})); p.Empty() {
		t.Error("a plan that changes an output counts as empty")
	}
	if p := parse(t, "staging", documentWith(t, object{"errored": true})); !p.Errored || p.Empty() {
		t.Error("an errored plan counts as empty")
	}
}

const canary = "Tr0ub4dor-Canary-9f8e7d"

func TestAttributes(t *testing.T) {
	containers := func(image string, env, secrets []object) string {
		b, err := json.Marshal([]object{{"name": "api", "image": image, "cpu": 0, "environment": env, "secrets": secrets, "command": []string{canary}}})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	variable := func(name, value string) object { return object{"name": name, "value": value} }
	reference := func(name, from string) object { return object{"name": name, "valueFrom": from} }
	tests := []struct {
		name   string
		change object
		want   []plan.Attribute
	}{
		{"values", resource("a", "aws_x", []string{"update"}, object{"size": 1.0, "name": "a", "same": "s", "gone": true}, object{"size": 2.0, "name": "b", "same": "s"}),
			[]plan.Attribute{{Path: "gone", Before: "true"}, {Path: "name", Before: `"a"`, After: `"b"`}, {Path: "size", Before: "1", After: "2"}}},
		{"nested", resource("a", "aws_x", []string{"update"}, object{"rule": []any{object{"port": 80.0}}}, object{"rule": []any{object{"port": 443.0}, object{"port": 8080.0}}}),
			[]plan.Attribute{{Path: "rule[0].port", Before: "80", After: "443"}, {Path: "rule[1].port", After: "8080"}}},
		{"a policy", resource("a", "aws_x", []string{"update"}, object{"policy": `{"Action":["a"]}`}, object{"policy": `{"Action":["a","b"]}`}),
			[]plan.Attribute{{Path: "policy.Action[1]", After: `"b"`}}},
		{"unknown", resource("a", "aws_x", []string{"update"}, object{"address": "x"}, object{}, object{"after_unknown": object{"address": true}}),
			[]plan.Attribute{{Path: "address", Before: `"x"`, After: "(known after apply)"}}},
		{"marked sensitive", resource("a", "aws_x", []string{"update"}, object{"plain": canary}, object{"plain": canary + "2"}, object{"after_sensitive": object{"plain": true}}),
			[]plan.Attribute{{Path: "plain", Before: "(hidden)", After: "(hidden)"}}},
		{"a whole object marked", resource("a", "aws_x", []string{"update"}, object{"o": object{"k": canary}}, object{"o": object{"k": canary + "2"}}, object{"before_sensitive": object{"o": true}}),
			[]plan.Attribute{{Path: "o", Before: "(hidden)", After: "(hidden)"}}},
		{"by name", resource("a", "aws_x", []string{"update"}, object{"db_password": canary}, object{"db_password": "new"}),
			[]plan.Attribute{{Path: "db_password", Before: "(hidden)", After: "(hidden)"}}},
		{"a parameter", resource("a", "aws_ssm_parameter", []string{"update"}, object{"value": "short"}, object{"value": "other"}),
			[]plan.Attribute{{Path: "value", Before: "(hidden)", After: "(hidden)"}}},
		{"environment variables", resource("a", "aws_lambda_function", []string{"update"}, object{"environment": []any{object{"variables": object{"A": canary}}}}, object{"environment": []any{object{"variables": object{"A": "x"}}}}),
			[]plan.Attribute{{Path: "environment[0].variables.A", Before: "(hidden)", After: "(hidden)"}}},
		{"several of them", resource("a", "aws_x", []string{"update"}, object{"passwords": []any{canary}, "auth_tokens": object{"a": canary}}, object{"passwords": []any{"new"}, "auth_tokens": object{"a": "x"}}),
			[]plan.Attribute{{Path: "auth_tokens.a", Before: "(hidden)", After: "(hidden)"}, {Path: "passwords[0]", Before: "(hidden)", After: "(hidden)"}}},
		{"a password in a URL", resource("a", "aws_x", []string{"update"}, object{"target": "postgres://app:" + canary + "@db/app"}, object{"target": "postgres://db/app"}),
			[]plan.Attribute{{Path: "target", Before: "(hidden)", After: `"postgres://db/app"`}}},
		{"random where nothing says so", resource("a", "aws_x", []string{"update"}, object{"note": "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"}, object{"note": "fine"}),
			[]plan.Attribute{{Path: "note", Before: "(hidden)", After: `"fine"`}}},
		{"names are not random", resource("a", "aws_x", []string{"update"}, object{"policy": "ELBSecurityPolicy-2016-08"}, object{"policy": "ELBSecurityPolicy-TLS13-1-2-2021-06"}),
			[]plan.Attribute{{Path: "policy", Before: `"ELBSecurityPolicy-2016-08"`, After: `"ELBSecurityPolicy-TLS13-1-2-2021-06"`}}},
		{"a version beside a write-only argument", resource("a", "aws_x", []string{"update"}, object{"password_wo_version": 1.0}, object{"password_wo_version": 2.0}),
			[]plan.Attribute{{Path: "password_wo_version", Before: "1", After: "2"}}},
		{"a task definition", resource("a", "aws_ecs_task_definition", []string{"delete", "create"},
			object{"cpu": "256", "container_definitions": containers("r:a", []object{variable("A", canary), variable("B", "b")}, nil)},
			object{"cpu": "512", "container_definitions": containers("r:b", []object{variable("A", "x"), variable("C", "c")}, []object{reference("S", "arn:s")})},
			object{"replace_paths": []any{[]any{"container_definitions"}}}),
			[]plan.Attribute{
				{Path: "container_definitions api image", Before: `"r:a"`, After: `"r:b"`, Forces: true},
				{Path: "container_definitions api env", After: "+1 (C) −1 (B) ~1 (A)", Forces: true},
				{Path: "container_definitions api secrets", After: "+1 (S)", Forces: true},
				{Path: "cpu", Before: `"256"`, After: `"512"`},
			}},
		{"a creation lists nothing", resource("a", "aws_x", []string{"create"}, nil, object{"x": 1.0}), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := parse(t, "staging", document(t, tt.change)).Changes[0].Attributes()
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("attributes (-want +got):\n%s", d)
			}
			for _, a := range got {
				if strings.Contains(a.Before+a.After, canary) {
					t.Errorf("a secret is shown: %+v", a)
				}
			}
		})
	}
}

func TestFingerprint(t *testing.T) {
	base := func() object {
		return resource("module.api.aws_ecs_service.this", "aws_ecs_service", []string{"update"}, object{"name": "api", "arn": "arn:1", "port": 1.0}, object{"name": "api", "arn": "arn:2", "port": 2.0})
	}
	want := parse(t, "staging", document(t, base())).Fingerprint()
	same := base()
	same["change"].(object)["before"].(object)["arn"] = "arn:other"
	if got := parse(t, "staging", document(t, same)).Fingerprint(); got != want {
		t.Error("the fingerprint depends on an ARN")
	}
	other := base()
	other["change"].(object)["after"].(object)["port"] = 3.0
	different := map[string]*plan.Plan{
		"a value":  parse(t, "staging", document(t, other)),
		"a root":   parse(t, "production", document(t, base())),
		"a change": parse(t, "staging", document(t, base(), resource("b", "t", []string{"delete"}, object{}, nil))),
		"nothing":  parse(t, "staging", document(t)),
	}
	for what, p := range different {
		if p.Fingerprint() == want {
			t.Errorf("another %s has the same fingerprint", what)
		}
	}
	reviewed := parse(t, "staging", document(t, base(), resource("gone", "t", []string{"delete"}, object{}, nil))).Summary()
	got := plan.Difference(reviewed, parse(t, "staging", document(t, other, resource("new", "t", []string{"create"}, nil, object{}))))
	if d := cmp.Diff([]string{
		"gone: was reviewed to delete, and nothing happens to it now",
		"module.api.aws_ecs_service.this: changes otherwise than reviewed",
		"new: now to create, and was not reviewed",
	}, got); d != "" {
		t.Errorf("difference (-want +got):\n%s", d)
	}
	// What is not shown of containers was reviewed all the same, unless it is
	// marked as sensitive.
	task := func(command string, more ...object) string {
		definition := func(command string) object {
			return object{"container_definitions": `[{"name":"migrate","command":["` + command + `"]}]`}
		}
		return parse(t, "staging", document(t, resource("t", "aws_ecs_task_definition", []string{"update"}, definition("up"), definition(command), more...))).Fingerprint()
	}
	if task("status") == task("sh") {
		t.Error("another command of a container has the same fingerprint")
	}
	if marked := (object{"after_sensitive": object{"container_definitions": true}}); task("status", marked) != task("sh", marked) {
		t.Error("the fingerprint depends on a value that is marked as sensitive")
	}
	// A hidden value has no part in it: nobody can guess a secret from it.
	hide := func(value string) string {
		return parse(t, "staging", document(t, resource("a", "t", []string{"create"}, nil, object{"password": value}))).Fingerprint()
	}
	if hide("one") != hide("two") {
		t.Error("the fingerprint depends on a hidden value")
	}
}

func TestClassify(t *testing.T) {
	rules := []config.AcceptedDrift{{Type: "aws_ecs_service", Attribute: "desired_count", Owner: "a promotion"}, {Type: "aws_x", Attribute: "y", Owner: "nobody"}}
	p := parse(t, "staging", documentWith(t, object{
		"resource_changes": []object{resource("pending", "t", []string{"update"}, object{"a": 1.0}, object{"a": 2.0})},
		"resource_drift": []object{
			resource("accepted", "aws_ecs_service", []string{"update"}, object{"desired_count": 0.0}, object{"desired_count": 2.0}),
			resource("both", "aws_ecs_service", []string{"update"}, object{"desired_count": 0.0, "name": "a"}, object{"desired_count": 2.0, "name": "b"}),
			// AWS moves these by itself.
			resource("database", "aws_db_instance", []string{"update"}, object{"latest_restorable_time": "a", "status": "available"}, object{"latest_restorable_time": "b", "status": "backing-up"}),
			resource("renewed", "aws_acm_certificate", []string{"update"}, object{"renewal_summary": []any{}}, object{"renewal_summary": []any{object{"renewal_status": "SUCCESS"}}}),
			resource("opened", "aws_db_instance", []string{"update"}, object{"latest_restorable_time": "a", "publicly_accessible": false}, object{"latest_restorable_time": "b", "publicly_accessible": true}),
			resource("gone", "aws_ecs_service", []string{"delete"}, object{"name": "a"}, nil),
		},
	}))
	d := plan.Classify(p, rules)
	var found, accepted, pending []string
	for _, r := range d.Real {
		found = append(found, r.Address)
		if r.Address == "opened" && (len(r.Attributes) != 1 || r.Attributes[0].Path != "publicly_accessible") {
			t.Errorf("opened: %v", r.Attributes)
		}
	}
	for _, r := range d.Accepted {
		accepted = append(accepted, r.Address+" by "+strings.Join(r.Owners, ","))
	}
	for _, c := range d.Pending {
		pending = append(pending, c.Address)
	}
	if diff := cmp.Diff([][]string{{"both", "gone", "opened"}, {"accepted by a promotion"}, {"pending"}}, [][]string{found, accepted, pending}); diff != "" {
		t.Errorf("drift (-want +got):\n%s", diff)
	}
	if d.Clean() {
		t.Error("drift that nobody may have made is called clean")
	}
}

// A promotion moves a schedule and its revision, and nobody else may change its role.
// A database's storage grows by itself.
func TestClassifyAccepted(t *testing.T) {
	target := func(revision, role string) object {
		return object{"state": "ENABLED", "target": []any{object{"role_arn": role, "ecs_parameters": []any{object{"task_definition_arn": revision}}}}}
	}
	alarm := func(name, attribute string) object {
		return resource("module.alarms.aws_cloudwatch_metric_alarm."+name+"[0]", "aws_cloudwatch_metric_alarm", []string{"update"}, object{attribute: 1.0}, object{attribute: 2.0})
	}
	p := parse(t, "staging", documentWith(t, object{
		"resource_changes": []object{alarm("database_storage", "threshold"), alarm("database_cpu", "threshold")},
		"resource_drift": []object{
			resource("promoted", "aws_scheduler_schedule", []string{"update"}, target("task:1", "a"), target("task:2", "a")),
			resource("taken", "aws_scheduler_schedule", []string{"update"}, target("task:1", "a"), target("task:2", "b")),
			resource("grown", "aws_db_instance", []string{"update"}, object{"allocated_storage": 20.0}, object{"allocated_storage": 22.0}),
			resource("rotated", "aws_secretsmanager_secret_version", []string{"update"}, object{"version_stages": []any{"AWSCURRENT"}}, object{"version_stages": []any{"AWSPREVIOUS"}}),
		},
	}))
	d := plan.Classify(p, config.AcceptedDrifts())
	if len(d.Accepted) != 2 || d.Accepted[0].Address != "grown" || d.Accepted[1].Address != "promoted" || len(d.Real) != 1 || d.Real[0].Address != "taken" {
		t.Errorf("accepted %v, real %v", d.Accepted, d.Real)
	}
	if len(d.Pending) != 1 || d.Pending[0].Address != "module.alarms.aws_cloudwatch_metric_alarm.database_cpu[0]" {
		t.Errorf("pending %v", d.Pending)
	}
	if shown := p.Unaccepted(config.AcceptedDrifts()); len(shown) != 1 || shown[0].Address != "taken" {
		t.Errorf("a plan shows %v", shown)
	}
}

// The token goes with its cache, whether that is destroyed or replaced.
func TestGuardLetsTheTokenGoWithTheCache(t *testing.T) {
	token := object{"version_stages": []any{"AWSPENDING", "ACCEPTED-2026-11-27T00:00:00Z"}}
	for _, actions := range [][]string{{"delete"}, {"delete", "create"}} {
		p := parse(t, "staging", document(t,
			resource("c", "aws_elasticache_replication_group", actions, object{}, nil),
			resource("t", "aws_secretsmanager_secret_version", actions, token, nil)))
		if err := plan.Guard(p, configtest.Docs(), nil); err != nil {
			t.Errorf("%v: %v", actions, err)
		}
	}
}

func TestGuard(t *testing.T) {
	world := object{"cidr_ipv4": "0.0.0.0/0", "from_port": 5432.0, "to_port": 5432.0}
	trust := `{"Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}]}`
	tests := []struct {
		name   string
		root   string
		change object
		want   string // "" is allowed
	}{
		{"delete a database", "production", resource("db", "aws_db_instance", []string{"delete"}, object{}, nil), "destroys the database"},
		{"in staging", "staging", resource("db", "aws_db_instance", []string{"delete"}, object{}, nil), ""},
		{"replace a database", "production", resource("db", "aws_db_instance", []string{"delete", "create"}, object{}, object{}), "destroys and replaces the database"},
		{"create before destroy", "production", resource("db", "aws_db_instance", []string{"create", "delete"}, object{}, object{}), "destroys and replaces the database"},
		{"forget a database", "production", resource("db", "aws_db_instance", []string{"forget"}, object{}, nil), "stops managing the database"},
		{"delete the cache", "production", resource("c", "aws_elasticache_replication_group", []string{"delete"}, object{}, nil), "destroys the sessions and caches of every user"},
		{"delete a secret", "production", resource("s", "aws_secretsmanager_secret", []string{"delete"}, object{}, nil), "destroys a secret and its earlier versions"},
		{"overtake the cache's token", "staging", resource("t", "aws_secretsmanager_secret_version", []string{"delete", "create"}, object{"version_stages": []any{"AWSPENDING", "AWSCURRENT"}}, object{}), "stores another token of the cache while tasks may run with the one before: promote, and apply without it, first"},
		{"rotate the cache's token", "staging", resource("t", "aws_secretsmanager_secret_version", []string{"delete", "create"}, object{"version_stages": []any{"AWSCURRENT"}}, object{}), ""},
		{"forget the cache's token", "staging", resource("t", "aws_secretsmanager_secret_version", []string{"delete"}, object{"version_stages": []any{"AWSCURRENT", "ACCEPTED-2026-11-27T00:00:00Z"}}, nil), "forgets the cache's token, which the cache will ask for as long as it exists"},
		{"delete another secret's version", "staging", resource("t", "aws_secretsmanager_secret_version", []string{"delete"}, object{"version_stages": []any{"AWSCURRENT"}}, nil), ""},
		{"delete a bucket", "shared", resource("b", "aws_s3_bucket", []string{"delete"}, object{}, nil), "destroys every object in the bucket"},
		{"delete a key", "production", resource("k", "aws_kms_key", []string{"delete"}, object{}, nil), "destroys the key, and so everything encrypted with it"},
		{"delete a repository", "shared", resource("r", "aws_ecr_repository", []string{"delete"}, object{}, nil), "destroys the images that services run and rollbacks need"},
		{"delete the zone", "shared", resource("z", "aws_route53_zone", []string{"delete"}, object{}, nil), "destroys the zone and the delegation of its domain"},
		{"shorten backups", "production", resource("db", "aws_db_instance", []string{"update"}, object{"backup_retention_period": 7.0}, object{"backup_retention_period": 1.0}), "shortens the backups"},
		{"lengthen backups", "production", resource("db", "aws_db_instance", []string{"update"}, object{"backup_retention_period": 7.0}, object{"backup_retention_period": 14.0}), ""},
		{"drop protection", "production", resource("db", "aws_db_instance", []string{"update"}, object{"deletion_protection": true}, object{"deletion_protection": false}), "drops deletion protection"},
		{"drop the load balancer's", "production", resource("lb", "aws_lb", []string{"update"}, object{"enable_deletion_protection": true}, object{"enable_deletion_protection": false}), "drops deletion protection"},
		{"single zone", "production", resource("db", "aws_db_instance", []string{"update"}, object{"multi_az": true}, object{"multi_az": false}), "gives up the standby in a second zone"},
		{"no final snapshot", "production", resource("db", "aws_db_instance", []string{"update"}, object{"skip_final_snapshot": false}, object{"skip_final_snapshot": true}), "gives up the final snapshot"},
		{"fewer cache nodes", "production", resource("c", "aws_elasticache_replication_group", []string{"update"}, object{"num_cache_clusters": 2.0}, object{"num_cache_clusters": 1.0}), "removes cache nodes"},
		{"cache in clear", "production", resource("c", "aws_elasticache_replication_group", []string{"update"}, object{"transit_encryption_enabled": true}, object{"transit_encryption_enabled": false}), "stops encrypting in transit"},
		{"secrets gone at once", "production", resource("s", "aws_secretsmanager_secret", []string{"update"}, object{"recovery_window_in_days": 30.0}, object{"recovery_window_in_days": 0.0}), "shortens the time in which a deleted secret can be restored"},
		{"suspend versions", "shared", resource("v", "aws_s3_bucket_versioning", []string{"update"}, object{"versioning_configuration": []any{object{"status": "Enabled"}}}, object{"versioning_configuration": []any{object{"status": "Suspended"}}}), "stops keeping earlier versions"},
		{"images go with the repository", "shared", resource("r", "aws_ecr_repository", []string{"update"}, object{"force_delete": false}, object{"force_delete": true}), "lets the repository be deleted with its images"},
		{"open a port", "staging", resource("r", "aws_vpc_security_group_ingress_rule", []string{"create"}, nil, world), "opens port 5432 to the world"},
		{"open a port over IPv6", "staging", resource("r", "aws_vpc_security_group_ingress_rule", []string{"update"}, object{}, object{"cidr_ipv6": "::/0", "from_port": 22.0, "to_port": 22.0}), "opens port 22 to the world"},
		{"open everything", "staging", resource("r", "aws_vpc_security_group_ingress_rule", []string{"create"}, nil, object{"cidr_ipv4": "0.0.0.0/0"}), "opens every port to the world"},
		{"the old kind of rule", "staging", resource("r", "aws_security_group_rule", []string{"create"}, nil, object{"type": "ingress", "cidr_blocks": []any{"10.0.0.0/8", "0.0.0.0/0"}, "from_port": 22.0, "to_port": 22.0}), "opens port 22 to the world"},
		{"a rule inside a group", "staging", resource("g", "aws_security_group", []string{"update"}, object{}, object{"ingress": []any{object{"cidr_blocks": []any{"0.0.0.0/0"}, "from_port": 22.0}}}), "opens port 22 to the world"},
		{"a rule behind the load balancer's own", "staging", resource("module.load_balancer.g", "aws_security_group", []string{"update"}, object{}, object{"ingress": []any{
			object{"cidr_blocks": []any{"0.0.0.0/0"}, "from_port": 443.0, "to_port": 443.0}, object{"cidr_blocks": []any{"0.0.0.0/0"}, "from_port": 22.0, "to_port": 22.0}}}), "opens port 22 to the world"},
		{"a prefix list", "staging", resource("l", "aws_ec2_managed_prefix_list", []string{"create"}, nil, object{"entry": []any{object{"cidr": "10.0.0.0/8"}, object{"cidr": "0.0.0.0/0"}}}), "opens to the world what names this prefix list"},
		{"an entry of a prefix list", "staging", resource("l", "aws_ec2_managed_prefix_list_entry", []string{"create"}, nil, object{"cidr": "::/0"}), "opens to the world what names this prefix list"},
		{"deletion protection no longer written", "production", resource("d", "aws_db_instance", []string{"update"}, object{"deletion_protection": true}, object{"deletion_protection": nil}), "drops deletion protection"},
		{"snapshots no longer written", "production", resource("c", "aws_elasticache_replication_group", []string{"update"}, object{"snapshot_retention_limit": 5.0}, object{}), "shortens the backups"},
		{"the key's window no longer written", "production", resource("k", "aws_kms_key", []string{"update"}, object{"deletion_window_in_days": 7.0}, object{"deletion_window_in_days": nil}), ""},
		{"the load balancer's own", "staging", resource("module.load_balancer.r", "aws_vpc_security_group_ingress_rule", []string{"create"}, nil, object{"cidr_ipv4": "0.0.0.0/0", "from_port": 443.0, "to_port": 443.0}), ""},
		{"the load balancer's database port", "staging", resource("module.load_balancer.r", "aws_vpc_security_group_ingress_rule", []string{"create"}, nil, world), "opens port 5432 to the world"},
		{"going out", "staging", resource("r", "aws_vpc_security_group_egress_rule", []string{"create"}, nil, world), ""},
		{"a public database", "staging", resource("db", "aws_db_instance", []string{"update"}, object{"publicly_accessible": false}, object{"publicly_accessible": true}), "gives the database a public address"},
		{"a public bucket", "shared", resource("b", "aws_s3_bucket_public_access_block", []string{"update"}, object{"block_public_policy": true}, object{"block_public_policy": false}), "lets the bucket be made public (block_public_policy)"},
		{"no block at all", "shared", resource("b", "aws_s3_bucket_public_access_block", []string{"delete"}, object{"block_public_policy": true}, nil), "lets the bucket be made public"},
		{"trust anybody", "staging", resource("r", "aws_iam_role", []string{"update"}, object{"assume_role_policy": "{}"}, object{"assume_role_policy": trust}), "lets anybody assume the role"},
		{"a harmless change", "production", resource("db", "aws_db_instance", []string{"update"}, object{"instance_class": "a"}, object{"instance_class": "b"}), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := parse(t, tt.root, document(t, tt.change))
			err := plan.Guard(p, configtest.Docs(), nil)
			if tt.want == "" {
				if err != nil {
					t.Errorf("Guard = %v, want it allowed", err)
				}
				return
			}
			refused, ok := errors.AsType[*plan.GuardError](err)
			if !ok || len(refused.Violations) != 1 || refused.Violations[0].What != tt.want {
				t.Fatalf("Guard = %v, want %q", err, tt.want)
			}
			if err := plan.Guard(p, configtest.Docs(), []string{refused.Violations[0].Address}); err != nil {
				t.Errorf("still refused when named: %v", err)
			}
			_, ok = errors.AsType[*plan.GuardError](plan.Guard(p, configtest.Docs(), []string{"another.address"}))
			if !ok {
				t.Error("allowed by naming something else")
			}
		})
	}
}

func TestGuardNamesWhatAllowsNothing(t *testing.T) {
	p := parse(t, "production", document(t))
	err := plan.Guard(p, configtest.Docs(), []string{"module.databse.aws_db_instance.this"})
	if want := "-allow module.databse.aws_db_instance.this allows nothing: no refused change has this address"; err == nil || err.Error() != want {
		t.Errorf("Guard = %v, want %q", err, want)
	}
}
