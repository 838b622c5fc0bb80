package configtest

import (
	"time"

	"github.com/specboard/platform/gen/config"
)

// Market is a platform whose whole life an end-to-end test runs, with the sample
// application as its images: a website, an internal search, two workers with a queue
// each, one of which runs the search's image, and two tasks with a schedule; on ARM,
// without a cache, in a region of its own.
func Market() config.Platform {
	const arm = "linux/arm64"
	checked := []string{"CMD", "sample", "check"}
	often := config.Health{Interval: 5 * time.Second, Timeout: 3 * time.Second, Retries: 2}
	return config.Platform{
		Name:              "market",
		Region:            "ap-southeast-2",
		AvailabilityZones: []string{"ap-southeast-2a", "ap-southeast-2c"},
		Account:           "456789012345",
		Domain:            "market.example",
		Repository:        config.Repository{Owner: "acme", Name: "market", Branch: "trunk", OwnerID: 1234567, ID: 192837465},
		PostgresVersion:   "17",

		Services: []config.Service{
			{
				Name:       "web",
				Image:      config.Image{Context: "web", Platform: arm},
				Port:       8080,
				Default:    true,
				HealthPath: "/health",
				Health:     often,
				Calls:      []string{"search"},
				Secrets:    []string{"cookie-key"},
				Sends:      []string{"mail", "pages"},
			},
			{
				Name:          "search",
				Image:         config.Image{Context: "search", Platform: arm},
				Port:          9200,
				HealthCommand: []string{"CMD-SHELL", "wget -q -O- localhost:9200/health"},
				Health:        often,
			},
			{
				Name:          "mail",
				Image:         config.Image{Context: "mail", Platform: arm},
				HealthCommand: checked,
				Health:        often,
				Database:      true,
				Secrets:       []string{"mail-login"},
				Receives:      []string{"mail"},
				Environment:   map[string]string{"SAMPLE_RECEIVE": "mail"},
			},
			{
				Name:          "index",
				Image:         config.Image{Service: "search"},
				Command:       []string{"sample", "-service", "index", "-receive", "pages"},
				HealthCommand: checked,
				Health:        often,
				Database:      true,
				Calls:         []string{"search"},
				Receives:      []string{"pages"},
			},
		},

		Tasks: []config.Task{
			{Name: "migrate", Service: "mail", Command: []string{"migrate", "up"}, CPU: 256, Memory: 512, Database: true},
			{
				Name: "report", Service: "mail", Command: []string{"sample", "report"}, CPU: 256, Memory: 512, Database: true,
				Schedule: config.Schedule{Expression: "rate(10 minutes)"},
			},
			{
				Name: "digest", Service: "search", Command: []string{"sample", "report"}, CPU: 256, Memory: 512, Database: true,
				Schedule: config.Schedule{Expression: "cron(0 7 ? * MON *)", TimeZone: "Australia/Sydney"},
			},
		},

		Secrets: []config.Secret{
			{Name: "cookie-key", Kind: config.Generated, Variable: "COOKIE_KEY", Length: 40},
			{Name: "database", Kind: config.DatabaseCredentials, Variable: "DB_PASSWORD", Length: 32},
			{Name: "mail-login", Kind: config.DatabaseRole, Grants: config.GrantWrite, Length: 32},
		},

		// A release that crashes receives messages without handling them, and they
		// must not become dead letters by that.
		Queues: []config.Queue{
			{Name: "mail", Visibility: 15 * time.Second, MaxReceives: 50},
			{Name: "pages", Visibility: 15 * time.Second, MaxReceives: 50},
		},

		Environments: []config.Environment{
			{
				Name:             "trial",
				Subdomain:        "trial",
				Network:          config.Network{CIDR: "10.60.0.0/16", NATGateways: 1},
				Database:         config.Database{InstanceClass: "db.t4g.micro", StorageGiB: 20, MaxStorageGiB: 50, BackupRetentionDays: 1},
				Size:             config.Size{CPU: 256, Memory: 512, MinTasks: 1, MaxTasks: 1},
				Alarms:           config.Alarms{CPUPercent: 90, MemoryPercent: 90, HTTP5xx: 10, Period: 5 * time.Minute},
				LogRetentionDays: 7,
			},
			{
				Name:      "live",
				Protected: true,
				Network:   config.Network{CIDR: "10.70.0.0/16", NATGateways: 2},
				Database: config.Database{
					InstanceClass: "db.m7g.large", StorageGiB: 100, MaxStorageGiB: 400, MultiAZ: true, BackupRetentionDays: 14, DeletionProtection: true,
				},
				Size:             config.Size{CPU: 512, Memory: 1024, MinTasks: 2, MaxTasks: 6, TargetCPUPercent: 60},
				Alarms:           config.Alarms{CPUPercent: 80, MemoryPercent: 80, HTTP5xx: 10, Period: 5 * time.Minute, Emails: []string{"on-call@acme-market.com"}},
				LogRetentionDays: 90,
				Proof:            &config.Proof{From: "trial", MinimumBake: 10 * time.Minute},
			},
		},
	}
}
