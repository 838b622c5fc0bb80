package plan

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/specboard/platform/gen/config"
)

// Violation is one change that the guard refuses.
type Violation struct {
	Address string
	// What is refused, as the rest of a sentence: "replaces the database".
	What string
}

// GuardError is a plan that must not be applied as it is.
type GuardError struct {
	Root       string
	Violations []Violation
	// Unused are addresses that were allowed although nothing about them is
	// refused. They are probably misspelt, so nothing is applied until they
	// are corrected.
	Unused []string
}

func (e *GuardError) Error() string {
	var b strings.Builder
	if len(e.Violations) > 0 {
		fmt.Fprintf(&b, "the guard refuses the plan of %s, and nothing was touched:", e.Root)
		for _, v := range e.Violations {
			fmt.Fprintf(&b, "\n  %s: %s", v.Address, v.What)
		}
	}
	for _, a := range e.Unused {
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "-allow %s allows nothing: no refused change has this address", a)
	}
	return b.String()
}

// Flags returns the flags that would allow the refused changes.
func (e *GuardError) Flags() string {
	var flags []string
	for _, v := range e.Violations {
		f := "-allow '" + v.Address + "'"
		if !slices.Contains(flags, f) {
			flags = append(flags, f)
		}
	}
	return strings.Join(flags, " ")
}

// Guard refuses changes that cannot be undone: those that lose data in a
// protected root, and in every root those that open something to the world, cut off
// what runs, or would fail halfway.
// allow names the addresses whose changes are intended.
//
// It works on the plan and not by prevent_destroy, which cannot differ between
// environments and protects nothing once its block is removed.
func Guard(p *Plan, platform config.Platform, allow []string) error {
	e := &GuardError{Root: p.Root}
	used := map[string]bool{}
	cacheStays := !slices.ContainsFunc(p.Changes, func(c Change) bool {
		return c.Type == "aws_elasticache_replication_group" && c.Action.Destructive()
	})
	left := leftKeys(p)
	for _, c := range p.Changes {
		wrong := refused(c, platform.Protects(p.Root))
		if cacheStays {
			wrong = append(wrong, losesToken(c)...)
		}
		wrong = append(wrong, movesPort(p, c)...)
		wrong = append(wrong, takesKey(c, left)...)
		for _, what := range wrong {
			address, _, _ := strings.Cut(c.Address, " (deposed")
			if slices.Contains(allow, address) {
				used[address] = true
				continue
			}
			e.Violations = append(e.Violations, Violation{address, what})
		}
	}
	for _, a := range allow {
		if !used[a] {
			e.Unused = append(e.Unused, a)
		}
	}
	if len(e.Violations) == 0 && len(e.Unused) == 0 {
		return nil
	}
	return e
}

// refused lists what is wrong with one change.
func refused(c Change, protected bool) []string {
	var out []string
	if protected {
		out = append(out, losesData(c)...)
		out = append(out, dropsProtection(c)...)
	}
	return append(out, opensToWorld(c)...)
}

// losesToken refuses another token for the cache while it accepts two, since the next
// would take away the one before, which running tasks may have; and none at all once it
// has accepted one, which ElastiCache cannot undo.
func losesToken(c Change) []string {
	if c.Type != "aws_secretsmanager_secret_version" || c.Raw == nil || !c.Action.Destructive() {
		return nil
	}
	pending, accepted := false, false
	for _, stage := range asList(asMap(c.Raw.Before)["version_stages"]) {
		label, _ := stage.(string)
		pending = pending || label == "AWSPENDING"
		accepted = accepted || strings.HasPrefix(label, "ACCEPTED-")
	}
	switch {
	case c.Action != Replace && (pending || accepted):
		return []string{"forgets the cache's token, which the cache will ask for as long as it exists"}
	case c.Action == Replace && pending:
		return []string{"stores another token of the cache while tasks may run with the one before: promote, and apply without it, first"}
	default:
		return nil
	}
}

