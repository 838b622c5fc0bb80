package render

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/gen/internal/reference"
)

// extended is a platform with one more service, internal, and one
// more environment: two literals.
func extended() config.Platform {
	p := configtest.Docs()
	p.Services = append(p.Services, config.Service{
		Name: "storage", Port: 3003, HealthCommand: []string{"CMD-SHELL", "wget -q -O- localhost:3003/health"}, Database: true, Calls: []string{"api"},
	})
	p.Environments = append(p.Environments, config.Environment{
		Name:             "preview",
		Subdomain:        "preview",
		Network:          config.Network{CIDR: "10.30.0.0/16", NATGateways: 1},
		Database:         config.Database{InstanceClass: "db.t4g.micro", StorageGiB: 20, MaxStorageGiB: 50, BackupRetentionDays: 1},
		Cache:            config.Cache{NodeType: "cache.t4g.micro", Nodes: 1},
		Size:             config.Size{CPU: 512, Memory: 1024, MinTasks: 1, MaxTasks: 1},
		Alarms:           config.Alarms{CPUPercent: 90, MemoryPercent: 90, HTTP5xx: 50, Period: 5 * time.Minute},
		LogRetentionDays: 7,
	})
	return p
}

// TestExtend adds a service and an environment and looks for both everywhere
// they belong.
func TestExtend(t *testing.T) {
	p := extended()
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	tree := renderTree(t, p)
	if err := reference.Check(tree); err != nil {
		t.Error(err)
	}
	for _, root := range []string{"staging", "production", "preview"} {
		services := string(tree["envs/"+root+"/services.tf"])
		_, storage, found := strings.Cut(services, `module "storage" {`)
		if !found {
			t.Errorf("envs/%s/services.tf has no module storage", root)
		}
		if strings.Contains(storage, "load_balancer") {
			t.Errorf("envs/%s: the internal service hangs on the load balancer", root)
		}
		if !regexp.MustCompile(`API_URL += "http://api:3001"`).MatchString(storage) {
			t.Errorf("envs/%s: storage does not know where api is:\n%s", root, storage)
		}
	}
	if s := string(tree["envs/shared/repositories.tf"]); !strings.Contains(s, `"doc-platform/storage"`) {
		t.Errorf("no repository for the images of storage:\n%s", s)
	}
	if s := string(tree["envs/shared/github.tf"]); !strings.Contains(s, `domain    = "preview.specboard.io"`) {
		t.Errorf("no deploy role for preview:\n%s", s)
	} else if strings.Contains(s, "repository_ids") {
		t.Errorf("ids of a repository that has none in the configuration:\n%s", s)
	}
	p.Repository.OwnerID, p.Repository.ID = 1234567, 987654321
	const want = "repository_ids = {\n    owner      = \"1234567\"\n    repository = \"987654321\"\n  }"
	if s := string(renderTree(t, p)["envs/shared/github.tf"]); !strings.Contains(s, want) {
		t.Errorf("the repository's ids are missing:\n%s", s)
	}
}

// manyServices is a platform of n services.
func manyServices(n int) config.Platform {
	p := configtest.Docs()
	for i := len(p.Services); i < n; i++ {
		s := p.Services[2]
		s.Name = fmt.Sprintf("s%03d", i)
		s.HealthPath, s.HealthCommand = "", []string{"CMD", "/bin/check"}
		s.Routes, s.Priority = nil, 0 // internal: one load balancer has 100 rules
		p.Services = append(p.Services, s)
	}
	return p
}

// With 300 services the workflow roles and the boundaries are given exactly what
// they are given with 3, so their policies stay as long as the tests of roles
// measure them; and a service's own block does not grow with the others.
func TestPoliciesDoNotGrowWithServices(t *testing.T) {
	tree := func(n int) map[string][]byte {
		p := manyServices(n)
		for i := range p.Services[3:] {
			p.Services[3+i].Database, p.Services[3+i].Calls = false, nil // a security group has 60 rules
		}
		if err := p.Validate(); err != nil {
			t.Fatal(err)
		}
		return renderTree(t, p)
	}
	few, many := tree(4), tree(300)
	for path, content := range few {
		if (strings.HasPrefix(path, "modules/") || path == "envs/shared/github.tf") && !bytes.Equal(many[path], content) {
			t.Errorf("%s is another one with 300 services", path)
		}
	}
	own := func(of map[string][]byte) string {
		_, block, _ := strings.Cut(string(of["envs/production/services.tf"]), `module "s003" {`)
		block, _, _ = strings.Cut(block, "\n}\n")
		return block
	}
	if own(few) != own(many) || own(few) == "" {
		t.Errorf("a service grows with the others:\n%s", own(many))
	}
	if n := bytes.Count(many["envs/production/services.tf"], []byte("\nmodule ")); n != 300 {
		t.Errorf("%d services, want 300", n)
	}
}

