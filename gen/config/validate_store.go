package config

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// database checks an environment's PostgreSQL instance.
func (c *values) database(path string, e Environment) {
	d := e.Database
	c.instance(path+".instanceClass", "db", d.InstanceClass, "an instance class of PostgreSQL on RDS", databaseFamilies())
	const most = 65536 // GiB
	c.must(d.StorageGiB >= 20 && d.StorageGiB <= most, path+".storageGiB", d.StorageGiB, "is not storage that gp3 offers, 20 to 65536 GiB", 20)
	least := d.StorageGiB + max(1, (min(max(d.StorageGiB, 0), most)+9)/10)
	c.must(d.MaxStorageGiB >= least && d.MaxStorageGiB <= most, path+".maxStorageGiB", d.MaxStorageGiB,
		"does not let the storage of "+strconv.Itoa(d.StorageGiB)+" GiB grow by a tenth, and to 65536 at most, as RDS's storage autoscaling wants it", max(100, min(2*least, most)))
	c.must(d.BackupRetentionDays >= 1 && d.BackupRetentionDays <= 35, path+".backupRetentionDays", d.BackupRetentionDays,
		"is not a number of days that RDS keeps backups for, 1 to 35; without any there is no point-in-time recovery", 7)
	for _, name := range slices.Sorted(maps.Keys(d.Parameters)) {
		at, value := keyed(path+".parameters", name), d.Parameters[name]
		c.must(parameterPattern.MatchString(name) && len(name) <= 255, at, nil, "is not the name of a parameter of PostgreSQL", "work_mem")
		c.must(name != "rds.force_ssl", at, value, "is the platform's own: connections without TLS are refused", nil)
		c.must(!slices.Contains(fixedParameters(), name), at, value, "is one that RDS sets itself and lets nobody change", nil)
		c.must(!unitPattern.MatchString(value), at, value, "has a unit, and RDS takes a number of the parameter's own unit", "16384")
		if n, err := strconv.Atoi(value); name == "max_connections" && err == nil {
			c.must(n >= leastConnections && n <= mostConnections, at, value, "is not a number of connections that RDS takes, 6 to 262143", "200")
		}
		c.must(value != "" && isPrintable(value) && len(value) <= 1024, at, value, "is not a value of a parameter, as RDS takes it: without unit, printable, up to 1024 characters", "16384")
	}
	if !e.Protected {
		return
	}
	if !d.MultiAZ {
		c.promise(path+".multiAZ", d.MultiAZ, "a standby of the database in a second zone", true)
	}
	if d.BackupRetentionDays >= 1 && d.BackupRetentionDays < 7 {
		c.promise(path+".backupRetentionDays", d.BackupRetentionDays, "a week of backups", 7)
	}
	if !d.DeletionProtection {
		c.promise(path+".deletionProtection", d.DeletionProtection, "a database that AWS refuses to delete", true)
	}
}