func losesData(c Change) []string {
	i := slices.IndexFunc(config.DataTypes(), func(d config.DataType) bool { return d.Type == c.Type })
	if i < 0 || !c.Action.Destructive() {
		return nil
	}
	verb := map[Action]string{Delete: "destroys", Replace: "destroys and replaces", Forget: "stops managing"}[c.Action]
	return []string{verb + " " + config.DataTypes()[i].Holds}
}

// protections are attributes that keep data safe, by resource type. lowered
// reports whether a change from before to after weakens them.
var protections = []struct {
	kind, attribute string
	lowered         func(before, after any) bool
	what            string
}{
	{"aws_db_instance", "backup_retention_period", shrinks, "shortens the backups"},
	{"aws_db_instance", "deletion_protection", turnedOff, "drops deletion protection"},
	{"aws_db_instance", "multi_az", turnedOff, "gives up the standby in a second zone"},
	{"aws_db_instance", "skip_final_snapshot", turnedOn, "gives up the final snapshot"},
	{"aws_db_instance", "storage_encrypted", turnedOff, "stops encrypting the storage"},
	{"aws_db_instance", "allocated_storage", shrinks, "shrinks the storage"},
	{"aws_db_instance", "delete_automated_backups", turnedOn, "deletes the backups together with the database"},
	{"aws_lb", "enable_deletion_protection", turnedOff, "drops deletion protection"},
	{"aws_elasticache_replication_group", "snapshot_retention_limit", shrinks, "shortens the backups"},
	{"aws_elasticache_replication_group", "at_rest_encryption_enabled", turnedOff, "stops encrypting at rest"},
	{"aws_elasticache_replication_group", "transit_encryption_enabled", turnedOff, "stops encrypting in transit"},
	{"aws_elasticache_replication_group", "num_cache_clusters", shrinks, "removes cache nodes"},
	{"aws_secretsmanager_secret", "recovery_window_in_days", shrinks, "shortens the time in which a deleted secret can be restored"},
	{"aws_ecr_repository", "force_delete", turnedOn, "lets the repository be deleted with its images"},
	{"aws_s3_bucket", "force_destroy", turnedOn, "lets the bucket be deleted with its objects"},
	{"aws_kms_key", "is_enabled", turnedOff, "disables the key"},
	{"aws_kms_key", "deletion_window_in_days", shrinksTo, "shortens the time in which a deleted key can be restored"},
	{"aws_route53_zone", "force_destroy", turnedOn, "lets the zone be deleted with its records"},
}

func dropsProtection(c Change) []string {
	if c.Raw == nil || !c.Action.changes() {
		return nil
	}
	var out []string
	for _, p := range protections {
		before, after := field[any](c.Raw, p.attribute)
		if p.kind == c.Type && p.lowered(before, after) {
			out = append(out, p.what)
		}
	}
	if c.Type == "aws_s3_bucket_versioning" {
		if status(c.Raw.Before) == "Enabled" && status(c.Raw.After) != "Enabled" {
			out = append(out, "stops keeping earlier versions")
		}
	}
	return out
}

// shrinks reports whether a number gets smaller. It takes a missing or unknown
// value for zero, which is what the provider sends for an argument that was
// removed.
func shrinks(before, after any) bool {
	b, ok := before.(float64)
	return ok && b > 0 && after == nil || shrinksTo(before, after)
}

// shrinksTo is shrinks for arguments whose absence means the maximum.
func shrinksTo(before, after any) bool {
	b, ok := before.(float64)
	a, okAfter := after.(float64)
	return ok && okAfter && a < b
}

func turnedOff(before, after any) bool { return before == true && (after == false || after == nil) }
func turnedOn(before, after any) bool  { return before == false && after == true }

func status(v any) any {
	blocks, _ := asMap(v)["versioning_configuration"].([]any)
	return asMap(item(blocks, 0))["status"]
}

