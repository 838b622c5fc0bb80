package plan

import (
	"fmt"
	"slices"
	"strings"
)

// Some changes of databases and caches restart them. Without apply_immediately
// AWS accepts such a change and makes it in the next maintenance window. Until
// then Terraform plans it again in every plan, since it compares with what
// runs.

// deferrable are the attributes that AWS changes in the maintenance window:
// https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Overview.DBInstance.Modifying.html
// https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/Replication.Modify.html
var deferrable = map[string][]string{
	"aws_db_instance": {
		"allocated_storage", "backup_retention_period", "ca_cert_identifier", "engine_version", "instance_class",
		"iops", "license_model", "multi_az", "port", "storage_throughput", "storage_type",
	},
	"aws_elasticache_replication_group": {"engine", "engine_version", "node_type"},
}

// Pending are the values that AWS has accepted for one resource and will set
// later, by attribute.
type Pending map[string]string

// Waits reports whether some or all of the change waits for a maintenance
// window.
func (c Change) Waits() bool {
	if c.Action != Update || c.Raw == nil {
		return false
	}
	_, immediately := field[bool](c.Raw, "apply_immediately")
	return !immediately && slices.ContainsFunc(c.Attributes(), func(a Attribute) bool { return slices.Contains(deferrable[c.Type], a.Path) })
}

// Identifier is AWS's name of the database or cache that changes.
func (c Change) Identifier() string {
	name := map[string]string{"aws_db_instance": "identifier", "aws_elasticache_replication_group": "replication_group_id"}[c.Type]
	if name == "" || c.Raw == nil {
		return ""
	}
	before, _ := field[string](c.Raw, name)
	return before
}

// Defer marks a change as deferred if AWS has accepted all of it and waits for
// the maintenance window: an apply would ask for nothing new.
func (c *Change) Defer(pending Pending) {
	if !c.Waits() {
		return
	}
	after := asMap(c.Raw.After)
	for _, a := range c.Attributes() {
		value, taken := pending[a.Path]
		switch {
		case a.After == unknown: // follows from the others
		case !taken, !sameValue(a.Path, fmt.Sprint(after[a.Path]), value):
			return
		}
	}
	c.Action, c.Reason = Deferred, "AWS makes it "+c.when()
}

// sameValue reports whether a configured value is the pending one. A
// configured version such as 16 equals every pending version that begins with
// it.
func sameValue(attribute, configured, pending string) bool {
	return configured == pending || attribute == "engine_version" && strings.HasPrefix(pending, configured+".")
}
