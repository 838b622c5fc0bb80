package configtest

import (
	"time"

	"github.com/specboard/platform/gen/config"
)

// Mill is the smallest platform: a worker and the internal service that it calls. It
// has no load balancer, domain, database, cache, secrets or one-off tasks.
func Mill() config.Platform {
	return config.Platform{
		Name:              "mill",
		Region:            "eu-north-1",
		AvailabilityZones: []string{"eu-north-1a", "eu-north-1b"},
		Account:           "345678901234",
		Repository:        config.Repository{Owner: "acme", Name: "mill", Branch: "main", OwnerID: 1234567, ID: 987654321},

		Services: []config.Service{
			{
				Name:          "grind",
				Image:         config.Image{Context: "grind"},
				HealthCommand: []string{"CMD", "/bin/grind", "check"},
				Calls:         []string{"scale"},
				Permissions: []config.Permission{
					{Actions: []string{"s3:GetObject", "s3:PutObject"}, Resources: []string{"arn:aws:s3:::mill-flour-{environment}/*"}},
				},
			},
			{
				Name:          "scale",
				Image:         config.Image{Context: "scale"},
				Port:          8080,
				Ports:         []config.Port{{Name: "metrics", Number: 9090}, {Name: "weights", Number: 9000, Protocol: "grpc"}, {Name: "serial", Number: 9100, Protocol: "tcp"}},
				HealthCommand: []string{"CMD", "/bin/scale", "check"},
				Sidecars: []config.Sidecar{
					{
						Name:      "logs",
						Image:     "public.ecr.aws/aws-observability/aws-for-fluent-bit:2.32.5",
						LogRouter: config.LogRouter{Type: "fluentbit"},
					},
					{
						Name:          "otel",
						Image:         "public.ecr.aws/aws-observability/aws-otel-collector:v0.43.3",
						Command:       []string{"--config=/etc/ecs/ecs-default-config.yaml"},
						Optional:      true,
						Ports:         []int{4317, 4318},
						HealthCommand: []string{"CMD", "/healthcheck"},
						CPU:           32,
						Memory:        128,
						DependsOn:     []config.Dependency{{Container: "logs", Condition: "START"}},
					},
				},
				DependsOn: []config.Dependency{{Container: "logs", Condition: "START"}, {Container: "otel", Condition: "HEALTHY"}},
			},
		},

		Environments: []config.Environment{
			{
				Name:             "test",
				Network:          config.Network{CIDR: "10.40.0.0/16", NATGateways: 1},
				Size:             config.Size{CPU: 256, Memory: 512, MinTasks: 1, MaxTasks: 1, Spot: true},
				Alarms:           config.Alarms{CPUPercent: 90, MemoryPercent: 90, Period: 5 * time.Minute},
				LogRetentionDays: 7,
			},
			{
				Name:      "live",
				Protected: true,
				Network:   config.Network{CIDR: "10.50.0.0/16", NATGateways: 2},
				Size: config.Size{CPU: 512, Memory: 1024, EphemeralStorageGiB: 50, MinTasks: 2, MaxTasks: 4, TargetMemoryPercent: 70,
					Minimums: []config.Minimum{
						{Name: "day", Expression: "cron(0 6 ? * MON-FRI *)", TimeZone: "Europe/Stockholm", MinTasks: 3},
						{Name: "night", Expression: "cron(0 20 ? * MON-FRI *)", TimeZone: "Europe/Stockholm", MinTasks: 2},
					}},
				Alarms:           config.Alarms{CPUPercent: 90, MemoryPercent: 90, Period: 5 * time.Minute, Emails: []string{"on-call@acme-mill.com"}},
				LogRetentionDays: 30,
				Proof:            &config.Proof{From: "test", MinimumBake: 10 * time.Minute},
			},
		},
	}
}