// opensToWorld lists what anybody on the internet could reach or assume after
// the change.
func opensToWorld(c Change) []string {
	if c.Raw == nil || c.Raw.After == nil || c.Action.Destructive() && c.Action != Replace {
		return opensByRemoval(c)
	}
	after := asMap(c.Raw.After)
	switch c.Type {
	case "aws_vpc_security_group_ingress_rule":
		if world(after["cidr_ipv4"]) || world(after["cidr_ipv6"]) {
			return openPort(c, after["from_port"], after["to_port"])
		}
	case "aws_security_group_rule":
		if after["type"] == "ingress" && (world(after["cidr_blocks"]) || world(after["ipv6_cidr_blocks"])) {
			return openPort(c, after["from_port"], after["to_port"])
		}
	case "aws_security_group", "aws_default_security_group":
		var open []string
		for _, r := range asList(after["ingress"]) {
			m := asMap(r)
			if world(m["cidr_blocks"]) || world(m["ipv6_cidr_blocks"]) {
				open = append(open, openPort(c, m["from_port"], m["to_port"])...)
			}
		}
		return open
	case "aws_ec2_managed_prefix_list":
		// Rules name the list and not what is in it.
		if slices.ContainsFunc(asList(after["entry"]), func(e any) bool { return world(asMap(e)["cidr"]) }) {
			return []string{"opens to the world what names this prefix list"}
		}
	case "aws_ec2_managed_prefix_list_entry":
		if world(after["cidr"]) {
			return []string{"opens to the world what names this prefix list"}
		}
	case "aws_db_instance":
		if before, now := field[bool](c.Raw, "publicly_accessible"); !before && now {
			return []string{"gives the database a public address"}
		}
	case "aws_s3_bucket_public_access_block":
		for _, name := range []string{"block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets"} {
			if before, now := field[any](c.Raw, name); before == true && now == false || before == nil && now == false {
				return []string{"lets the bucket be made public (" + name + ")"}
			}
		}
	case "aws_iam_role":
		if before, now := field[string](c.Raw, "assume_role_policy"); anybody(now) && !anybody(before) {
			return []string{"lets anybody assume the role"}
		}
	}
	return nil
}

func opensByRemoval(c Change) []string {
	if c.Type == "aws_s3_bucket_public_access_block" && c.Action == Delete {
		return []string{"lets the bucket be made public"}
	}
	return nil
}

// openPort returns a violation unless the port is one of the load balancer's
// two, 80 and 443.
func openPort(c Change, from, to any) []string {
	if strings.HasPrefix(c.Address, "module.load_balancer.") && from == to && (from == 80.0 || from == 443.0) {
		return nil
	}
	if from == nil {
		return []string{"opens every port to the world"}
	}
	return []string{fmt.Sprintf("opens port %v to the world", from)}
}

// world reports whether a CIDR block, or one of a list, covers the internet or
// so much of it that a few such blocks would: nobody owns an eighth of the
// internet.
func world(v any) bool {
	switch v := v.(type) {
	case string:
		prefix, err := netip.ParsePrefix(v)
		return err == nil && prefix.Bits() < 8
	case []any:
		return slices.ContainsFunc(v, world)
	}
	return false
}

// anybody reports whether a trust policy allows every principal without any
// condition.
func anybody(policy string) bool {
	var doc struct {
		Statement []struct {
			Effect    string
			Principal any
			Condition map[string]any
		}
	}
	if json.Unmarshal([]byte(policy), &doc) != nil {
		return false
	}
	for _, s := range doc.Statement {
		if s.Effect != "Allow" || len(s.Condition) > 0 {
			continue
		}
		if s.Principal == "*" || asMap(s.Principal)["AWS"] == "*" || slices.Contains(asList(asMap(s.Principal)["AWS"]), any("*")) {
			return true
		}
	}
	return false
}

func asList(v any) []any {
	l, _ := v.([]any)
	return l
}
