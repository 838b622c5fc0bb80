package config

import "time"

// sample builds the sample application, which stands in for a service until it has a
// Dockerfile of its own.
const sample = "tfpipeline/internal/localaws/sample/Dockerfile"

// Default is doc-platform, the platform this repository deploys. To add a
// service or an environment, add one literal here and run make gen.
func Default() Platform {
	return Platform{
		Name:              "doc-platform",
		Region:            "us-west-2",
		AvailabilityZones: []string{"us-west-2a", "us-west-2b"},
		// The account that AWS's own documentation uses. Set yours before
		// bootstrap: Terraform refuses to work in any other.
		Account:           "123456789012",
		Domain:            "specboard.io",
		Repository:        Repository{Owner: "specboard", Name: "doc-platform", Branch: "main"},
		PostgresVersion:   "16",
		RedisVersion:      "7.1",
		CacheTokenVersion: 1,

		Services: []Service{
			{
				Name:       "api",
				Image:      Image{Dockerfile: sample},
				Port:       3001,
				Routes:     []string{"/api/*", "/oauth/*", "/.well-known/*"},
				Priority:   100,
				HealthPath: "/health",
				Database:   true,
				Cache:      true,
				Secrets:    []string{"session-secret", "invite-keys"},
			},
			{
				Name:       "frontend",
				Image:      Image{Dockerfile: sample},
				Port:       3000,
				Default:    true,
				HealthPath: "/health",
				Cache:      true,
			},
			{
				Name:       "mcp",
				Image:      Image{Dockerfile: sample},
				Port:       3002,
				Routes:     []string{"/mcp", "/mcp/*"},
				Priority:   200,
				HealthPath: "/health",
				Database:   true,
				Calls:      []string{"api"},
			},
		},

		Tasks: []Task{
			{
				Name:     "migrate",
				Service:  "api",
				Command:  []string{"migrate", "up"},
				CPU:      256,
				Memory:   512,
				Database: true,
				Security: Security{NoCapabilities: true, ReadOnlyRoot: true},
			},
			{
				Name:     "seed",
				Service:  "api",
				Command:  []string{"seed"},
				CPU:      256,
				Memory:   512,
				Database: true,
				Secrets:  []string{"superadmin-password"},
				Security: Security{NoCapabilities: true, ReadOnlyRoot: true},
			},
		},

		Secrets: []Secret{
			{Name: "db-credentials", Kind: DatabaseCredentials, Variable: "DB_PASSWORD", Length: 48},
			{Name: "session-secret", Kind: Generated, Variable: "SESSION_SECRET", Length: 64},
			{Name: "superadmin-password", Kind: Generated, Variable: "SUPERADMIN_PASSWORD", Length: 32},
			{
				Name:     "invite-keys",
				Kind:     Provided,
				Variable: "INVITE_KEYS",
				Hint:     "the invitation keys, separated by commas",
			},
		},

		Environments: []Environment{
			{
				Name:      "staging",
				Subdomain: "staging",
				Network:   Network{CIDR: "10.10.0.0/16", NATGateways: 1},
				Database: Database{
					InstanceClass:       "db.t4g.micro",
					StorageGiB:          20,
					MaxStorageGiB:       100,
					BackupRetentionDays: 1,
				},
				Cache:            Cache{NodeType: "cache.t4g.micro", Nodes: 1},
				Maintenance:      Maintenance{ApplyImmediately: true},
				Size:             Size{CPU: 256, Memory: 512, MinTasks: 1, MaxTasks: 1},
				Alarms:           Alarms{CPUPercent: 80, MemoryPercent: 80, HTTP5xx: 10, Period: 5 * time.Minute},
				LogRetentionDays: 30,
				Exec:             true,
			},
			{
				Name:      "production",
				Protected: true,
				Network:   Network{CIDR: "10.20.0.0/16", NATGateways: 2, FlowLogDays: 14},
				Database: Database{
					InstanceClass:       "db.t4g.small",
					StorageGiB:          20,
					MaxStorageGiB:       100,
					MultiAZ:             true,
					BackupRetentionDays: 7,
					DeletionProtection:  true,
					PerformanceInsights: true,
				},
				Cache: Cache{NodeType: "cache.t4g.micro", Nodes: 1, SnapshotDays: 7},
				Size:  Size{CPU: 256, Memory: 512, MinTasks: 2, MaxTasks: 6, TargetCPUPercent: 60},
				// Replace this placeholder with your address; bootstrap lists the addresses
				// that have not confirmed.
				Alarms:           Alarms{CPUPercent: 80, MemoryPercent: 80, HTTP5xx: 10, Period: 5 * time.Minute, Emails: []string{"on-call@specboard.io"}},
				LogRetentionDays: 30,
				AccessLogDays:    30,
				Proof:            &Proof{From: "staging", MinimumBake: 10 * time.Minute},
			},
		},
	}
}