var parameterPattern = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?$`)

// unitPattern finds a size or a time with PostgreSQL's unit.
var unitPattern = regexp.MustCompile(`^[0-9]+ *(B|kB|MB|GB|TB|us|ms|s|min|h|d)$`)

// fixedParameters are parameters of PostgreSQL that no parameter group of RDS may
// change, where somebody might try:
// https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.PostgreSQL.CommonDBATasks.Parameters.html
func fixedParameters() []string {
	return []string{"archive_command", "archive_mode", "config_file", "data_directory", "fsync", "full_page_writes", "hba_file", "listen_addresses",
		"port", "rds.extensions", "ssl_ca_file", "ssl_cert_file", "ssl_key_file", "unix_socket_directories", "wal_level"}
}

// The bounds of max_connections: RDS's own least, and PostgreSQL's most, which is below
// RDS's. RDS takes formulas too.
const leastConnections, mostConnections = 6, 262143

// StaticParameter reports whether RDS applies a parameter of PostgreSQL only at a
// reboot, and refuses apply_method immediate for it. Such are those that PostgreSQL
// reads when it starts, and those that RDS calls static (see fixedParameters):
//
//	SELECT name FROM pg_settings WHERE context = 'postmaster'
//	aws rds describe-engine-default-parameters --db-parameter-group-family postgres17
func StaticParameter(name string) bool {
	return slices.Contains([]string{
		"autovacuum_freeze_max_age", "autovacuum_max_workers", "autovacuum_multixact_freeze_max_age", "autovacuum_worker_slots", "commit_timestamp_buffers",
		"cron.database_name", "cron.host", "cron.log_run", "cron.log_statement", "cron.max_running_jobs", "cron.timezone", "cron.use_background_workers",
		"huge_page_size", "huge_pages", "io_max_combine_limit", "io_max_concurrency", "io_method", "jit_provider", "logging_collector", "max_active_replication_origins", "max_connections", "max_files_per_process", "max_locks_per_transaction",
		"max_logical_replication_workers", "max_notify_queue_pages", "max_pred_locks_per_transaction", "max_prepared_transactions", "max_replication_slots",
		"max_wal_senders", "max_worker_processes", "min_dynamic_shared_memory", "multixact_member_buffers", "multixact_offset_buffers",
		"notify_buffers", "old_snapshot_threshold", "pg_stat_statements.max", "rds.custom_dns_resolution", "rds.enable_pgactive", "rds.logical_replication", "rds.pg_stat_ramdisk_size",
		"rds.restrict_password_commands", "reserved_connections", "serializable_buffers", "shared_buffers", "shared_memory_type",
		"shared_preload_libraries", "ssl", "subtransaction_buffers", "superuser_reserved_connections", "temp_file_limit", "track_activity_query_size",
		"track_commit_timestamp", "transaction_buffers", "wal_buffers", "wal_decode_buffer_size",
	}, name)
}

// cache checks an environment's Redis.
func (c *values) cache(path string, cache Cache) {
	c.instance(path+".nodeType", "cache", cache.NodeType, "a node type of Redis on ElastiCache", cacheFamilies())
	c.must(cache.Nodes >= 1 && cache.Nodes <= 6, path+".nodes", cache.Nodes, "is not a number of nodes: the primary and up to five replicas", 2)
	c.must(cache.SnapshotDays >= 0 && cache.SnapshotDays <= 35, path+".snapshotDays", cache.SnapshotDays, "is not a number of days that ElastiCache keeps snapshots for, 0 to 35", 7)
}

// family is a family of instances and the sizes it comes in, the smallest
// first, with spaces between.
type family struct{ name, sizes string }

// The sizes that families have in common.
const (
	burstable = "micro small medium large xlarge 2xlarge"
	upTo16    = "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge"
	upTo24    = upTo16 + " 24xlarge"
	upTo32    = upTo24 + " 32xlarge"
	upTo48    = upTo24 + " 48xlarge"
)

// databaseFamilies are those that PostgreSQL runs on, with encryption at rest.
func databaseFamilies() []family {
	return []family{
		{"t3", burstable}, {"t4g", burstable},
		{"m5", upTo24}, {"m5d", upTo24},
		{"m6g", upTo16}, {"m6gd", upTo16}, {"m6i", upTo32}, {"m6id", upTo32}, {"m6idn", upTo32}, {"m6in", upTo32},
		{"m7g", upTo16}, {"m7i", upTo48}, {"m8g", upTo48}, {"m8gd", upTo48},
		{"r5", upTo24}, {"r5b", upTo24}, {"r5d", upTo24},
		{"r6g", upTo16}, {"r6gd", upTo16}, {"r6i", upTo32}, {"r6id", upTo32}, {"r6idn", upTo32}, {"r6in", upTo32},
		{"r7g", upTo16}, {"r7i", upTo48}, {"r8g", upTo48}, {"r8gd", upTo48},
		{"x2g", upTo16}, {"x2idn", "16xlarge 24xlarge 32xlarge"}, {"x2iedn", "xlarge 2xlarge 4xlarge 8xlarge 16xlarge 24xlarge 32xlarge"},
	}
}

// cacheFamilies leaves out r6gd: its data tiering has to be asked for.
func cacheFamilies() []family {
	return []family{
		{"t3", "micro small medium"}, {"t4g", "micro small medium"},
		{"m5", "large xlarge 2xlarge 4xlarge 12xlarge 24xlarge"}, {"m6g", upTo16}, {"m7g", upTo16},
		{"r5", "large xlarge 2xlarge 4xlarge 12xlarge 24xlarge"}, {"r6g", upTo16}, {"r7g", upTo16},
		{"c7gn", upTo16},
	}
}

// instance checks a name such as db.t4g.micro: kind, family and size.
func (c *values) instance(path, kind, name, what string, families []family) {
	example := kind + ".t4g.micro"
	parts := strings.Split(name, ".")
	if !c.must(len(parts) == 3 && parts[0] == kind, path, name, "is not "+what+": "+kind+", family and size, with dots between", example) {
		return
	}
	i := slices.IndexFunc(families, func(f family) bool { return f.name == parts[1] })
	if i < 0 {
		known := names(families, func(f family) string { return f.name })
		c.must(false, path, name, "is not "+what+", whose families are "+strings.Join(known, ", "), example)
		return
	}
	sizes := strings.Fields(families[i].sizes)
	c.must(slices.Contains(sizes, parts[2]), path, name, "is not "+what+": "+parts[1]+" comes in "+strings.Join(sizes, ", "),
		kind+"."+parts[1]+"."+sizes[0])
}