// BenchmarkRender renders the platform as it is, and grown to 300 and 900
// services, which shows that the time is linear in them.
func BenchmarkRender(b *testing.B) {
	for name, p := range map[string]config.Platform{
		"services=3": configtest.Docs(), "services=300": manyServices(300), "services=900": manyServices(900),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := Render(p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A variable of an environment reaches the container there and nowhere else, in
// place of the service's own value.
func TestVariablesOfAnEnvironment(t *testing.T) {
	p := configtest.Docs()
	p.Services[0].Environment = map[string]string{"LOG_LEVEL": "info"}
	p.Environments[0].Variables = map[string]map[string]string{"api": {"LOG_LEVEL": "debug"}, "migrate": {"DRY": "no"}}
	for file, content := range renderTree(t, p) {
		for path, want := range map[string]map[string]int{
			"envs/staging/":    {`= "debug"`: 1, `= "info"`: 0, "DRY ": 1},
			"envs/production/": {`= "debug"`: 0, `= "info"`: 1, "DRY ": 0},
		} {
			for text, n := range want {
				if name := strings.TrimPrefix(file, path); (name == "services.tf" && text != "DRY " || name == "tasks.tf" && text == "DRY ") && strings.Count(string(content), text) != n {
					t.Errorf("%s has %s %d times, want %d:\n%s", file, text, strings.Count(string(content), text), n, content)
				}
			}
		}
	}
}

// TestContainersAreRendered looks for a service's sidecars and further ports.
func TestContainersAreRendered(t *testing.T) {
	const file = "envs/test/services.tf"
	content := string(renderTree(t, configtest.Mill())[file])
	for _, want := range []string{
		"depends_on_sidecars = {\n    logs = \"START\"\n    otel = \"HEALTHY\"\n  }",
		"log_router = {\n        type = \"fluentbit\"\n      }",
		"cpu     = 32\n      depends_on = {\n        logs = \"START\"\n      }\n      environment = {\n        APP_ENV = \"test\"\n      }\n      essential      = false\n",
		"SCALE_METRICS_URL     = \"http://scale-metrics:9090\"", "SCALE_WEIGHTS_ADDRESS = \"scale-weights:9000\"",
		"scale-weights = {\n      port              = 9000\n      security_group_id = module.scale.security_group_id\n    }",
		"metrics = {\n      number   = 9090\n      protocol = \"http\"\n    }",
		"memory         = 128\n      ports          = [4317, 4318]",
	} {
		if !strings.Contains(content, want) {
			t.Errorf("%s lacks %s:\n%s", file, want, content)
		}
	}
}

// TestSchedulesAndQueues looks for the schedules of tasks where they run by
// themselves, and for queues where messages are sent and received.
func TestSchedulesAndQueues(t *testing.T) {
	tree := renderTree(t, configtest.Shop())
	for path, want := range map[string][]string{
		"envs/qa/schedules.tf": {
			`report = {
      absent_after      = 264600
      expression        = "cron(0 6 ? * MON-FRI *)"
      maximum_age       = 1800
      retries           = 5
      security_group_id = module.report.security_group_id
      template_arn      = module.report.template_arn
      time_zone         = "Europe/Berlin"
    }`,
			`expire = {
      absent_after      = 8100
      expression        = "rate(15 minutes)"
      maximum_age       = 3600
      retries           = 0
`,
		},
		"envs/qa/buckets.tf":   {`invoices = "shop-qa-invoices-210987654321"`, "force_destroy = true", "versioned     = true"},
		"envs/live/buckets.tf": {"force_destroy = false"},
		"envs/qa/queues.tf": {
			"mail = {\n      alarm_age  = 600\n      receives   = 3\n      visibility = 60\n    }",
			"stock-changes = {\n      alarm_age  = 900\n      receives   = 5\n      visibility = 300\n    }",
		},
		"envs/qa/services.tf": {
			`INVOICES_BUCKET = module.buckets["invoices"].name`,
			`= [module.buckets["invoices"].arn]`,
			`MAIL_QUEUE_URL = module.queues.urls["mail"]`,
			`receives = [module.queues.arns["stock-changes"]]`,
			`sends = [module.queues.arns["mail"]]`,
			`MAIL_FROM      = "orders@qa.shop.example"`,
			`mail_from          = "orders@qa.shop.example"`,
		},
		"envs/qa/tasks.tf":            {`STOCK_CHANGES_QUEUE_URL = module.queues.urls["stock-changes"]`},
		"envs/live/services.tf":       {`backlog_queues = [module.queues.names["stock-changes"]]`, "target_backlog = 200"},
		"envs/qa/mail.tf":             {`dkim_domain = "dkim.amazonses.com"`, `domain      = "qa.shop.example"`, `zone_id     = "Z0ABCDEFGHIJKLMNOPQRS"`},
		"envs/live/mail.tf":           {`dmarc       = "v=DMARC1; p=reject"`, `domain      = "shop.example"`},
		"envs/rehearsal/schedules.tf": {`expression        = "rate(1 hour)"`},
	} {
		for _, w := range want {
			if !strings.Contains(string(tree[path]), w) {
				t.Errorf("%s lacks %s:\n%s", path, w, tree[path])
			}
		}
	}
	if s := string(tree["envs/rehearsal/schedules.tf"]); strings.Contains(s, "report") {
		t.Errorf("rehearsal switched the report off:\n%s", s)
	}
	for file, content := range renderTree(t, configtest.Docs()) {
		if strings.HasSuffix(file, "schedules.tf") || strings.HasSuffix(file, "queues.tf") || strings.HasSuffix(file, "buckets.tf") || strings.HasPrefix(file, "envs/") && strings.Contains(string(content), "queues") {
			t.Errorf("a platform without schedules and queues has some:\n%s: %s", file, content)
		}
	}
}
