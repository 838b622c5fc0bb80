package configtest

import (
	"time"

	"github.com/specboard/platform/gen/config"
)

// Docs is a platform of three public services and two environments: the
// release is proved on staging and promoted to production.
func Docs() config.Platform {
	return config.Platform{
		Name:              "doc-platform",
		Region:            "us-west-2",
		AvailabilityZones: []string{"us-west-2a", "us-west-2b"},
		Account:           "123456789012",
		Domain:            "specboard.io",
		Repository:        config.Repository{Owner: "specboard", Name: "doc-platform", Branch: "main"},
		PostgresVersion:   "16",
		RedisVersion:      "7.1",
		CacheTokenVersion: 1,

		Services: []config.Service{
			{
				Name:       "api",
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
				Port:       3000,
				Default:    true,
				HealthPath: "/health",
				Cache:      true,
			},
			{
				Name:       "mcp",
				Port:       3002,
				Routes:     []string{"/mcp", "/mcp/*"},
				Priority:   200,
				HealthPath: "/health",
				Database:   true,
				Calls:      []string{"api"},
			},
		},

		Tasks: []config.Task{
			{
				Name:     "migrate",
				Service:  "api",
				Command:  []string{"migrate", "up"},
				CPU:      256,
				Memory:   512,
				Database: true,
			},
			{
				Name:     "seed",
				Service:  "api",
				Command:  []string{"seed"},
				CPU:      256,
				Memory:   512,
				Database: true,
				Secrets:  []string{"superadmin-password"},
			},
		},

		Secrets: []config.Secret{
			{Name: "db-credentials", Kind: config.DatabaseCredentials, Variable: "DB_PASSWORD", Length: 48},
			{Name: "session-secret", Kind: config.Generated, Variable: "SESSION_SECRET", Length: 64},
			{Name: "superadmin-password", Kind: config.Generated, Variable: "SUPERADMIN_PASSWORD", Length: 32},
			{
				Name:     "invite-keys",
				Kind:     config.Provided,
				Variable: "INVITE_KEYS",
				Hint:     "the invitation keys, separated by commas",
			},
		},

		Environments: []config.Environment{
			{
				Name:      "staging",
				Subdomain: "staging",
				Network:   config.Network{CIDR: "10.10.0.0/16", NATGateways: 1},
				Database: config.Database{
					InstanceClass:       "db.t4g.micro",
					StorageGiB:          20,
					MaxStorageGiB:       100,
					BackupRetentionDays: 1,
				},
				Cache:            config.Cache{NodeType: "cache.t4g.micro", Nodes: 1},
				Maintenance:      config.Maintenance{ApplyImmediately: true},
				Size:             config.Size{CPU: 256, Memory: 512, MinTasks: 1, MaxTasks: 1},
				Alarms:           config.Alarms{CPUPercent: 80, MemoryPercent: 80, HTTP5xx: 10, Period: 5 * time.Minute},
				LogRetentionDays: 30,
				Exec:             true,
			},
			{
				Name:      "production",
				Protected: true,
				Network:   config.Network{CIDR: "10.20.0.0/16", NATGateways: 2, FlowLogDays: 14},
				Database: config.Database{
					InstanceClass:       "db.t4g.small",
					StorageGiB:          20,
					MaxStorageGiB:       100,
					MultiAZ:             true,
					BackupRetentionDays: 7,
					DeletionProtection:  true,
					PerformanceInsights: true,
				},
				Cache:            config.Cache{NodeType: "cache.t4g.micro", Nodes: 1, SnapshotDays: 7},
				Size:             config.Size{CPU: 256, Memory: 512, MinTasks: 2, MaxTasks: 6, TargetCPUPercent: 60},
				Alarms:           config.Alarms{CPUPercent: 80, MemoryPercent: 80, HTTP5xx: 10, Period: 5 * time.Minute, Emails: []string{"on-call@specboard.io"}},
				LogRetentionDays: 30,
				AccessLogDays:    30,
				Proof:            &config.Proof{From: "staging", MinimumBake: 10 * time.Minute},
			},
		},
	}
}
