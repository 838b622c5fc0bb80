package configtest

import (
	"time"

	"github.com/specboard/platform/gen/config"
)

// Shop is a platform of five services, two of them internal and one a worker
// that runs another's image, two tasks with a schedule, and three environments in
// another region, with a hosted zone of its own. No service is the default one, and
// a release needs two proofs to reach live.
func Shop() config.Platform {
	return config.Platform{
		Name:              "shop",
		Region:            "eu-central-1",
		AvailabilityZones: []string{"eu-central-1a", "eu-central-1b", "eu-central-1c"},
		Account:           "210987654321",
		Domain:            "shop.example",
		ZoneID:            "Z0ABCDEFGHIJKLMNOPQRS",
		Repository:        config.Repository{Owner: "acme", Name: "shop", Branch: "trunk"},
		PostgresVersion:   "17",
		ValkeyVersion:     "8.0",

		Services: []config.Service{
			{
				Name:        "store",
				Image:       config.Image{Context: "store", Platform: "linux/arm64"},
				Port:        8080,
				Routes:      []string{"/", "/store/*"},
				Priority:    10,
				HealthPath:  "/healthz",
				Health:      config.Health{Matcher: "200-204"},
				Timeouts:    config.Timeouts{Drain: time.Minute},
				Cache:       true,
				Calls:       []string{"orders", "stock"},
				Sends:       []string{"mail"},
				Buckets:     []string{"invoices"},
				Environment: map[string]string{"CURRENCY": "EUR"},
			},
			{
				Name:          "orders",
				Port:          8081,
				HealthCommand: []string{"CMD", "/bin/orders", "check"},
				Health:        config.Health{Interval: 30 * time.Second, Timeout: 3 * time.Second, Retries: 5, StartPeriod: 2 * time.Minute},
				Database:      true,
				Secrets:       []string{"payment-key"},
			},
			{
				Name:          "stock",
				Port:          8082,
				HealthCommand: []string{"CMD-SHELL", "wget -q -O- localhost:8082/ready"},
				Timeouts:      config.Timeouts{Request: 20 * time.Second, Idle: 30 * time.Second, Stop: time.Minute},
				Database:      true,
				Cache:         true,
				Secrets:       []string{"stock-login"},
				Receives:      []string{"stock-changes"},
				Security:      config.Security{User: "1000:1000", NoCapabilities: true, ReadOnlyRoot: true, Writable: []string{"/tmp", "/var/cache/stock"}},
			},
			{
				Name:       "admin",
				Port:       8083,
				Hosts:      []string{"admin"},
				Priority:   20,
				HealthPath: "/healthz",
				Calls:      []string{"orders"},
				Secrets:    []string{"cookie-key"},
			},
			{
				Name:          "mail",
				Image:         config.Image{Service: "orders"},
				Command:       []string{"/bin/orders", "mail"},
				HealthCommand: []string{"CMD", "/bin/orders", "check"},
				Timeouts:      config.Timeouts{Stop: 2 * time.Minute},
				Database:      true,
				Calls:         []string{"stock"},
				Secrets:       []string{"payment-key"},
				Permissions: []config.Permission{
					{Actions: []string{"ses:SendEmail"}, Resources: []string{"arn:aws:ses:eu-central-1:210987654321:identity/shop.example"}},
				},
				Receives: []string{"mail"},
				MailFrom: "orders",
			},
		},

		Tasks: []config.Task{
			{
				Name:     "migrate",
				Service:  "orders",
				Command:  []string{"/bin/migrate", "up"},
				CPU:      512,
				Memory:   1024,
				Database: true,
			},
			{
				Name:     "report",
				Service:  "orders",
				Command:  []string{"/bin/orders", "report"},
				Secrets:  []string{"report-login"},
				Sends:    []string{"mail", "stock-changes"},
				Buckets:  []string{"invoices"},
				Schedule: config.Schedule{Expression: "cron(0 6 ? * MON-FRI *)", TimeZone: "Europe/Berlin", Retries: 5, MaximumAge: 30 * time.Minute},
				CPU:      512,
				Memory:   1024,
				Database: true,
			},
			{
				Name:     "expire",
				Service:  "stock",
				Command:  []string{"/bin/stock", "expire"},
				Schedule: config.Schedule{Expression: "rate(15 minutes)", Retries: -1},
				CPU:      256,
				Memory:   512,
				Cache:    true,
			},
		},

		Secrets: []config.Secret{
			{Name: "cookie-key", Kind: config.Generated, Variable: "COOKIE_KEY", Length: 40, Version: 3},
			{
				Name:     "payment-key",
				Kind:     config.Provided,
				Variable: "PAYMENT_KEY",
				Hint:     "the payment provider's key",
			},
			{Name: "postgres", Kind: config.DatabaseCredentials, Variable: "PGPASSWORD", Length: 32},
			{Name: "stock-login", Kind: config.DatabaseRole, Grants: config.GrantWrite, Length: 32, Version: 2},
			{Name: "report-login", Kind: config.DatabaseRole, Grants: config.GrantRead, Length: 32},
		},

		Buckets: []config.Bucket{{Name: "invoices"}},
		Queues: []config.Queue{
			{Name: "mail", Visibility: time.Minute, MaxReceives: 3, AlarmAge: 10 * time.Minute},
			{Name: "stock-changes"},
		},

		Redirects: []config.Redirect{
			{Path: "/shop/*", Location: "/store/#{path}", Priority: 5},
			{Host: "help", Location: "https://help.example/?from=#{host}", Status: 302, Priority: 6},
		},

		Environments: []config.Environment{
			{
				Name:      "qa",
				Subdomain: "qa",
				Network:   config.Network{CIDR: "172.16.0.0/18", NATGateways: 1},
				Database: config.Database{
					InstanceClass:       "db.t4g.medium",
					StorageGiB:          50,
					MaxStorageGiB:       200,
					BackupRetentionDays: 3,
				},
				Cache:            config.Cache{NodeType: "cache.t4g.small", Nodes: 1},
				Size:             config.Size{CPU: 512, Memory: 1024, MinTasks: 1, MaxTasks: 3, TargetCPUPercent: 70},
				Alarms:           config.Alarms{CPUPercent: 90, MemoryPercent: 85, HTTP5xx: 50, Period: 10 * time.Minute},
				Variables:        map[string]map[string]string{"store": {"CURRENCY": "XTS"}, "mail": {"REDIRECT_TO": "qa@shop.example"}},
				AllowedCIDRs:     []string{"192.0.2.0/24", "198.51.100.7/32"},
				LogRetentionDays: 7,
			},
			{
				Name:      "rehearsal",
				Subdomain: "rehearsal",
				Network:   config.Network{CIDR: "172.17.0.0/18", NATGateways: 1},
				Database: config.Database{
					InstanceClass:       "db.m7g.large",
					StorageGiB:          100,
					MaxStorageGiB:       400,
					BackupRetentionDays: 2,
				},
				Cache:            config.Cache{NodeType: "cache.m7g.large", Nodes: 2},
				Size:             config.Size{CPU: 1024, Memory: 2048, MinTasks: 1, MaxTasks: 1},
				Alarms:           config.Alarms{CPUPercent: 90, MemoryPercent: 85, HTTP5xx: 50, Period: 10 * time.Minute},
				LogRetentionDays: 14,
				Schedules:        map[string]config.Schedule{"report": {}, "expire": {Expression: "rate(1 hour)"}},
				Proof:            &config.Proof{From: "qa", MinimumBake: time.Minute},
			},
			{
				Name:      "live",
				WWW:       config.WWWServes,
				Firewall:  config.Firewall{Rate: 3000, CommonRules: config.CountCommonRules},
				Protected: true,
				Network:   config.Network{CIDR: "172.18.0.0/16", NATGateways: 3, FlowLogDays: 7},
				Database: config.Database{
					InstanceClass:       "db.m7g.xlarge",
					StorageGiB:          200,
					MaxStorageGiB:       1000,
					MultiAZ:             true,
					BackupRetentionDays: 30,
					PerformanceInsights: true,
					Parameters:          map[string]string{"max_connections": "400", "work_mem": "16384"},
					DeletionProtection:  true,
				},
				Cache:            config.Cache{NodeType: "cache.m7g.large", Nodes: 3},
				Size:             config.Size{CPU: 1024, Memory: 2048, MinTasks: 3, MaxTasks: 3},
				Sizes:            map[string]config.Size{"stock": {CPU: 1024, Memory: 2048, MinTasks: 3, MaxTasks: 9, TargetBacklog: 200}, "store": {CPU: 2048, Memory: 4096, MinTasks: 4, MaxTasks: 20, TargetCPUPercent: 50, TargetRequests: 600}},
				Alarms:           config.Alarms{CPUPercent: 75, MemoryPercent: 80, HTTP5xx: 5, Period: time.Minute, Emails: []string{"on-call@example-shop.com"}},
				Maintenance:      config.Maintenance{Window: "tue:22:30-wed:00:30", BackupWindow: "01:00-02:30"},
				IdleTimeout:      10 * time.Minute,
				DMARC:            "v=DMARC1; p=reject",
				LogRetentionDays: 365,
				AccessLogDays:    90,
				Proof:            &config.Proof{From: "rehearsal", MinimumBake: time.Hour},
			},
		},
	}
}
